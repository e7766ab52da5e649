package graph

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"servicelink/test/netsim/control"
)

// Limits of a message, in characters but for files
// (https://developers.facebook.com/docs/messenger-platform/reference/send-api).
const (
	maxText     = 2000
	maxMetadata = 1000
	maxQuick    = 13
	maxTitle    = 20
	maxPayload  = 1000
	maxFile     = 25 << 20 // bytes
)

// outgoing is a message of a client, read.
type outgoing struct {
	text     string
	metadata string
	replyTo  string
	kind     string // of an attachment: image, audio, video, file, template; empty = none
	url      string // of it
	known    string // its attachment_id
	reusable bool
	file     *control.File // once it is here
	quick    []choice
	buttons  [][]choice // of a template, by element
	elements []string   // texts of a generic template
	template json.RawMessage
}

// choice is a quick reply or a button.
type choice struct {
	title, payload, url string
	quick               bool
}

// messageParam is the parameter "message".
type messageParam struct {
	Text         *string          `json:"text"`
	Attachment   *attachmentParam `json:"attachment"`
	QuickReplies []quickParam     `json:"quick_replies"`
	Metadata     string           `json:"metadata"`
}

type attachmentParam struct {
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

type filePayload struct {
	URL          string `json:"url"`
	AttachmentID string `json:"attachment_id"`
	IsReusable   bool   `json:"is_reusable"`
}

type quickParam struct {
	ContentType string `json:"content_type"`
	Title       string `json:"title"`
	Payload     string `json:"payload"`
	ImageURL    string `json:"image_url"`
}

// content reads the parameter "message".
func (c *call) content() (*outgoing, error) {
	if len(c.params["message"]) == 0 {
		return nil, coded(100, 2018034)
	}
	var m messageParam
	if err := c.params.read("message", &m); err != nil {
		return nil, err
	}
	out := &outgoing{metadata: m.Metadata}
	if m.Text != nil {
		out.text = *m.Text
	}
	switch {
	case m.Text != nil && m.Attachment != nil:
		return nil, fault100("Only one of text and attachment can be in param message")
	case m.Attachment == nil && strings.TrimSpace(out.text) == "":
		return nil, coded(100, 2018034)
	case utf8.RuneCountInString(out.text) > maxText:
		return nil, tooLong("message[text]", maxText)
	case utf8.RuneCountInString(out.metadata) > maxMetadata:
		return nil, tooLong("message[metadata]", maxMetadata)
	}
	if m.Attachment != nil {
		if err := c.attachment(out, *m.Attachment); err != nil {
			return nil, err
		}
	}
	return out, quickReplies(out, m.QuickReplies)
}

func tooLong(name string, most int) error {
	return fault100("Length of param %s must be less than or equal to %d", name, most)
}

// attachment reads message.attachment. Its file is still to be fetched.
func (c *call) attachment(out *outgoing, a attachmentParam) error {
	out.kind = a.Type
	switch a.Type {
	case "template":
		return out.readTemplate(a.Payload)
	case "image", "audio", "video", "file":
	default:
		return fault100("Param message[attachment][type] must be one of {image, audio, video, file, template}")
	}
	var p filePayload
	if raw := bytes.TrimSpace(a.Payload); len(raw) > 0 {
		if err := strict("message[attachment][payload]", raw, &p); err != nil {
			return err
		}
	}
	out.url, out.known, out.reusable = p.URL, p.AttachmentID, p.IsReusable
	given := 0
	for _, is := range []bool{p.URL != "", p.AttachmentID != "", len(c.files) > 0} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return fault100("Exactly one of url, attachment_id and filedata must be given for message[attachment]")
	case p.URL != "" && !isURL(p.URL):
		return fault100("Param message[attachment][payload][url] must be a URL")
	case len(c.files) > 0:
		return c.uploaded(out)
	}
	return nil
}

// uploaded takes the file that came with the request.
func (c *call) uploaded(out *outgoing) error {
	f := c.files[0]
	switch {
	case len(c.files) > 1 || f.Field != "filedata":
		return fault100("One file is uploaded, as filedata")
	case f.Size == 0 || f.Size > maxFile:
		return coded(100, 2018047)
	}
	out.file = &control.File{Name: f.Name, Type: f.Type, Size: f.Size, Data: f.Data}
	return out.fits()
}

// fits fails when the file is of another type than it was said to be.
func (out *outgoing) fits() error {
	out.file.Type = typeOf(*out.file)
	kind, _, _ := strings.Cut(out.file.Type, "/")
	if out.kind != "file" && kind != out.kind {
		return coded(100, 2018047)
	}
	return nil
}

func quickReplies(out *outgoing, list []quickParam) error {
	if len(list) > maxQuick {
		return fault100("Param message[quick_replies] must have at most %d elements", maxQuick)
	}
	for _, q := range list {
		switch q.ContentType {
		case "user_phone_number", "user_email":
			out.quick = append(out.quick, choice{title: q.ContentType, payload: q.Payload, quick: true})
			continue
		case "text":
		default:
			return fault100("Param message[quick_replies][content_type] must be one of {text, user_phone_number, user_email}")
		}
		switch {
		case q.Title == "" || q.Payload == "":
			return fault100("Params title and payload are required for a quick reply of content_type text")
		case utf8.RuneCountInString(q.Title) > maxTitle:
			return tooLong("message[quick_replies][title]", maxTitle)
		case utf8.RuneCountInString(q.Payload) > maxPayload:
			return tooLong("message[quick_replies][payload]", maxPayload)
		}
		out.quick = append(out.quick, choice{title: q.Title, payload: q.Payload, quick: true})
	}
	return nil
}
