package corecheck

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// Defaults of Config.
const (
	DefaultTimeout = 3 * time.Second
	DefaultLimit   = 55 * time.Second
	PatientLimit   = 3 * time.Minute // with Patient
)

// Config says which core is checked, and how.
type Config struct {
	Address string // host:port of the core
	Account string
	Secret  string      // never reported
	Peer    string      // the gateway the core knows
	Port    string      // one that no gateway works
	NoLogin bool        // the core has no session control (O7)
	TLS     *tls.Config // nil = plain TCP; without ServerName the host of Address
	// Encoding is what is written; both are tried in any case.
	Encoding simprot.Encoding

	// Agent does what only an agent can; nil leaves those rules untested.
	Agent Agent
	// Strict counts optional rules that the core does not offer as broken.
	Strict bool
	// Quick leaves out what takes longer than an answer: the core's own ping.
	Quick bool
	// Patient waits for what takes minutes: a message is left unanswered until the
	// core sends it again.
	Patient bool

	// Messages is the address whose message gateways are asked for; "" = Peer.
	Messages string
	Resend   time.Duration // when an unanswered message is sent again; 0 = 90 s, the protocol's

	Timeout time.Duration // for one answer; 0 = DefaultTimeout
	Limit   time.Duration // for everything, an agent's acts included; 0 = DefaultLimit, PatientLimit
}

// Errors of Run.
var (
	ErrNoAddress = errors.New("corecheck: the address is host:port")
	ErrNoPeer    = errors.New("corecheck: peer and port are required")
	ErrNoSecret  = errors.New("corecheck: account and secret are required for a core with login")
)

func (c *Config) validate() error {
	switch host, port, err := net.SplitHostPort(c.Address); {
	case err != nil || host == "" || port == "":
		return ErrNoAddress
	case c.Peer == "" || c.Port == "":
		return ErrNoPeer
	case !c.NoLogin && (c.Account == "" || c.Secret == ""):
		return ErrNoSecret
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Limit <= 0 {
		c.Limit = DefaultLimit
		if c.Patient {
			c.Limit = PatientLimit
		}
	}
	c.Messages = cmp.Or(c.Messages, c.Peer)
	c.Resend = cmp.Or(c.Resend, answerWithin)
	return nil
}

// tls is TLS for the host that is dialled, unless another name is set.
func (c *Config) tls() *tls.Config {
	if c.TLS.ServerName != "" {
		return c.TLS
	}
	named := c.TLS.Clone()
	named.ServerName, _, _ = net.SplitHostPort(c.Address) // validate has seen it
	return named
}

// Run checks a core and reports on every rule. An error means that the Config
// makes no sense; a core that cannot be reached breaks the rule "welcome".
// When ctx or the Limit ends, what was not reached is reported as not tested.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, cfg.Limit)
	defer cancel()
	r := &run{cfg: cfg, tag: strings.ToLower(rand.Text()[:8]), book: newBook(cfg.Strict)}
	r.all(ctx)
	r.end()
	if n := r.inbox.count(func(*received) bool { return true }); n > 0 {
		r.book.judge("decodes", true, "%d packets", n)
	}
	return r.book.report(&cfg, r.welcome, time.Since(start)), nil
}

// run is one run of all checks.
type run struct {
	cfg     Config
	tag     string // part of every name this run gives
	book    *book
	inbox   inbox
	welcome simprot.Welcome // of the first connection

	mu    sync.Mutex
	last  int // number of the last name or connection
	links []*link
	convs []*conv // to be ended

	inbound, outbound []uuid.UUID // message gateways

	reading sync.WaitGroup
}

// check is one group of rules that is checked together.
type check struct {
	does  func(*run, context.Context) error
	rules []string
}

// all makes the checks one after the other. What a check gives no verdict on,
// because something before it went wrong, is not tested for the reason it
// returned.
func (r *run) all(ctx context.Context) {
	if err := r.login(ctx); err != nil {
		r.book.leaveRest("no gateway is let in")
		return
	}
	var silence sync.WaitGroup
	if !r.cfg.Quick && !r.cfg.NoLogin {
		silence.Go(func() { r.ping(ctx) })
	}
	for _, c := range checks {
		if err := c.does(r, ctx); err != nil {
			for _, rule := range c.rules {
				r.book.leave(rule, err.Error())
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	silence.Wait()
	r.cleanUp(ctx)
	if ctx.Err() != nil {
		r.book.leaveRest("out of time")
	}
	r.book.leaveRest("an earlier step did not work")
}

// end closes every connection and waits for its reader.
func (r *run) end() {
	r.mu.Lock()
	links := r.links
	r.mu.Unlock()
	for _, l := range links {
		l.close()
	}
	r.reading.Wait()
}

// checks in the order in which they are made: what comes later relies on what
// was seen before.
var checks = []check{
	{(*run).conversation, []string{
		"answers", "asks", "list", "unknown-chat", "address", "echo", "stored", "echo-once", "status-sentences",
		"start-sentences", "empty-sentences", "one-chat", "counter", "chat-id", "chat-form",
	}},
	{(*run).closing, []string{"stop", "news", "closed-news", "closed-chat", "reopen", "only-answers"}},
	{(*run).order, []string{"order", "complete", "sentence-order"}},
	{(*run).texts, []string{"limits", "text"}},
	{(*run).duplicates, []string{"duplicates"}},
	{(*run).afterCounter, []string{"after-counter", "after-counter-chat"}},
	{(*run).asker, []string{"asker"}},
	{(*run).fence, []string{"fence", "fence-back"}},
	{(*run).replace, []string{"replace"}},
	{(*run).lists, []string{"list-counter", "only-answers"}},
	{(*run).longList, []string{"list-more"}},
	{(*run).cut, []string{"max-frame", "cut-oldest", "cut-outbound"}},
	{(*run).pong, []string{"pong"}},
	{(*run).unknown, []string{"unknown-code", "unknown-member"}},
	{(*run).undecodable, []string{"undecodable"}},
	{(*run).encodings, []string{"encodings"}},
	{(*run).bigFrame, []string{"big-frame"}},
	{(*run).tooLong, []string{"too-long"}},
	{(*run).hostile, []string{"hostile"}},
	{(*run).more, []string{"forms", "registers"}},
	{(*run).agentWrites, []string{"outbound", "confirm", "read-confirm"}},
	{(*run).agentWasHere, []string{"list-closed"}},
	{(*run).register, []string{"gateways", "gateways-address", "gateways-list"}},
	{(*run).receiving, []string{
		"message-received", "message-once", "message-new", "message-stray", "message-limits", "message-again", "message-gateways",
	}},
	{(*run).sending, []string{"message-sending"}},
	{(*run).resending, []string{"message-resent", "message-done"}},
}
