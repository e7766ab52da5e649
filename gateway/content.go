package gateway

import (
	"encoding/json"
	"hash/fnv"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// inContent is what a journal row holds of an inbound event: everything that
// goes into the core's packets, already translated.
type inContent struct {
	Kind         string        `json:"k"`
	Text         string        `json:"t,omitempty"`
	Model        simprot.Model `json:"m,omitempty"`
	PartyName    string        `json:"n,omitempty"`
	ReturnChatID string        `json:"r,omitempty"`
	// Payload is what a pressed button carried; kept for tracing.
	Payload string `json:"p,omitempty"`
}

// outContent is what a journal row holds of a sentence for the customer.
type outContent struct {
	Text  string        `json:"t,omitempty"`
	Model simprot.Model `json:"m,omitempty"`
	// ID is the core's own when it is over the limit and the row's is shortened.
	ID string `json:"i,omitempty"`
	// Auto marks a text of our own ("we are closed"): nobody awaits its
	// confirmation, and its failure is no news for the agent.
	Auto bool `json:"a,omitempty"`
}

func encodeContent(v any) []byte {
	// The two structs above always marshal: strings and integers only.
	b, err := json.Marshal(v)
	if err != nil {
		panic("gateway: content does not marshal: " + err.Error())
	}
	return b
}

func decodeContent[T any](row journal.Row) (T, error) {
	var c T
	err := json.Unmarshal(row.Content, &c)
	return c, err
}

// textHash tells a reused ID from a repeat (SPEC, outbound). Never 0.
func textHash(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	if s := h.Sum64(); s != 0 {
		return s
	}
	return 1
}

// deadlineFrom is when a message accepted now is given up.
func deadlineFrom(now time.Time, limit time.Duration) time.Time {
	if limit <= 0 {
		return time.Time{}
	}
	return now.Add(limit)
}
