package simprot

import (
	"time"

	"github.com/google/uuid"
)

// Code is a packet's name as it stands in the frame.
type Code string

// The codes of session control (SPEC.md 6), external chat (7), forms and
// registers (11), and internal chat (12). ES_ goes from the gateway to the core
// and SE_ back, CS_ from an agent's client to the core and SC_ back, SP_ either
// way.
const (
	CodeLogin   Code = "SP_LOGIN"   // Login
	CodeWelcome Code = "SP_WELCOME" // Welcome
	CodeRefused Code = "SP_REFUSED" // Refused
	CodePing    Code = "SP_PING"    // Ping
	CodePong    Code = "SP_PONG"    // Ping
	CodeBye     Code = "SP_BYE"     // Bye

	CodeChatRequest    Code = "ES_CHAT_REQUEST"  // ChatServiceInfo
	CodeChatResponse   Code = "SE_CHAT_RESPONSE" // ChatServiceInfo
	CodeChatStart      Code = "ES_CHAT_START"    // ChatServiceInfo
	CodeChatStop       Code = "ES_CHAT_STOP"     // ChatCommandInfo
	CodeChatStatus     Code = "SE_CHAT_STATUS"   // ChatStatusInfo
	CodeChatStatusAsk  Code = "ES_CHAT_STATUS"   // ChatStatusInfo; TrackingId, optionally ChatId and AfterCounter
	CodeChatSentenceIn Code = "ES_CHAT_SENTENCE" // ChatSentenceInfo
	CodeChatSentence   Code = "SE_CHAT_SENTENCE" // ChatSentenceInfo; IsOutbound=false: the echo
	CodeChatTypingIn   Code = "ES_CHAT_TYPING"   // ChatCommandInfo
	CodeChatTyping     Code = "SE_CHAT_TYPING"   // ChatCommandInfo
	CodeChatConfirmIn  Code = "ES_CHAT_CONFIRM"  // ChatCommandInfo; the customer has it
	CodeChatConfirm    Code = "SE_CHAT_CONFIRM"  // ChatCommandInfo; the agent's side has it
	CodeChatResync     Code = "ES_CHAT_RESYNC"   // ChatCommandInfo
	CodeChatList       Code = "SE_CHAT_LIST"     // ChatStatusList

	CodeScenarioLoad  Code = "ES_SCENARIO_LOAD"  // CommandInfo; Id: the form, Reference: its language
	CodeScenarioModel Code = "SE_SCENARIO_MODEL" // ScenarioInfo
	CodeScenarioSave  Code = "ES_SCENARIO_SAVE"  // ScenarioResultInfo; no answer

	CodeRoutingAsk  Code = "ES_WS_ROUTING"       // Text: the Peer to answer to
	CodeRouting     Code = "SE_WS_ROUTING"       // WebSiteRoutingList
	CodeLiteralsAsk Code = "ES_WS_LITERALS_GET"  // LiteralLookupInfo; LiteralGroup, Culture and Peer
	CodeLiterals    Code = "SE_WS_LITERALS_INFO" // LiteralLookupList

	CodeGatewaysAsk    Code = "ES_SL_GETGATEWAYS"    // Text: the address whose message gateways are asked for
	CodeGateways       Code = "SE_SL_MSGGATEWAYS"    // GatewayList
	CodeMessageIn      Code = "ES_MESSAGE_RECEIVING" // MessageContentInfo; from a customer
	CodeMessageInDone  Code = "SE_MESSAGE_RECEIVED"  // CommandInfo; what became of it
	CodeMessageOut     Code = "SE_MESSAGE_SENDING"   // MessageContentInfo; to a customer
	CodeMessageOutDone Code = "ES_MESSAGE_SENT"      // CommandInfo; what became of it

	CodeAgentAlert      Code = "SC_CHAT_ALERT"     // ChatStatusInfo; take this chat
	CodeAgentAlertEnd   Code = "SC_CHAT_ALERT_END" // ChatCommandInfo; no longer
	CodeAgentAnswer     Code = "CS_CHAT_ANSWER"    // ChatCommandInfo; taken
	CodeAgentHangup     Code = "CS_CHAT_HANGUP"    // ChatCommandInfo; turned down, or ended
	CodeAgentStatus     Code = "SC_CHAT_STATUS"    // ChatStatusInfo
	CodeAgentStatusAsk  Code = "CS_CHAT_STATUS"    // ChatCommandInfo
	CodeAgentSentence   Code = "SC_CHAT_SENTENCE"  // ChatSentenceInfo; IsOutbound=true: the echo
	CodeAgentSentenceIn Code = "CS_CHAT_SENTENCE"  // ChatSentenceInfo
	CodeAgentTyping     Code = "SC_CHAT_TYPING"    // ChatCommandInfo
	CodeAgentTypingIn   Code = "CS_CHAT_TYPING"    // ChatCommandInfo
	CodeAgentConfirm    Code = "SC_CHAT_CONFIRM"   // ChatCommandInfo; the customer has it
	CodeAgentConfirmIn  Code = "CS_CHAT_CONFIRM"   // ChatCommandInfo; the agent has it
	CodeAgentResync     Code = "CS_CHAT_RESYNC"    // ChatCommandInfo; CS_CHAT_RESNYC is read as the same
	CodeAgentList       Code = "SC_CHAT_LIST"      // ChatStatusList
)

