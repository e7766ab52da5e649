// Package connectors is the contract between the gateway's engine and the
// adapters of the networks. A connector turns one network's traffic into
// events and sends what it is given; everything else - journal, order,
// retries, limits, metrics - is the engine's.
//
// # The contract, in numbered rules
//
//  1. A connector is built by its Definition's New for one configured channel.
//     New checks the settings and connects to nothing. It returns every
//     mistake it finds, joined, with the positions config gives it.
//  2. Capabilities and Send are required. Send is one attempt: no retry, no
//     rate limit, no metrics, no journal inside. It obeys ctx.
//  3. Exactly one way in: Webhooks (a Webhooker), Run (a Runner) or Mount (a
//     Mounter). The engine refuses to start a connector with none or two.
//  4. For a webhook the engine fixes the order: limit, Verify, Parse, journal,
//     Reply. Verify sees the raw request and decides on it alone; Parse is
//     called only after Verify returned nil. Both are pure: no I/O, no clock
//     beyond Request.Received, safe for concurrent use.
//  5. Several channels may name one (method, path): it is mounted once, each
//     channel's Verify sees the raw request, each that accepts parses its
//     part. If none does, or only disabled ones, the Refuse reply is sent.
//  6. Inbox.Deliver returns nil only when the engine has taken responsibility.
//     A poller moves its offset after that, never before.
//  7. Send's error is a *SendError. An error of any other type counts as
//     Unknown with reason "bug".
//  8. Anything the network sends that is not understood becomes an event of
//     KindUnsupported; it never vanishes and never blocks what follows. What
//     is not to be shown yet is not delivered at all (ParseResult.Ignored).
//  9. Event.ID is made by EventID, Event.TrackingID by TrackingID: derived,
//     never random; the same event or conversation always gets the same one,
//     whatever the channel is called. The address can be read back from the
//     TrackingID alone (Addresser).
//  10. A secret, a customer's address or text stands in no error and no log.
//  11. Every goroutine a connector starts ends before Run, Send or Close
//     returns.
//  12. A capability declared in Capabilities and not implemented by the
//     matching optional interface refuses to start.
//  13. What a network says later of a message of ours - an echo, a delivery
//     report - comes as an event of KindNotice with the Part.Ref that went out
//     with it, or with what the network names it by (Notice). It may come twice,
//     in any order, and before Send has returned. What others sent in the
//     conversation is an event of KindService that says what it was.
//
// A new connector touches its own folder, its line in connectors/all (and the
// import), one example configuration block and one changelog line; its tests a
// simulator in test/netsim, a file and a line in test/conformance. CONTRIBUTING
// has the steps.
package connectors

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"servicelink/config"
)

// Definition is one network's entry in connectors/all.
type Definition struct {
	// Network is the name used in configuration, e.g. "omnichannel".
	Network string
	// New builds the connector of one channel. It does no I/O.
	New func(config.Channel, Dependencies) (Connector, error)
}

// Dependencies is what the engine lends to every connector.
type Dependencies struct {
	Egress config.Egress // guards addresses that come from outside
	Log    *slog.Logger  // never nil; carries channel and network
	// MaxFile is the largest file the gateway passes on, in bytes; 0 = not told.
	MaxFile int64
	// PublicURL is public.url, without a slash at its end: what the network shall
	// call is below it. Empty = not configured.
	PublicURL string
	// Files keeps what comes with messages; nil where there is no folder for it.
	// Devices only.
	Files FileKeeper
	// Transport replaces the network below the egress guard in tests. nil = TCP.
	Transport http.RoundTripper
}

// Connector is what every network's adapter implements, with exactly one of
// Webhooker, Runner and Mounter.
type Connector interface {
	Capabilities() Capabilities
	// Send makes one attempt to hand part to the network. A nil error means
	// that the network accepted it. Otherwise the error is a *SendError.
	Send(ctx context.Context, part Part) (Receipt, error)
}

// Webhooker takes traffic by HTTP requests of the network.
type Webhooker interface {
	Webhooks() []Webhook
}

// Runner polls the network or holds a connection to it until ctx ends. A
// returned error is a *SendError or counts as reason "bug"; the engine calls
// Run again after a back-off: longer for ReasonAuth, which pauses the channel's
// sends too, and ReasonConflict, and never before RetryAfter. So Run need not
// wait when the network fails: it returns. Run calls Inbox.Working when the
// network answers it.
//
// A Runner is Exclusive. Nothing is kept for it between two calls or over a
// restart: where to go on is what the network remembers (an offset it confirms,
// a place for data of the account), and what comes again is known by Event.ID.
type Runner interface {
	Run(ctx context.Context, in Inbox) error
}

