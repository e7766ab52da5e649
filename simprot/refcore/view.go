package refcore

import (
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// The JSON of the HTTP interface.

// summary is one chat in a list.
type summary struct {
	ID            uuid.UUID      `json:"id"`
	Peer          string         `json:"peer"`
	Port          string         `json:"port"`
	TrackingID    string         `json:"tracking_id"`
	Status        simprot.Status `json:"status"`
	Closed        bool           `json:"closed"`
	PartyName     string         `json:"party_name"`
	RemoteAddress string         `json:"remote_address"`
	UserToken     string         `json:"user_token"`
	AgentName     string         `json:"agent_name"`
	Started       time.Time      `json:"started"`
	Updated       time.Time      `json:"updated"`
	Counter       int32          `json:"counter"`
	Unread        int            `json:"unread"`
	Unconfirmed   int            `json:"unconfirmed"`
	TypingMs      int64          `json:"typing_ms"` // the customer types, for so long at most; 0 = does not
	ReplyUntil    time.Time      `json:"reply_until,omitzero"`
	Last          *sentenceView  `json:"last,omitempty"`
}

type chatView struct {
	summary
	Manifest  *simprot.PortManifest `json:"manifest,omitempty"`
	Sentences []sentenceView        `json:"sentences"`
}

type sentenceView struct {
	ID        string        `json:"id"`
	Counter   int32         `json:"counter"`
	Outbound  bool          `json:"outbound"`
	Model     simprot.Model `json:"model"`
	PartyName string        `json:"party_name"`
	Text      string        `json:"text"`
	Sent      *time.Time    `json:"sent"`
	Confirmed *time.Time    `json:"confirmed"`
}

// placedSentence is one line of GET /api/sentences, made for counting.
type placedSentence struct {
	Chat       uuid.UUID     `json:"chat"`
	Port       string        `json:"port"`
	TrackingID string        `json:"tracking_id"`
	ID         string        `json:"id"`
	Counter    int32         `json:"counter"`
	Outbound   bool          `json:"outbound"`
	Confirmed  bool          `json:"confirmed"`
	Model      simprot.Model `json:"model"`
}

type signalView struct {
	Signal simprot.Signal            `json:"signal"` // of every Port without its own
	Ports  map[string]simprot.Signal `json:"ports"`
}

type faultView struct {
	Fault
	DelayMs int64 `json:"delay_ms"`
	Acted   int   `json:"acted"` // answered only
}

func sentenceViewOf(s *simprot.ChatSentenceInfo) sentenceView {
	v := sentenceView{
		ID: s.ID, Counter: s.Counter, Outbound: s.IsOutbound, Model: s.Model,
		PartyName: s.PartyName, Text: s.Text, Confirmed: s.ConfirmedTime,
	}
	if !s.TimeSent.IsZero() {
		v.Sent = &s.TimeSent
	}
	return v
}

func sentenceViews(all []*simprot.ChatSentenceInfo) []sentenceView {
	out := make([]sentenceView, len(all))
	for i, s := range all {
		out[i] = sentenceViewOf(s)
	}
	return out
}

func faultViews(all []FaultState) []faultView {
	out := make([]faultView, len(all))
	for i, f := range all {
		out[i] = faultView{Fault: f.Fault, DelayMs: f.Delay.Milliseconds(), Acted: f.Acted}
	}
	return out
}

func (c *Core) signalView() signalView {
	v := signalView{Signal: c.Signal(""), Ports: map[string]simprot.Signal{}}
	for _, name := range c.PortNames() {
		v.Ports[name] = c.Signal(name)
	}
	return v
}

func (c *Core) summary(state ChatState) summary {
	v := summary{
		ID: state.ID, Peer: state.Peer, Port: state.Port, TrackingID: state.TrackingID,
		Status: state.Status, Closed: state.Status.Closed(),
		PartyName: state.PartyName, RemoteAddress: state.RemoteAddress, UserToken: state.UserToken,
		AgentName: state.AgentName, Started: state.Started, Updated: state.Updated,
		Counter: state.Counter, Unread: state.Unread, Unconfirmed: state.Unconfirmed,
		TypingMs: state.CustomerTyping.Milliseconds(), ReplyUntil: state.ReplyUntil,
	}
	if last, err := c.store.Sentences(state.ID, state.Counter-1); err == nil && len(last) > 0 {
		s := sentenceViewOf(last[len(last)-1])
		s.Text = simprot.Truncate(s.Text, 120)
		v.Last = &s
	}
	return v
}

func (c *Core) summaries() ([]summary, error) {
	chats, err := c.Chats()
	if err != nil {
		return nil, err
	}
	out := make([]summary, len(chats))
	for i, state := range chats {
		out[i] = c.summary(state)
	}
	return out, nil
}