// Limits of identifiers and display fields, in characters (Unicode code
// points). Source: the field notes of the data classes; SPEC.md "Limits".
const (
	MaxID               = 64
	MaxDeliverySystemID = 80 // InReplyToId too
	MaxPartyName        = 160
	MaxFromField        = 160
	MaxRemoteAddress    = 250
	MaxUserToken        = 320
	MaxAddressField     = 320 // ToField, ToCcField, ToBccField
	MaxSubjectField     = 320
	MaxTrackingID       = 128
)

// Packet is one frame's content: what was said, and the extras beside it.
type Packet struct {
	Code Code
	// Payload is a pointer to a payload class, a list of one (ChatStatusList,
	// WebSiteRoutingList, LiteralLookupList, GatewayList) or Text, by Code, or nil.
	Payload Payload
	Extras  Extras
}

// Payload is implemented by the payload classes of this package only.
type Payload interface{ payload() }

// Extras is the optional third element of a frame. The zero value is left out.
type Extras struct {
	// Ask marks a question "<random per connection>-<n>" and is mirrored in
	// every frame of its answer by a core that announced Asks.
	Ask string
	// More is true in all but the last frame of a long list.
	More bool
	// TraceParent ties the packet to a trace: the traceparent of W3C Trace
	// Context. It is of no consequence for the protocol, and what the other side
	// wrote may be anything.
	TraceParent string
}

// Signal of SE_CHAT_RESPONSE: can a chat be received now?
type Signal string

// The signals of the source.
const (
	SignalFree   Signal = "Free"   // yes, at once
	SignalBusy   Signal = "Busy"   // yes, with a wait
	SignalClosed Signal = "Closed" // no
	SignalHidden Signal = "Hidden" // no, and do not advertise the chat
)

// Accepts reports whether a chat may be started. An unknown signal accepts:
// refusing customers on a word we do not know would lose messages.
func (s Signal) Accepts() bool { return s != SignalClosed && s != SignalHidden }

// Status of a chat, kept as the core's text.
type Status string

// The status values of the source.
const (
	StatusPilot          Status = "Pilot"
	StatusICR            Status = "ICR"
	StatusWaiting        Status = "Waiting"
	StatusQueue          Status = "Queue" // the same as Waiting
	StatusAlerting       Status = "Alerting"
	StatusAnswered       Status = "Answered"
	StatusClosed         Status = "Closed"
	StatusClosedByAgent  Status = "ClosedByAgent"
	StatusClosedByExtApp Status = "ClosedByExtApp"
)

// Closed reports whether the chat has ended: every Closed* value. An unknown
// value counts as open.
func (s Status) Closed() bool {
	const prefix = "Closed"
	return len(s) >= len(prefix) && s[:len(prefix)] == prefix
}

// Model is the kind ("channel") of a sentence.
type Model int32

// The models of the source.
const (
	ModelSentence   Model = 0 // written by a person
	ModelTechNote   Model = 2 // generated, shown in the conversation
	ModelTechPanel  Model = 4 // generated, shown statically, the last one only
	ModelNavigation Model = 6 // the customer's page
	ModelCoBrowsing Model = 8 // application data
)

