package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"servicelink/config"
	"servicelink/connectors"
)

// box is the model of a mailbox: what lies in it stays until it is marked.
type box struct {
	m    *messages
	n    uint64
	id   uuid.UUID
	all  []*mail
	came chan struct{}

	session int       // counts its connections
	away    int       // reasons why there is none
	lost    int       // marks that get lost
	made    time.Time // when its device was last built
}

// brings puts a mail of a writer's into the box.
func (b *box) brings(writer int, sameName bool) {
	w := b.m.w
	ml := &mail{
		box: b, n: len(b.all) + 1, writer: fmt.Sprintf("writer%d@sim.test", writer%b.m.set.Writers), names: map[int]string{},
	}
	ml.id = fmt.Sprintf("mail|box%d|%d", b.n, ml.n)
	ml.text = fmt.Sprintf("mail %d of box %d", ml.n, b.n)
	switch before := len(b.all); {
	case sameName && before > 0:
		ml.name, ml.shared, b.all[before-1].shared = b.all[before-1].name, true, true
	case ml.n%5 > 0: // of each fifth nobody has named it
		ml.name = fmt.Sprintf("in-%d-%d@customers.test", b.n, ml.n)
	}
	b.all = append(b.all, ml)
	b.m.mails = append(b.m.mails, ml)
	w.note("customer %s mails %s as <%s>", ml.writer, ml.id, ml.name)
	b.wake()
}

func (ml *mail) subject() string { return "about " + ml.text }

func (ml *mail) tracking() string { return connectors.TrackingID("mail", ml.writer) }

func (ml *mail) event() connectors.Event {
	return connectors.Event{
		ID: ml.id, Kind: connectors.KindMessage, TrackingID: ml.tracking(),
		Customer: connectors.Customer{RemoteAddress: ml.writer},
		Message: &connectors.Message{
			SystemID: ml.name, From: ml.writer, RemoteAddress: ml.writer, Subject: ml.subject(), Text: ml.text, ReceivedAt: time.Now(),
		},
	}
}

func (b *box) wake() {
	close(b.came)
	b.came = make(chan struct{})
}

// breaks ends its connection, and allows none for a while.
func (b *box) breaks(d time.Duration) {
	b.session++
	b.away++
	b.wake()
	b.m.w.after(d, func() { b.away = max(0, b.away-1); b.wake() })
}

// reader is a box's device in one process.
type reader struct {
	b *box
	l *life
	// given are the mails that were delivered on this connection.
	given map[*mail]time.Time
}

var (
	_ connectors.Runner  = (*reader)(nil)
	_ connectors.Settler = (*reader)(nil)
)

func (r *reader) Capabilities() connectors.Capabilities { return connectors.Capabilities{} }

// lookAgain is after how long a mail that was delivered and is not marked is delivered
// again: a mark can get lost.
const lookAgain = 10 * time.Minute

