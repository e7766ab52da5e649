// Package journal keeps taken messages until they are done. It is the one
// place where "safe on disk" is decided.
//
// # Rules every driver keeps
//
//  1. Accept returns nil only after its entries are committed and, for sqlite,
//     synced to disk. Waiting accepts are grouped into one transaction.
//  2. An entry is unique by (Channel, Direction, TrackingID, ID, TextHash). A
//     repeat is a success; its verdict is Repeat, given only once the row it
//     repeats is committed.
//  3. The journal, not the caller, hands rows over: Options.OnCommit is called
//     on one goroutine of its own after the commit, in commit order, before any
//     Accept of the batch returns. It gets every new pending row, and for a
//     repeat the pending row it repeats (Row.Repeat set). A cancelled caller
//     changes nothing. OnCommit must not block and must not wait for the journal.
//     The change that finishes a repeated row may still be in the queue: a lane
//     that does not hold the row asks Refill, it does not take the row itself.
//  4. Everything that writes, and Refill, goes through one queue and happens in
//     the order of the calls, and is told in this order. So a Refill sees every
//     Apply called before it, and no hand-over slips between its query and its
//     callback.
//  5. Ledger counters change in the same transaction as the rows:
//     accepted + requeued = done + dead + pending, per channel and direction,
//     at every moment. done and dead count transitions, they never fall.
//  6. A batch that fails for another reason than the journal being away (disk
//     full, I/O error, closed) is tried entry by entry; an entry refused alone
//     is kept as a dead letter (reason "refused", without content if the
//     content was the cause) and its verdict is Refused, which is a success for
//     the network: it must not send it again.
//  7. Apply never loses a change while the process lives: while the journal is
//     away changes wait in memory and are tried again.
//  8. Rows are found by state, never by "sequence greater than the last".
//  9. A state change names the row's Epoch; a change for a row that was
//     requeued or finished meanwhile is dropped (forward only: a row that is
//     done or dead changes only by Requeue and Discard).
//  10. Forget leaves of a conversation nothing that tells who it was or what was
//     said: neither rows nor its record. The ledger's counters stay, and the ids
//     of its rows, as keyed hashes for KeepIDs: what the other side repeats is
//     still a Repeat, and Find gives it without content, as it ended.
//  11. Report changes one part's delivery status, in whatever state its row is,
//     forward only, and nothing else: no state, no counter of the ledger. A Change
//     whose Parts know less keeps what was reported.
package journal

import (
	"context"
	"errors"
	"time"
)

// Direction of a message.
type Direction uint8

// The directions; String gives the metric label.
const (
	In  Direction = 1 // from the network to the core
	Out Direction = 2 // from the core to the network
)

func (d Direction) String() string {
	if d == Out {
		return "out"
	}
	return "in"
}

// State of a row.
type State uint8

// The states. Accepted and Delivering are pending.
const (
	Accepted   State = 1
	Delivering State = 2
	Done       State = 3
	Dead       State = 4
)

// Pending reports whether work is left.
func (s State) Pending() bool { return s == Accepted || s == Delivering }

func (s State) String() string {
	return [...]string{"", "accepted", "delivering", "done", "dead"}[s]
}

// Lane names the order of one conversation in one direction.
type Lane struct {
	Channel    string
	Direction  Direction
	TrackingID string
}

// Entry is what Accept takes.
type Entry struct {
	Lane     Lane
	ID       string
	TextHash uint64    // outbound: tells a reused ID from a repeat; 0 inbound
	Counter  int32     // outbound: the core's; 0 = none
	ChatID   string    // outbound: the chat it belongs to; may be empty
	Content  []byte    // opaque; erased after KeepContent once done
	SentAt   time.Time // by the other side's clock; may be zero
	Deadline time.Time // zero = none
	Party    *Party    // what is new about the customer; nil = nothing
	// DeadReason, when not empty, journals the entry as a dead letter at once.
	DeadReason string
}

// Party is what is known of the customer of a conversation.
type Party struct {
	RemoteAddress, PartyName, UserToken, Culture string
}

