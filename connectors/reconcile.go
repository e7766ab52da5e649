package connectors

import (
	"context"
	"time"
)

// Reconciler finds out what became of a send whose outcome is unknown, where the
// network can be asked: by a list of its messages, or a search for an id of ours.
// The engine asks before the channel's policy (resend, report) decides, in the
// conversation's lane, and goes by the policy only when nobody can tell.
type Reconciler interface {
	// Reconcile asks about one part, once, and obeys ctx. It sends the customer
	// nothing and changes nothing. An error of whatever kind means that the network
	// could not be asked and says nothing of the part - not even a *SendError that
	// is NotSent, which then speaks of the question. Its RetryAfter is obeyed.
	Reconcile(ctx context.Context, a Attempt) (Finding, error)
}

// Attempt is a send whose outcome is unknown.
type Attempt struct {
	Part Part // as Send was given it; its File is not to be opened
	// Began and Ended are the bounds, by the gateway's clock, between which the
	// request left. After a crash they lie up to some minutes apart.
	Began, Ended time.Time
	// Taken lists the network's ids that are known to be other messages of this
	// conversation. None of them is this part, however alike they look.
	Taken []string
}

// Fate is what became of a part. The zero value is the safe one.
type Fate uint8

// The fates.
const (
	FateUnknown Fate = iota // cannot tell, or not yet
	FateSent                // the network has it
	FateNotSent             // it has not, and will not get it from that attempt any more: a retry is safe
	FateFailed              // it has given it up for good
)

func (f Fate) String() string {
	switch f {
	case FateSent:
		return "sent"
	case FateNotSent:
		return "not_sent"
	case FateFailed:
		return "failed"
	default:
		return "unknown"
	}
}

// Finding is what a network says of a part.
type Finding struct {
	Fate      Fate
	NetworkID string // with FateSent: the network's own id of the message
	// AskAgain, with FateUnknown, is when it can be known at the earliest; 0 = the
	// engine's own pace, negative = never.
	AskAgain time.Duration
	// Failure says why, with FateFailed: as Send would have returned it.
	Failure *SendError
}

// Notice is what a network says by itself of a message that the gateway sent: an
// echo of it, a delivery report. It settles a send whose outcome is unknown, and
// moves a message's delivery status forward; what says nothing new does nothing.
// Event.SentAt, where the network tells, is when that was: of an echo it is when the
// network took the message, by which UpTo is exact.
type Notice struct {
	// Ref is the Part.Ref that went out with the message. Where what comes back does
	// not carry it, it is empty, and the message is named by Finding.NetworkID, or by
	// UpTo. Then only Status is told: it settles no send.
	Ref string
	Finding
	// Status is how far the message has come, where the network tells.
	Status DeliveryStatus
	// UpTo, without Ref and NetworkID: all that the network had taken for the
	// conversation until then has come as far as Status.
	UpTo time.Time `json:",omitzero"`
}

// DeliveryStatus is how far a message of ours has come at its network. Of two
// the later one counts, in whatever order they arrive; StatusFailed is final, but
// for a message that the customer has.
type DeliveryStatus uint8

// The statuses, in the order in which they are passed through.
const (
	StatusNone      DeliveryStatus = iota // not told
	StatusQueued                          // the network has it
	StatusSent                            // it has left the network's queue
	StatusFailed                          // given up: Finding.Failure says why
	StatusDelivered                       // the customer's device has it
	StatusRead                            // the customer has seen it
)

func (s DeliveryStatus) String() string {
	return [...]string{"", "queued", "sent", "failed", "delivered", "read"}[s]
}
