package console

import (
	"context"
	"time"

	"servicelink/connectors"
)

// Source is what the pages are made from. Nothing it gives holds a secret, an
// address or content. It is safe for concurrent use. Errors are *Error.
type Source interface {
	Overview(ctx context.Context) (Overview, error)
	// Flow gives the last minutes, oldest first, the running one at the end;
	// channel "" = all of them together.
	Flow(channel string) []Minute
	// Hooks lists what is to be entered at a channel's network, secrets masked.
	Hooks(channel string) []Hook
	// Dead lists dead letters, newest first; channel "" = everybody's, before 0 =
	// from the newest on.
	Dead(ctx context.Context, channel string, before int64, limit int) ([]Letter, error)
	// Suspects lists what may be breaking the connection to the core.
	Suspects() []Letter
	// Stranded sums up what waits for channels that are not served.
	Stranded(ctx context.Context) ([]Stranded, error)
	// StrandedRows lists one such channel's, oldest first, behind after.
	StrandedRows(ctx context.Context, channel string, after int64, limit int) ([]Letter, error)
	Trace(ctx context.Context, q Query) (Trace, error)
	// Diagnosis is the latest there is; Examine makes a new one.
	Diagnosis() Diagnosis
	Examine(ctx context.Context, remote string) error
	// Act does what an operator asks and leaves a line in the log that says who did
	// what. It gives how many messages it was done to.
	Act(ctx context.Context, a Action) (int, error)
}

// Error is a refusal in words for the operator. A Source knows no other: what
// else went wrong is in its log.
type Error struct {
	Status int    // of HTTP
	Text   string // without anything a request brought
}

func (e *Error) Error() string { return e.Text }

// Overview is the whole gateway.
type Overview struct {
	Version  string
	At       time.Time
	Started  time.Time
	Ready    bool
	Core     string // "up", or one word for what is wrong
	Journal  Journal
	Balanced bool // accepted + requeued = done + dead + pending, everywhere
	Channels []Channel
	Suspects int
	Faults   []Fault
}

// Journal is how the journal is.
type Journal struct {
	State    string // "ok", or one word for what is wrong
	Bytes    int64
	MaxBytes int64 // 0 = no limit
	Volatile bool  // nothing survives the process
}

// Fault is one thing that is not well.
type Fault struct {
	Channel string // empty: the gateway
	Gateway string // what people call the channel that is a message gateway
	What    string // one word
	Hint    string // what to do
	Since   time.Time
}

// Channel is one channel: configured, or gone with messages that wait for it.
type Channel struct {
	Name, Network, Port string
	State               string // the word of servicelink_channel_state, or "removed", "broken", "awaits_register"
	// Of a message gateway, whose Name is its id: what people call it, its type of
	// device, and "in" (from customers) or "out".
	Gateway, Device, Direction string
	In, Out                    Books
	LastDead                   *LastDead
}

// Books are one direction of a channel in the journal's ledger.
type Books struct {
	Accepted, Requeued, Done, Dead, Pending int64
	Oldest                                  time.Time // pending since
}

// LastDead is a channel's newest dead letter.
type LastDead struct {
	Seq          int64
	Reason, Hint string
	At           time.Time
}

// Minute is what went through in one minute.
type Minute struct {
	At      time.Time // its beginning
	In, Out float64   // messages taken from the network, from the core; a minute
	// Of messages that were done: from the journal to the core's echo, and to the
	// network's yes. 0 = there was none.
	ToCore, ToNetwork Latency
}

// Latency is what half of the messages and what 99 of 100 did not exceed.
type Latency struct{ P50, P99 time.Duration }

// Hook is one address to enter at the network.
type Hook struct {
	Where, Method, URL string
	Register           bool // servicelink register enters it
}

// Letter is a message that an operator may have to decide about.
type Letter struct {
	Seq                int64
	Channel, Direction string
	Conversation, ID   string // as logs name them
	Reason, Hint       string
	Attempts, Bytes    int
	Accepted, Ended    time.Time
	// Risky: a part of it may have reached the customer, who may then get it again.
	Risky bool
}

// Stranded is what waits for one channel that is not served, in one direction.
type Stranded struct {
	Channel, State, Direction string
	Pending                   int64
	Oldest                    time.Time
}

// Query says what is traced, as `servicelink trace` does.
type Query struct {
	Text    string
	By      string // tracking, id, hash, address; empty = whatever fits
	Channel string // empty = all
}

// Trace is a conversation's messages, or one message.
type Trace struct {
	By            string // how the query was understood
	Conversations []Conversation
	Messages      []Message
	Notes         []string
}

// Conversation is one that was found.
type Conversation struct {
	Channel, Hash, ChatID string
	Counter               int32
	Started, LastSeen     time.Time
	Window                *Window
}

// Window is until when the network takes what is no template.
type Window struct {
	Open bool
	End  time.Time
	What string
}

// Message is a message and its life.
type Message struct {
	Seq                       int64
	Channel, Direction, State string
	Hash, ID                  string
	Counter                   int32
	Bytes                     int
	Now                       *Now
	Steps                     []Step
}

// Now is where a message is that is not delivered yet.
type Now struct {
	Waits, Hint  string
	Since, Until time.Time
	Behind       int64
}

// Step is one thing that happened to a message.
type Step struct {
	At, Until time.Time
	Kind      string
	What      string
}

// Diagnosis is what the doctor found.
type Diagnosis struct {
	At     time.Time // zero = nobody looked yet
	Checks []Finding
}

// Finding is what was found of one thing of a channel; of the gateway without one.
type Finding struct {
	Channel, Network, Gateway string
	connectors.Check
}

// Action is what an operator asks for.
type Action struct {
	Verb    Verb
	Seq     int64  // of one message
	Channel string // of a whole channel
	Remote  string // who asks
}

// Verb is what can be done.
type Verb string

// The verbs.
const (
	Requeue         Verb = "requeue"          // a dead letter is tried again
	Discard         Verb = "discard"          // and is taken off the list, its content erased
	RequeueSuspect  Verb = "requeue_suspect"  // is tried at once
	DiscardSuspect  Verb = "discard_suspect"  // becomes a dead letter
	DiscardStranded Verb = "discard_stranded" // one message is given up
	DiscardChannel  Verb = "discard_channel"  // all that waits for a channel that is not served
	Pause           Verb = "pause"            // a channel sends nothing and asks its network for nothing
	Resume          Verb = "resume"
)
