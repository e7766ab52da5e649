package main

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// direction of a packet.
type direction string

const (
	unknownDirection direction = ""
	toCore           direction = "to_core"
	toGateway        direction = "to_gateway"
)

func (d direction) arrow() string {
	switch d {
	case toCore:
		return "->"
	case toGateway:
		return "<-"
	default:
		return "--"
	}
}

// directionOf tells it from a code, where that says it.
func directionOf(code simprot.Code) direction {
	switch {
	case code == simprot.CodeLogin, strings.HasPrefix(string(code), "ES_"), strings.HasPrefix(string(code), "CS_"):
		return toCore
	case code == simprot.CodeWelcome, code == simprot.CodeRefused, strings.HasPrefix(string(code), "SE_"), strings.HasPrefix(string(code), "SC_"):
		return toGateway
	default:
		return unknownDirection
	}
}

// view is what one line tells. The JSON names are documented by `dump --help`.
type view struct {
	Time      *time.Time `json:"time,omitempty"`
	Conn      int        `json:"conn"`
	Direction direction  `json:"direction,omitempty"`
	Offset    int64      `json:"offset"` // of the frame in its stream
	Bytes     int64      `json:"bytes"`  // of the frame, or of what is no frame

	Code         simprot.Code `json:"code,omitempty"`
	Port         string       `json:"port,omitempty"`
	Conversation string       `json:"conversation,omitempty"` // as logs show it
	TrackingID   string       `json:"tracking_id,omitempty"`  // unmasked only
	ChatID       string       `json:"chat_id,omitempty"`
	ID           string       `json:"id,omitempty"` // as logs show it
	Counter      int64        `json:"counter,omitempty"`
	IsOutbound   *bool        `json:"is_outbound,omitempty"`
	Status       string       `json:"status,omitempty"`
	Signal       string       `json:"signal,omitempty"`
	Ask          string       `json:"ask,omitempty"`
	More         bool         `json:"more,omitempty"`
	TraceParent  string       `json:"traceparent,omitempty"`
	TextChars    int          `json:"text_chars,omitempty"`
	Sentences    *int         `json:"sentences,omitempty"`
	Items        *int         `json:"items,omitempty"` // of a payload that is a list

	Message string `json:"message,omitempty"` // a mail or short message, by the core's id
	Gateway string `json:"gateway,omitempty"` // that it came or goes by
	Request string `json:"request,omitempty"` // its id until it has the core's
	Outcome string `json:"outcome,omitempty"` // of an answer: true, false, sent, failed

	ownID   string // as it is
	Payload any    `json:"payload,omitempty"` // --full only
	Fault   string `json:"fault,omitempty"`   // why there is no packet
}

// wellFormed is a traceparent; another text there may say anything.
var wellFormed = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// viewOf tells of a packet what a line holds.
func viewOf(p simprot.Packet) view {
	v := view{Code: p.Code, Ask: p.Extras.Ask, More: p.Extras.More}
	if wellFormed.MatchString(p.Extras.TraceParent) {
		v.TraceParent = p.Extras.TraceParent
	}
	payload := reflect.Indirect(reflect.ValueOf(p.Payload))
	switch payload.Kind() {
	case reflect.Slice:
		n := payload.Len()
		v.Items = &n
		return v
	case reflect.Struct:
	default:
		return v
	}
	v.Port = textOf(payload, "Port")
	tracking := textOf(payload, "TrackingId")
	if tracking != "" {
		v.Conversation = simprot.LogID(tracking)
	}
	v.ChatID = guidOf(payload, "ChatId")
	v.ownID = textOf(payload, "ID")
	v.ID = simprot.LogEventID(tracking, v.ownID)
	v.Status = textOf(payload, "Status")
	v.Signal = textOf(payload, "Signal")
	v.TextChars = utf8.RuneCountInString(textOf(payload, "Text"))
	if f := payload.FieldByName("Counter"); f.IsValid() && f.CanInt() {
		v.Counter = f.Int()
	}
	if f := payload.FieldByName("IsOutbound"); f.IsValid() && f.Kind() == reflect.Bool {
		outbound := f.Bool()
		v.IsOutbound = &outbound
	}
	if f := payload.FieldByName("Sentences"); f.IsValid() && f.Kind() == reflect.Slice && !f.IsNil() {
		n := f.Len()
		v.Sentences = &n
	}
	v.message(p)
	return v
}

// message tells of a message and its answer which one it is.
func (v *view) message(p simprot.Packet) {
	switch m := p.Payload.(type) {
	case *simprot.MessageContentInfo:
		if m.MessageId != nil {
			v.Message = m.MessageId.String()
		}
		v.Gateway, v.Request = m.GatewayId.String(), requestOf(m.RequestId)
		v.TextChars = max(utf8.RuneCountInString(m.BodyText), utf8.RuneCountInString(m.BodyHtml))
	case *simprot.CommandInfo:
		if p.Code == simprot.CodeScenarioLoad {
			return
		}
		if m.Id != nil {
			v.Message = m.Id.String()
		}
		if m.RefId != nil {
			v.Gateway = m.RefId.String()
		}
		accepted, ok := m.Accepted()
		switch {
		case p.Code == simprot.CodeMessageInDone && ok:
			v.Request, v.Outcome = requestOf(m.Reference), strconv.FormatBool(accepted)
		case p.Code == simprot.CodeMessageInDone:
			v.Request = requestOf(m.Reference)
		case m.Data == "":
			v.Outcome = "sent"
		default: // the text may hold addresses
			v.Outcome = "failed"
		}
	}
}

// requestOf is a RequestId that is a GUID; another text there may say anything.
func requestOf(text string) string {
	if id, err := uuid.Parse(text); err == nil {
		return id.String()
	}
	return ""
}

// textOf returns a member's text, "" where there is none.
func textOf(payload reflect.Value, name string) string {
	f := reflect.Indirect(payload.FieldByName(name))
	if f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

// guidOf returns a member's GUID, "" where there is none.
func guidOf(payload reflect.Value, name string) string {
	f := reflect.Indirect(payload.FieldByName(name))
	if !f.IsValid() || f.Type() != guidType {
		return ""
	}
	if id, ok := reflect.TypeAssert[uuid.UUID](f); ok && id != uuid.Nil {
		return id.String()
	}
	return ""
}

// trackingIDs calls with every conversation a packet speaks of.
func trackingIDs(p simprot.Packet, yield func(string)) {
	payload := reflect.Indirect(reflect.ValueOf(p.Payload))
	switch payload.Kind() {
	case reflect.Struct:
		yield(textOf(payload, "TrackingId"))
	case reflect.Slice:
		for i := range payload.Len() {
			if item := reflect.Indirect(payload.Index(i)); item.Kind() == reflect.Struct {
				yield(textOf(item, "TrackingId"))
			}
		}
	}
}