// Row is a journaled message.
type Row struct {
	Seq   int64 // commit order
	Epoch int32 // raised by every Requeue
	Entry       // Party is nil here
	State State
	// Reason of the last failure, or of death.
	Reason   string
	Hint     string // for the operator, with Reason
	Attempts int
	Strikes  int       // inbound: connections to the core that broke before its echo
	Next     time.Time // not before; zero = at once
	Parts    []Part    // outbound, once the first attempt began
	// BaseChat and BaseCounter are the conversation's ChatID and highest
	// Counter when the row was accepted.
	BaseChat    string
	BaseCounter int32
	AcceptedAt  time.Time
	EndedAt     time.Time // zero while pending
	// Repeat is set on rows handed over for a repeated Accept.
	Repeat bool
	// Loaded is set on rows that come from Refill: an earlier process, or this
	// one, may have worked on them.
	Loaded bool
}

// PartState is how far one part of a send got.
type PartState uint8

// The states of a part. Zero = not tried.
const (
	PartAttempting PartState = 1 // durable before the request leaves
	PartSent       PartState = 2
	PartRejected   PartState = 3
	PartUnknown    PartState = 4
)

// Part is one part's record.
type Part struct {
	State     PartState
	NetworkID string
	Reason    string
	Hint      string // for the operator, with the Reason of a Report
	At        time.Time
	// Status is how far the network has reported it to be, and since when: a
	// connectors.DeliveryStatus. To the journal the higher one is further.
	Status   uint8
	StatusAt time.Time
	// Doubt: an attempt of an earlier Epoch, whose fate was not known, may have brought
	// it. Requeue sets it, changes keep it.
	Doubt bool
}

// Delivered is the Status from which on the customer has a part, whichever attempt
// brought it: connectors.StatusDelivered.
const Delivered uint8 = 4

// Moves tells whether a report of that status, on the message with that network's
// id, says something new of the part: it is further, and of the same attempt as far
// as the ids tell, or the customer has it.
func (p Part) Moves(status uint8, networkID string) bool {
	return status > p.Status && (p.NetworkID == "" || networkID == "" || p.NetworkID == networkID || status >= Delivered)
}

// Report is what a network says later of a part. It changes nothing when the
// part is as far already, when NetworkID is not the recorded one (it speaks of
// another attempt) and Status is below Delivered, or when there is no such Epoch or Part.
type Report struct {
	Seq          int64
	Epoch        int32
	Part         int    // counted from 0
	NetworkID    string // kept where none is recorded
	Status       uint8
	Reason, Hint string // of a failure; empty = those that are there stay
	At           time.Time
}

// Verdict is what Accept did with an entry.
type Verdict uint8

// The verdicts. All are successes.
const (
	New     Verdict = 1
	Repeat  Verdict = 2
	Refused Verdict = 3 // journaled as a dead letter: by DeadReason or rule 6
)

// Change is one step of a row and, in the same transaction, of its
// conversation. A zero Seq changes the conversation alone.
type Change struct {
	Seq      int64
	Epoch    int32
	State    State // required with Seq
	Reason   string
	Hint     string
	Attempts int
	Strikes  int
	Next     time.Time
	Parts    []Part // nil = unchanged
	// Listed, with Parts: Journal.Listed finds the row from now on.
	Listed bool
	Conv   *ConvChange
}

// ConvChange moves what is known of a conversation forward. Another, non-empty
// ChatID replaces ChatID, Counter and Released; the same or an empty one only
// raises them.
type ConvChange struct {
	Channel, TrackingID string
	ChatID              string
	Counter             int32
	Released            int32
	// ClosedText, when not zero, is when the "we are closed" text was sent.
	ClosedText time.Time
	// WindowEnd, when not zero, replaces the end of the reply window and who said
	// so, forwards or backwards.
	WindowEnd time.Time
	WindowBy  string
	// Profile, when not nil, replaces what is there.
	Profile *Profile
}

// Who says when the reply window ends.
const (
	WindowByCustomer = "customer" // a message opened it
	WindowByNetwork  = "network"  // it refused a send
	// WindowByNetworkLate: it refused a person's late answer, too.
	WindowByNetworkLate = "network_late"
)

// Profile is what a network told of a customer when it was asked. Beside it Party
// is what comes with messages, which does not change it.
type Profile struct {
	Name, Culture string
	At            time.Time // when it was told; zero = never
}

