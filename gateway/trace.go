package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// Limits of a trace.
const (
	traceRecent = 200_000 // the newest rows that are looked through
	traceLimit  = 500     // of those that match, the newest that are shown
)

// The ways to name what is traced: the values of by=.
const (
	byTracking = "tracking" // a TrackingId
	byID       = "id"       // the network's id, the core's sentence ID or ChatId, the network's id of a sent part
	byHash     = "hash"     // a conversation's hash, as logs show it
	byAddress  = "address"  // a customer's address
)

// Trace is what GET /api/v1/trace answers: one message, or one conversation, as
// far as the journal knows it.
type Trace struct {
	By            string               `json:"by"` // how the query was understood
	Conversations []TracedConversation `json:"conversations"`
	Messages      []TracedMessage      `json:"messages"` // in order of acceptance
	Notes         []string             `json:"notes"`    // what it does not show
}

// TracedConversation is a conversation. What tells who the customer is stands
// there only if content was asked for.
type TracedConversation struct {
	Channel      string    `json:"channel"`
	Conversation string    `json:"conversation"` // its hash
	ChatID       string    `json:"chat_id,omitempty"`
	Counter      int32     `json:"counter"`
	Started      time.Time `json:"started,omitzero"`
	LastSeen     time.Time `json:"last_seen,omitzero"`
	TrackingID   string    `json:"tracking_id,omitempty"`
	Address      string    `json:"address,omitempty"`
	PartyName    string    `json:"party_name,omitempty"`
}

// TracedMessage is a message and its steps.
type TracedMessage struct {
	Seq          int64  `json:"seq"`
	Channel      string `json:"channel"`
	Direction    string `json:"direction"`
	Conversation string `json:"conversation"`
	ID           string `json:"id"`
	ChatID       string `json:"chat_id,omitempty"`
	Counter      int32  `json:"counter,omitempty"`
	State        string `json:"state"`
	Bytes        int    `json:"bytes"`          // of content; 0 once it is erased
	Text         string `json:"text,omitempty"` // only if content was asked for
	Steps        []Step `json:"steps"`
}

// Step is one thing that happened to a message.
type Step struct {
	At   time.Time `json:"at,omitzero"` // zero = not recorded
	What string    `json:"what"`
}

// traceQuery is a call's query.
type traceQuery struct {
	text, by, channel string
	content           bool
}

// serveTrace answers GET /api/v1/trace?q=&by=&channel=&content=. Whoever reads
// content leaves a line in the log.
func (g *Gateway) serveTrace(w http.ResponseWriter, r *http.Request) {
	query, err := readQuery(r, "q", "by", "channel", "content")
	q := traceQuery{text: query["q"], by: query["by"], channel: query["channel"], content: query["content"] == "true"}
	known := []string{"", byTracking, byID, byHash, byAddress}
	if err != nil || q.text == "" || !slices.Contains(known, q.by) || !slices.Contains([]string{"", "true", "false"}, query["content"]) {
		writeError(w, http.StatusBadRequest, "bad query: q, by (tracking, id, hash or address), channel, content (true or false)")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), adminTimeout)
	defer cancel()
	t, err := g.trace(ctx, q)
	if q.content {
		for _, c := range t.Conversations {
			g.log.LogAttrs(ctx, slog.LevelInfo, "admin action", slog.String("action", "trace content"),
				slog.String("channel", c.Channel), slog.String("conversation", c.Conversation),
				slog.String("remote", r.RemoteAddr), slog.String("result", actionResult(err)))
		}
	}
	switch {
	case err != nil:
		failAdmin(w, g.log, err)
	case len(t.Conversations) == 0:
		writeError(w, http.StatusNotFound, "nothing of that name in the journal's newest rows")
	default:
		writeJSON(w, http.StatusOK, t)
	}
}

