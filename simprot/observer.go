package simprot

import "time"

// LinkState is where a client is with its connection.
type LinkState string

// The states of a client: Connecting, then Up, Refused or Down; after Up, Down
// or Replaced; then Connecting again.
const (
	LinkConnecting LinkState = "connecting"
	LinkUp         LinkState = "up"
	LinkRefused    LinkState = "refused"  // err is a *RefusedError
	LinkDown       LinkState = "down"     // err says why
	LinkReplaced   LinkState = "replaced" // another process uses the same Peer and Instance; waits 30 s
)

// BadPacket is the kind of a packet that was counted and skipped.
type BadPacket string

// The kinds of bad packets.
const (
	BadUnknownCode    BadPacket = "unknown_code"
	BadDecode         BadPacket = "decode"
	BadOversize       BadPacket = "oversize"
	BadUnaskedAnswer  BadPacket = "unasked_answer" // an answer to no question of this connection
	BadLateAnswer     BadPacket = "late_answer"    // an answer to a question given up or asked again
	BadUnexpectedCode BadPacket = "unexpected"     // session control, or another direction, where it has no place
)

// The outcomes of a question.
const (
	QuestionAnswered = "answered"
	QuestionRepeated = "repeated"  // unanswered in time and asked again: not its end
	QuestionNoAnswer = "no_answer" // given up
	QuestionGone     = "gone"      // the connection ended first
)

// Observer receives counts for metrics and logs. All methods must be cheap
// and not block; they are called from several goroutines.
type Observer interface {
	LinkState(state LinkState, err error)
	// BadPacket counts a skipped packet. code is the other side's word: at most
	// 64 characters, any content, no metric label.
	BadPacket(kind BadPacket, code Code)
	// Question counts a question by the code that asked. took runs from its
	// being queued.
	Question(code Code, outcome string, took time.Duration)
}

// noObserver is the Observer of a client that has none.
type noObserver struct{}

func (noObserver) LinkState(LinkState, error)           {}
func (noObserver) BadPacket(BadPacket, Code)            {}
func (noObserver) Question(Code, string, time.Duration) {}
