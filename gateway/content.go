package gateway

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"strconv"
	"time"

	"servicelink/simprot"
)

// content is what a journal row holds of a message, already translated: of an
// inbound event everything that goes into the core's packets, of a sentence
// what goes to the customer.
type content struct {
	Kind         string // inbound: a connectors.Kind, or kindNote
	Text         string
	Model        simprot.Model
	PartyName    string // inbound
	ReturnChatID string // inbound: a chat made beforehand
	Payload      string // inbound: what a pressed button carried; kept for tracing
	NetworkID    string // inbound: Event.NetworkID, for whoever answers it
	// ID is the core's own when it is over the limit and the row's is shortened.
	ID string
	// Confirm names, in a note, a sentence that has arrived after all.
	Confirm string
	// Auto marks a text of our own ("we are closed"): nobody awaits its
	// confirmation, and its failure is no news for the agent.
	Auto bool
	// Message is a mail or short message of a message gateway, as JSON: inbound a
	// simprot.MessageContentInfo, outbound a connectors.Message. NetworkID is its
	// DeliverySystemId then.
	Message string
}

// The bytes of a content are its members that are not zero, each a tag, a
// length as uvarint and the value. It is decoded once for every message, which
// JSON made noticeable; texts can still be read in the file. A tag, once used,
// keeps its meaning: the bytes outlive the program that wrote them.
const (
	tagKind     = 'k'
	tagText     = 't'
	tagModel    = 'm'
	tagParty    = 'n'
	tagReturn   = 'r'
	tagPayload  = 'p'
	tagID       = 'i'
	tagAuto     = 'a'
	tagConfirm  = 'c'
	tagNetwork  = 'w'
	tagMessage  = 'e'
	tagOverhead = 11 * (1 + binary.MaxVarintLen32)
)

var errContent = errors.New("gateway: the journal's content cannot be read")

func (c *content) encode() []byte {
	b := make([]byte, 0, tagOverhead+len(c.Kind)+len(c.Text)+len(c.PartyName)+len(c.ReturnChatID)+len(c.Payload)+len(c.ID)+len(c.Confirm)+len(c.NetworkID)+len(c.Message))
	put := func(tag byte, value string) {
		if value != "" {
			b = append(b, tag)
			b = binary.AppendUvarint(b, uint64(len(value)))
			b = append(b, value...)
		}
	}
	put(tagKind, c.Kind)
	put(tagText, c.Text)
	if c.Model != 0 {
		put(tagModel, strconv.FormatInt(int64(c.Model), 10))
	}
	put(tagParty, c.PartyName)
	put(tagReturn, c.ReturnChatID)
	put(tagPayload, c.Payload)
	put(tagID, c.ID)
	put(tagConfirm, c.Confirm)
	put(tagNetwork, c.NetworkID)
	put(tagMessage, c.Message)
	if c.Auto {
		put(tagAuto, "1")
	}
	return b
}

// decodeContent skips tags it does not know: a later program wrote them.
func decodeContent(b []byte) (c content, err error) {
	for len(b) > 0 {
		n, used := binary.Uvarint(b[1:])
		if used <= 0 || n > uint64(len(b)-1-used) { //nolint:gosec // Uvarint has read 1+used bytes of b
			return content{}, errContent
		}
		tag, value := b[0], string(b[1+used:1+used+int(n)]) //nolint:gosec // bounded by len(b) above
		b = b[1+used+int(n):]                               //nolint:gosec // the same
		switch tag {
		case tagKind:
			c.Kind = value
		case tagText:
			c.Text = value
		case tagModel:
			m, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				return content{}, errContent
			}
			c.Model = simprot.Model(m)
		case tagParty:
			c.PartyName = value
		case tagReturn:
			c.ReturnChatID = value
		case tagPayload:
			c.Payload = value
		case tagID:
			c.ID = value
		case tagConfirm:
			c.Confirm = value
		case tagNetwork:
			c.NetworkID = value
		case tagMessage:
			c.Message = value
		case tagAuto:
			c.Auto = true
		}
	}
	return c, nil
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