// ChatServiceInfo asks whether a chat can start, starts it, and carries the
// core's signal. ES = gateway to core, SE = core to gateway.
type ChatServiceInfo struct {
	Peer             string              // ES+SE: the gateway's address at the core
	Port             string              // ES+SE: one channel's sub-address, optional
	TrackingId       string              // ES+SE: names the conversation, <= 128 characters
	PreferredCulture string              // ES: ISO code such as "en"
	UserToken        string              // ES: free text about the user, <= 320 characters
	ExtResponse      string              // ES: result of external logic
	ResultModel      *ScenarioResultInfo // ES: form data given before the chat
	PartyName        string              // ES: the customer's display name
	RemoteAddress    string              // ES: the customer's address, <= 250 characters
	ReturnChatId     *uuid.UUID          // ES: an outbound chat made beforehand
	Signal           Signal              // SE
	ScenarioModel    *ScenarioInfo       // SE: form expected before the chat
}

// ChatStatusInfo is the state of one chat: the answer to START and STATUS
// (then with Sentences), news (without), one item of a list of chats, and the
// question ES_CHAT_STATUS. To an agent's client it is the alert, too.
type ChatStatusInfo struct {
	Peer       string     // SE+SC; SC: the workplace number
	Port       string     // SE
	TrackingId string     // SE
	ChatId     uuid.UUID  // SE+SC; the zero value is left out
	Status     Status     // SE+SC
	AgentName  string     // SE+SC
	AgentId    *uuid.UUID // SE+SC
	// Sentences is nil in news and an empty, non-nil slice in an answer about
	// a chat without sentences: the difference is the meaning (SPEC.md).
	Sentences      []*ChatSentenceInfo // SE+SC
	Info           *ChatInfo           // SC
	Panel          *ChatSentenceInfo   // SE+SC
	Navigation     *ChatSentenceInfo   // SE+SC
	CoBrowsingData *ChatSentenceInfo   // SE+SC
	DeadTimeUtc    *time.Time          // SE
	// Counter is this project's addition to items of SE_CHAT_LIST: the Counter
	// of the last sentence; 0 = not told.
	Counter int32
	// AfterCounter is this project's addition to ES_CHAT_STATUS: only
	// sentences above it are wanted; 0 = all.
	AfterCounter int32
}

// ChatStatusList is the payload of SE_CHAT_LIST and SC_CHAT_LIST.
type ChatStatusList []*ChatStatusInfo

// ChatSentenceInfo is one sentence of a conversation, in either direction.
type ChatSentenceInfo struct {
	Peer          string     // ES+SE+CS+SC; CS and SC: the workplace number
	Port          string     // ES+SE
	TrackingId    string     // ES+SE
	ChatId        uuid.UUID  // CS+SC; the zero value is left out
	ID            string     // ES+SE+CS+SC, <= 64 characters; the core does not check uniqueness
	PartyName     string     // ES+SE+CS+SC
	Text          string     // ES+SE+CS+SC
	TimeSent      time.Time  // ES+SE+CS+SC, UTC; the zero value is left out
	IsOutbound    bool       // SE+SC: true = to the customer
	Counter       int32      // SE+SC: from 1 within a chat; 0 = not told
	ConfirmedTime *time.Time // SE+SC: when delivered; nil = not yet
	Model         Model      // ES+SE+SC
	// ReplyUntil is this project's addition to ES_CHAT_SENTENCE: until when the
	// network lets the customer be answered freely (SPEC.md 7.11); nil = not told.
	ReplyUntil *time.Time
}

// ChatCommandInfo carries the small commands: stop, typing, confirm, resync,
// and of an agent's client answer, hang-up and the question for a status.
type ChatCommandInfo struct {
	Peer       string     // ES+SE+CS+SC; CS and SC: the workplace number
	Port       string     // ES+SE
	TrackingId string     // ES+SE
	ChatId     *uuid.UUID // CS+SC
	ID         string     // of the sentence a CONFIRM speaks of, <= 64 characters
	TimeStamp  *time.Time // UTC
	AgentId    *uuid.UUID // CS+SC
	IsTyping   *bool      // TYPING only; the class in the source lacks it
	// Manifest is this project's addition to ES_CHAT_RESYNC: what the Port can show
	// (SPEC.md 7.11); nil = not told.
	Manifest *PortManifest
}

