package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// discarded is the state on disk of a dead letter taken off the list.
const discarded = 5

func asInt(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

func asText(v driver.Value) string {
	s, _ := v.(string)
	return s
}

func asBytes(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}

func asTime(v driver.Value) time.Time {
	if n, ok := v.(int64); ok {
		return time.UnixMicro(n).UTC()
	}
	return time.Time{}
}

// text and moment turn what is empty into NULL, which takes no room.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// part is journal.Part as it is stored.
type part struct {
	State     journal.PartState `json:"s,omitempty"`
	NetworkID string            `json:"id,omitempty"`
	Reason    string            `json:"r,omitempty"`
	Hint      string            `json:"h,omitempty"`
	At        int64             `json:"at,omitempty"` // microseconds
	Status    uint8             `json:"st,omitempty"`
	StatusAt  int64             `json:"sa,omitempty"` // microseconds
	Doubt     bool              `json:"d,omitempty"`
}

func encodeParts(parts []journal.Part) (any, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	stored := make([]part, len(parts))
	for i, p := range parts {
		stored[i] = part{State: p.State, NetworkID: p.NetworkID, Reason: p.Reason, Hint: p.Hint, Status: p.Status, Doubt: p.Doubt}
		if !p.At.IsZero() {
			stored[i].At = p.At.UnixMicro()
		}
		if !p.StatusAt.IsZero() {
			stored[i].StatusAt = p.StatusAt.UnixMicro()
		}
	}
	b, err := json.Marshal(stored)
	return string(b), err
}

func decodeParts(v driver.Value) ([]journal.Part, error) {
	s := asText(v)
	if s == "" {
		return nil, nil
	}
	var stored []part
	if err := json.Unmarshal([]byte(s), &stored); err != nil {
		return nil, fmt.Errorf("parts of a row: %w", err)
	}
	parts := make([]journal.Part, len(stored))
	for i, p := range stored {
		parts[i] = journal.Part{State: p.State, NetworkID: p.NetworkID, Reason: p.Reason, Hint: p.Hint, Status: p.Status, Doubt: p.Doubt}
		if p.At != 0 {
			parts[i].At = time.UnixMicro(p.At).UTC()
		}
		if p.StatusAt != 0 {
			parts[i].StatusAt = time.UnixMicro(p.StatusAt).UTC()
		}
	}
	return parts, nil
}

// selectRow reads whole rows; decodeRow knows its columns.
const selectRow = `SELECT m.seq, m.lane, m.state, m.epoch, m.attempts, m.accepted_at, m.ended_at, m.next_at,
 m.id, m.text_hash, m.counter, m.chat_id, m.base_chat, m.base_counter, m.sent_at, m.deadline,
 m.reason, m.hint, m.parts, m.content, c.channel, c.tracking_id, m.strikes
 FROM message m JOIN conversation c ON c.id = m.lane >> 1 `

const rowColumns = 23

func decodeRow(v []driver.Value, r *journal.Row) error {
	parts, err := decodeParts(v[18])
	if err != nil {
		return err
	}
	*r = journal.Row{
		Seq: asInt(v[0]), State: journal.State(asInt(v[2])), Epoch: int32(asInt(v[3])), Attempts: int(asInt(v[4])), Strikes: int(asInt(v[22])),
		AcceptedAt: asTime(v[5]), EndedAt: asTime(v[6]), Next: asTime(v[7]),
		BaseChat: asText(v[12]), BaseCounter: int32(asInt(v[13])),
		Reason: asText(v[16]), Hint: asText(v[17]), Parts: parts,
	}
	r.Entry = journal.Entry{
		Lane: journal.Lane{Channel: asText(v[20]), Direction: direction(asInt(v[1])), TrackingID: asText(v[21])},
		ID:   asText(v[8]), TextHash: uint64(asInt(v[9])), Counter: int32(asInt(v[10])), ChatID: asText(v[11]),
		SentAt: asTime(v[14]), Deadline: asTime(v[15]), Content: asBytes(v[19]),
	}
	if asInt(v[2]) == discarded {
		r.State, r.Reason = journal.Dead, writer.Discarded
	}
	return nil
}

// laneNumber and direction are the two ways of message.lane.
func laneNumber(conversation int64, d journal.Direction) int64 {
	return conversation<<1 | int64(d-journal.In)
}

func direction(lane int64) journal.Direction {
	return journal.In + journal.Direction(lane&1)
}

const selectConversation = `SELECT c.id, c.channel, c.tracking_id, c.remote_address, c.party_name, c.user_token,
 c.culture, p.chat_id, p.counter, p.released, p.closed_text, p.started, p.last_seen, p.window_end, p.window_by,
 c.profile_name, c.profile_culture, c.profile_at
 FROM conversation c JOIN progress p ON p.conversation = c.id `

const conversationColumns = 18

func decodeConversation(v []driver.Value) journal.Conversation {
	return journal.Conversation{
		Channel: asText(v[1]), TrackingID: asText(v[2]),
		Party: journal.Party{
			RemoteAddress: asText(v[3]), PartyName: asText(v[4]), UserToken: asText(v[5]), Culture: asText(v[6]),
		},
		ChatID: asText(v[7]), Counter: int32(asInt(v[8])), Released: int32(asInt(v[9])),
		ClosedText: asTime(v[10]), Started: asTime(v[11]), LastSeen: asTime(v[12]),
		WindowEnd: asTime(v[13]), WindowBy: asText(v[14]),
		Profile: journal.Profile{Name: asText(v[15]), Culture: asText(v[16]), At: asTime(v[17])},
	}
}
