package mail

import (
	"bytes"
	"io"
	"strings"

	_ "github.com/emersion/go-message/charset" // what customers' mails are written in
	"github.com/emersion/go-message/mail"

	"servicelink/test/netsim/control"
)

// maxShown is how much of a part is read for a page, in bytes.
const maxShown = 16 << 20

// readable is what a page shows of a mail.
type readable struct {
	raw                     []byte
	id, answers, references string // Message-IDs, references in their brackets
	from, to, subject, text string
	html                    string
	files                   []control.File
}

// readMail reads as much of a mail as can be read: what is malformed stays out.
func readMail(raw []byte) readable {
	m := readable{raw: raw}
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if r == nil || err != nil && r.Header.Len() == 0 {
		m.text = string(raw)
		return m
	}
	m.id, _ = r.Header.MessageID()
	if ids, err := r.Header.MsgIDList("In-Reply-To"); err == nil && len(ids) > 0 {
		m.answers = ids[0]
	}
	m.references = strings.Join(strings.Fields(r.Header.Get("References")), " ")
	m.subject, _ = r.Header.Subject()
	m.from, m.to = people(r.Header, "From"), people(r.Header, "To")
	for {
		part, err := r.NextPart()
		if part == nil || err != nil {
			return m
		}
		body, _ := io.ReadAll(io.LimitReader(part.Body, maxShown)) // what comes before a mistake is shown
		switch h := part.Header.(type) {
		case *mail.AttachmentHeader:
			name, _ := h.Filename()
			kind, _, _ := h.ContentType()
			m.files = append(m.files, control.File{Name: name, Type: kind, Data: body})
		case *mail.InlineHeader:
			kind, _, _ := h.ContentType()
			switch {
			case kind == "text/html" && m.html == "":
				m.html = string(body)
			case kind != "text/html" && m.text == "":
				m.text = string(body)
			}
		}
	}
}

func people(h mail.Header, field string) string {
	list, err := h.AddressList(field)
	if err != nil {
		return h.Get(field)
	}
	shown := make([]string, len(list))
	for i, a := range list {
		shown[i] = strings.TrimSpace(a.Name + " <" + a.Address + ">")
	}
	return strings.Join(shown, ", ")
}
