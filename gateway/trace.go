package gateway

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"servicelink/connectors"
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
	// Window is the network's reply window; nil where there is none, or it is not
	// known.
	Window     *TracedWindow `json:"window,omitempty"`
	TrackingID string        `json:"tracking_id,omitempty"`
	Address    string        `json:"address,omitempty"`
	PartyName  string        `json:"party_name,omitempty"`
}

// TracedWindow is what is known of a reply window.
type TracedWindow struct {
	Open bool      `json:"open"`
	End  time.Time `json:"end"` // it was or will be closed from then on
	// LateEnd is until when the network takes a person's late answers; zero = it has
	// none, or that is not known.
	LateEnd time.Time `json:"late_end,omitzero"`
	// By is who says so. customer: by the latest message; network: it refused a send;
	// network_late: and a late answer.
	By   string `json:"by"`
	What string `json:"what"`
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
	Now          *Now   `json:"now,omitempty"`  // of one that is not delivered yet
	Steps        []Step `json:"steps"`
}

// Step is one thing that happened to a message.
type Step struct {
	At     time.Time `json:"at,omitzero"` // zero = not recorded
	Kind   string    `json:"kind"`        // the same for programs, one word
	What   string    `json:"what"`
	Until  time.Time `json:"until,omitzero"` // what it waits for comes then
	Part   int       `json:"part,omitempty"` // of a send, from 1; 255 = that or a later one
	Reason string    `json:"reason,omitempty"`
	Code   string    `json:"code,omitempty"` // the network's own, at most 14 bytes of it
}

// Now is where a message is that is not delivered yet, and what it waits for.
type Now struct {
	Waits   string    `json:"waits"` // one line
	Kind    string    `json:"kind"`  // the same for programs, one word
	Hint    string    `json:"hint,omitempty"`
	Since   time.Time `json:"since"`
	Seconds float64   `json:"seconds"`          // since then
	Until   time.Time `json:"until,omitzero"`   // what it waits for comes then
	Behind  int64     `json:"behind,omitempty"` // the message of its lane that is worked on
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
		writeError(w, http.StatusNotFound, "nothing of that name in the journal's newest rows"+hashedHint(q))
	default:
		writeJSON(w, http.StatusOK, t)
	}
}

// hashedHint is for who may look for an event by a network's id that the journal
// has as a hash alone (connectors.EventID), once its content is erased.
func hashedHint(q traceQuery) string {
	if q.by != "" && q.by != byID || connectors.EventID("", "", q.text, "") == "||"+q.text {
		return ""
	}
	return "; an event whose id at the network has other characters than 0-9a-z:_.- is found by it until its content is erased (journal.keep_content): ask for its conversation"
}

func (g *Gateway) tracedConversation(c journal.Conversation, withContent bool) TracedConversation {
	t := TracedConversation{
		Channel: c.Channel, Conversation: simprot.LogID(c.TrackingID), ChatID: c.ChatID, Counter: c.Counter,
		Started: c.Started, LastSeen: c.LastSeen, Window: g.tracedWindow(c),
	}
	if withContent {
		t.TrackingID, t.Address, t.PartyName = c.TrackingID, c.RemoteAddress, cmp.Or(c.Profile.Name, c.PartyName)
	}
	return t
}

func (g *Gateway) tracedMessage(row *journal.Row, withContent bool) TracedMessage {
	t := TracedMessage{
		Seq: row.Seq, Channel: row.Lane.Channel, Direction: row.Lane.Direction.String(),
		Conversation: simprot.LogID(row.Lane.TrackingID), ID: simprot.LogEventID(row.Lane.TrackingID, row.ID), ChatID: row.ChatID,
		Counter: row.Counter, State: row.State.String(), Bytes: len(row.Content), Steps: g.timeline(row, withContent),
	}
	if row.State.Pending() {
		now := g.whereIs(row)
		t.Now = &now
	}
	if withContent {
		c, _ := decodeContent(row.Content) // what cannot be read has no text
		t.Text, t.ID = cmp.Or(c.Text, messageText(row)), row.ID
	}
	return t
}
