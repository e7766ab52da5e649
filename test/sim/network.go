package sim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// network is the model of one account of a network: what it brings to the
// gateway, by webhook or polling, and what it takes from it.
type network struct {
	w       *world
	n       uint64
	name    string
	port    string
	poll    bool
	serial  bool // a webhook call waits for the one before it
	unknown config.UnknownPolicy
	asks    bool // it can be asked what became of a send
	tells   bool // it tells of what it took
	reports bool // it reports deliveries
	confirm config.ConfirmWhen
	found   map[*attempt]foundOut
	echoes  map[*event]*attempt // what it told of
	closed  config.WhenClosed

	waiting []*event // webhook, serial: not posted yet
	posting bool
	updates []*event // poll
	offset  int      // confirmed
	came    chan struct{}

	faults []*sendFault
	mute   int // answers of webhook calls that are lost
}

// sendFault is what becomes of the next sends.
type sendFault struct {
	how   sendHow
	count int
}

type sendHow string

const (
	sendRate      sendHow = "429"
	sendConnect   sendHow = "no connection"
	sendServer    sendHow = "503"
	sendAuth      sendHow = "401"
	sendContent   sendHow = "rejected"
	sendLostTook  sendHow = "taken, answer lost"
	sendLostNever sendHow = "not taken, answer lost"
	sendHang      sendHow = "taken, no answer"
	sendPanic     sendHow = "connector panics"
)

// brings sends an event on its way to the gateway. w.mu is held.
func (n *network) brings(e *event) {
	switch {
	case n.poll:
		n.updates = append(n.updates, e)
		close(n.came)
		n.came = make(chan struct{})
	case n.serial:
		n.waiting = append(n.waiting, e)
		n.postNext()
	default:
		n.post([]*event{e}, 0)
	}
}

// postNext posts what waits, up to three events in a call.
func (n *network) postNext() {
	if n.posting || len(n.waiting) == 0 {
		return
	}
	n.posting = true
	k := min(len(n.waiting), 1+n.w.dice.n(drawPost, n.n, 3))
	batch := slices.Clone(n.waiting[:k])
	n.waiting = n.waiting[k:]
	n.post(batch, 0)
}

// post calls the webhook, again and again until it says that it has taken the
// events.
func (n *network) post(batch []*event, tries int) {
	n.w.calls.Go(func() {
		err := n.call(batch)
		n.w.mu.Lock()
		defer n.w.mu.Unlock()
		if n.w.over {
			return
		}
		if err != nil {
			n.w.after(webhookRetries[min(tries, len(webhookRetries)-1)], func() { n.post(batch, tries+1) })
			return
		}
		if n.serial {
			n.posting = false
			n.postNext()
		}
	})
}

var webhookRetries = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second}

var errRefused = errors.New("not taken")

func (n *network) call(batch []*event) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n.w.mu.Lock()
	delay := time.Millisecond + n.w.dice.upTo(drawPost, n.n, 30*time.Millisecond)
	n.w.mu.Unlock()
	if err := pause(ctx, delay); err != nil {
		return err
	}
	n.w.mu.Lock()
	l := n.w.life
	var body strings.Builder
	for _, e := range batch {
		if e.posted == 0 {
			e.posted = n.w.step()
		}
		fmt.Fprintf(&body, "%s\t%s\t%s\t%s\n", e.id, e.kind, e.conv.tracking, e.text)
	}
	n.w.mu.Unlock()
	if l == nil {
		return errAway
	}
	c, err := l.public.call(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	limit, _ := ctx.Deadline()
	_ = c.SetDeadline(limit)
	if _, err := fmt.Fprintf(c, "POST /%s HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		n.name, body.Len(), body.String()); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	return n.replied(l, batch, resp.StatusCode)
}

// replied takes the webhook's answer, if it arrives.
func (n *network) replied(l *life, batch []*event, status int) error {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if l.dead || n.w.point(atReplied) || status != http.StatusOK {
		return errRefused
	}
	if n.mute > 0 {
		n.mute--
		n.w.note("%s: the answer to a webhook call is lost", n.name)
		return errRefused
	}
	n.took(l, batch)
	return nil
}

// took notes that the gateway has said that it took events. w.mu is held.
func (n *network) took(l *life, batch []*event) {
	for _, e := range batch {
		if at := n.echoes[e]; at != nil {
			n.heard(l, at, e)
			continue
		}
		if e.acked == 0 {
			e.acked, e.life = n.w.step(), l
			n.w.note("network: %s is taken", e.id)
			if c := e.conv; len(c.again) > 0 {
				n.w.after(c.again[0], func() { n.repeats(e) })
				c.again = c.again[1:]
			}
		}
	}
}

// repeats brings an event again that was taken already.
func (n *network) repeats(e *event) {
	if e.acked == 0 {
		return
	}
	n.w.note("network repeats %s", e.id)
	if n.poll {
		n.updates = append(n.updates, e)
		close(n.came)
		n.came = make(chan struct{})
		return
	}
	n.postOnce(e)
}

// postOnce posts a repeat, beside whatever else is posted.
func (n *network) postOnce(e *event) {
	n.w.calls.Go(func() { _ = n.call([]*event{e}) })
}

// account is a network's connector in one process.
type account struct {
	n *network
	l *life
}

type (
	hooked struct{ account }
	polled struct{ account }
)

var (
	_ connectors.Webhooker = hooked{}
	_ connectors.Runner    = polled{}
	_ connectors.Addresser = account{}
)

func (n *network) connector(l *life) connectors.Connector {
	a := account{n, l}
	switch {
	case n.poll && n.asks:
		return polledAsked{polled{a}}
	case n.poll:
		return polled{a}
	case n.asks:
		return hookedAsked{hooked{a}}
	default:
		return hooked{a}
	}
}

func (a account) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{TextLimit: textLimit, Unknown: config.Report, Reports: a.n.reports}
}