// Mounter serves browsers itself, below the channel's own path.
type Mounter interface {
	Mount(in Inbox) http.Handler
}

// Inbox is where a Runner or Mounter puts what it received.
type Inbox interface {
	// Deliver returns nil when every event is journaled (repeats included).
	// On error nothing may be confirmed to the network. ErrUnavailable means:
	// try again later.
	Deliver(ctx context.Context, events []Event) error
	// Typing passes on that the customer is writing. Never queued.
	Typing(trackingID string, typing bool)
	// Working says that the network answered as it should - a poll succeeded,
	// even if it brought nothing - so that what was wrong with the channel is
	// over. It is cheap and may be called after every poll.
	Working()
}

// Optional interfaces, found by assertion and checked at start.
type (
	// Typer shows the customer that the agent is writing. answering is the
	// Event.NetworkID of the customer's latest message, empty where this process
	// knows of none: some networks want to be told what is being answered.
	Typer interface {
		Typing(ctx context.Context, to Address, answering string, typing bool) error
	}
	// ReadMarker marks a customer's message as read at the network. networkID is
	// the Event.NetworkID; of an event without one nothing is marked.
	ReadMarker interface {
		MarkRead(ctx context.Context, to Address, networkID string) error
	}
	// Addresser gives the network's address back from a TrackingID alone, for
	// conversations the journal does not know. ok is false for a foreign one. The
	// RemoteAddress is never empty; it need not be the Customer's.
	Addresser interface {
		Address(trackingID string) (addr Address, ok bool)
	}
	// Exclusive gives the proof by which the network's calls are told to be
	// this channel's, where another channel with the same one would take every
	// message a second time. No two enabled channels of a network may have it
	// in common; empty = no such thing. It is compared and never shown.
	Exclusive interface{ Exclusive() string }
	// AttachmentOpener fetches a customer's file from the network. A connector
	// that has it leaves File.URL empty: the engine gives the core a signed link
	// of its own and calls Open when somebody follows it, so that no address or
	// credential of the network leaves the process.
	AttachmentOpener interface {
		// Open begins to read the file that File.ID names; with it come back Type,
		// Name and Size, as the event told them. byteRange is the value
		// of a Range header, empty = all; a network that cannot do ranges sends
		// all. The caller closes Media.Body. The error is a *SendError:
		// ReasonNotFound for a file that is gone, ReasonContent for one that the
		// network does not give out (too big).
		Open(ctx context.Context, file File, byteRange string) (*Media, error)
	}
	// RecipientRater gives single recipients another rate than
	// Capabilities.RecipientRate says: a group, for instance. Zero = that one. key
	// is the same for all conversations that the network counts as one recipient,
	// as a group's topics; empty = the conversation is its own.
	RecipientRater interface {
		RecipientRate(to Address) (key string, rate Rate)
	}
	// WindowOpener says by a template what may not be said as it is, because the
	// reply window (Capabilities.ReplyWindow) is closed. ok is false where the
	// configuration has no template for it; the part is then not sent. It is pure.
	WindowOpener interface {
		OpenWindow(part Part) (t Template, ok bool)
	}
	// Recoverer delivers what a webhook may have lost, for a Webhooker whose
	// network gives up on a call soon and lists what it received.
	Recoverer interface {
		// Recover delivers what the network received for this channel from since
		// until before until, oldest first, with the Event.IDs the webhook would
		// have given. Most of it is known; nothing is shown twice for that. until is
		// so far back that the webhook had its time, since never before the journal
		// was made. An error is as a Runner's; what was delivered before it stays so.
		Recover(ctx context.Context, since, until time.Time, in Inbox) error
	}
	// Sharer names the app at the network that the channel works through, where what
	// the network limits is the app's: a SendError of ScopeApp holds up every channel
	// of the network with the same App. It is compared and never shown.
	Sharer interface{ App() string }
	// Closer releases what New made (idle connections).
	Closer interface{ Close() error }
)

