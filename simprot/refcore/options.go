package refcore

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"servicelink/simprot"
)

// Defaults of Options.
const (
	DefaultAgentName    = "Agent"
	DefaultConfirmLimit = 2 * time.Minute
	DefaultListFrame    = 500
	DefaultKeepAlive    = 15 * time.Second
)

// Options says how a Core behaves. Account and Secret are required unless
// NoLogin is set: there is no default secret.
type Options struct {
	Account string // the account gateways log in with
	Secret  string // its secret; never logged
	// Peer is the only gateway application served; empty serves any that logs
	// in. Required with NoLogin, where it is every connection's Peer.
	Peer string
	// Ports are the Ports known here; empty knows every Port. An unknown one is
	// an offence, is answered Hidden and takes no chat.
	Ports []string
	// NoLogin expects no SP_LOGIN, as a core that lacks session control.
	NoLogin bool
	// Fences announces and keeps the fence of ES_CHAT_RESYNC. Without it there
	// is none; a promise that is not kept is RuleFence in Break.
	Fences bool
	// Asks announces and keeps the mirroring of Ask. Without it Ask is not mirrored.
	Asks bool
	// Break are rules this Core does not keep, to see that somebody notices.
	// What is announced stays announced.
	Break []Rule
	// Unasked says who gets what nobody asked for; empty = UnaskedOne.
	Unasked Unasked

	// TLS is what connections must speak; nil = plain TCP.
	TLS *tls.Config

	Encoding  simprot.Encoding // what this side writes
	MaxFrame  int              // bytes: the largest frame body read here; 0 = simprot.DefaultMaxFrame
	KeepAlive time.Duration    // announced in SP_WELCOME, whole seconds; 0 = DefaultKeepAlive
	ListFrame int              // most chats in one frame of SE_CHAT_LIST; 0 = DefaultListFrame

	Signal       simprot.Signal // the first answer to ES_CHAT_REQUEST; empty = Free
	AgentName    string         // empty = DefaultAgentName
	ConfirmLimit time.Duration  // an outbound sentence unconfirmed for longer is an offence; 0 = DefaultConfirmLimit

	// ResendMessage is how long ES_MESSAGE_SENT is awaited until SE_MESSAGE_SENDING is
	// said again; 0 = 90 s.
	ResendMessage time.Duration

	// Store keeps chats, sentences and messages; nil = a new MemoryStore of KeepSentences.
	// It is not closed by the Core.
	Store Store
	// KeepSentences bounds the sentences kept per chat by that MemoryStore, for
	// load tests; 0 keeps all. Repeats are recognised among the kept ones only.
	KeepSentences int
	// FaultSeed seeds the dice of faults with a Probability, so that a run can
	// be repeated.
	FaultSeed uint64
	// ConsoleHosts are host names the console is reached by, besides localhost
	// and addresses. Others are refused: a page elsewhere must not reach the
	// console by a name that resolves to this machine.
	ConsoleHosts []string
	// ConsoleImages are origins, as "http://127.0.0.1:8080", whose pictures the
	// console shows: those of the gateway's files. Others are links.
	ConsoleImages []string
	// ConsoleFramed lets a page of the console's own origin show it in a frame.
	ConsoleFramed bool

	Logger *slog.Logger     // nil = nothing is logged
	Clock  func() time.Time // nil = time.Now
}

// Unasked says which connections of the Peer get what nobody asked for:
// sentences of the agent, news, SE_CHAT_CONFIRM, SE_CHAT_TYPING.
type Unasked string

// The values of Unasked.
const (
	UnaskedOne Unasked = "one" // the one that claimed the Port, else the newest
	UnaskedAll Unasked = "all"
)

// Errors of Options.Validate; ErrRule is another.
var (
	ErrNoSecret = errors.New("refcore: account and secret are required")
	ErrNoPeer   = errors.New("refcore: without login the peer must be named")
	ErrUnasked  = errors.New("refcore: unasked is one or all")
)

// Validate reports what is missing. Serve calls it.
func (o *Options) Validate() error {
	if err := checkRules(o.Break); err != nil {
		return err
	}
	if o.Unasked != "" && o.Unasked != UnaskedOne && o.Unasked != UnaskedAll {
		return ErrUnasked
	}
	if o.NoLogin {
		if o.Peer == "" {
			return ErrNoPeer
		}
		return nil
	}
	if o.Account == "" || o.Secret == "" {
		return ErrNoSecret
	}
	return nil
}

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	if o.MaxFrame <= 0 {
		o.MaxFrame = simprot.DefaultMaxFrame
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = DefaultKeepAlive
	}
	if o.ListFrame <= 0 {
		o.ListFrame = DefaultListFrame
	}
	if o.Signal == "" {
		o.Signal = simprot.SignalFree
	}
	if o.AgentName == "" {
		o.AgentName = DefaultAgentName
	}
	if o.ConfirmLimit <= 0 {
		o.ConfirmLimit = DefaultConfirmLimit
	}
	if o.ResendMessage <= 0 {
		o.ResendMessage = sentLimit
	}
	if o.Store == nil {
		o.Store = NewMemoryStore(o.KeepSentences)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}
