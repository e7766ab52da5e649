package refcore

import (
	"maps"
	"slices"
	"sync"
)

// Offence is a breach of the protocol by a gateway. The packet is served as if
// it were well unless the comment says otherwise.
type Offence string

// The closed list of offences.
const (
	OffenceIDMissing            Offence = "id_missing"              // SENTENCE or CONFIRM without ID
	OffenceIDTooLong            Offence = "id_too_long"             // ID above 64 characters
	OffenceTrackingIDMissing    Offence = "tracking_id_missing"     // no conversation named; thrown away or answered Closed
	OffenceTrackingIDTooLong    Offence = "tracking_id_too_long"    // above 128 characters
	OffenceTrackingIDCharacters Offence = "tracking_id_characters"  // outside [0-9a-z:_.|+@-], or "_" not followed by two hex digits
	OffencePartyNameTooLong     Offence = "party_name_too_long"     // above 160 characters
	OffenceRemoteAddressTooLong Offence = "remote_address_too_long" // above 250 characters
	OffenceUserTokenTooLong     Offence = "user_token_too_long"     //nolint:gosec // a name, no credential; above 320 characters
	OffencePeerMissing          Offence = "peer_missing"            // the Peer of the login is taken
	OffencePeerWrong            Offence = "peer_wrong"              // another Peer than the login's; thrown away
	OffencePortUnknown          Offence = "port_unknown"            // not among Options.Ports
	OffencePayloadMissing       Offence = "payload_missing"         // nil or of another class; thrown away
	OffenceWrongDirection       Offence = "wrong_direction"         // a packet only cores send; thrown away
	OffenceAskMissing           Offence = "ask_missing"             // a question without Ask although Asks was announced
	OffenceAfterWithoutChat     Offence = "after_without_chat"      // AfterCounter without ChatId; ignored
	OffenceBeforeResync         Offence = "before_resync"           // something for a Port this connection has not claimed; STATUS, and a note for a Port nobody has, may
	OffenceStartWithoutRequest  Offence = "start_without_request"   // a chat opened with no REQUEST for the Port in the last 60 s
	OffenceStartWhileClosed     Offence = "start_while_closed"      // a chat opened although the last RESPONSE said Closed or Hidden
	OffenceSentenceWithoutStart Offence = "sentence_without_start"  // the conversation never had a chat; answered Closed
	OffenceSentenceRepeated     Offence = "sentence_repeated"       // the same ID twice in a chat: the agent sees it twice
	OffenceSentenceMarked       Offence = "sentence_marked"         // IsOutbound, Counter or ConfirmedTime set by the gateway
	OffenceConfirmUnknown       Offence = "confirm_unknown"         // CONFIRM for a sentence that is not there and was not forgotten with its chat
	OffenceConfirmInbound       Offence = "confirm_inbound"         // CONFIRM for the gateway's own sentence
	OffenceStopUnknown          Offence = "stop_unknown"            // STOP for a conversation that never had a chat
	OffenceTypingMissing        Offence = "typing_missing"          // TYPING without IsTyping; ignored
	OffenceUnconfirmed          Offence = "unconfirmed"             // an outbound sentence neither confirmed nor noted within ConfirmLimit
	OffenceBeforeGateways       Offence = "before_gateways"         // a message before this connection has asked for the gateways
	OffenceGatewayUnknown       Offence = "gateway_unknown"         // a message of a gateway that is not in the register, or goes the other way; answered "false"
	OffenceMessageIncomplete    Offence = "message_incomplete"      // DeliverySystemId, RemoteAddress, ReceivedSentTime, GatewayId or RequestId is missing
	OffenceMessageTooLong       Offence = "message_too_long"        // a member above its limit
	OffenceMessageDirection     Offence = "message_direction"       // Direction is not I
	OffenceMessageFields        Offence = "message_fields"          // ExtendedFields is not the JSON it should be
	OffenceMessageRepeated      Offence = "message_repeated"        // said again within 10 min on the connection that waits for the answer
	OffenceRequestChanged       Offence = "request_changed"         // said again with another RequestId
	OffenceSentUnknown          Offence = "sent_unknown"            // MESSAGE_SENT for no message of this core; ignored
	OffenceSentGateway          Offence = "sent_gateway"            // MESSAGE_SENT with another gateway's RefId
	OffenceSentTwice            Offence = "sent_twice"              // more MESSAGE_SENTs than MESSAGE_SENDINGs on the connection; ignored
	OffenceSentLate             Offence = "sent_late"               // MESSAGE_SENT after 90 s
	OffenceSentMissing          Offence = "sent_missing"            // two MESSAGE_SENDINGs in a row without an answer on a connection that lives
	OffenceUndecodable          Offence = "undecodable"             // a frame or packet that does not decode
	OffenceUnknownCode          Offence = "unknown_code"            // a packet nobody knows
	OffenceOversize             Offence = "oversize"                // a frame above the announced MaxFrame
)