// Run delivers what is not marked, on every connection anew.
func (r *reader) Run(ctx context.Context, in connectors.Inbox) error {
	w := r.b.m.w
	session := -1
	for ctx.Err() == nil {
		w.mu.Lock()
		if session != r.b.session {
			session, r.given = r.b.session, map[*mail]time.Time{}
		}
		came, batch := r.b.came, r.next()
		w.mu.Unlock()
		if len(batch) == 0 {
			wait, cancel := context.WithTimeout(ctx, lookAgain)
			select {
			case <-came:
			case <-wait.Done():
			}
			cancel()
			continue
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		events := make([]connectors.Event, len(batch))
		for i, ml := range batch {
			events[i] = ml.event()
		}
		if err := in.Deliver(ctx, events); err != nil {
			_ = pause(ctx, time.Second)
			continue
		}
		w.mu.Lock()
		for _, ml := range batch {
			r.given[ml] = time.Now()
		}
		w.point(atReplied)
		w.mu.Unlock()
	}
	return nil
}

// next are the next mails to deliver. w.mu is held.
func (r *reader) next() (batch []*mail) {
	if r.b.away > 0 || r.l.dead {
		return nil
	}
	n := 1 + r.b.m.w.dice.n(drawFetch, r.b.n, 4)
	for _, ml := range r.b.all {
		if at, ok := r.given[ml]; ml.marked || ml.failed || ok && time.Since(at) < lookAgain {
			continue
		}
		if batch = append(batch, ml); len(batch) == n {
			break
		}
	}
	return batch
}

// Settled marks a mail at the source, after a while.
func (r *reader) Settled(key connectors.EventKey, end connectors.Settlement) {
	w := r.b.m.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.l.dead {
		return
	}
	for _, ml := range r.b.all {
		if ml.id != key.ID {
			continue
		}
		if ml.tracking() != key.TrackingID {
			w.violate("settled: %s is of %s, not of %s", ml.id, ml.tracking(), key.TrackingID)
		}
		w.checkSettled(ml, end)
		if r.b.lost > 0 {
			r.b.lost--
			w.note("%s: the mark of %s is lost", r.b.id, ml.id)
			return
		}
		w.after(20*time.Millisecond, func() {
			if r.l.dead {
				return
			}
			w.note("mailbox: %s is marked", ml.id)
			ml.marked, ml.failed = end == connectors.SettledDone, end == connectors.SettledFailed
		})
		return
	}
	w.violate("settled: %s is in no mailbox", key.ID)
}

// host is the model of what mail leaves by.
type host struct {
	m       *messages
	n       uint64
	id      uuid.UUID
	unknown config.UnknownPolicy
	faults  []*sendFault
}

// mailing is one attempt to send one part of a letter.
type mailing struct {
	part    int
	step    uint64
	at      time.Time
	limit   time.Time // it may not run longer
	life    *life
	took    bool
	told    string
	durable bool // the journal of its process knew that it was sent when the process died
	over    bool
}

// writer is a host's device in one process.
type writer struct {
	h *host
	l *life
}

var _ connectors.MessageSender = writer{}

func (d writer) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{Unknown: d.h.unknown}
}

// Parts implements connectors.MessageSender.
func (d writer) Parts(m *connectors.Message) ([]string, error) { return m.Recipients.To, nil }

// SendMessage is one attempt. It goes as with the model networks.
func (d writer) SendMessage(ctx context.Context, m *connectors.Message, part string) (connectors.Receipt, error) {
	w := d.h.m.w
	w.mu.Lock()
	l, at := d.begins(m, part)
	if at == nil {
		w.mu.Unlock()
		return connectors.Receipt{}, &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonConnect}
	}
	how := d.h.next()
	there := time.Millisecond + w.dice.upTo(drawMailing, d.h.n, 30*time.Millisecond)
	if w.dice.n(drawMailing, d.h.n, 12) == 0 {
		there = w.dice.upTo(drawMailing, d.h.n, 50*time.Second) // a slow host
	}
	w.mu.Unlock()
	if err := pause(ctx, there); err != nil {
		return d.ends(at, connectors.Unknown, connectors.ReasonTimeout)
	}
	w.mu.Lock()
	w.note("mail host: %s to %s: %s", l.name, part, cmpOr(string(how), "ok"))
	arrives := how == "" || how == sendLostTook || how == sendHang || how == sendPanic
	if d.l.dead { // the last byte had left: it arrives all the same, sometimes
		at.took = arrives && w.dice.n(drawMailing, d.h.n, 2) == 0
		w.mu.Unlock()
		return connectors.Receipt{}, errAway
	}
	if arrives {
		at.took = true
		w.point(atSent)
	}
	w.mu.Unlock()
	if how == sendHang {
		<-ctx.Done()
		return d.ends(at, connectors.Unknown, connectors.ReasonTimeout)
	}
	return d.outcome(at, how, m.SystemID)
}

func (d writer) outcome(at *mailing, how sendHow, name string) (connectors.Receipt, error) {
	switch how {
	case "":
		_, _ = d.ends(at, 0, "")
		return connectors.Receipt{NetworkID: name}, nil
	case sendRate:
		_, err := d.ends(at, connectors.NotSent, connectors.ReasonRate)
		se := connectors.AsSendError(err)
		se.RetryAfter = 3 * time.Second
		return connectors.Receipt{}, se
	case sendConnect:
		return d.ends(at, connectors.NotSent, connectors.ReasonConnect)
	case sendServer:
		return d.ends(at, connectors.NotSent, connectors.ReasonServer)
	case sendAuth:
		return d.ends(at, connectors.NotSent, connectors.ReasonAuth)
	case sendContent:
		return d.ends(at, connectors.Rejected, connectors.ReasonContent)
	case sendPanic:
		_, _ = d.ends(at, connectors.Unknown, connectors.ReasonBug)
		panic("the model's device panics")
	default:
		return d.ends(at, connectors.Unknown, connectors.ReasonCut)
	}
}

