package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"servicelink/connectors"
)

// Simulator is a network that somebody wrote to its documentation and not to the
// connector. The words in JSON are those of the simulators' control API.
type Simulator interface {
	// ServeHTTP is the network's API, at the address that Settings is given.
	http.Handler
	// Act does what a customer does and returns the id of the message it made or
	// concerns, such as {"do":"text","user":{"id":"7"},"text":"hello"}.
	Act(action json.RawMessage) (id string, err error)
	// Inject brings one event in the network's own JSON to the connector.
	Inject(event json.RawMessage) error
	// Fault makes the network fail in one more way; Clear ends all of them.
	Fault(Fault) error
	Clear()
	// Requests lists the API requests that were seen, oldest first.
	Requests() []Request
	// Shown is the conversation as the customer sees it.
	Shown(chat string) ([]Shown, error)
	// Close ends all that the simulator began, and waits for it.
	Close()
}

// Fault is one way to fail; see the constants.
type Fault struct {
	Kind       string
	Times      int     // requests; 0 = until cleared
	Seconds    float64 // how long slow and swallow take
	RetryAfter int     // seconds, of rate
}

// The faults that every simulator knows.
const (
	FaultRate         = "rate"         // refused: too many, with and without a wait
	FaultServer       = "server"       // a failure in the network's own form
	FaultHTML         = "html"         // a proxy's error page
	FaultSlow         = "slow"         // the answer dribbles
	FaultCut          = "cut"          // the answer breaks off
	FaultTruncated    = "truncated"    // a whole answer with half of what it should hold
	FaultSwallow      = "swallow"      // carried out, and never answered
	FaultOutage       = "outage"       // every connection is reset
	FaultUnauthorized = "unauthorized" // the credentials are wrong
	FaultConflict     = "conflict"     // somebody else works this account
	FaultBlocked      = "blocked"      // this customer is not to be reached
	FaultDuplicate    = "duplicate"    // brought twice
	FaultReorder      = "reorder"      // brought in another order
	FaultLose         = "lose"         // never brought, and listed
)

// Request is an API request as the simulator read it.
type Request struct {
	Method string `json:"method"`
	// Content is what it carried, for golden files: nothing in it may differ from
	// one run to the next.
	Content any `json:"content,omitempty"`
}

// Shown is a message in a conversation. Content is all there is, for golden
// files.
type Shown struct {
	ID      string
	Agent   bool // it came from Send
	Text    string
	ReplyTo string   // ID of the message it answers, empty = none
	Buttons []string // payloads, as the customer's client would send them
	Content any
}

// Simulation is how the kit plays with a simulator.
type Simulation struct {
	// Start makes a fresh one. gateway is where a network that calls webhooks finds
	// the connector's; nil without them, and where nothing is to be brought.
	Start func(gateway *Gateway) Simulator
	// Kinds are the kinds of events that this network has: the scenarios together
	// must bring each.
	Kinds []connectors.Kind
	// Scenarios is the folder of what customers and agents do and what must come of
	// it; see scenario. Update writes the golden files anew.
	Scenarios string
	Update    bool
	// Background are methods whose requests come by themselves (polls); they are in
	// no golden file and no count.
	Background []string
	// Without are the faults that this network does not have.
	Without []string
	// NoWait says that the network, when it is asked too much, does not tell how long
	// to wait.
	NoWait bool
	// WaitUnit is what the network counts that wait in, rounded up; 0 = seconds.
	WaitUnit time.Duration
	// Undone says that a failure in the network's own form (FaultServer) is its word
	// that nothing was sent, so that a send again is safe.
	Undone bool
	// Unordered says that what could not be brought comes again behind what happened
	// later.
	Unordered bool
	// Bare says that the body of a success is empty or means nothing, so that its
	// loss loses nothing.
	Bare bool
	// Rows are the network's documented errors, each with what is to be made of it.
	Rows []Row
}

// Gateway is where a network that calls webhooks finds the connector's.
type Gateway struct {
	URL string
	// Transport leads there, whatever the address, and not through sockets: so
	// repetition and receipts that a network sends by itself cost no time.
	Transport http.RoundTripper
}

// Row is a refusal in the network's own words.
type Row struct {
	Name   string
	Status int
	Header http.Header
	Body   string
	// Want is compared but for Code, Hint and Err. HasHint: an operator can do
	// something, and Hint says what.
	Want    connectors.SendError
	HasHint bool
	// Requests is how many one Send may make at most: a network may ask for another
	// form of the same thing. 0 = 1.
	Requests int
	// Part changes what is sent, nil = a text.
	Part func(*connectors.Part)
	// Open: it is the answer to an AttachmentOpener's Open, not to a Send.
	Open bool
}

// memory is a network without sockets: what a bubble of testing/synctest needs,
// where a wait for a socket would stop the clock. Every address leads to the
// handler it serves.
type memory struct {
	server http.Server
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newMemory(handler http.Handler) *memory {
	m := &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
	m.server.Handler = handler
	m.server.ReadHeaderTimeout = time.Minute
	m.server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	go func() { _ = m.server.Serve(m) }()
	return m
}

// end closes the network and everything under way.
func (m *memory) end() { _ = m.server.Close() }

// dial is a net.Dialer's DialContext.
func (m *memory) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case m.conns <- server:
		return client, nil
	case <-m.closed:
		return nil, errors.New("the network is gone")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

// Addr implements net.Listener.
func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }
