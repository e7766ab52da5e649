package gateway

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

const (
	// unansweredAgain is after how long without an answer a message is written again
	// on a connection that lives. A core has a minute, and may take longer.
	unansweredAgain = 10 * time.Minute
	// stopPatience is how long a stop waits for the answer to what is written.
	stopPatience = 5 * time.Second
	// restMax is how long a lane pauses in which nothing is due: longer than any rest.
	restMax = 24 * time.Hour
	// spareStrikes is how many connections may break over a message before it waits
	// longer each time: it may be what breaks them.
	spareStrikes = 2
)

// refusalRests are the pauses after each "false" of the core; together just below a
// day. After the last of them the next one ends the message.
var refusalRests = []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour}

// restsUntil is when a row from the journal has rested long enough. The clock that
// wrote it down may have been ahead: it rests no longer than its refusal lets it.
func restsUntil(h *held) time.Time {
	if n := min(h.Attempts, len(refusalRests)); n > 0 {
		if most := time.Now().Add(refusalRests[n-1]); h.Next.After(most) {
			return most
		}
	}
	return h.Next
}

// inMessage is a row on its way to the core, and what is awaited for it.
type inMessage struct {
	c       *conversation
	row     *held
	gateway uuid.UUID
	request string             // its RequestId
	answers chan messageAnswer // room for one
	woken   chan struct{}      // its lane's
	strikes int                // connections that broke before its answer
	asked   atomic.Int64       // when it was written and is not answered, Unix nanoseconds; 0 = it is not
	// Guarded by messages.mu: taken, it was given a "true", and what comes then is said
	// twice; worked, somebody works on it.
	taken, worked bool

	// The rest is the lane's goroutine's.
	written time.Time    // the latest frame of it; zero = none by this process
	placed  *messageLink // where it has a place among the unanswered
	weight  int64        // in bytes
}

func newInMessage(c *conversation, h *held) *inMessage {
	return &inMessage{
		c: c, row: h, gateway: c.ch.gatewayID(), request: requestID(c.ch.cfg.Name, h.ID),
		answers: make(chan messageAnswer, 1), woken: c.in.woken, strikes: h.Strikes,
	}
}

// requestID names a message in all its repeats, also after a restart.
func requestID(gateway, event string) string {
	space, _ := uuid.Parse(gateway) // the name of a message gateway is one
	return uuid.NewSHA1(space, []byte(event)).String()
}

// deliverMessage brings one message to its end, or to rest. It returns early when the
// lanes are stopped; the row stays pending then.
func (g *Gateway) deliverMessage(ctx context.Context, c *conversation, h *held) {
	it := h.inbound
	h.turn()
	var info simprot.MessageContentInfo
	if err := decodeMessage(&h.Row, &info); err != nil {
		g.finishMessageIn(c, it, verdict{journal.Dead, connectors.ReasonEncoding, err.Error()}, "")
		return
	}
	info.RequestId = it.request
	defer it.leave()
	for ctx.Err() == nil {
		answer, err := g.askToTake(ctx, c, it, &info)
		var bad *simprot.EncodeError
		switch {
		case errors.As(err, &bad), errors.Is(err, simprot.ErrFrameTooLong):
			g.finishMessageIn(c, it, verdict{journal.Dead, connectors.ReasonEncoding, "the message does not fit the core's frame limit"}, "")
			return
		case err != nil: // the connection has ended, or the gateway stops
			it.leave()
		case answer.accepted:
			h.step(stepTaken)
			g.finishMessageIn(c, it, verdict{state: journal.Done}, answer.message)
			return
		case answer.said:
			it.leave()
			g.refusedMessage(c, it)
			g.messages.rests(it)
			return
		}
	}
}