// begins notes an attempt; nil: it never left, its process is dead. w.mu is held.
func (d writer) begins(m *connectors.Message, part string) (*letter, *mailing) {
	w := d.h.m.w
	if d.l.dead || w.point(atSend) {
		return nil, nil
	}
	at := &mailing{part: -1, step: w.step(), at: time.Now(), life: d.l}
	for _, l := range d.h.m.outs {
		if l.id.String() != m.ID {
			continue
		}
		for i, name := range l.parts {
			if name == part {
				at.part = i
			}
		}
		if at.part < 0 || l.host != d.h || m.Text != l.text || m.SystemID == "" {
			w.violate("whole: %s goes to %q as %q with %q", l.name, part, m.SystemID, m.Text)
			return nil, nil
		}
		l.attempts = append(l.attempts, at)
		w.checkBegins(l, at)
		return l, at
	}
	w.violate("the mail host is given what nobody wrote: %q", m.Text)
	return nil, nil
}

// ends notes what the gateway hears of an attempt.
func (d writer) ends(at *mailing, o connectors.Outcome, r connectors.Reason) (connectors.Receipt, error) {
	w := d.h.m.w
	w.mu.Lock()
	defer w.mu.Unlock()
	at.over = true
	if !d.l.dead {
		at.told = "sent"
		if r != "" {
			at.told = o.String()
		}
		if time.Now().After(at.limit) {
			w.violate("time: an attempt runs %v too long", time.Since(at.limit))
		}
	}
	if r == "" {
		return connectors.Receipt{}, nil
	}
	return connectors.Receipt{}, &connectors.SendError{Outcome: o, Reason: r}
}

// next takes the fate of the next attempt. w.mu is held.
func (h *host) next() sendHow {
	if len(h.faults) == 0 {
		return ""
	}
	f := h.faults[0]
	if f.count--; f.count <= 0 {
		h.faults = h.faults[1:]
	}
	return f.how
}

var errNoDevice = errors.New("no such gateway")

// devices are the types of gateways, for one process.
func (m *messages) devices(l *life) []connectors.DeviceDefinition {
	return []connectors.DeviceDefinition{
		{Type: "Box", Network: "mail", In: true, New: func(c config.Channel, _ connectors.Dependencies) (connectors.Device, error) {
			for _, b := range m.boxes {
				if b.id.String() == c.Name {
					m.w.mu.Lock()
					b.made = time.Now()
					m.w.mu.Unlock()
					return &reader{b: b, l: l}, nil
				}
			}
			return nil, errNoDevice
		}},
		{Type: "Host", Network: "mail", Out: true, New: func(c config.Channel, _ connectors.Dependencies) (connectors.Device, error) {
			for _, h := range m.hosts {
				if h.id.String() == c.Name {
					return writer{h, l}, nil
				}
			}
			return nil, errNoDevice
		}},
	}
}

// config is the gateways' part of the configuration.
func (m *messages) config() config.Messages {
	c := config.Messages{Address: peer, Register: m.set.Register, Refresh: 5 * time.Minute}
	if m.set.Register {
		return c
	}
	for _, b := range m.boxes {
		c.Gateways = append(c.Gateways, config.MessageGateway{ID: b.id.String(), Name: "box", Direction: config.DirectionIn, Device: "Box", Enabled: true})
	}
	for _, h := range m.hosts {
		c.Gateways = append(c.Gateways, config.MessageGateway{ID: h.id.String(), Name: "host", Direction: config.DirectionOut, Device: "Host", Enabled: true})
	}
	return c
}

// beginning reads how an answer begins.
func beginning(data string) string {
	how, _, _ := strings.Cut(data, ":")
	return how
}
