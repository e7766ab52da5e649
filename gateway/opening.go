package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

const (
	// probeEvery is how often one waiting lane asks while the core is closed.
	probeEvery = 30 * time.Second
	// closedTextEvery is the shortest time between two "we are closed" texts
	// to one customer.
	closedTextEvery = 12 * time.Hour

	reasonClosed     connectors.Reason = "closed"      // answered with the closed text
	reasonChatClosed connectors.Reason = "chat_closed" // nothing left to tell anybody
)

// openNow tells whether the core holds the conversation's chat open; it asks
// when this connection has not been told yet.
func (g *Gateway) openNow(ctx context.Context, c *conversation, s *simprot.Session) (bool, error) {
	c.mu.Lock()
	known, open := c.openGen == s.Generation(), c.open
	c.mu.Unlock()
	if known {
		return open, nil
	}
	a, err := g.ask(ctx, c, s, 0)
	if err != nil {
		return false, err
	}
	return a.open, nil
}

// openChat makes sure that the core holds the chat open before a sentence is
// written. A verdict ends the event: shown in an answer, or answered "closed".
func (g *Gateway) openChat(ctx context.Context, c *conversation, s *simprot.Session, it *inItem) (verdict, error) {
	c.mu.Lock()
	open := c.openOn(s)
	c.mu.Unlock()
	if open {
		return notYet, nil
	}
	it.row.stepIf(c.ch.gate.closed() != "", stepClosed)
	if err := c.ch.gate.pass(ctx, s, func(signal simprot.Signal) error {
		return g.tellClosed(ctx, c, it, signal)
	}, c.ch.cfg.WhenClosed); err != nil {
		return closedVerdict(err)
	}
	it.row.step(stepRequest)
	signal, a, err := g.prologue(ctx, c, s, it)
	if err != nil {
		c.ch.gate.failed()
		return notYet, err
	}
	if v := g.judge(c, it, a); v != notYet || a.open {
		c.ch.gate.open()
		return v, nil
	}
	if !signal.Accepts() {
		c.ch.gate.shut(signal)
		it.row.step(stepClosed)
		if err := g.tellClosed(ctx, c, it, signal); err != nil {
			return notYet, err
		}
		if c.ch.cfg.WhenClosed == config.Answer {
			return verdict{state: journal.Done, reason: reasonClosed}, nil
		}
		return notYet, nil
	}
	c.ch.gate.open()
	it.row.step(stepStart)
	a, err = g.start(ctx, c, s, it)
	if errors.Is(err, simprot.ErrNoAnswer) {
		c.mu.Lock()
		// It may be open: STATUS, asked anew, tells before START is repeated.
		c.openGen, c.answer = 0, nil
		c.mu.Unlock()
		err = errStartUnanswered
	}
	if err != nil {
		return notYet, err
	}
	if v := g.judge(c, it, a); v != notYet || a.open {
		return v, nil
	}
	return notYet, simprot.ErrNoAnswer // START was answered "closed": not now
}

// errStartUnanswered: START was asked once; it is repeated after STATUS.
var errStartUnanswered = fmt.Errorf("START: %w", simprot.ErrNoAnswer)

// errAnswered ends an event under `when_closed: answer`.
var errAnswered = errors.New("answered while closed")

func closedVerdict(err error) (verdict, error) {
	if errors.Is(err, errAnswered) {
		return verdict{state: journal.Done, reason: reasonClosed}, nil
	}
	return notYet, err
}

// prologue asks whether a chat can start. STATUS is asked beside it, so that no
// round trip is added: the chat that ended may hold sentences nobody has seen
// here, and once a new one is open STATUS no longer shows them. No answer is used
// again: since it was given, an agent may have begun a chat, spoken and closed it.
func (g *Gateway) prologue(ctx context.Context, c *conversation, s *simprot.Session, it *inItem) (simprot.Signal, *answer, error) {
	var (
		a    *answer
		aerr error
		wg   sync.WaitGroup
	)
	wg.Go(func() { a, aerr = g.ask(ctx, c, s, c.now()) })
	resp, err := s.Request(ctx, c.service(it))
	wg.Wait()
	switch {
	case err != nil:
		return "", nil, err
	case aerr != nil:
		return "", nil, aerr
	}
	g.noteSignal(resp)
	return resp.Signal, a, nil
}

// noteSignal counts what is not understood: an unknown signal accepts, a form
// to fill in is ignored until forms are there.
func (g *Gateway) noteSignal(resp *simprot.ChatServiceInfo) {
	switch resp.Signal {
	case simprot.SignalFree, simprot.SignalBusy, simprot.SignalClosed, simprot.SignalHidden:
	default:
		g.metrics.unknownSignal()
	}
	if resp.ScenarioModel != nil {
		g.metrics.scenarioIgnored()
	}
}

// service is the ChatServiceInfo of a conversation.
func (c *conversation) service(it *inItem) *simprot.ChatServiceInfo {
	c.mu.Lock()
	p := c.known()
	c.mu.Unlock()
	if p.PartyName == "" {
		p.PartyName = it.content.PartyName
	}
	if p.Culture == "" {
		p.Culture = c.ch.cfg.Culture
	}
	info := &simprot.ChatServiceInfo{
		Port: c.ch.cfg.Port, TrackingId: c.tracking,
		PreferredCulture: p.Culture, UserToken: p.UserToken,
		PartyName: p.PartyName, RemoteAddress: c.ch.address(c.tracking, p.RemoteAddress).RemoteAddress,
	}
	if id, err := uuid.Parse(it.content.ReturnChatID); err == nil {
		info.ReturnChatId = &id
	}
	return info
}