// trace looks for the query in every way it may be meant, the cheapest first.
func (g *Gateway) trace(ctx context.Context, q traceQuery) (Trace, error) {
	t := Trace{By: q.by, Conversations: []TracedConversation{}, Messages: []TracedMessage{}, Notes: []string{
		fmt.Sprintf("looked through the newest %d messages at most; of those found the newest %d are shown", traceRecent, traceLimit),
		"not recorded: when a message was written to the core, asked about and echoed; when failed attempts were made",
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
			t.Conversations = append(t.Conversations, tracedConversation(c, q.content))
		}
		for _, row := range rows {
			t.Messages = append(t.Messages, tracedMessage(row, q.content))
		}
		return t, nil
	}
	return t, nil
}

// traced finds conversations and rows in one way.
func (g *Gateway) traced(ctx context.Context, q traceQuery, by string) (convs []journal.Conversation, rows []journal.Row, err error) {
	if by == byID {
		if rows, err = g.journal.Trace(ctx, journal.TraceQuery{Channel: q.channel, ID: q.text, Recent: traceRecent, Limit: traceLimit}); err != nil {
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
			c, ok, err := g.journal.Conversation(ctx, k.Channel, q.text)
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
			if by == byHash && simprot.LogID(c.TrackingID) == q.text || by == byAddress && c.RemoteAddress == q.text {
				found = append(found, c)
			}
		}
	}
	return found, nil
}

func tracedConversation(c journal.Conversation, withContent bool) TracedConversation {
	t := TracedConversation{
		Channel: c.Channel, Conversation: simprot.LogID(c.TrackingID), ChatID: c.ChatID, Counter: c.Counter,
		Started: c.Started, LastSeen: c.LastSeen,
	}
	if withContent {
		t.TrackingID, t.Address, t.PartyName = c.TrackingID, c.RemoteAddress, c.PartyName
	}
	return t
}

func tracedMessage(row journal.Row, withContent bool) TracedMessage {
	t := TracedMessage{
		Seq: row.Seq, Channel: row.Lane.Channel, Direction: row.Lane.Direction.String(),
		Conversation: simprot.LogID(row.Lane.TrackingID), ID: simprot.LogEventID(row.Lane.TrackingID, row.ID), ChatID: row.ChatID,
		Counter: row.Counter, State: row.State.String(), Bytes: len(row.Content), Steps: steps(row),
	}
	if withContent {
		c, _ := decodeContent(row.Content) // what cannot be read has no text
		t.Text, t.ID = c.Text, row.ID
	}
	return t
}

// steps tells a row's life in order of time, as far as it is kept.
func steps(row journal.Row) []Step {
	list := []Step{{row.AcceptedAt, "accepted into the journal"}}
	if !row.SentAt.IsZero() {
		list = slices.Insert(list, 0, Step{row.SentAt, "sent, by the sender's clock"})
	}
	if row.Lane.Direction == journal.In {
		if row.Attempts > 0 {
			list = append(list, Step{What: fmt.Sprintf("written to the core without an echo: %d times", row.Attempts)})
		}
		if row.Strikes > 0 {
			list = append(list, Step{What: fmt.Sprintf("connections to the core that broke before its echo: %d", row.Strikes)})
		}
	} else if row.Attempts > 0 {
		list = append(list, Step{What: fmt.Sprintf("attempts to send: %d", row.Attempts)})
	}
	for i, p := range row.Parts {
		if p.State != 0 {
			list = append(list, Step{p.At, fmt.Sprintf("part %d of %d: %s%s", i+1, len(row.Parts), partNames[p.State], because(p.Reason, ""))})
		}
		if p.State == journal.PartUnknown {
			list = append(list, Step{p.At, fmt.Sprintf("part %d of %d may have reached the customer: the network never said", i+1, len(row.Parts))})
		}
	}
	if !row.State.Pending() {
		return append(list, Step{row.EndedAt, row.State.String() + because(row.Reason, row.Hint)})
	}
	list = append(list, Step{What: "pending" + because(row.Reason, row.Hint)})
	if !row.Next.IsZero() {
		list = append(list, Step{row.Next, "next attempt, not before"})
	}
	if !row.Deadline.IsZero() {
		list = append(list, Step{row.Deadline, "is given up"})
	}
	return list
}

// because puts a reason and its hint behind a word.
func because(reason, hint string) string {
	switch {
	case reason == "":
		return ""
	case hint == "":
		return " (" + reason + ")"
	default:
		return " (" + reason + ": " + hint + ")"
	}
}
