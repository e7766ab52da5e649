package simprot

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"sync"
)

// MaxObjects is how many objects (maps of a payload class) are decoded from
// one frame: an empty map is one byte on the wire and some hundred in memory.
const MaxObjects = 1 << 16

// Encoding is how a writer puts payloads into frames. A reader takes both at
// any time.
type Encoding uint8

const (
	// EncodingMsgpack writes payloads as MessagePack maps and arrays.
	EncodingMsgpack Encoding = iota
	// EncodingJSON writes them as one MessagePack string of JSON text.
	EncodingJSON
)

// ParseEncoding reads the names used in configurations and in SP_LOGIN; ""
// is msgpack.
func ParseEncoding(name string) (Encoding, error) {
	switch name {
	case "", "msgpack":
		return EncodingMsgpack, nil
	case "json":
		return EncodingJSON, nil
	}
	return 0, fmt.Errorf("simprot: unknown encoding %q: msgpack or json", name)
}

func (e Encoding) String() string {
	if e == EncodingJSON {
		return "json"
	}
	return "msgpack"
}

// class ties a code to its payload class.
type class struct {
	code Code
	// plain is true of Text: a string is the payload, and not JSON text of it.
	plain bool
	// list is true of arrays.
	list bool
	// read reads the payload whose head is given. A null reads as the payload
	// without members.
	read func(d *decoder, head token) (Payload, error)
	// fits reports whether a payload is of the class and no nil pointer.
	fits func(Payload) bool
}

func classOf[T any, P interface {
	*T
	object
	Payload
}](code Code) *class {
	return &class{
		code: code,
		read: func(d *decoder, head token) (Payload, error) {
			p := P(new(T))
			if head.kind == kindNull {
				return p, nil
			}
			return p, d.object(p, head)
		},
		fits: func(payload Payload) bool {
			v, ok := payload.(P)
			return ok && v != nil
		},
	}
}

func listOf[L interface {
	~[]P
	Payload
}, T any, P interface {
	*T
	object
}](code Code) *class {
	return &class{
		code: code,
		list: true,
		read: func(d *decoder, head token) (Payload, error) {
			list := []P{}
			if head.kind == kindNull {
				return L(list), nil
			}
			err := decodeList(d, &list, head)
			return L(list), err
		},
		fits: isA[L],
	}
}

func textOf(code Code) *class {
	return &class{
		code:  code,
		plain: true,
		read: func(_ *decoder, head token) (Payload, error) {
			if head.kind == kindNull {
				return Text(""), nil
			}
			text, err := toText(head)
			return Text(text), err
		},
		fits: isA[Text],
	}
}

func isA[P Payload](payload Payload) bool {
	_, ok := payload.(P)
	return ok
}

// object is a payload class, or a class within one. Each knows its members
// once for both encodings.
type object interface {
	// members writes the members that are set.
	members(e *encoder)
	// member reads the value of one member, or skips it when the name is
	// unknown. name is valid until the first read.
	member(d *decoder, name []byte) error
}