// tellClosed sends the configured text to the customer, once per conversation
// and closure and at most every 12 hours. It is journaled like any other send.
func (g *Gateway) tellClosed(ctx context.Context, c *conversation, it *inItem, signal simprot.Signal) error {
	text := g.closedText(signal, c)
	now := time.Now()
	c.mu.Lock()
	shut := c.ch.gate.since()
	said := !c.closedText.IsZero() && (!c.closedText.Before(shut) || now.Sub(c.closedText) < closedTextEvery)
	if !said {
		c.closedText = now
	}
	c.mu.Unlock()
	if said || text == "" {
		return nil
	}
	entry := journal.Entry{
		Lane:     journal.Lane{Channel: c.ch.cfg.Name, Direction: journal.Out, TrackingID: c.tracking},
		ID:       simprot.ShortenID("closed:"+it.row.ID, simprot.MaxID),
		TextHash: textHash(text),
		Content:  (&content{Text: text, Auto: true}).encode(),
		Deadline: deadlineFrom(now, closedTextEvery),
	}
	if err := g.acceptOwn(ctx, entry); err != nil {
		return err
	}
	g.journal.Apply(journal.Change{Conv: &journal.ConvChange{
		Channel: c.ch.cfg.Name, TrackingID: c.tracking, ClosedText: now,
	}})
	return nil
}

func (g *Gateway) closedText(signal simprot.Signal, c *conversation) string {
	texts := g.config().Texts.Closed
	if signal == simprot.SignalHidden && len(g.config().Texts.Hidden) > 0 {
		texts = g.config().Texts.Hidden
	}
	c.mu.Lock()
	culture := c.known().Culture
	c.mu.Unlock()
	for _, k := range []string{culture, prefix(culture), c.ch.cfg.Culture, "en"} {
		if t := texts[k]; t != "" {
			return t
		}
	}
	return ""
}

// prefix is the language of a culture: "en" of "en-US".
func prefix(culture string) string {
	for i, r := range culture {
		if r == '-' || r == '_' {
			return culture[:i]
		}
	}
	return culture
}

// stopChat ends the chat because the customer ended the conversation for good.
// STOP has no answer, so STATUS is asked until the chat is seen closed.
func (g *Gateway) stopChat(ctx context.Context, c *conversation, s *simprot.Session, it *inItem) (verdict, error) {
	open, err := g.openNow(ctx, c, s)
	if err != nil || !open {
		return verdict{state: journal.Done}, err
	}
	if err := s.Send(simprot.CodeChatStop, c.ch.command(c.tracking), nil); err != nil {
		return notYet, err
	}
	c.mu.Lock()
	c.tick++
	it.writeTick = c.tick
	c.mu.Unlock()
	a, err := g.ask(ctx, c, s, it.writeTick)
	if err != nil || a.open {
		if err == nil {
			err = simprot.ErrNoAnswer // ask again after a while
		}
		return notYet, err
	}
	return verdict{state: journal.Done}, nil
}

// gate holds a Port's lanes back while the core is closed: one of them asks
// every 30 s, in turn; the others wait for its answer.
type gate struct {
	mu      sync.Mutex
	signal  simprot.Signal // Closed or Hidden; empty = open
	shutAt  time.Time      // of this closure
	nextAsk time.Time
	asking  bool
	line    []chan bool // waiting lanes, first asks next; true = ask, false = open
}

func (t *gate) closed() simprot.Signal {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.signal
}

func (t *gate) since() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shutAt
}

// pass returns nil when the caller may ask the core now.
func (t *gate) pass(ctx context.Context, s session, tell func(simprot.Signal) error, policy config.WhenClosed) error {
	t.mu.Lock()
	if t.signal == "" {
		t.mu.Unlock()
		return nil
	}
	if wait := time.Until(t.nextAsk); wait <= 0 && !t.asking {
		t.asking = true
		t.mu.Unlock()
		return nil
	}
	signal := t.signal
	if policy == config.Answer {
		t.mu.Unlock()
		if err := tell(signal); err != nil {
			return err
		}
		return errAnswered
	}
	turn := make(chan bool, 1)
	t.line = append(t.line, turn)
	t.mu.Unlock()
	defer t.leave(turn)
	if err := tell(signal); err != nil {
		return err
	}
	select {
	case <-turn:
		return nil
	case <-s.Done():
		return simprot.ErrGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *gate) leave(turn chan bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range t.line {
		if other == turn {
			t.line = append(t.line[:i:i], t.line[i+1:]...)
			return
		}
	}
	select {
	case ask := <-turn:
		// Its turn came as it left: hand the turn on.
		if ask {
			t.asking = false
		}
	default:
	}
}

// shut notes that the core takes no chats.
func (t *gate) shut(signal simprot.Signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signal == "" {
		t.shutAt = time.Now()
	}
	t.signal = signal
	t.asking = false
	t.nextAsk = time.Now().Add(probeEvery)
}

// open notes that the core takes chats: every waiting lane asks for itself.
func (t *gate) open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signal, t.asking = "", false
	for _, turn := range t.line {
		turn <- false
	}
	t.line = nil
}

// failed gives the turn back after a question without answer.
func (t *gate) failed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asking = false
}

// tick lets the next waiting lane ask when it is time.
func (t *gate) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signal == "" || t.asking || len(t.line) == 0 || time.Now().Before(t.nextAsk) {
		return
	}
	t.asking = true
	t.line[0] <- true
	t.line = t.line[1:]
}
