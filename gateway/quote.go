package gateway

import (
	"context"
	"regexp"

	"servicelink/gateway/journal"
)

// An agent names a customer's message by the event's ID, which the core has. The
// network knows it by an id of its own that may be anything, so the row has that
// beside the text, and loses it with the text.

// networkID gives the network's own id of an event, empty where there is none or
// none any more. known tells whether there is such an event at all.
func (g *Gateway) networkID(ctx context.Context, ch *channel, tracking, eventID string) (id string, known bool, err error) {
	lane := journal.Lane{Channel: ch.cfg.Name, Direction: journal.In, TrackingID: tracking}
	rows, err := g.journal.Find(ctx, lane, journal.IDHash{ID: eventID})
	if err != nil || rows[0] == nil {
		return "", false, err
	}
	c, err := decodeContent(rows[0].Content)
	if err != nil {
		return "", true, nil //nolint:nilerr // what cannot be read is not known
	}
	return c.NetworkID, true, nil
}

// eventIDForm is what connectors.EventID makes.
var eventIDForm = regexp.MustCompile(`^(?:h:[0-9a-f]{62}|[0-9a-z:_.-]+\|[0-9a-z:_.-]+(?:\|[0-9a-z:_.-]*){1,2})$`)

// quote puts the network's id of the answered message into the first part. What is
// no event's ID goes as the agent gave it: it may be an id of the network's. An
// event of which the id is not known is not quoted, and the agent is told. An error
// means that the lanes are stopped.
func (g *Gateway) quote(ctx context.Context, d *delivery) error {
	first := &d.parts[0]
	if first.ReplyTo == "" || d.states[0].State == journal.PartSent {
		return nil
	}
	for {
		id, known, err := g.networkID(ctx, d.c.ch, d.c.tracking, first.ReplyTo)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			sleep(ctx, journalRetry)
			continue
		case id == "" && !known && !eventIDForm.MatchString(first.ReplyTo):
			return nil
		}
		if first.ReplyTo = id; id == "" {
			return g.note(ctx, d.c, "unquoted:"+d.row.ID, unquotedNote(d.row.ID))
		}
		return nil
	}
}