// textLimit makes parts of an agent's longer sentences.
const textLimit = 40

func (a account) Address(tracking string) (connectors.Address, bool) {
	name, ok := strings.CutSuffix(tracking, "|sim")
	return connectors.Address{TrackingID: tracking, RemoteAddress: name}, ok
}

func (h hooked) Webhooks() []connectors.Webhook {
	return []connectors.Webhook{{
		Method: http.MethodPost, Path: "/" + h.n.name, MaxBody: 1 << 16,
		Verify: func(*connectors.Request) error { return nil },
		Parse: func(r *connectors.Request) (res connectors.ParseResult, err error) {
			for line := range strings.Lines(string(r.Body)) {
				f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
				if len(f) != 4 {
					return res, &connectors.RequestError{Reason: connectors.ReasonSyntax}
				}
				res.Events = append(res.Events, newEvent(f[0], f[1], f[2], f[3]))
			}
			return res, nil
		},
		Reply: func(v connectors.Verdict) connectors.Reply {
			if v.Result == connectors.Accepted {
				return connectors.Reply{Status: http.StatusOK}
			}
			return connectors.Reply{Status: http.StatusServiceUnavailable}
		},
	}}
}

func newEvent(id, kind, tracking, text string) connectors.Event {
	if kind == string(connectors.KindNotice) {
		return newEcho(id, tracking, text)
	}
	return connectors.Event{
		ID: id, Kind: connectors.Kind(kind), TrackingID: tracking, Text: text, RefID: "x",
		Customer: connectors.Customer{RemoteAddress: strings.TrimSuffix(tracking, "|sim"), PartyName: "Customer"},
	}
}

// Run polls: it confirms after Deliver has said yes, and never before.
func (p polled) Run(ctx context.Context, in connectors.Inbox) error {
	n, w := p.n, p.n.w
	for ctx.Err() == nil {
		w.mu.Lock()
		came := n.came
		from := n.offset
		to := min(len(n.updates), from+1+w.dice.n(drawPoll, n.n, 5))
		batch := slices.Clone(n.updates[from:to])
		w.mu.Unlock()
		if len(batch) == 0 {
			select {
			case <-came:
			case <-ctx.Done():
			}
			continue
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		if err := p.deliver(ctx, in, batch, to); err != nil {
			_ = pause(ctx, time.Second)
		}
	}
	return nil
}

func (p polled) deliver(ctx context.Context, in connectors.Inbox, batch []*event, to int) error {
	w := p.n.w
	var events []connectors.Event
	w.mu.Lock()
	for _, e := range batch {
		if e.posted == 0 {
			e.posted = w.step()
		}
		events = append(events, newEvent(e.id, e.kind, e.conv.tracking, e.text))
	}
	w.mu.Unlock()
	if err := in.Deliver(ctx, events); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.l.dead || w.point(atReplied) {
		return errRefused
	}
	p.n.offset = to
	p.n.took(p.l, batch)
	return nil
}

// Send is one attempt.
func (a account) Send(ctx context.Context, part connectors.Part) (connectors.Receipt, error) {
	w := a.n.w
	w.mu.Lock()
	s, at := a.begins(part)
	if at == nil {
		w.mu.Unlock()
		return connectors.Receipt{}, &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonConnect}
	}
	how := a.n.sendFault()
	there := time.Millisecond + w.dice.upTo(drawSend, a.n.n, 30*time.Millisecond)
	w.mu.Unlock()
	if err := pause(ctx, there); err != nil {
		return a.ends(at, connectors.Unknown, connectors.ReasonTimeout)
	}
	w.mu.Lock()
	w.note("network: %s part %d (%s): %s", s.mark, at.part, part.ID, cmpOr(string(how), "ok"))
	if a.l.dead {
		// The request had left: it arrives all the same, sometimes.
		at.took = w.dice.n(drawSend, a.n.n, 2) == 0 && (how == "" || how == sendLostTook || how == sendHang)
		a.n.tell(part.Ref, s.conv, at) //nolint:contextcheck // it comes by itself, later
		w.mu.Unlock()
		return connectors.Receipt{}, errAway
	}
	if how == "" || how == sendLostTook || how == sendHang || how == sendPanic {
		at.took = true
		a.n.tell(part.Ref, s.conv, at) //nolint:contextcheck // it comes by itself, later
		w.point(atSent)
	}
	w.mu.Unlock()
	if how == sendHang {
		<-ctx.Done()
		return a.ends(at, connectors.Unknown, connectors.ReasonTimeout)
	}
	if err := pause(ctx, there); err != nil {
		return a.ends(at, connectors.Unknown, connectors.ReasonTimeout)
	}
	return a.outcome(at, how)
}

