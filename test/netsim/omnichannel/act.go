package omnichannel

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// wholeNumber is a chat_id.
var wholeNumber = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,99})$`)

// The body of a webhook call.
type (
	newMessage struct {
		Event   string      `json:"event"`
		ChatID  json.Number `json:"chat_id"`
		Visitor visitor     `json:"visitor"`
		Message inMessage   `json:"message"`
	}
	visitor struct {
		ID     string            `json:"id"`
		Fields map[string]string `json:"fields"`
	}
	inMessage struct {
		ID   string `json:"id"`
		Kind string `json:"kind"`
		Text string `json:"text,omitempty"`
		Data any    `json:"data,omitempty"`
	}
	fileData struct {
		ID          string `json:"id"`
		State       string `json:"state"`
		Name        string `json:"name"`
		ContentType string `json:"content_type"`
		Size        int64  `json:"size"`
		URL         string `json:"url"`
	}
	buttonData struct {
		Button button `json:"button"`
	}
	button struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	}
)

// Act implements control.Network: text, photo, document, audio, voice, video and
// press. Chat is an integer; empty = User.ID, which then is one.
func (n *Network) Act(account string, a control.Action) (control.ID, error) {
	if _, err := n.account(account); err != nil {
		return "", err
	}
	if a.Chat == "" {
		a.Chat = a.User.ID
	}
	if !wholeNumber.MatchString(string(a.Chat)) {
		return "", fmt.Errorf("%w: chat is an integer", control.ErrAction)
	}
	if a.User.ID == "" {
		a.User.ID = "v" + a.Chat
	}
	id := control.ID("m" + strconv.FormatInt(time.Now().UnixMicro(), 36) + "-" + strconv.FormatInt(n.Int(1<<40), 36))
	shown := control.Message{ID: id, From: control.FromCustomer, Kind: "text", At: time.Now(), State: control.StateSending}
	body := newMessage{
		Event: "new_message", ChatID: json.Number(a.Chat), Visitor: visitorOf(a.User), Message: inMessage{ID: string(id)},
	}
	var err error
	switch a.Do {
	case "text":
		err = say(a, &body.Message, &shown)
	case "photo", "document", "audio", "voice", "video":
		err = n.attach(account, a, &body.Message, &shown)
	case "press":
		err = n.press(account, a, &body.Message, &shown)
	default:
		err = fmt.Errorf("%w: this network has no %q", control.ErrAction, a.Do)
	}
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(a.User.FirstName + " " + a.User.LastName)
	if err := n.Open(account, control.ChatInfo{Chat: a.Chat, Type: "private", Name: name}); err != nil {
		return "", err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	if err := n.Add(account, a.Chat, shown); err != nil {
		return "", err
	}
	return id, n.calls.Add(control.Call{Account: account, Chat: a.Chat, Message: id, Body: raw})
}

func visitorOf(u control.User) visitor {
	fields := map[string]string{}
	for name, value := range map[string]string{
		"name": strings.TrimSpace(u.FirstName + " " + u.LastName), "login": u.Username, "phone": u.Phone, "email": u.Email,
	} {
		if value != "" {
			fields[name] = value
		}
	}
	return visitor{string(u.ID), fields}
}

func say(a control.Action, m *inMessage, shown *control.Message) error {
	text := strings.TrimSpace(a.Text)
	if text == "" {
		return fmt.Errorf("%w: text is empty", control.ErrAction)
	}
	m.Kind, m.Text, shown.Text = "visitor", text, text
	return nil
}

// attach sends a file that this network serves itself.
func (n *Network) attach(account string, a control.Action, m *inMessage, shown *control.Message) error {
	if a.File == nil || len(a.File.Data) == 0 {
		return fmt.Errorf("%w: file is missing or empty", control.ErrAction)
	}
	f := &file{account: account, id: "f" + m.ID, File: *a.File, made: time.Now()}
	if f.Name = path.Base("/" + f.Name); f.Name == "/" {
		f.Name = a.Do
	}
	if f.Type == "" {
		if f.Type = mime.TypeByExtension(path.Ext(f.Name)); f.Type == "" {
			f.Type = http.DetectContentType(f.Data)
		}
	}
	f.Size = max(f.Size, int64(len(f.Data)))
	n.keep(f)
	m.Kind, m.Text = "file_visitor", a.Caption
	m.Data = fileData{
		ID: f.id, State: "ready", Name: f.Name, ContentType: f.Type, Size: f.Size,
		URL: n.base() + "/omnichannel/" + account + "/files/" + f.id + "/" + url.PathEscape(f.Name),
	}
	shown.Kind, shown.Caption = a.Do, a.Caption
	shown.File = &control.File{Name: f.Name, Type: f.Type, Size: f.Size, URL: "/control/omnichannel/file/" + account + "/" + f.id}
	return nil
}

// press presses a button, known by its data, below Message or, where that is
// empty, below the latest message that has it.
func (n *Network) press(account string, a control.Action, m *inMessage, shown *control.Message) error {
	c, err := n.Board.Chat(n.life, account, a.Chat, -1)
	if err != nil {
		return err
	}
	for _, with := range slices.Backward(c.Messages) {
		for _, row := range with.Buttons {
			for _, b := range row {
				if b.Data == a.Data && (a.Message == "" || a.Message == with.ID) {
					m.Kind, m.Data = "keyboard_response", buttonData{button{b.Data, b.Text}}
					shown.Text, shown.ReplyTo = b.Text, with.ID
					return nil
				}
			}
		}
	}
	return fmt.Errorf("%w: no such button", control.ErrAction)
}

// Inject implements control.Network: event is a whole webhook body, posted as it
// is. It keeps its place among the messages of its chat_id where it has one.
func (n *Network) Inject(account string, event []byte) error {
	if _, err := n.account(account); err != nil {
		return err
	}
	var in struct {
		ChatID control.ID `json:"chat_id"`
	}
	_ = json.Unmarshal(event, &in) // it may be anything
	return n.calls.Add(control.Call{Account: account, Chat: in.ChatID, Body: event})
}
