package simprot

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// GatewayInfo is one message gateway: a mailbox that is read, a server that mail
// leaves by, a sender of short messages. The two directions are gateways of their
// own. Source: seed 003, "Startup".
type GatewayInfo struct {
	Id          uuid.UUID
	DisplayName string
	PeerAddress string // whom it belongs to: the address in ES_SL_GETGATEWAYS
	PeerPort    string // not used for messages
	// Device is the name of a type and a JSON object with its settings:
	// `SmtpHost { "Host": "mail.example.org" }`.
	Device     string
	Channel    string // an enumeration without values in the source: kept as text
	Direction  string // DirectionIn or DirectionOut
	LanguageId *uuid.UUID
}

// GatewayList is the payload of SE_SL_MSGGATEWAYS.
type GatewayList []*GatewayInfo

// The directions of gateways and messages, as the core sees them.
const (
	DirectionIn  = "I" // from customers
	DirectionOut = "O" // to customers
)

// MessageContentInfo is one message - a mail, a short message - in either
// direction. Source: seed 003, "Inbound" and "Outbound"; SPEC.md 13 has the
// rules.
type MessageContentInfo struct {
	DeliverySystemId string     // ES+SE: the network's own id, <= 80 characters; SE: a proposal
	InReplyToId      string     // ES+SE: DeliverySystemId of what it answers, <= 80
	MessageId        *uuid.UUID // SE: the core's id
	RequestId        string     // ES: comes back in SE_MESSAGE_RECEIVED
	GatewayId        uuid.UUID  // ES+SE: the gateway it came or goes by

	FromField      string // ES+SE: for people, <= 160
	RemoteAddress  string // ES: the sender; SE: the recipient; <= 250
	ToField        string // ES+SE: for people, <= 320
	ToCcField      string // ES+SE: for people, <= 320
	ToBccField     string // ES+SE: for people, <= 320
	Direction      string // DirectionIn or DirectionOut; may be empty
	ExtendedFields string // JSON: ES MessageFields (this project's addition), SE MessageRouting

	ReceivedSentTime time.Time  // ES: when the gateway received it; SE: when the core sent it; UTC
	DraftTime        *time.Time // ES: when the sender wrote it; SE: when writing began; UTC

	SubjectField string // ES+SE: <= 320
	BodyHtml     string // ES+SE
	BodyText     string // ES+SE

	Culture           string // ES+SE: "en-US"; a hint
	Mark              *int32 // ES+SE: passed through
	SpamLevel         *int32 // ES+SE: nil = not looked, 0 = none, 3 = found by software outside the core
	SignatureValidity *int32 // ES+SE: nil = not checked, -1 = not signed, 0 = valid, above = what is wrong with it
	Hierarchy         *int32 // ES+SE: passed through
	Rating            *int16 // ES+SE: passed through
}

// The values of SpamLevel and SignatureValidity that a gateway tells.
const (
	SpamNone     int32 = 0
	SpamDetected int32 = 3

	SignatureNone    int32 = -1
	SignatureValid   int32 = 0
	SignatureInvalid int32 = 1 // a check that somebody trusted made failed
)

// MessageRouting is the JSON in ExtendedFields of SE_MESSAGE_SENDING: where a
// message goes, instead of RemoteAddress and the fields for people. Each member is
// a list of addresses as in a mail's header, but References, which holds
// Message-IDs.
type MessageRouting struct {
	To         []string `json:"To,omitempty"`
	Cc         []string `json:"Cc,omitempty"`
	Bcc        []string `json:"Bcc,omitempty"`
	ReplyTo    []string `json:"ReplyTo,omitempty"`
	References []string `json:"References,omitempty"`
}

// MessageFields is the JSON in ExtendedFields of ES_MESSAGE_RECEIVING: what a
// gateway knows beyond the other members. It is this project's addition; a core may
// pass it over.
type MessageFields struct {
	// Auto says that no person wrote it: an Auto constant; empty = a person may have.
	Auto string `json:"Auto,omitempty"`
	// Report is what a mail server says of a mail that was sent; with Auto = AutoReport.
	Report *DeliveryReport `json:"Report,omitempty"`
	// ReplyTo is where the sender wants answers, when not at RemoteAddress.
	ReplyTo    string       `json:"ReplyTo,omitempty"`
	References []string     `json:"References,omitempty"` // Message-IDs, the oldest first
	Files      []FileFields `json:"Files,omitempty"`      // attachments, then the message as it came
	// Problem says why the message is not shown as it was written: it cannot be
	// parsed, or was cut. Empty = it is.
	Problem string `json:"Problem,omitempty"`
}

// FileFields is one file of a message.
type FileFields struct {
	Name string `json:"Name,omitempty"`
	Type string `json:"Type,omitempty"` // MIME type
	Size int64  `json:"Size,omitempty"` // bytes
	URL  string `json:"URL,omitempty"`  // signed, for a time; empty: none can be made
	// Original: it is the whole message as it came.
	Original bool `json:"Original,omitempty"`
}

// DeliveryReport is one recipient's line of a mail server's report (RFC 3464).
type DeliveryReport struct {
	Action    string `json:"Action,omitempty"`    // failed, delayed, delivered, relayed, expanded
	Status    string `json:"Status,omitempty"`    // "5.1.1"
	Recipient string `json:"Recipient,omitempty"` // whom it was for
	Reason    string `json:"Reason,omitempty"`    // what the server said
}

// The values of MessageFields.Auto.
const (
	AutoReply  = "reply"  // an answering machine: on holiday, received
	AutoReport = "report" // a mail server's report on a mail of ours
	AutoList   = "list"   // a mailing list or bulk mail
	AutoLoop   = "loop"   // a mail of our own that came back
)

// Accepted reads SE_MESSAGE_RECEIVED: true = the core has the message. ok is false
// where Data says neither, which is no answer.
func (s *CommandInfo) Accepted() (accepted, ok bool) {
	accepted = strings.EqualFold(s.Data, "true")
	return accepted, accepted || strings.EqualFold(s.Data, "false")
}
