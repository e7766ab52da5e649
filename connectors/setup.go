package connectors

import "context"

// HookLister says what the network must be told so that it calls this gateway.
// A connector that only polls has nothing to say.
type HookLister interface {
	// Hooks needs Dependencies.PublicURL, and is empty without it. A Runner's is
	// always empty.
	Hooks() []Hook
}

// Hook is one address to enter at the network.
type Hook struct {
	Where  string // the setting, in the network's own words: "Messaging > Senders > Webhook URL for incoming messages"
	Method string // "POST"
	URL    string
	Secret bool // whoever knows URL can write as a customer
}

// Registrar enters the Hooks at the network. One that has none removes there what
// others entered and what keeps it from asking; an operator said so by calling it.
type Registrar interface {
	HookLister
	// Register sets what differs and says what it did, a line for each setting,
	// for the operator: no secret stands in it. Calling it again changes nothing.
	// The error is a *SendError.
	Register(ctx context.Context) (done []string, err error)
}