// PortManifest says what a Port can show the customer, with its limits, in
// ES_CHAT_RESYNC. A limit of 0 is none; what is false or 0 and no limit cannot be
// shown, and goes as text.
type PortManifest struct {
	Network       string // "telegram", "sms", ...: for people
	TextLimit     int32  // longest text of one message; a longer sentence goes as several
	TextUnit      string // how it is counted: a TextUnit constant
	Files         bool   // file lines go as files, else as their addresses
	Caption       int32  // longest text beside a file; 0 = it goes as a message of its own
	Buttons       int32  // most buttons of a sentence; 0 = they go as text
	ButtonTitle   int32  // longest button text, in characters
	ButtonPayload int32  // longest payload, in bytes
	Replies       bool   // reply lines quote the answered message
	Templates     bool   // template lines are understood
	Typing        bool   // TYPING is shown to the customer
	ReadMark      bool   // SE_CHAT_CONFIRM sets the network's read mark
	Delivered     bool   // ES_CHAT_CONFIRM tells that the customer's device has it
	ReplyWindow   int32  // seconds after the customer's latest message in which anything can be sent; 0 = always
	LateWindow    int32  // seconds after it in which a person's own answer can; 0 = no such thing
}

// The units of PortManifest.TextUnit.
const (
	UnitCharacters = "characters" // Unicode code points
	UnitUTF16      = "utf16"      // UTF-16 units
	UnitBytes      = "bytes"      // of UTF-8
	UnitSegments   = "segments"   // short messages
)

// ChatInfo tells an agent's client about a chat. Direction SC.
type ChatInfo struct {
	TimeStamp         time.Time // UTC
	EnqueueingTimeUtc time.Time
	PilotDialTime     *time.Time
	ChatType          string // BusinessIM, SocialIM, WebIM
	RemotePartyName   string
	RemoteAddress     string
	WorkplaceNumber   string
	WorkplaceId       *uuid.UUID
	AgentId           *uuid.UUID
	ProjectId         *uuid.UUID
	LanguageId        *uuid.UUID
	ProjectName       string
	LanguageName      string
	AgentName         string
	WaitingTime       int32 // seconds
	MaxSignalDuration int32 // seconds
	ChatGatewayName   string
	ContactId         *uuid.UUID
	ContactName       string
	Scenarios         []*ScenarioResultItemInfo
	FormDataId        *uuid.UUID
}

// Login is the first packet of a connection (SP_LOGIN).
type Login struct {
	Account  string
	Secret   string // compared in constant time, never logged
	Peer     string // the gateway application, e.g. "@servicelink"
	Instance string // stable across restarts, differs between gateways of one host
	Version  int32  // of this protocol: Version
	Encoding string // "msgpack" or "json": what this side writes
	MaxFrame int64  // bytes: the largest frame body this side reads
}

// Welcome accepts a login (SP_WELCOME).
type Welcome struct {
	Server    string // name and version of the core's software
	Version   int32
	MaxFrame  int64 // bytes: the largest frame body the core reads
	KeepAlive int32 // seconds of silence before a ping
	Fences    bool  // the core keeps the fence of ES_CHAT_RESYNC
	Asks      bool  // the core mirrors Ask
}

// Refused turns a login down (SP_REFUSED); the core closes after it.
type Refused struct {
	Reason string // credentials, version, peer, busy
}

// Ping asks for, or is, a sign of life (SP_PING, SP_PONG).
type Ping struct{ Token string }

// Bye announces an orderly end (SP_BYE).
type Bye struct {
	Reason       string // replaced, restart, shutdown
	RetryAfterMs int64  // the other side waits about this long before it dials again
}

// Text is the payload of packets that carry one string: in both encodings a
// MessagePack string, and never JSON.
type Text string

func (*ChatServiceInfo) payload()    {}
func (*ChatStatusInfo) payload()     {}
func (ChatStatusList) payload()      {}
func (*ChatSentenceInfo) payload()   {}
func (*ChatCommandInfo) payload()    {}
func (*CommandInfo) payload()        {}
func (*ScenarioInfo) payload()       {}
func (*ScenarioResultInfo) payload() {}
func (WebSiteRoutingList) payload()  {}
func (*LiteralLookupInfo) payload()  {}
func (GatewayList) payload()         {}
func (*MessageContentInfo) payload() {}
func (LiteralLookupList) payload()   {}
func (Text) payload()                {}
func (*Login) payload()              {}
func (*Welcome) payload()            {}
func (*Refused) payload()            {}
func (*Ping) payload()               {}
func (*Bye) payload()                {}