var classes = func() map[string]*class {
	known := make(map[string]*class)
	for _, c := range []*class{
		classOf[ChatServiceInfo](CodeChatRequest),
		classOf[ChatServiceInfo](CodeChatResponse),
		classOf[ChatServiceInfo](CodeChatStart),
		classOf[ChatCommandInfo](CodeChatStop),
		classOf[ChatStatusInfo](CodeChatStatus),
		classOf[ChatStatusInfo](CodeChatStatusAsk),
		classOf[ChatSentenceInfo](CodeChatSentenceIn),
		classOf[ChatSentenceInfo](CodeChatSentence),
		classOf[ChatCommandInfo](CodeChatTypingIn),
		classOf[ChatCommandInfo](CodeChatTyping),
		classOf[ChatCommandInfo](CodeChatConfirmIn),
		classOf[ChatCommandInfo](CodeChatConfirm),
		classOf[ChatCommandInfo](CodeChatResync),
		listOf[ChatStatusList](CodeChatList),
		classOf[CommandInfo](CodeScenarioLoad),
		classOf[ScenarioInfo](CodeScenarioModel),
		classOf[ScenarioResultInfo](CodeScenarioSave),
		textOf(CodeRoutingAsk),
		listOf[WebSiteRoutingList](CodeRouting),
		classOf[LiteralLookupInfo](CodeLiteralsAsk),
		listOf[LiteralLookupList](CodeLiterals),
		textOf(CodeGatewaysAsk),
		listOf[GatewayList](CodeGateways),
		classOf[MessageContentInfo](CodeMessageIn),
		classOf[CommandInfo](CodeMessageInDone),
		classOf[MessageContentInfo](CodeMessageOut),
		classOf[CommandInfo](CodeMessageOutDone),
		classOf[ChatStatusInfo](CodeAgentAlert),
		classOf[ChatCommandInfo](CodeAgentAlertEnd),
		classOf[ChatCommandInfo](CodeAgentAnswer),
		classOf[ChatCommandInfo](CodeAgentHangup),
		classOf[ChatStatusInfo](CodeAgentStatus),
		classOf[ChatCommandInfo](CodeAgentStatusAsk),
		classOf[ChatSentenceInfo](CodeAgentSentence),
		classOf[ChatSentenceInfo](CodeAgentSentenceIn),
		classOf[ChatCommandInfo](CodeAgentTyping),
		classOf[ChatCommandInfo](CodeAgentTypingIn),
		classOf[ChatCommandInfo](CodeAgentConfirm),
		classOf[ChatCommandInfo](CodeAgentConfirmIn),
		classOf[ChatCommandInfo](CodeAgentResync),
		listOf[ChatStatusList](CodeAgentList),
		classOf[Login](CodeLogin),
		classOf[Welcome](CodeWelcome),
		classOf[Refused](CodeRefused),
		classOf[Ping](CodePing),
		classOf[Ping](CodePong),
		classOf[Bye](CodeBye),
	} {
		known[string(c.code)] = c
	}
	known[misprint] = known[string(CodeAgentResync)]
	return known
}()

// misprint is how the source spells CodeAgentResync.
const misprint = "CS_CHAT_RESNYC"

// AppendFrame appends p's whole frame, length and body, to dst and returns the
// longer slice. With room enough in dst nothing is allocated. A nil payload is
// written as nil. On an error dst comes back as it was.
//
// Errors: *EncodeError - a defect of the caller; *OversizeError - above
// MaxReadFrame. The other side's smaller MaxFrame is the connection's affair.
func AppendFrame(dst []byte, p Packet, enc Encoding) ([]byte, error) {
	if !belongs(p.Code, p.Payload) {
		return dst, &EncodeError{Code: p.Code, Err: errClass}
	}
	e := encoders.Get().(*encoder)
	defer e.release()
	start := len(dst)
	e.out.b = append(dst, 0, 0, 0, 0)
	e.packet(p, enc)
	if e.err != nil {
		return dst, &EncodeError{Code: p.Code, Err: e.err}
	}
	frame := e.out.b
	size := len(frame) - start - lengthSize
	if size > MaxReadFrame {
		return dst, &OversizeError{Size: int64(size)}
	}
	binary.BigEndian.PutUint32(frame[start:], uint32(size))
	return frame, nil
}

// belongs reports whether payload is of the class that code carries, or nil.
// Codes this package does not know may carry any of its classes.
func belongs(code Code, payload Payload) bool {
	if payload == nil {
		return true
	}
	if c, known := classes[string(code)]; known {
		return c.fits(payload)
	}
	v := reflect.ValueOf(payload)
	return v.Kind() != reflect.Pointer || !v.IsNil()
}

// DecodePacket decodes one frame body. It runs Scan first; what it returns
// holds nothing of body. A nil payload reads as one without members.
//
// Errors: *FrameError - close the connection; *UnknownCodeError and
// *DecodeError - count and skip.
func DecodePacket(body []byte) (Packet, error) {
	if err := Scan(body); err != nil {
		return Packet{}, err
	}
	d := decoders.Get().(*decoder)
	defer d.release()
	return d.packet(body)
}

// decoders and encoders keep their state and the buffers between
// packets.
var (
	decoders = sync.Pool{New: func() any { return new(decoder) }}
	encoders = sync.Pool{New: func() any { return newEncoder() }}
)
