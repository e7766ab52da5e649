package connectors

import (
	"context"
	"io"
	"time"

	"servicelink/config"
)

// DeviceDefinition is one type of message gateway in connectors/all: what fetches or
// sends mail, or short messages that go as messages and not as a chat. The core
// configures them by type name and settings, or the file does.
//
// The numbered rules of the package hold for devices, too, with these in place of 1
// to 3:
//
//  1. A device is built by New for one gateway, which has one direction. New checks
//     the settings and connects to nothing.
//  2. A device for the direction out is a MessageSender. Sending is one attempt, as
//     with Send.
//  3. A device for the direction in is a Runner or a Webhooker; what it delivers is
//     of KindMessage (a mail), or of any other kind, which the engine makes a message
//     of (a short message).
//
// And one of their own: what a Runner has fetched stays where it was until
// Settler.Settled says that the core has it, or that it was given up; a crash before
// that brings it again, under the same Event.ID.
type DeviceDefinition struct {
	// Type is its name in a GatewayInfo.Device, e.g. "ImapHost".
	Type string
	// Network is the family, as in metrics: "email", "sms".
	Network string
	// In and Out are the directions it can be built for.
	In, Out bool
	// New builds the device of one gateway; Channel.Gateway is not nil. It does no I/O.
	New func(config.Channel, Dependencies) (Device, error)
}

// Device is what every type of message gateway implements, with the interfaces that
// its direction asks for. Of the optional interfaces those that make sense without a
// chat are found as with a Connector: Closer, Exclusive, Doctor, Prober, Recoverer,
// AttachmentOpener, Reconciler, Sharer.
type Device interface {
	Capabilities() Capabilities
}

// MessageSender sends messages.
type MessageSender interface {
	// Parts names what the message leaves in, one request to the network each, the
	// same ones for the same message at any time: its recipients. It is pure. The
	// error is a *SendError (ReasonAddress, ReasonContent): nothing of it can be sent.
	Parts(m *Message) ([]string, error)
	// SendMessage makes one attempt to send one part, which is one of Parts. It obeys
	// ctx. The Receipt's NetworkID is what the network calls the message, the same
	// for every part and every attempt where the sender chooses it (a Message-ID). A
	// nil error means that the network has taken it, else it is a *SendError.
	SendMessage(ctx context.Context, m *Message, part string) (Receipt, error)
}

// Settler is told how what it delivered has ended, to mark it at the source. It is
// called for every event of a device that ends, and for one that had ended when it
// was delivered again; also for events that an earlier process delivered, of which
// it need not know. It must not block.
type Settler interface {
	Settled(event EventKey, end Settlement)
}

// EventKey names an event of one channel.
type EventKey struct{ TrackingID, ID string }

// Settlement is how an event ended.
type Settlement uint8

// The settlements.
const (
	SettledDone   Settlement = 1 // the core has it
	SettledFailed Settlement = 2 // it is a dead letter
)

// Message is a mail or short message, in either direction. What is too long for the
// core's packets is cut or shortened by the engine, which knows their limits.
type Message struct {
	// ID is the core's, direction out only: a GUID, stable over every attempt.
	ID string
	// SystemID is the network's own id: of a mail its Message-ID without brackets. In:
	// as the sender gave it, empty where there is none or it is malformed; the same
	// one may come with different messages. Out: the one to be used; always there.
	SystemID string
	// InReplyTo is the SystemID of what it answers, References those of the thread,
	// the oldest first.
	InReplyTo  string
	References []string

	From          string // for people: the sender's name and address
	RemoteAddress string // in: the sender's address; out: the recipient's
	To, Cc, Bcc   string // for people
	ReplyTo       string // in: where answers go, empty = RemoteAddress
	// Recipients is where it goes, direction out; the lists may be empty.
	Recipients Recipients

	ReceivedAt time.Time // in: when the network got it; zero = now. Out: when the core sent it
	WrittenAt  time.Time // by the writer's clock; zero = not known

	Subject, HTML, Text string
	Culture             string // "de-AT"; empty = not known
	Spam                *int32 // nil = nobody looked; else a value of the core's SpamLevel
	Signature           *int32 // nil = nobody checked; else a value of the core's SignatureValidity

	// The rest is of messages that come in.

	Auto    string          // no person wrote it: a value of the core's, empty = a person may have
	Report  *DeliveryReport // what a mail server says of a message of ours
	Files   []File          // attachments, by Files.Put; the message as it came (File.Original) is the last
	Problem string          // why it is not shown as it was written; empty = it is
}

// Recipients are the addresses of a message that goes out.
type Recipients struct{ To, Cc, Bcc, ReplyTo []string }

// The values of Message.Auto.
const (
	AutoReply  = "reply"  // an answering machine
	AutoReport = "report" // a mail server's report on a message of ours: Report
	AutoList   = "list"   // a mailing list, or bulk mail
	AutoLoop   = "loop"   // a message of our own that came back
)

// DeliveryReport is what a mail server says of a message of ours (RFC 3464), which
// Message.InReplyTo names.
type DeliveryReport struct{ Action, Status, Recipient, Reason string }

// Values of Message.Spam and Message.Signature.
const (
	SpamNone         int32 = 0
	SpamDetected     int32 = 3
	SignatureNone    int32 = -1
	SignatureValid   int32 = 0
	SignatureInvalid int32 = 1
)

// MaxBody is how much of a body, in bytes, a device gives; it cuts the rest, says so
// at the end and in Problem, and the original has all of it.
const MaxBody = 1 << 20

// FileKeeper keeps files of messages beside the journal, named by their content, for
// a configured time.
type FileKeeper interface {
	// Put keeps what r gives to its end, and gives the File to announce: with ID,
	// Size, Type and Name, and a signed URL where one can be made. What is there
	// already is kept once. It returns after the file is safe on disk. Its error is
	// r's, or ErrUnavailable (wrapped): the disk is full, and nothing is confirmed.
	Put(ctx context.Context, name, mimeType string, r io.Reader) (File, error)
	// Open reads a file that Put has given. The error is a *SendError:
	// ReasonNotFound.
	Open(id string) (io.ReadSeekCloser, error)
}
