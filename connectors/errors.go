package connectors

import (
	"errors"
	"fmt"
	"time"
)

// Outcome says what is known about a failed send.
type Outcome uint8

const (
	// NotSent: the network has certainly not taken it; a retry is safe.
	NotSent Outcome = iota
	// Rejected: the network refused it for good; a retry is pointless.
	Rejected
	// Unknown: the request left and the answer was lost or unreadable. What
	// happens is the channel's policy.
	Unknown
)

func (o Outcome) String() string {
	switch o {
	case NotSent:
		return "not_sent"
	case Rejected:
		return "rejected"
	default:
		return "unknown"
	}
}

// Reason is why a send failed, or a message is dead: a closed list that is
// also the metric label.
type Reason string

// Reasons of sends.
const (
	ReasonRate      Reason = "rate"      // the network asks for patience
	ReasonAuth      Reason = "auth"      // credentials refused
	ReasonConflict  Reason = "conflict"  // somebody else works this account
	ReasonConnect   Reason = "connect"   // no connection: DNS, TCP, TLS
	ReasonTimeout   Reason = "timeout"   // no answer in time
	ReasonCut       Reason = "cut"       // the answer broke off
	ReasonServer    Reason = "server"    // the network is failing (5xx)
	ReasonAnswer    Reason = "answer"    // the answer makes no sense
	ReasonBlocked   Reason = "blocked"   // this customer cannot be reached any more
	ReasonNotFound  Reason = "not_found" // no such conversation
	ReasonWindow    Reason = "window"    // outside the network's reply window
	ReasonContent   Reason = "content"   // the network does not take this content
	ReasonFile      Reason = "file"      // the agent's file cannot be had
	ReasonForbidden Reason = "egress"    // the address guard refused the target
	ReasonCanceled  Reason = "canceled"  // the gateway is stopping
	ReasonBug       Reason = "bug"       // ours
)

// Reasons only the engine gives (dead letters).
const (
	ReasonAddress   Reason = "address"    // TrackingID or RemoteAddress over its limit, or unreadable
	ReasonDeadline  Reason = "deadline"   // not delivered in time
	ReasonUnknown   Reason = "unknown"    // fate unknown, policy report
	ReasonInDoubt   Reason = "in_doubt"   // the core's answer was cut: cannot know
	ReasonNoChannel Reason = "no_channel" // a Port nobody has here
	ReasonRefused   Reason = "refused"    // the journal refused the row alone
	ReasonCore      Reason = "core"       // the core does not take it
	ReasonEncoding  Reason = "encoding"   // cannot be put into a packet
	ReasonDiscarded Reason = "discarded"  // by an operator
)

// SendReasons lists every Reason a connector may give, for metrics and tests.
var SendReasons = []Reason{
	ReasonRate, ReasonAuth, ReasonConflict, ReasonConnect, ReasonTimeout, ReasonCut,
	ReasonServer, ReasonAnswer, ReasonBlocked, ReasonNotFound, ReasonWindow,
	ReasonContent, ReasonFile, ReasonForbidden, ReasonCanceled, ReasonBug,
}

// DeadReasons lists the further reasons of dead letters.
var DeadReasons = []Reason{
	ReasonAddress, ReasonDeadline, ReasonUnknown, ReasonInDoubt, ReasonNoChannel,
	ReasonRefused, ReasonCore, ReasonEncoding, ReasonDiscarded,
}

// SendError is the error of Connector.Send.
type SendError struct {
	Outcome    Outcome
	Reason     Reason
	RetryAfter time.Duration // the network's own wish; 0 = none
	Scope      Scope         // whom RetryAfter concerns
	Code       string        // the network's error code, e.g. "429" or "63016"
	Hint       string        // what an operator can do, one sentence; may be empty
	Err        error         // cause; holds no secret, address or content
}

// Scope is whom a network's wish for patience concerns, as far as can be told.
type Scope uint8

// The scopes. The zero value is the channel's account.
const (
	ScopeAccount Scope = iota
	// ScopeRecipient: this recipient alone. The engine takes it for the account's
	// when a third one hears it meanwhile.
	ScopeRecipient
	// ScopeApp: every channel of the network with the same Sharer.App.
	ScopeApp
)

func (s Scope) String() string {
	return [...]string{"account", "recipient", "app"}[s]
}

func (e *SendError) Error() string {
	s := fmt.Sprintf("%s: %s", e.Outcome, e.Reason)
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *SendError) Unwrap() error { return e.Err }

// AsSendError returns err's *SendError, or for any other error one that says
// Unknown and "bug" (contract, rule 7).
func AsSendError(err error) *SendError {
	if se, ok := errors.AsType[*SendError](err); ok {
		return se
	}
	return &SendError{Outcome: Unknown, Reason: ReasonBug, Err: err}
}
