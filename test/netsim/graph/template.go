package graph

import (
	"encoding/json"
	"unicode/utf8"
)

// Limits of templates, in characters
// (https://developers.facebook.com/docs/messenger-platform/send-messages/templates).
const (
	maxButtonText   = 640
	maxButtons      = 3
	maxElements     = 10
	maxElementTitle = 80
)

type templateParam struct {
	TemplateType     string         `json:"template_type"`
	Text             string         `json:"text"`
	Buttons          []buttonParam  `json:"buttons"`
	Elements         []elementParam `json:"elements"`
	ImageAspectRatio string         `json:"image_aspect_ratio"`
	Sharable         bool           `json:"sharable"`
}

type elementParam struct {
	Title         string          `json:"title"`
	Subtitle      string          `json:"subtitle"`
	ImageURL      string          `json:"image_url"`
	DefaultAction json.RawMessage `json:"default_action"`
	Buttons       []buttonParam   `json:"buttons"`
}

type buttonParam struct {
	Type                string `json:"type"`
	Title               string `json:"title"`
	Payload             string `json:"payload"`
	URL                 string `json:"url"`
	WebviewHeightRatio  string `json:"webview_height_ratio"`
	MessengerExtensions bool   `json:"messenger_extensions"`
	FallbackURL         string `json:"fallback_url"`
	WebviewShareButton  string `json:"webview_share_button"`
}

const templatePath = "message[attachment][payload]"

// readTemplate reads the payload of a template: of a button or a generic one.
func (out *outgoing) readTemplate(raw json.RawMessage) error {
	var t templateParam
	if err := strict(templatePath, raw, &t); err != nil {
		return err
	}
	out.template = raw
	switch t.TemplateType {
	case "button":
		return out.buttonTemplate(t)
	case "generic":
		return out.genericTemplate(t)
	}
	return fault100("Param %s[template_type] must be one of {button, generic}", templatePath)
}

func (out *outgoing) buttonTemplate(t templateParam) error {
	switch {
	case t.Text == "":
		return fault100("Param %s[text] is required", templatePath)
	case utf8.RuneCountInString(t.Text) > maxButtonText:
		return tooLong(templatePath+"[text]", maxButtonText)
	case len(t.Elements) > 0:
		return fault100("Param %s[elements] is not of a button template", templatePath)
	case len(t.Buttons) == 0 || len(t.Buttons) > maxButtons:
		return fault100("Param %s[buttons] must have 1 to %d elements", templatePath, maxButtons)
	}
	list, err := buttons(t.Buttons)
	out.text, out.buttons = t.Text, [][]choice{list}
	return err
}

func (out *outgoing) genericTemplate(t templateParam) error {
	switch {
	case t.Text != "" || len(t.Buttons) > 0:
		return fault100("Params text and buttons are not of a generic template")
	case len(t.Elements) == 0 || len(t.Elements) > maxElements:
		return fault100("Param %s[elements] must have 1 to %d elements", templatePath, maxElements)
	}
	for _, e := range t.Elements {
		switch {
		case e.Title == "":
			return fault100("Param %s[elements][title] is required", templatePath)
		case utf8.RuneCountInString(e.Title) > maxElementTitle || utf8.RuneCountInString(e.Subtitle) > maxElementTitle:
			return tooLong(templatePath+"[elements][title]", maxElementTitle)
		case len(e.Buttons) > maxButtons:
			return fault100("Param %s[elements][buttons] must have at most %d elements", templatePath, maxButtons)
		}
		list, err := buttons(e.Buttons)
		if err != nil {
			return err
		}
		text := e.Title
		if e.Subtitle != "" {
			text += "\n" + e.Subtitle
		}
		out.elements, out.buttons = append(out.elements, text), append(out.buttons, list)
	}
	return nil
}

func buttons(list []buttonParam) ([]choice, error) {
	var made []choice
	for _, b := range list {
		one := choice{title: b.Title, payload: b.Payload}
		switch {
		case b.Title == "":
			return nil, fault100("Param title is required for a button")
		case utf8.RuneCountInString(b.Title) > maxTitle:
			return nil, tooLong(templatePath+"[buttons][title]", maxTitle)
		case utf8.RuneCountInString(b.Payload) > maxPayload:
			return nil, tooLong(templatePath+"[buttons][payload]", maxPayload)
		}
		switch b.Type {
		case "postback":
			if b.Payload == "" {
				return nil, fault100("Param payload is required for a button of type postback")
			}
		case "phone_number":
			one.payload, one.url = "", "tel:"+b.Payload
		case "web_url":
			if !isURL(b.URL) {
				return nil, fault100("Param url of a button must be a URL")
			}
			one.url = b.URL
		default:
			return nil, fault100("Param type of a button must be one of {postback, web_url, phone_number}")
		}
		made = append(made, one)
	}
	return made, nil
}