// Capabilities says what the network can show, with its limits. The engine
// splits and downgrades by it; the connector never has to. Send refuses what is
// beyond a limit all the same (Rejected, ReasonContent), where the network does
// not, and cuts nothing.
type Capabilities struct {
	TextLimit   int      // longest text of one part, in TextUnit; 0 = no limit
	TextUnit    TextUnit // how TextLimit and Caption count
	Files       bool     // takes Part.File; else the file's address is written as text
	Caption     int      // longest text beside a file; 0 = none: it follows as a part of its own
	Replies     bool     // takes Part.ReplyTo
	Buttons     int      // most buttons of one part; 0 = buttons become text
	ButtonTitle int      // longest button text in characters; 0 = no limit
	// ButtonPayload is the longest Button.ID in bytes; 0 = no limit. A payload
	// cannot be shortened: what comes back must be what the agent wrote.
	ButtonPayload int
	Typing        bool // implements Typer
	ReadMark      bool // implements ReadMarker
	Templates     bool // takes Part.Template; else the agent is told that there are none
	// Reports: notices tell when a message was delivered (Notice.Status), so that
	// a channel may say `confirm: delivered`.
	Reports bool
	// EchoWithin is how long after an attempt a Notice may come which tells that it was
	// sent, where the network says so by itself; 0 = it does not. An attempt of
	// unknown fate is repeated or reported after that.
	EchoWithin time.Duration
	// ReplyWindow is how long after the customer's latest message the network
	// takes anything but templates; 0 = no such limit.
	ReplyWindow time.Duration
	// LateWindow is how long it takes a person's own answer that is marked as such
	// (Part.Late); longer than ReplyWindow, 0 = no such thing.
	LateWindow time.Duration
	// Unknown is what happens to a send whose fate is unknown when the channel
	// does not say: resend only where the receiver drops a repeated id.
	Unknown config.UnknownPolicy
	// WebhookPatience is how long the network waits for a webhook's answer.
	WebhookPatience time.Duration
	// AccountRate and RecipientRate limit sends; zero = unlimited.
	AccountRate, RecipientRate Rate
	// StartRate limits how fast the engine starts Runners of this network, where
	// it throttles many accounts that begin at once; zero = unlimited.
	StartRate Rate
}

// TextUnit is what a network counts when it limits text.
type TextUnit uint8

// The units in use.
const (
	Characters TextUnit = iota // Unicode code points
	UTF16Units
	Bytes
	// SMSSegments counts short messages: 160 characters of the GSM 03.38 alphabet,
	// 153 each when there are several, characters of its extension taking two
	// places; 70 and 67 UTF-16 units when one character is not in it.
	SMSSegments
)

// Rate is a token bucket: PerSecond tokens a second, at most Burst saved.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Address names the customer at the network.
type Address struct {
	TrackingID    string
	RemoteAddress string // as the agent sees it
}

// Part is one request to the network: what one Send carries.
type Part struct {
	// ID is stable over retries: the core's ID, then "<ID>#2", "<ID>#3", ...
	ID string
	// Ref names this part among all of the conversation, printable and at most 100
	// characters. A network that lets a message carry something (metadata, the
	// address of its delivery reports) carries it, and it comes back in Notice.Ref.
	Ref     string
	To      Address
	Text    string   // empty only beside a File
	Buttons []Button // on the last part only
	// Template is sent instead of a text of ours: Text, Buttons and File are empty.
	Template *Template
	// Late: the reply window is closed, the late one is not; see Capabilities.
	Late bool
	// File is sent with this part, Text beside it as its caption.
	File *OutFile
	// ReplyTo is the network's id of the message this part answers: the
	// Event.NetworkID of the event the agent named, or an id as the agent gave it;
	// empty = none. On the first part only. One that does not exist, or is no id, is
	// left out.
	ReplyTo string
}

// Template is a message whose text the network keeps, and has approved where it
// approves texts.
type Template struct {
	ID        string            // the network's
	Variables map[string]string // by the name or number of the place
}

// OutFile is a file the agent sends.
type OutFile struct {
	Type string // as the agent wrote it: "image/png", "photo", "document", ...; may be empty
	Name string // for the customer; may be empty
	URL  string // http or https; the network may fetch it itself
	// Open reads the file through the engine's egress guard, bounded and sniffed,
	// for a network that cannot fetch URL. It may be called again. The error is a
	// *SendError, to be returned as it is.
	Open func(ctx context.Context) (*Media, error)
}

// Media is a file being read.
type Media struct {
	Body io.ReadCloser
	Type string // MIME type, sniffed or told; may be empty
	Size int64  // bytes of Body; -1 = not known
	// ContentRange is the header of a partial answer; empty = Body is all of it.
	ContentRange string
}

// Button is one choice offered to the customer.
type Button struct {
	ID   string // the payload that comes back
	Text string
}

// Receipt is what the network said when it accepted a part.
type Receipt struct {
	NetworkID string // the network's own id of the message; may be empty
}