// AllOffences lists every Offence, in the order of the protocol's layers.
func AllOffences() []Offence {
	return []Offence{
		OffenceUndecodable, OffenceUnknownCode, OffenceOversize, OffenceWrongDirection, OffencePayloadMissing,
		OffencePeerMissing, OffencePeerWrong, OffencePortUnknown,
		OffenceIDMissing, OffenceIDTooLong, OffenceTrackingIDMissing, OffenceTrackingIDTooLong,
		OffenceTrackingIDCharacters, OffencePartyNameTooLong, OffenceRemoteAddressTooLong, OffenceUserTokenTooLong,
		OffenceAskMissing, OffenceAfterWithoutChat, OffenceBeforeResync,
		OffenceStartWithoutRequest, OffenceStartWhileClosed, OffenceSentenceWithoutStart, OffenceSentenceRepeated,
		OffenceSentenceMarked, OffenceConfirmUnknown, OffenceConfirmInbound, OffenceStopUnknown, OffenceTypingMissing,
		OffenceUnconfirmed,
		OffenceBeforeGateways, OffenceGatewayUnknown, OffenceMessageIncomplete, OffenceMessageTooLong, OffenceMessageDirection,
		OffenceMessageFields, OffenceMessageRepeated, OffenceRequestChanged,
		OffenceSentUnknown, OffenceSentGateway, OffenceSentTwice, OffenceSentLate, OffenceSentMissing,
	}
}

// OffenceReport is what was counted since the start of the Core.
type OffenceReport struct {
	Total map[Offence]int `json:"total"` // offences that happened; others are absent
	// Last tells of each offence where it last happened: code, Port, the hashed
	// TrackingId, the sentence's ID. Never a text.
	Last        map[Offence]string   `json:"last"`
	Connections []ConnectionOffences `json:"connections"` // with offences, oldest first; of the ended ones the last 64
}

// ConnectionOffences counts one gateway connection's offences.
type ConnectionOffences struct {
	ID       uint64          `json:"id"`
	Instance string          `json:"instance"`
	Remote   string          `json:"remote"`
	Open     bool            `json:"open"`
	Counts   map[Offence]int `json:"counts"`
}

// keepConnections bounds the report's ended connections.
const keepConnections = 64

// offenceBook counts offences. Safe for concurrent use.
type offenceBook struct {
	mu    sync.Mutex
	total map[Offence]int
	last  map[Offence]string
	conns map[uint64]*ConnectionOffences
	ended []uint64 // in conns, oldest first
}

func newOffenceBook() *offenceBook {
	return &offenceBook{
		total: map[Offence]int{},
		last:  map[Offence]string{},
		conns: map[uint64]*ConnectionOffences{},
	}
}

// add counts one offence and reports whether it is this connection's first of
// its kind. k is nil for offences of no connection.
func (b *offenceBook) add(k *conn, o Offence, where string) (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total[o]++
	b.last[o] = where
	if k == nil {
		return b.total[o] == 1
	}
	c := b.conns[k.id]
	if c == nil {
		c = &ConnectionOffences{ID: k.id, Instance: k.instance, Remote: k.remote, Open: true, Counts: map[Offence]int{}}
		b.conns[k.id] = c
	}
	c.Counts[o]++
	return c.Counts[o] == 1
}

// end marks a connection as ended and forgets the oldest ended ones.
func (b *offenceBook) end(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.conns[id]
	if c == nil || !c.Open {
		return
	}
	c.Open = false
	b.ended = append(b.ended, id)
	if len(b.ended) > keepConnections {
		delete(b.conns, b.ended[0])
		b.ended = b.ended[1:]
	}
}

func (b *offenceBook) report() OffenceReport {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := OffenceReport{Total: maps.Clone(b.total), Last: maps.Clone(b.last), Connections: []ConnectionOffences{}}
	for _, id := range slices.Sorted(maps.Keys(b.conns)) {
		c := *b.conns[id]
		c.Counts = maps.Clone(c.Counts)
		r.Connections = append(r.Connections, c)
	}
	return r
}
