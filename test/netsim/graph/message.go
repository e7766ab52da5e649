package graph

import (
	"mime"
	"path"
	"slices"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// message is one message of a conversation, from either side. The server's mutex
// guards it.
type message struct {
	mid      string
	number   int64 // of its order
	page     *page
	chat     control.ID
	mine     bool // the page's
	created  time.Time
	text     string
	files    []*file
	app      string // that sent it
	metadata string
	out      *outgoing // of a client's
	state    string    // of the page's: one of states
	edits    int
	deleted  bool
	reaction string // the customer's
}

// mid makes the id of a message. Its caller has the server's mutex.
func (s *Server) mid() string { return "m_" + s.letters(84) + "-_" + s.letters(8) }

// keep makes the message known.
func (p *page) keep(m *message) {
	p.messages = append(p.messages, m)
	p.byID[m.mid] = m
	if len(p.messages) > maxMessages {
		delete(p.byID, p.messages[0].mid)
		p.messages = slices.Delete(p.messages, 0, 1)
	}
}

// show puts a message into the conversation, which may be new, and gives it its
// number. Its caller has the server's mutex.
func (s *Server) show(m *message, who *person, shown control.Message) error {
	account := m.page.Account.Account
	if err := s.Open(account, control.ChatInfo{Chat: m.chat, Type: "private", Name: who.name()}); err != nil {
		return err
	}
	s.last++
	m.number = s.last
	shown.ID, shown.At = control.ID(m.mid), m.created
	return s.Add(account, m.chat, shown)
}

// kindOf is the control API's word for an attachment.
func kindOf(kind string) string {
	switch kind {
	case "image":
		return "photo"
	case "file":
		return "document"
	}
	return kind
}

// shown is a client's message as the customer sees it.
func (m *message) shown() control.Message {
	v := control.Message{From: control.FromAgent, Kind: "text", Text: m.text, State: stateSent, Copies: 1}
	out := m.out
	if out == nil {
		return v
	}
	v.ReplyTo = control.ID(out.replyTo)
	switch {
	case out.kind == "template":
		if len(out.elements) > 0 {
			v.Text = strings.Join(out.elements, "\n\n")
		}
	case len(m.files) > 0:
		v.Kind, v.File = kindOf(out.kind), m.files[0].shown()
	case out.url != "":
		v.Kind, v.File = kindOf(out.kind), &control.File{URL: out.url, Name: fileName(out.url)}
		v.File.Type = mime.TypeByExtension(path.Ext(v.File.Name))
	}
	for _, list := range out.buttons {
		for _, b := range list {
			v.Buttons = append(v.Buttons, []control.Button{{Text: b.title, Data: b.payload, URL: b.url}})
		}
	}
	var row []control.Button
	for _, q := range out.quick {
		row = append(row, control.Button{Text: q.title, Data: q.payload})
	}
	if row != nil {
		v.Buttons = append(v.Buttons, row)
	}
	return v
}

// attachments are the message's as events have them, with links that are fresh.
func (s *Server) attachments(m *message) []map[string]any {
	switch out := m.out; {
	case out != nil && out.kind == "template":
		return []map[string]any{{"type": "template", "title": out.text, "url": nil, "payload": out.template}}
	case out != nil && out.url != "" && len(m.files) == 0:
		return []map[string]any{{"type": out.kind, "payload": map[string]any{"url": out.url}}}
	}
	list := []map[string]any{}
	for _, f := range m.files {
		payload := map[string]any{"url": s.linkTo(f)}
		if f.sticker != 0 {
			payload["sticker_id"] = f.sticker
		}
		list = append(list, map[string]any{"type": f.kind, "payload": payload})
	}
	return list
}