func (a account) outcome(at *attempt, how sendHow) (connectors.Receipt, error) {
	switch how {
	case "":
		a.tells(at, "sent")
		return connectors.Receipt{NetworkID: strconv.FormatUint(at.step, 10)}, nil
	case sendRate:
		_, err := a.ends(at, connectors.NotSent, connectors.ReasonRate)
		se := connectors.AsSendError(err)
		se.RetryAfter = 3 * time.Second
		if at.part == 1 {
			se.Scope = connectors.ScopeRecipient
		}
		return connectors.Receipt{}, se
	case sendConnect:
		return a.ends(at, connectors.NotSent, connectors.ReasonConnect)
	case sendServer:
		return a.ends(at, connectors.NotSent, connectors.ReasonServer)
	case sendAuth:
		return a.ends(at, connectors.NotSent, connectors.ReasonAuth)
	case sendContent:
		return a.ends(at, connectors.Rejected, connectors.ReasonContent)
	case sendPanic:
		a.tells(at, connectors.Unknown.String())
		panic("the model's connector panics")
	default:
		return a.ends(at, connectors.Unknown, connectors.ReasonCut)
	}
}

// begins notes an attempt; nil: it never left, its process is dead.
func (a account) begins(part connectors.Part) (*said, *attempt) {
	w := a.n.w
	if a.l.dead || w.point(atSend) {
		return nil, nil
	}
	c := w.find(address{a.n.port, part.To.TrackingID})
	at := &attempt{part: partOf(part.ID), step: w.step(), at: time.Now(), life: a.l, words: part.Text}
	if part.Text == closedText {
		c.closed = append(c.closed, at.at)
		return &said{conv: c, mark: "closed text"}, at
	}
	mark, _, _ := strings.Cut(part.Text, ".")
	for _, s := range c.said {
		if s.mark == mark {
			s.attempts = append(s.attempts, at)
			return s, at
		}
	}
	w.violate("customer %s is sent what nobody said: %q", c.name, part.Text)
	return &said{conv: c, mark: "?"}, at
}

// partOf reads the number of a part out of its ID.
func partOf(id string) int {
	if _, n, ok := strings.Cut(id, "#"); ok {
		if k, err := strconv.Atoi(n); err == nil {
			return k
		}
	}
	return 1
}

func (a account) tells(at *attempt, outcome string) {
	a.n.w.mu.Lock()
	defer a.n.w.mu.Unlock()
	if !a.l.dead {
		at.told = outcome
	}
}

func (a account) ends(at *attempt, o connectors.Outcome, r connectors.Reason) (connectors.Receipt, error) {
	a.tells(at, o.String())
	return connectors.Receipt{}, &connectors.SendError{Outcome: o, Reason: r}
}

// sendFault takes the fate of the next send. w.mu is held.
func (n *network) sendFault() sendHow {
	if len(n.faults) == 0 {
		return ""
	}
	f := n.faults[0]
	if f.count--; f.count <= 0 {
		n.faults = n.faults[1:]
	}
	return f.how
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
