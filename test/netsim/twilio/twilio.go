// Package twilio simulates Twilio's Programmable Messaging for tests and
// demonstrations: one API, behind it WhatsApp and SMS as two networks of the
// control API. It is written to Twilio's documentation and not to any client:
//
//	twilio.go    the server; network.go: its two networks; account.go: senders and who writes to them
//	server.go    HTTP: routes, credentials, faults; params.go: forms; errors.go
//	send.go      what clients send: POST Messages; template.go, segments.go, fetch.go
//	message.go   Message resources; list.go: how they are read
//	media.go     customers' files: credentials, redirect, short-lived link
//	typing.go    typing, which marks as read; setup.go: numbers, senders, services
//	status.go    how a message comes on, and its callbacks
//	post.go      webhooks; sign.go: their signature; alert.go: what became of those that failed
//	act.go       what customers do; act_*.go by kind; inject.go
//
// Twilio has no order among webhooks, and gives one up soon. What it lost stays
// in the list of messages, and is told as an alert, which is also recorded as a request
// "alert".
package twilio

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Bounds of what is kept; the oldest goes first.
const (
	maxSenders    = 10_000
	maxMessages   = 50_000    // of one Twilio account
	maxAlerts     = 1000      // of all of them
	maxFileBytes  = 128 << 20 // of all accounts
	maxPeople     = 20_000    // of one sender
	maxOutFile    = 16 << 20  // of a file that clients send, bytes
	officialAPI   = "https://api.twilio.com"
	windowLasts   = 24 * time.Hour
	typingLasts   = 25 * time.Second
	hookPatience  = 15 * time.Second // total time of a webhook
	statusPause   = 200 * time.Millisecond
	mediaLinkLife = 4 * time.Hour
)

// Options of a simulated Twilio.
type Options struct {
	Seed uint64
	// BaseURL gives the address of the API, for the URLs of media; nil or empty =
	// the public one.
	BaseURL func() string
	// Retry is the wait before a webhook that found nobody is tried again. 0 = 1 s.
	Retry time.Duration
	// Transport leads to the webhooks; nil = TCP.
	Transport http.RoundTripper
	// FetchURLs is Settings.FetchURLs at the beginning.
	FetchURLs bool
}

// Server is a simulated Twilio. Create it by New, end it by Close.
type Server struct {
	o             Options
	whatsapp, sms *Network
	handler       http.Handler
	fetch         *http.Client    // for MediaUrl
	life          context.Context //nolint:containedctx // ends by Close, like all that is under way
	end           context.CancelFunc
	starting      sync.Mutex     // held while something begins, and while the end is told
	work          sync.WaitGroup // messages that come on, files being fetched

	mu        sync.Mutex
	random    *rand.Rand
	tenants   map[string]*tenant  // by account SID
	services  map[string]*service // by SID
	media     []*media
	mediaSize int

	alerts alertBook
}

// New makes a Twilio without accounts.
func New(o Options) *Server {
	if o.BaseURL == nil {
		o.BaseURL = func() string { return "" }
	}
	life, end := context.WithCancel(context.Background())
	s := &Server{
		o: o, life: life, end: end, fetch: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}},
		random:  rand.New(rand.NewPCG(o.Seed, 0x7477696c696f)), //nolint:gosec // repeatable by intent
		tenants: map[string]*tenant{}, services: map[string]*service{},
	}
	s.whatsapp, s.sms = newNetwork(s, "whatsapp"), newNetwork(s, "sms")
	s.handler = s.routes()
	return s
}

// WhatsApp is the network of the senders "whatsapp:+...".
func (s *Server) WhatsApp() *Network { return s.whatsapp }

// SMS is the network of the phone numbers.
func (s *Server) SMS() *Network { return s.sms }

// API serves api.twilio.com and, below /messaging and /monitor, messaging.twilio.com
// and monitor.twilio.com.
func (s *Server) API() http.Handler { return s.handler }

// Close ends webhooks and all else that is under way, and waits for it.
func (s *Server) Close() {
	s.starting.Lock()
	s.end()
	s.starting.Unlock()
	for _, n := range []*Network{s.whatsapp, s.sms} {
		n.messages.Close()
		n.statuses.Close()
	}
	s.work.Wait()
	s.fetch.CloseIdleConnections()
}

// base is the address of the API.
func (s *Server) base() string {
	if base := s.o.BaseURL(); base != "" {
		return base
	}
	return officialAPI
}

// sid makes an identifier. Its holder has s.mu.
func (s *Server) sid(prefix string) string {
	const digits = "0123456789abcdef"
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = digits[s.random.IntN(16)]
	}
	return prefix + string(raw)
}

// later does fn after d unless the server ends meanwhile.
func (s *Server) later(d time.Duration, fn func()) {
	s.start(func() {
		if s.pause(d) {
			fn()
		}
	})
}

// start begins something that Close waits for.
func (s *Server) start(fn func()) {
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.life.Err() == nil {
		s.work.Go(fn)
	}
}

// pause waits; false when the server ended meanwhile.
func (s *Server) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.life.Err() == nil
	case <-s.life.Done():
		return false
	}
}