// Conversation is what outlives the messages.
type Conversation struct {
	Channel, TrackingID string
	Party
	Profile    Profile
	ChatID     string
	Counter    int32 // highest seen in ChatID, either direction
	Released   int32 // highest outbound Counter of ChatID handed to its lane
	ClosedText time.Time
	WindowEnd  time.Time // of the reply window; zero = not known
	WindowBy   string
	Started    time.Time // first accepted entry
	LastSeen   time.Time // last accepted entry; it may lag by a minute
}

// Counts is one channel and direction of the ledger.
type Counts struct {
	Accepted, Requeued, Done, Dead, Pending int64
}

// LedgerKey is a channel and direction.
type LedgerKey struct {
	Channel   string
	Direction Direction
}

// LedgerEntry is what the journal knows of a channel and direction.
type LedgerEntry struct {
	Counts
	OldestPending time.Time // zero when nothing is pending
}

// LaneInfo is a lane that has pending rows.
type LaneInfo struct {
	Lane    Lane
	Pending int64
}

// DeadQuery selects dead letters, newest first.
type DeadQuery struct {
	Channel string // empty = all
	Before  int64  // Seq to page on; 0 = from the newest
	Limit   int    // 0 = 100
}

// TraceQuery selects rows among the newest Recent ones: those of one
// conversation, or those that have Within in their content, or those that have ID
// as their own, their chat's or a part's NetworkID. Of an own one of members
// (account|kind|the network's id|revision) those from the third on will do.
type TraceQuery struct {
	Channel    string // empty = all; not with TrackingID
	TrackingID string // the conversation; empty = by Within
	Within     []byte // empty = by ID
	ID         string
	Recent     int64 // how many rows are looked through, counted by Seq
	Limit      int   // the newest of those that match
}

// SentQuery selects what conversations of a channel were sent, among the newest
// Recent rows.
type SentQuery struct {
	Channel     string
	TrackingIDs []string
	Recent      int64 // how many rows are looked through, counted by Seq
	Limit       int   // the newest of those that match
}

// ListedQuery selects rows of a lane of which a network reports something: those
// with a part that has NetworkID, or, where it is empty, with a part that was sent
// up to SentBy and has not come as far as Status.
type ListedQuery struct {
	Lane      Lane
	NetworkID string
	SentBy    time.Time
	Status    uint8
	Recent    int // how many of the lane's newest listed rows are looked through
}

// Options are the same for every driver.
type Options struct {
	// OnCommit receives rows by rule 3. Required.
	OnCommit func(rows []Row)
	// Now is the wall clock; nil = time.Now.
	Now         func() time.Time
	MaxBytes    int64         // 0 = unlimited
	KeepContent time.Duration // of done rows; 0 = 48 h
	KeepIDs     time.Duration // of done and dead rows; 0 = 192 h
	KeepNames   time.Duration // of what Claim keeps; 0 = 90 days
}

// Journal is the contract of the drivers memory and sqlite.
type Journal interface {
	Counter
	Names

	// Accept journals entries, all or none. ErrFull and ErrAway mean: nothing
	// was taken, send again later. The entries belong to the journal from then
	// on, their content included.
	Accept(ctx context.Context, entries ...Entry) ([]Verdict, error)
	// Submit is Accept without waiting; done is called on OnCommit's
	// goroutine after it and must not block.
	Submit(entries []Entry, done func([]Verdict, error))
	// Apply queues changes; nobody waits for their commit.
	Apply(changes ...Change)
	// Commit is Apply, and waits until the changes are durable.
	Commit(ctx context.Context, changes ...Change) error
	// Refill calls fn on OnCommit's goroutine with the lane's first pending
	// rows in order of sequence, at most limit; more tells that there are
	// further ones.
	Refill(lane Lane, limit int, fn func(rows []Row, more bool, err error))

	// Find gives the rows of a lane by ID and TextHash, nil where there is none.
	Find(ctx context.Context, lane Lane, keys ...IDHash) ([]*Row, error)
	// Lanes lists lanes with pending rows.
	Lanes(ctx context.Context, channel string, dir Direction) ([]LaneInfo, error)
	Conversation(ctx context.Context, channel, trackingID string) (Conversation, bool, error)
	// Conversations lists those of a channel with traffic since the given time.
	Conversations(ctx context.Context, channel string, since time.Time) ([]Conversation, error)
	Ledger(ctx context.Context) (map[LedgerKey]LedgerEntry, error)

	Dead(ctx context.Context, q DeadQuery) ([]Row, error)
	// Pending lists a channel's pending rows in order of sequence, at most limit
	// of those after the given one.
	Pending(ctx context.Context, channel string, after int64, limit int) ([]Row, error)
	// Trace lists rows for operators, in order of sequence. It costs a walk
	// through all rows the query allows.
	Trace(ctx context.Context, q TraceQuery) ([]Row, error)
	// Sent lists outbound rows that are done, in order of sequence. It costs a
	// walk through all rows the query allows.
	Sent(ctx context.Context, q SentQuery) ([]Row, error)
	// Listed lists rows of which a Change has said that they are listed, in order of
	// sequence. It costs a look at Recent rows, whatever else there is.
	Listed(ctx context.Context, q ListedQuery) ([]Row, error)
	// Row gives one row, or ErrNotFound.
	Row(ctx context.Context, seq int64) (Row, error)
	// Requeue makes a dead letter pending again with Attempts 0, no parts that
	// failed and Epoch+1, and hands it over as by rule 3 (Loaded set). Of parts that
	// were on their way, or of unknown fate, the Doubt is left.
	Requeue(ctx context.Context, seq int64) error
	// Discard removes a dead letter from the list and erases its content; the
	// ledger keeps it as dead, and its id stays known.
	Discard(ctx context.Context, seq int64) error
	// Forget erases a conversation by rule 10. ErrPending: it has pending rows,
	// and nothing was erased; ErrNotFound: it is not known. It walks through all
	// rows, beside the writer. Who waits for it no longer finds it begun.
	Forget(ctx context.Context, channel, trackingID string) (Forgotten, error)

	// Backup writes a copy of this moment to a new file, which only its owner may
	// read, while the journal goes on; the file is there when it is whole.
	// ErrNoFile, ErrExists, ErrNoSpace.
	Backup(ctx context.Context, path string) error
	// Verify looks through everything while the journal goes on: the file's
	// structure, the ledger against the rows, their indexes. Its error says that
	// it could not look.
	Verify(ctx context.Context) (Verified, error)

	// Pause keeps that an operator has paused a channel, and since when; the
	// zero time ends it. The journal only keeps it.
	Pause(ctx context.Context, channel string, since time.Time) error
	// Paused gives the paused channels.
	Paused(ctx context.Context) (map[string]time.Time, error)

	// Report notes what a network says of a part, by rule 11, and gives its row as
	// it is then. changed is false when it says nothing new. ErrNotFound.
	Report(ctx context.Context, r Report) (row Row, changed bool, err error)

	// Sweep erases what is over its time, a bounded step at a time; it returns
	// the number of rows touched, 0 when nothing is left.
	Sweep(ctx context.Context) (int, error)
	// Born is when this journal was made; it survives restarts with the file.
	Born() time.Time
	// Volatile is true when nothing survives the process (memory).
	Volatile() bool
	// Size is the space used, in bytes.
	Size() int64
	// Health is nil, ErrFull or ErrAway (wrapped, with the cause).
	Health() error
	// Close writes what is queued and releases the file. After it every call
	// fails with ErrAway.
	Close() error
}

// Name is what a message is called outside, kept longer than its row: an answer to it
// comes later than that. Forget erases those of its conversation.
type Name struct {
	Channel, Key string // the key below both is claimed once
	Owner        string // whose it is: another owner's claim changes nothing
	TrackingID   string // the conversation it belongs to
	Value        []byte // the owner's; not changed by a later claim
	At           time.Time
}

// Names is what a Journal keeps of what messages are called outside.
type Names interface {
	// Claim keeps a name of a message beyond its row: the first who claims it has it,
	// until KeepNames is over. It gives the name as it is kept, which is n itself or
	// the one that was there. It returns when that is durable.
	Claim(ctx context.Context, n Name) (Name, error)
	// Named gives the names with that Key, of every channel; none is no error.
	Named(ctx context.Context, key string) ([]Name, error)
}

// IDHash is the part of an entry's key below its lane.
type IDHash struct {
	ID       string
	TextHash uint64
}

// Errors of every driver.
var (
	ErrFull     = errors.New("journal is full")
	ErrAway     = errors.New("journal is not available")
	ErrNotFound = errors.New("no such row")
	ErrNotDead  = errors.New("row is not a dead letter")
	ErrLocked   = errors.New("journal is in use by another process")
)
