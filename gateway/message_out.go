package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// The time of one SE_MESSAGE_SENDING, counted from when it was read (SPEC, messages).
const (
	startWithin = 45 * time.Second // no attempt starts later
	runWithin   = 80 * time.Second // or runs longer
	answerBy    = 85 * time.Second // what is over later is the next repeat's answer
)

const (
	// maxRequests and maxRequestBytes are how many messages of the core, and how much of
	// them, may be under way at a time.
	maxRequests     = 1000
	maxRequestBytes = 64 << 20
	// registerPatience is how long the core's register has to name a gateway that is
	// not known here.
	registerPatience = 25 * time.Second
	registerLook     = 250 * time.Millisecond
)

// sendRequest is one SE_MESSAGE_SENDING, which gets one answer.
type sendRequest struct {
	session *simprot.Session
	at      time.Time // when it was read
	id      *uuid.UUID
	gateway uuid.UUID
	bytes   int
	// epoch is that of the row whose end is its answer, at least. Guarded by
	// messages.mu.
	epoch int32
}

// messageKey names a message that goes out.
type messageKey struct{ gateway, id string }

func (r *sendRequest) key() messageKey {
	if r.id == nil {
		return messageKey{}
	}
	return messageKey{r.gateway.String(), r.id.String()}
}

// requests are those without an answer. Guarded by messages.mu.
type requests struct {
	open  map[messageKey][]*sendRequest
	count int
	bytes int
}

func newRequests() requests { return requests{open: map[messageKey][]*sendRequest{}} }

// join has a request wait for the end of its message's row; false: there are too many.
func (m *messages) join(r *sendRequest) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count >= maxRequests || m.count > 0 && m.bytes+r.bytes > maxRequestBytes {
		return false
	}
	m.count++
	m.bytes += r.bytes
	m.open[r.key()] = append(m.open[r.key()], r)
	return true
}

// leave takes a request out; false: it has had its answer, or its time has passed.
func (m *messages) leave(r *sendRequest) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.open[r.key()]
	i := slices.Index(list, r)
	if i < 0 {
		return false
	}
	m.count--
	m.bytes -= r.bytes
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(m.open, r.key())
	} else {
		m.open[r.key()] = list
	}
	return true
}

// take takes the requests for a message out that its end, in an epoch, is the answer to:
// who has asked for another attempt since waits for that.
func (m *messages) take(key messageKey, epoch int32) (list []*sendRequest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := slices.DeleteFunc(m.open[key], func(r *sendRequest) bool {
		if r.epoch > epoch {
			return false
		}
		m.count--
		m.bytes -= r.bytes
		list = append(list, r)
		return true
	})
	if m.open[key] = left; len(left) == 0 {
		delete(m.open, key)
	}
	return list
}

// wants has a request wait for an attempt in an epoch; false: it has its answer.
func (m *messages) wants(r *sendRequest, epoch int32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.epoch = epoch
	return slices.Contains(m.open[r.key()], r)
}

// asked is when the latest request for a message was read; zero = none waits.
func (m *messages) asked(key messageKey) (at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.open[key] {
		at = later(at, r.at)
	}
	return at
}

// expire forgets requests whose time has passed. The core sends them again.
func (m *messages) expire(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, list := range m.open {
		left := slices.DeleteFunc(list, func(r *sendRequest) bool {
			if now.Sub(r.at) <= answerBy {
				return false
			}
			m.metrics.withheld()
			m.count--
			m.bytes -= r.bytes
			return true
		})
		if len(left) == 0 {
			delete(m.open, key)
		} else {
			m.open[key] = left
		}
	}
}

