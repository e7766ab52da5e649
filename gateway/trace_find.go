package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// trace looks for the query in every way it may be meant, the cheapest first.
func (g *Gateway) trace(ctx context.Context, q traceQuery) (Trace, error) {
	t := Trace{By: q.by, Conversations: []TracedConversation{}, Messages: []TracedMessage{}, Notes: []string{
		fmt.Sprintf("looked through the newest %d messages at most; of those found the newest %d are shown", traceRecent, traceLimit),
		"steps that the journal does not keep are in memory, those since " + g.steps.since().UTC().Format(time.RFC3339) + " complete",
	}}
	for _, by := range []string{byTracking, byID, byHash, byAddress} {
		if q.by != "" && q.by != by {
			continue
		}
		convs, rows, err := g.traced(ctx, q, by)
		if err != nil {
			return t, err
		}
		if len(convs) == 0 {
			continue
		}
		t.By = by
		for _, c := range convs {
			t.Conversations = append(t.Conversations, g.tracedConversation(c, q.content))
		}
		for i := range rows {
			t.Messages = append(t.Messages, g.tracedMessage(&rows[i], q.content))
		}
		return t, nil
	}
	return t, nil
}

// traced finds conversations and rows in one way.
func (g *Gateway) traced(ctx context.Context, q traceQuery, by string) (convs []journal.Conversation, rows []journal.Row, err error) {
	if by == byID {
		if rows, err = g.tracedByID(ctx, q); err != nil {
			return nil, nil, err
		}
		known := make(map[[2]string]bool)
		for _, row := range rows {
			key := [2]string{row.Lane.Channel, row.Lane.TrackingID}
			if known[key] {
				continue
			}
			known[key] = true
			c, _, err := g.journal.Conversation(ctx, row.Lane.Channel, row.Lane.TrackingID)
			if err != nil {
				return nil, nil, err
			}
			c.Channel, c.TrackingID = row.Lane.Channel, row.Lane.TrackingID // it may be none of the journal's
			convs = append(convs, c)
		}
		return convs, rows, nil
	}
	if convs, err = g.tracedConversations(ctx, q, by); err != nil {
		return nil, nil, err
	}
	for _, c := range convs {
		more, err := g.journal.Trace(ctx, journal.TraceQuery{Channel: c.Channel, TrackingID: c.TrackingID, Recent: traceRecent, Limit: traceLimit})
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, more...)
	}
	slices.SortFunc(rows, func(a, b journal.Row) int { return int(a.Seq - b.Seq) })
	return convs, rows[max(0, len(rows)-traceLimit):], nil
}

// tracedByID finds rows by a message's name, by what the journal keeps of one of the
// core's that is too long, or by the network's own, while there is content.
func (g *Gateway) tracedByID(ctx context.Context, q traceQuery) (rows []journal.Row, err error) {
	for _, id := range slices.Compact([]string{q.text, simprot.ShortenID(q.text, simprot.MaxID)}) {
		rows, err = g.journal.Trace(ctx, journal.TraceQuery{Channel: q.channel, ID: id, Recent: traceRecent, Limit: traceLimit})
		if len(rows) > 0 || err != nil {
			return rows, err
		}
	}
	if rows, err = g.tracedByName(ctx, q); len(rows) > 0 || err != nil {
		return rows, err
	}
	named := (&content{NetworkID: q.text}).encode()
	rows, err = g.journal.Trace(ctx, journal.TraceQuery{Channel: q.channel, Within: named, Recent: traceRecent, Limit: traceLimit})
	return slices.DeleteFunc(rows, func(row journal.Row) bool { // a text may hold the same bytes
		c, err := decodeContent(row.Content)
		return err != nil || c.NetworkID != q.text
	}), err
}

// tracedByName finds the rows of messages by what the core or the network calls them,
// also when their content is erased.
func (g *Gateway) tracedByName(ctx context.Context, q traceQuery) (rows []journal.Row, err error) {
	names, err := g.journal.Named(ctx, simprot.ShortenID(q.text, simprot.MaxDeliverySystemID))
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if q.channel != "" && q.channel != n.Channel {
			continue
		}
		more, err := g.journal.Trace(ctx, journal.TraceQuery{Channel: n.Channel, ID: n.Owner, Recent: traceRecent, Limit: traceLimit})
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// tracedConversations finds conversations by who is in them, in every channel
// that has ever had a message.
func (g *Gateway) tracedConversations(ctx context.Context, q traceQuery, by string) (found []journal.Conversation, err error) {
	ledger, err := g.journal.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	done := make(map[string]bool)
	for k := range ledger {
		if done[k.Channel] || q.channel != "" && q.channel != k.Channel {
			continue
		}
		done[k.Channel] = true
		if by == byTracking {
			c, ok, err := g.journal.Conversation(ctx, k.Channel, simprot.ShortenID(q.text, simprot.MaxTrackingID))
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, c)
			}
			continue
		}
		// Longer ago there are no rows that could be shown.
		all, err := g.journal.Conversations(ctx, k.Channel, time.Now().Add(-g.config().Journal.KeepIDs))
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			if by == byHash && simprot.LogID(c.TrackingID) == q.text || by == byAddress && g.addressOf(c) == q.text {
				found = append(found, c)
			}
		}
	}
	return found, nil
}

// addressOf is a conversation's address: the journal's, or what the TrackingId
// says where the agent began and the customer never wrote.
func (g *Gateway) addressOf(c journal.Conversation) string {
	if ch := g.channel(c.Channel); ch != nil {
		return ch.address(c.TrackingID, c.RemoteAddress).RemoteAddress
	}
	return c.RemoteAddress
}
