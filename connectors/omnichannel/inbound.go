package omnichannel

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"servicelink/connectors"
	"servicelink/connectors/internal/strictjson"
)

// maxChatDigits keeps every TrackingID below its limit.
const maxChatDigits = 100

// account is what event IDs begin with.
const account = "omni"

// verify looks at the token alone. A wrong one may be another channel's: all of
// them share the path.
func (c *Connector) verify(r *connectors.Request) error {
	if !c.token.Equal(r.Values["token"]) {
		return connectors.ErrNotMine
	}
	return nil
}

// reply gives the answers of the API's documentation.
func reply(v connectors.Verdict) connectors.Reply {
	switch v.Result {
	case connectors.Accepted:
		return connectors.Reply{Status: http.StatusOK}
	case connectors.Refused:
		return jsonReply(http.StatusBadRequest, inactiveBody)
	case connectors.TooLarge:
		return connectors.Reply{Status: http.StatusRequestEntityTooLarge}
	case connectors.Malformed:
		var re *connectors.RequestError
		if errors.As(v.Err, &re) && re.Reason == connectors.ReasonMissing {
			// Detail is one of the names in this file.
			return jsonReply(http.StatusBadRequest, `{"error":"Required parameter is missing: `+re.Detail+`."}`)
		}
	}
	return connectors.Reply{Status: http.StatusInternalServerError}
}

func jsonReply(status int, body string) connectors.Reply {
	return connectors.Reply{Status: status, ContentType: "application/json", Body: body}
}

func (c *Connector) parse(r *connectors.Request) (connectors.ParseResult, error) {
	root, err := strictjson.Parse(r.Body)
	if errors.Is(err, strictjson.ErrLimit) {
		return connectors.ParseResult{}, &connectors.RequestError{Reason: connectors.ReasonLimits, Detail: err.Error()}
	}
	if err != nil {
		return connectors.ParseResult{}, syntax(err.Error())
	}
	if root.Kind() != strictjson.Object {
		return connectors.ParseResult{}, syntax("body is not an object")
	}
	in := reader{root: root}
	event := in.name(root, "event", "event")
	if in.err == nil && event == eventProbe {
		return ignored("probe"), nil
	}
	if in.err == nil && event != eventNewMessage {
		return ignored("unknown_event"), nil
	}
	result := c.message(&in)
	if in.err != nil {
		return connectors.ParseResult{}, in.err
	}
	return result, nil
}

// message reads a new_message. The result counts only while in.err is nil.
func (c *Connector) message(in *reader) connectors.ParseResult {
	chat := in.chat()
	msg := in.object(in.root, "message", "message")
	id := in.need(msg, "id", "message.id")
	kind := in.name(msg, "kind", "message.kind")
	ev := connectors.Event{TrackingID: connectors.TrackingID(chat, Network)}
	revision := ""
	switch kind {
	case kindVisitor:
		ev.Kind = connectors.KindText
		ev.Text = in.need(msg, "text", "message.text")
	case kindButton:
		ev.Kind = connectors.KindButton
		button := in.object(in.object(msg, "data", "message.data"), "button", "message.data.button")
		ev.Text = in.need(button, "text", "message.data.button.text")
		ev.Button = &connectors.Button{ID: in.text(button, "id", "message.data.button.id"), Text: ev.Text}
	case kindFile:
		ev.Kind, revision = connectors.KindFile, stateReady
		data := in.object(msg, "data", "message.data")
		if state := in.need(data, "state", "message.data.state"); in.err == nil && state != stateReady {
			return ignored("file_not_ready")
		}
		ev.File = in.file(data, id)
		ev.Text = in.text(msg, "text", "message.text")
	default:
		ev.Kind = connectors.KindUnsupported
		ev.Text = describe(kind)
	}
	ev.Customer = c.customer(in, ev.Kind, chat)
	ev.ID, ev.NetworkID = connectors.EventID(account, string(ev.Kind), id, revision), id
	return connectors.ParseResult{Events: []connectors.Event{ev}}
}

func ignored(reason string) connectors.ParseResult {
	return connectors.ParseResult{Ignored: map[string]int{reason: 1}}
}

// describe names an unknown kind if it looks like a name.
func describe(kind string) string {
	if len(kind) > 40 || !consists(kind, "-_.") {
		return "a message of an unknown kind"
	}
	return "a message of kind " + strconv.Quote(kind)
}

// customer reads the visitor. Of a message of unknown kind nothing is known, so
// there the visitor may be missing or anything; the chat stands in for it.
func (c *Connector) customer(in *reader, kind connectors.Kind, chat string) connectors.Customer {
	var v visitor
	if kind == connectors.KindUnsupported {
		lenient := reader{root: in.root}
		if v = lenient.visitor(); lenient.err != nil {
			v = visitor{id: chat}
		}
	} else {
		v = in.visitor()
	}
	name := first(v.name, v.login)
	if name == "" {
		name = "New contact " + c.channel + "-" + v.id
	}
	return connectors.Customer{
		RemoteAddress: first(v.phone, v.email, v.login, v.id),
		PartyName:     name,
		UserToken:     v.token(),
	}
}

// first returns the first string that shows anything.
func first(options ...string) string {
	for _, s := range options {
		if s = strings.TrimSpace(s); s != "" {
			return s
		}
	}
	return ""
}

// token makes the UserToken. The id goes first of all, the site last.
func (v visitor) token() string {
	return connectors.UserToken([]connectors.Member{
		{Name: "id", Value: v.id},
		{Name: "login", Value: v.login},
		{Name: "phone", Value: v.phone},
		{Name: "email", Value: v.email},
		{Name: "site", Value: v.site},
	})
}

// chatOf gives back the chat_id in a TrackingID of this network.
func chatOf(trackingID string) (string, bool) {
	chat, ok := strings.CutSuffix(trackingID, "|"+Network)
	return chat, ok && isInteger(chat)
}

// isInteger reports whether s is an integer as JSON writes it, in the one form
// each has, and of at most maxChatDigits digits.
func isInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > maxChatDigits || digits[0] == '0' && s != "0" {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}