// askToTake writes a message to the core and waits for what it says. Nothing said,
// and no error: not in ten minutes.
func (g *Gateway) askToTake(ctx context.Context, c *conversation, it *inMessage, info *simprot.MessageContentInfo) (messageAnswer, error) {
	link, answer, err := g.reachCore(ctx, it)
	if answer.said {
		g.messages.metrics.answer(answerLate)
	}
	if err != nil || answer.said {
		return answer, err
	}
	if err := it.takePlace(ctx, link, info); err != nil {
		return messageAnswer{}, err
	}
	now := time.Now()
	if err := writeMessage(link.session, info); err != nil {
		if errors.Is(err, simprot.ErrGone) {
			<-link.gone.Done() // soon: the link says so after its last packet
		}
		return messageAnswer{}, err
	}
	it.written = now
	it.asked.Store(now.UnixNano())
	defer it.asked.Store(0)
	it.row.waits(stepToldCore, unansweredAgain, "")
	return g.awaitTaken(ctx, c, it, link)
}

// reachCore waits for a connection on which the message may be written. An answer may
// come before that, to an earlier writing.
func (g *Gateway) reachCore(ctx context.Context, it *inMessage) (*messageLink, messageAnswer, error) {
	for {
		link, change := g.messages.look()
		if link == nil {
			it.row.step(stepCore)
			select {
			case a := <-it.answers:
				return nil, a, nil
			case <-change:
			case <-ctx.Done():
				return nil, messageAnswer{}, ctx.Err()
			}
			continue
		}
		wait := g.beforeWriting(it, link)
		if wait <= 0 {
			select {
			case a := <-it.answers:
				return nil, a, nil
			default:
				return link, messageAnswer{}, nil
			}
		}
		timer := time.NewTimer(wait)
		listed := link.listed
		if isClosed(listed) {
			listed = nil
		}
		select {
		case a := <-it.answers:
			timer.Stop()
			return nil, a, nil
		case <-timer.C:
		case <-listed:
		case <-change:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil, messageAnswer{}, ctx.Err()
		}
	}
}