// messageToSend is SE_MESSAGE_SENDING, on the link's reader.
func (g *Gateway) messageToSend(s *simprot.Session, info *simprot.MessageContentInfo) {
	r := &sendRequest{session: s, at: time.Now(), id: info.MessageId, gateway: info.GatewayId, bytes: len(info.BodyText) + len(info.BodyHtml) + len(info.ExtendedFields)}
	if !g.messages.join(r) {
		g.life.spawn(func() { g.answerSending(r, unsent("too many messages are under way")) })
		return
	}
	g.life.spawn(func() { // else the gateway stops: the core's repeat finds the next one
		if result, ended := g.takeSending(g.life.lanes, r, info); ended && g.messages.leave(r) {
			g.answerSending(r, result)
		}
	})
}

// takeSending journals a message to send. ended is true when the answer is known: it
// cannot be taken, or was sent before. Else its lane answers.
func (g *Gateway) takeSending(ctx context.Context, r *sendRequest, info *simprot.MessageContentInfo) (result sentResult, ended bool) {
	if r.id == nil || *r.id == uuid.Nil {
		return unsent("the message has no MessageId"), true
	}
	ctx, cancel := context.WithDeadline(ctx, r.at.Add(startWithin))
	defer cancel()
	m, err := readSending(info)
	if err != nil {
		return unsent(err.Error()), true
	}
	lane := journal.Lane{Channel: r.gateway.String(), Direction: journal.Out, TrackingID: recipientID(m)}
	ch, why := g.senderFor(ctx, r)
	if why != "" {
		return g.unservedSending(ctx, r, lane, why)
	}
	if err := g.nameOutbound(ctx, &lane, m); err != nil {
		return g.notTaken(ctx, ch, r, lane, err)
	}
	e := journal.Entry{
		Lane: lane, ID: m.ID, SentAt: m.ReceivedAt, Deadline: time.Now().Add(startWithin - time.Since(r.at)),
		Content: (&content{Kind: string(connectors.KindMessage), NetworkID: m.SystemID, Message: encodeMessage(m)}).encode(),
		Party:   &journal.Party{RemoteAddress: simprot.Truncate(valid(m.RemoteAddress), simprot.MaxRemoteAddress)},
	}
	g.steps.tell(stepFromCore, e)
	verdicts, err := g.journal.Accept(ctx, e)
	if err != nil {
		return g.notTaken(ctx, ch, r, lane, err)
	}
	ch.taken(journal.Out, []journal.Entry{e}, verdicts)
	switch verdicts[0] {
	case journal.Refused:
		return unsent("the gateway's journal refuses it"), true
	case journal.Repeat:
		return g.repeatedSending(ctx, ch, r, lane)
	default:
		return result, false
	}
}

// notTaken: the journal did not take the message. Whether it did all the same cannot
// be told after the time is over, nor whether it has it from an earlier time while it
// cannot be read: nothing is said then.
func (g *Gateway) notTaken(ctx context.Context, ch *channel, r *sendRequest, lane journal.Lane, err error) (sentResult, bool) {
	if ctx.Err() != nil || !errors.Is(err, journal.ErrFull) && !errors.Is(err, journal.ErrAway) {
		return sentResult{}, false
	}
	row, err := g.findRow(ctx, lane, r.id.String())
	switch {
	case err != nil:
		return sentResult{}, false
	case row == nil:
		return unsent("the gateway's journal takes nothing now"), true
	case row.State.Pending():
		return sentResult{}, false // its lane answers
	}
	return g.resultOf(ch, row), true
}

// repeatedSending is a SENDING for a message that the journal has. While it is pending
// its lane answers this one, too.
func (g *Gateway) repeatedSending(ctx context.Context, ch *channel, r *sendRequest, lane journal.Lane) (result sentResult, ended bool) {
	for ctx.Err() == nil {
		row, err := g.findRow(ctx, lane, r.id.String())
		if err != nil || row == nil || row.State.Pending() {
			return result, false
		}
		if !againOnRepeat(row, ch.unknown) {
			return g.resultOf(ch, row), true
		}
		if !g.messages.wants(r, row.Epoch+1) {
			return result, false // an attempt that it had joined has ended meanwhile
		}
		switch err := g.journal.Requeue(ctx, row.Seq); {
		case err == nil:
			return result, false
		case errors.Is(err, journal.ErrNotDead): // another repeat was faster
		case errors.Is(err, journal.ErrNotFound):
			return g.resultOf(ch, row), true // its customer was forgotten
		default:
			return g.notTaken(ctx, ch, r, lane, err)
		}
	}
	return result, false
}

