package connectors

import "context"

// Profiler asks the network who a customer is, where its messages do not say. The
// engine asks beside the message, never in its way, keeps what it learns for days,
// and shows the name from the next sentence on; until then, and where there is
// none, Customer.PartyName is shown.
type Profiler interface {
	// Profile asks about one customer, once, and obeys ctx. A customer whose profile
	// is not given out is no error: the Profile is empty then. The error is a
	// *SendError; it pauses nothing, and its RetryAfter is obeyed.
	Profile(ctx context.Context, to Address) (Profile, error)
}

// Profile is what a network tells of a customer. Every member may be empty.
type Profile struct {
	Name    string
	Culture string // ISO 639-1, two letters
}