// beforeWriting is how long a message has to wait on a connection. What may have been
// written on an earlier one may still be read, unless the core fences that.
func (g *Gateway) beforeWriting(it *inMessage, link *messageLink) (wait time.Duration) {
	if (it.row.Loaded || !it.written.IsZero()) && it.placed != link && !link.session.Welcome().Fences {
		wait = time.Until(link.up.Add(g.config().Core.Settle))
	}
	if !isClosed(link.listed) {
		wait = max(wait, time.Until(link.up.Add(registerGrace)))
	}
	if it.strikes > spareStrikes {
		wait = max(wait, time.Until(link.up.Add(paces[connectors.ReasonServer].after(it.strikes-spareStrikes))))
	}
	return wait
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// takePlace waits for a place among what is unanswered on a connection. A message
// that is written again there has one.
func (it *inMessage) takePlace(ctx context.Context, link *messageLink, info *simprot.MessageContentInfo) error {
	if it.placed == link {
		return nil
	}
	it.leave()
	weight := min(int64(len(info.BodyText)+len(info.BodyHtml)+len(info.ExtendedFields)), maxUnansweredBytes)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(link.gone, cancel)() //nolint:contextcheck // the end of another context is what is waited for
	if !link.count.TryAcquire(1) {
		it.row.step(stepMessageRoom)
		if err := link.count.Acquire(ctx, 1); err != nil {
			return err
		}
	}
	if !link.bytes.TryAcquire(weight) {
		it.row.step(stepMessageRoom)
		if err := link.bytes.Acquire(ctx, weight); err != nil {
			link.count.Release(1)
			return err
		}
	}
	it.placed, it.weight = link, weight
	return nil
}

// leave gives the place back.
func (it *inMessage) leave() {
	if it.placed != nil {
		it.placed.count.Release(1)
		it.placed.bytes.Release(it.weight)
		it.placed = nil
	}
}

// awaitTaken waits until the core has said something, or has not for so long that the
// message is written again. A stop waits a little: what is written is known then.
func (g *Gateway) awaitTaken(ctx context.Context, c *conversation, it *inMessage, link *messageLink) (messageAnswer, error) {
	timer := time.NewTimer(unansweredAgain)
	defer timer.Stop()
	stopping := ctx.Done()
	for {
		select {
		case a := <-it.answers:
			g.messages.metrics.received(time.Since(it.written))
			return a, nil
		case <-link.gone.Done():
			it.strikes++
			it.row.step(stepLinkLost)
			return messageAnswer{}, simprot.ErrGone
		case <-timer.C:
			if ctx.Err() != nil {
				return messageAnswer{}, ctx.Err()
			}
			g.messages.metrics.answer(answerNone)
			it.row.step(stepNoAnswer)
			return messageAnswer{}, nil
		case <-stopping:
			stopping = nil
			timer.Reset(stopPatience)
		case <-c.ch.life.hard.Done():
			return messageAnswer{}, c.ch.life.hard.Err()
		}
	}
}

// refusedMessage has a message rest that the core does not take now, or gives it up
// after the fifth time it was sent again.
func (g *Gateway) refusedMessage(c *conversation, it *inMessage) {
	h := it.row
	h.Attempts++ // counts refusals: what is written again for want of an answer is no attempt more
	n := h.Attempts
	if n > len(refusalRests) {
		g.finishMessageIn(c, it, verdict{
			journal.Dead, connectors.ReasonCore, "the core answered false each time it was asked to take the message: its log says why",
		}, "")
		return
	}
	h.Next = time.Now().Add(refusalRests[n-1])
	h.waits(stepCoreRefuses, refusalRests[n-1], "")
	g.journal.Apply(journal.Change{
		Seq: h.Seq, Epoch: h.Epoch, State: journal.Delivering, Reason: string(connectors.ReasonCore),
		Attempts: n, Strikes: it.strikes, Next: h.Next,
	})
	c.ch.log.Info("the core does not take a message now", "id", simprot.LogEventID(c.tracking, h.ID),
		"conversation", simprot.LogID(c.tracking), "times", n, "again_in", refusalRests[n-1])
}

// finishMessageIn ends a message, and then tells the device, which marks it where it
// came from. The lane goes on meanwhile: what is behind in the journal is asked for
// after the end.
func (g *Gateway) finishMessageIn(c *conversation, it *inMessage, v verdict, messageID string) {
	h := it.row
	var parts []journal.Part
	if v.state == journal.Done {
		parts = []journal.Part{{State: journal.PartSent, NetworkID: messageID, At: time.Now()}}
	}
	end := v.end(h, parts)
	g.journal.Apply(end)
	g.drop(c, h)
	g.messages.ended(it)
	settle := func() {
		if g.commitEnd(c, h, end) { // the same again: it waits for the first
			c.ch.settled(h.Lane.TrackingID, h.ID, v.state)
		}
	}
	if !c.ch.life.spawn(settle) { // the gateway stops
		settle()
	}
}

// settled tells a device how what it delivered has ended.
func (ch *channel) settled(tracking, id string, end journal.State) {
	s, ok := ch.conn.(connectors.Settler)
	if !ok || end.Pending() {
		return
	}
	how := connectors.SettledDone
	if end == journal.Dead {
		how = connectors.SettledFailed
	}
	s.Settled(connectors.EventKey{TrackingID: tracking, ID: id}, how)
}

// settledBefore tells a device of what it delivered and had ended: it did not hear, or
// it lay at the source again.
func (g *Gateway) settledBefore(ctx context.Context, ch *channel, entries []journal.Entry, verdicts []journal.Verdict) error {
	if _, ok := ch.conn.(connectors.Settler); !ok {
		return nil
	}
	for i, e := range entries {
		end := journal.Dead
		switch verdicts[i] {
		case journal.New:
			continue
		case journal.Repeat:
			rows, err := g.journal.Find(ctx, e.Lane, journal.IDHash{ID: e.ID})
			if err != nil {
				return err
			}
			if rows[0] == nil {
				continue // swept a moment ago: it comes again as new
			}
			end = rows[0].State
		}
		ch.settled(e.Lane.TrackingID, e.ID, end)
	}
	return nil
}
