package twilio

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"

	"servicelink/connectors"
)

const (
	// mostRecovered bounds what one Recover holds.
	mostRecovered = 50_000
	// recoverBatch is how many events are handed over at once.
	recoverBatch = 100
)

// Recover implements connectors.Recoverer: it lists what Twilio received for this
// sender. The list tells neither names nor buttons nor places, so what is recovered
// may say less than the webhook would have.
func (c *Channel) Recover(ctx context.Context, since, until time.Time, in connectors.Inbox) error {
	list, err := c.received(ctx, since, until)
	if err != nil {
		return err
	}
	var events []connectors.Event
	for _, m := range list {
		more, err := c.recovered(ctx, m)
		if err != nil {
			return err
		}
		if events = append(events, more...); len(events) < recoverBatch {
			continue
		}
		if err := deliver(ctx, in, events); err != nil {
			return err
		}
		events = nil
	}
	if len(events) > 0 {
		return deliver(ctx, in, events)
	}
	return nil
}

// deliver hands events over; what the engine cannot take now it asks for again.
func deliver(ctx context.Context, in connectors.Inbox, events []connectors.Event) error {
	if err := in.Deliver(ctx, events); err != nil {
		return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonCanceled, Err: err}
	}
	return nil
}

// received lists what came from since until before until, the oldest first.
func (c *Channel) received(ctx context.Context, since, until time.Time) (all []listed, err error) {
	// The comparison is inclusive, and by whole seconds.
	params := new(openapi.ListMessageParams).SetPageSize(listPage).
		SetDateSentAfter(since.UTC().Truncate(time.Second)).SetDateSentBefore(until.UTC().Truncate(time.Second).Add(time.Second))
	if c.from != "" {
		params.SetTo(c.traits.Prefix + c.from)
	}
	at := page{}
	for {
		list, next, err := c.messages(ctx, params, at)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			sent := m.DateSent.time()
			if sent.IsZero() {
				sent = m.at()
			}
			// A second that is cut in two by since belongs to this call as a whole.
			if m.inbound() && !sent.Before(since.Truncate(time.Second)) && sent.Before(until) && c.forUs(m) {
				all = append(all, m)
			}
		}
		if len(all) > mostRecovered {
			return nil, &connectors.SendError{
				Outcome: connectors.NotSent, Reason: connectors.ReasonAnswer, Err: errors.New("more messages came than can be held"),
			}
		}
		if next == (page{}) || next == at {
			break
		}
		at = next
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b listed) int { return a.DateSent.time().Compare(b.DateSent.time()) })
	return all, nil
}

// forUs compares what verify does.
func (c *Channel) forUs(m listed) bool {
	if c.service != "" {
		return string(m.Service) == c.service
	}
	return string(m.To) == c.traits.Prefix+c.from
}

// recovered makes the events of one message, with the IDs its webhook would have
// given. One that cannot be read is left to the webhook.
func (c *Channel) recovered(ctx context.Context, m listed) ([]connectors.Event, error) {
	address, ok := c.own(m.From)
	if !ok || !sidForm.MatchString(string(m.SID)) {
		return nil, nil
	}
	msg := message{
		sid: string(m.SID), address: address, body: string(m.Body),
		customer: c.customer(address, "", []connectors.Member{{Name: "id", Value: address}}),
	}
	if m.NumMedia.number() > 0 {
		var err error
		if msg.media, err = c.mediaOf(ctx, msg.sid); err != nil {
			return nil, err
		}
	}
	if msg.empty() {
		msg.other = "a message without text, such as a place, of which Twilio does not tell any more"
	}
	return c.events(msg), nil
}

// mediaLists remembers the files of messages: the same messages are looked at with
// every Recover, and their files do not change.
type mediaLists struct {
	mu  sync.Mutex
	all map[string][]connectors.File // by the message's sid
}

// mostMediaLists bounds what is remembered; beyond it, all is forgotten and asked for
// again.
const mostMediaLists = 10_000

func (l *mediaLists) get(sid string) (files []connectors.File, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	files, ok = l.all[sid]
	return slices.Clone(files), ok
}

func (l *mediaLists) put(sid string, files []connectors.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil || len(l.all) >= mostMediaLists {
		l.all = make(map[string][]connectors.File)
	}
	l.all[sid] = slices.Clone(files)
}

// mediaOf lists a message's files.
func (c *Channel) mediaOf(ctx context.Context, sid string) (files []connectors.File, err error) {
	if files, ok := c.listed.get(sid); ok {
		return files, nil
	}
	request, service := c.call(ctx)
	_, _ = service.PageMedia(sid, new(openapi.ListMediaParams), "", "") // read says what came of it
	var answer struct {
		List []struct {
			SID  word `json:"sid"`
			Type word `json:"content_type"`
		} `json:"media_list"`
	}
	if err := request.read(&answer); err != nil {
		return nil, err
	}
	for _, m := range answer.List {
		if sidForm.MatchString(string(m.SID)) && len(files) < maxMedia {
			files = append(files, connectors.File{Type: mimeType(string(m.Type)), ID: "Messages/" + sid + "/Media/" + string(m.SID)})
		}
	}
	if len(files) > 0 { // they may not be listed yet
		c.listed.put(sid, files)
	}
	return files, nil
}