func (g *Gateway) findRow(ctx context.Context, lane journal.Lane, id string) (*journal.Row, error) {
	rows, err := g.journal.Find(ctx, lane, journal.IDHash{ID: id})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// againOnRepeat tells whether a repeat is a new attempt for a row that has ended: it
// has failed, and nobody can have what is to be sent again, or the gateway may send it
// again all the same.
func againOnRepeat(row *journal.Row, unknown config.UnknownPolicy) bool {
	if row.State != journal.Dead || row.Reason == string(connectors.ReasonDiscarded) || len(row.Content) == 0 {
		return false
	}
	return unknown == config.Resend || !slices.ContainsFunc(row.Parts, mayHave)
}

// unservedSending answers for a gateway that cannot send now: by the journal where
// the message was here before. One that waits there has waited for the last time: the
// core is told that it is not sent, and it must not leave after that.
func (g *Gateway) unservedSending(ctx context.Context, r *sendRequest, lane journal.Lane, why string) (result sentResult, ended bool) {
	release, err := g.holdChannels(ctx)
	if err != nil {
		return result, false
	}
	defer release()
	ch := g.channel(lane.Channel)
	if ch != nil && ch.isGateway() && !ch.hears() && ch.cfg.Enabled {
		return result, false // it has come back: the core's repeat is served
	}
	row, err := g.findRow(ctx, lane, r.id.String())
	switch {
	case err != nil:
		return result, false
	case row == nil || row.State == journal.Dead && againOnRepeat(row, config.Report) && sentParts(row.Parts) == 0:
		return unsent(why), true
	case row.State.Pending():
		d := &mailing{row: &held{Row: *row}, states: slices.Clone(row.Parts), mu: make(longMutex, 1)}
		d.recall()
		v := verdict{journal.Dead, connectors.ReasonDeadline, why}
		if len(d.states) > 0 {
			v = d.verdict(connectors.ReasonDeadline, why)
		}
		if err := g.journal.Commit(ctx, v.end(d.row, d.states)); err != nil {
			return result, false
		}
		g.settle(lane, row.ID)
		row.State, row.Reason, row.Hint, row.Parts = v.state, string(v.reason), v.hint, d.states
		for _, waits := range g.messages.take(r.key(), row.Epoch) {
			g.answerSending(waits, g.resultOf(ch, row))
		}
		return result, false // it was among them
	}
	return g.resultOf(ch, row), true
}

// senderFor finds the channel that a message goes by, or says why there is none. A
// gateway that is not known is asked for once.
func (g *Gateway) senderFor(ctx context.Context, r *sendRequest) (*channel, string) {
	id := r.gateway.String()
	ch := g.channel(id)
	if ch == nil && g.config().Messages.Register {
		ctx, cancel := context.WithDeadline(ctx, r.at.Add(registerPatience))
		defer cancel()
		g.devices.refresh()
		for ch == nil && ctx.Err() == nil && g.devices.whyBroken(id) == "" {
			sleep(ctx, registerLook)
			ch = g.channel(id)
		}
	}
	switch {
	case ch == nil:
		if reason := g.devices.whyBroken(id); reason != "" {
			return nil, "the gateway cannot be used as it is configured: " + reason
		}
		return nil, "there is no gateway with this GatewayId here"
	case !ch.isGateway():
		return nil, "this GatewayId is that of a chat channel"
	case ch.hears():
		return nil, "the gateway is for messages from customers"
	case !ch.cfg.Enabled:
		return nil, "the gateway is switched off"
	}
	return ch, ""
}

// whyBroken is why a gateway of the core's register is not served; empty = it is, or
// there is none.
func (d *devices) whyBroken(id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.broken {
		if b.id == id {
			return b.reason
		}
	}
	return ""
}
