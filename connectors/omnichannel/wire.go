package omnichannel

import (
	"encoding/json"
	"strconv"
	"strings"

	"servicelink/connectors"
	"servicelink/connectors/internal/strictjson"
)

// WebhookPath is where the client posts, as a pattern of net/http's router.
const WebhookPath = "/connector/omnichannel/omnichannel_message/{token}/bot_api_webhook"

// What the API calls things.
const (
	eventNewMessage = "new_message"

	kindVisitor  = "visitor"
	kindFile     = "file_visitor"
	kindButton   = "keyboard_response"
	kindOperator = "operator"

	stateReady = "ready"
)

// inactiveBody is the API's answer to a wrong token and to an inactive channel.
const inactiveBody = `{"error":"There is no active channel for received event."}`

// sendMessage is the body of /send_message.
type sendMessage struct {
	ChatID  json.Number `json:"chat_id"`
	Message outMessage  `json:"message"`
}

type outMessage struct {
	ID   string   `json:"id"`
	Kind string   `json:"kind"`
	Text string   `json:"text"`
	Data *outData `json:"data,omitempty"`
}

type outData struct {
	Buttons []outButton `json:"buttons"`
}

type outButton struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// reader looks members up and keeps the first mistake.
type reader struct {
	root strictjson.Value
	err  error
}

func (r *reader) fail(reason connectors.RequestReason, path string) {
	if r.err == nil {
		r.err = &connectors.RequestError{Reason: reason, Detail: path}
	}
}

func syntax(detail string) error {
	return &connectors.RequestError{Reason: connectors.ReasonSyntax, Detail: detail}
}

// text returns an optional string; absent, null and "" are the same.
func (r *reader) text(from strictjson.Value, name, path string) string {
	v := from.Member(name)
	switch v.Kind() {
	case strictjson.String:
		return v.Text()
	case strictjson.Absent, strictjson.Null:
	default:
		r.fail(connectors.ReasonSyntax, path)
	}
	return ""
}

// need returns a required string.
func (r *reader) need(from strictjson.Value, name, path string) string {
	s := r.text(from, name, path)
	if s == "" {
		r.fail(connectors.ReasonMissing, path)
	}
	return s
}

// anyOther stands for a name that is no string: the API asks to answer 200 to
// what is not known, whatever it looks like.
const anyOther = "?"

// name returns a required name out of a list that may grow.
func (r *reader) name(from strictjson.Value, name, path string) string {
	switch from.Member(name).Kind() {
	case strictjson.String, strictjson.Absent, strictjson.Null:
		return r.need(from, name, path)
	default:
		return anyOther
	}
}

// object returns a required object.
func (r *reader) object(from strictjson.Value, name, path string) strictjson.Value {
	v := from.Member(name)
	switch v.Kind() {
	case strictjson.Object:
	case strictjson.Absent, strictjson.Null:
		r.fail(connectors.ReasonMissing, path)
	default:
		r.fail(connectors.ReasonSyntax, path)
	}
	return v
}

// chat returns chat_id as it is written.
func (r *reader) chat() string {
	v := r.root.Member("chat_id")
	switch v.Kind() {
	case strictjson.Absent, strictjson.Null:
		r.fail(connectors.ReasonMissing, "chat_id")
		return ""
	case strictjson.Number:
		if chat := string(v.Raw()); isInteger(chat) {
			return chat
		}
	}
	r.fail(connectors.ReasonSyntax, "chat_id")
	return ""
}

// file reads the data of a file that is ready.
func (r *reader) file(data strictjson.Value, messageID string) *connectors.File {
	f := &connectors.File{
		ID:   r.text(data, "id", "message.data.id"),
		Name: r.text(data, "name", "message.data.name"),
		Type: r.text(data, "content_type", "message.data.content_type"),
		URL:  r.need(data, "url", "message.data.url"),
	}
	if f.ID == "" {
		f.ID = messageID
	}
	if f.Type == "" {
		f.Type = "application/octet-stream"
	}
	// Anything else (javascript:, data:, file:) is no place to fetch a file from.
	if lower := strings.ToLower(f.URL[:min(len(f.URL), 8)]); !strings.HasPrefix(lower, "http://") && lower != "https://" {
		r.fail(connectors.ReasonSyntax, "message.data.url")
	}
	switch size := data.Member("size"); size.Kind() {
	case strictjson.Absent, strictjson.Null:
	default:
		n, err := strconv.ParseInt(string(size.Raw()), 10, 64)
		if size.Kind() != strictjson.Number || err != nil || n < 0 {
			r.fail(connectors.ReasonSyntax, "message.data.size")
		}
		f.Size = n
	}
	return f
}

// visitor is who writes.
type visitor struct {
	id, name, login, phone, email, site string
}

func (r *reader) visitor() visitor {
	from := r.object(r.root, "visitor", "visitor")
	v := visitor{id: r.need(from, "id", "visitor.id")}
	if strings.TrimSpace(v.id) == "" { // it may have to serve as the address
		r.fail(connectors.ReasonMissing, "visitor.id")
	}
	fields := from.Member("fields")
	switch fields.Kind() {
	case strictjson.Object:
		v.name = r.text(fields, "name", "visitor.fields.name")
		v.login = r.text(fields, "login", "visitor.fields.login")
		v.phone = r.text(fields, "phone", "visitor.fields.phone")
		v.email = r.text(fields, "email", "visitor.fields.email")
		v.site = r.text(fields, "site", "visitor.fields.site")
	case strictjson.Absent, strictjson.Null:
	default:
		r.fail(connectors.ReasonSyntax, "visitor.fields")
	}
	return v
}
