// Package graph simulates Meta's Graph API for Messenger, for tests and
// demonstrations: one API, behind it the network "facebook" of the control API, whose
// accounts are pages. It is written to Meta's documentation and not to any client:
//
//	graph.go     the server; network.go: its settings and accounts; account.go: pages, apps, customers
//	server.go    HTTP: routes, faults, usage headers; params.go: bodies; errors.go
//	token.go     access tokens, proofs, scopes; oauth.go: debug_token, exchange, a user's pages
//	send.go      what clients send: POST messages; content.go, template.go; fetch.go
//	message.go   messages kept; status.go: how they come on, and echoes
//	media.go     files behind links that expire
//	node.go      what GET tells of a page, a message, a customer
//	subscribe.go what a page is subscribed to; callback.go: where its app is told
//	event.go     events; hook.go: batches, retries, unsubscription; sign.go
//	act.go       what customers do; act_*.go by kind; inject.go
//
// Events have no order that could be relied on. Those a gateway does not answer 200
// are brought again for 36 hours, and after one hour of failures its page is
// unsubscribed without a word; Settings.Compress makes these times shorter.
package graph

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"servicelink/test/netsim/control"
)

// Bounds of what is kept; the oldest goes first.
const (
	maxPages     = 10_000
	maxPeople    = 20_000    // of one page
	maxWaiting   = 1000      // messages that one customer has not read
	maxMessages  = 50_000    // of one page
	maxTokens    = 10_000    // handed out
	maxFileBytes = 128 << 20 // of all pages
	maxPending   = 50_000    // events of one app that wait for its callback
)

// Times of the network.
const (
	windowLasts  = 24 * time.Hour
	humanLasts   = 7 * 24 * time.Hour // with the tag HUMAN_AGENT
	typingLasts  = 20 * time.Second
	hookPatience = 20 * time.Second
	bringFor     = 36 * time.Hour
	disableAfter = time.Hour
	linkLife     = 48 * time.Hour
	statusPause  = 200 * time.Millisecond
	echoPatience = 5 * time.Second // that a send waits for its echo, where that comes first
)

// officialAPI is where links lead when nobody said where the simulator is.
const officialAPI = "https://graph.facebook.com"

// Options of a simulated Graph API.
type Options struct {
	Seed uint64
	// BaseURL gives the address of the API, for the URLs of files; nil or empty =
	// the public one.
	BaseURL func() string
	// Retry is the first wait between two tries of an event, after the immediate
	// one; it doubles up to an hour. 0 = 2 s.
	Retry time.Duration
	// Transport leads to the callbacks; nil = TCP.
	Transport http.RoundTripper
	// FetchURLs is Settings.FetchURLs at the beginning.
	FetchURLs bool
}

// Server is a simulated Graph API. Create it by New, end it by Close. Wherever a
// method takes an account, that is a page's id; a chat is a customer's page-scoped id.
type Server struct {
	*control.Board
	o        Options
	handler  http.Handler
	fetch    *http.Client    // for attachments' URLs
	hook     *http.Client    // for callbacks
	life     context.Context //nolint:containedctx // ends by Close, like all that is under way
	end      context.CancelFunc
	starting sync.Mutex     // held while something begins, and while the end is told
	work     sync.WaitGroup // posting, messages that come on

	mu       sync.Mutex
	random   *rand.Rand
	settings Settings
	pages    map[string]*page // by id
	apps     map[string]*app  // by id
	tokens   map[string]*token
	minted   []string // tokens handed out by the API, oldest first
	files    []*file
	fileSize int
	last     int64 // number of the latest message
}

var _ control.Network = (*Server)(nil)

// New makes a Graph API without pages.
func New(o Options) *Server {
	if o.BaseURL == nil {
		o.BaseURL = func() string { return "" }
	}
	if o.Retry <= 0 {
		o.Retry = 2 * time.Second
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{MaxIdleConnsPerHost: 16}
	}
	life, end := context.WithCancel(context.Background())
	s := &Server{
		Board: control.NewBoard(o.Seed), o: o, life: life, end: end,
		fetch:  &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}},
		hook:   &http.Client{Timeout: hookPatience, Transport: o.Transport, CheckRedirect: noRedirect},
		random: rand.New(rand.NewPCG(o.Seed, 0x6772617068)), //nolint:gosec // repeatable by intent
		pages:  map[string]*page{}, apps: map[string]*app{}, tokens: map[string]*token{},
	}
	s.settings = defaults
	s.settings.FetchURLs = o.FetchURLs
	s.handler = s.routes()
	return s
}

// noRedirect: only 200 counts, and nobody is followed elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// API implements control.Network: it serves graph.facebook.com and, below /cdn, the
// hosts of files.
func (s *Server) API() http.Handler { return s.handler }

// Close ends posting and all else that is under way, and waits for it.
func (s *Server) Close() {
	s.starting.Lock()
	s.end()
	s.starting.Unlock()
	s.work.Wait()
	s.fetch.CloseIdleConnections()
	s.hook.CloseIdleConnections()
}

// base is the address of the API.
func (s *Server) base() string {
	if base := s.o.BaseURL(); base != "" {
		return base
	}
	return officialAPI
}

// letters makes n random letters and digits. Its caller has s.mu.
func (s *Server) letters(n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = alphabet[s.random.IntN(len(alphabet))]
	}
	return string(raw)
}

// digits makes an id of n digits. Its caller has s.mu.
func (s *Server) digits(n int) string {
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte('1' + s.random.IntN(9))
	}
	return string(raw)
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
