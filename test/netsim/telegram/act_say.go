package telegram

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"servicelink/test/netsim/control"
)

func (cu *customer) text() (*message, error) {
	text := strings.TrimSpace(cu.Text)
	switch {
	case text == "":
		return nil, fmt.Errorf("%w: text is empty", control.ErrAction)
	case utf16Len(text) > maxText || !utf8.ValidString(text):
		return nil, fmt.Errorf("%w: text is longer than %d or no UTF-8", control.ErrAction, maxText)
	}
	m := cu.message()
	m.Text, m.Entities = text, commands(text)
	return cu.say(m)
}

// start opens the bot, with Data as the parameter of a deep link.
func (cu *customer) start() (*message, error) {
	cu.Text = strings.TrimSpace("/start " + cu.Data)
	return cu.text()
}

func (cu *customer) reply() (*message, error) {
	to, err := cu.meant()
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(cu.Text)
	if text == "" {
		return nil, fmt.Errorf("%w: text is empty", control.ErrAction)
	}
	m := cu.message()
	m.Text, m.Entities, m.ReplyTo = text, commands(text), to.short()
	if cu.Quote != "" {
		before, _, found := strings.Cut(to.Text+to.Caption, cu.Quote)
		if !found {
			return nil, fmt.Errorf("%w: quote is not in the message", control.ErrAction)
		}
		m.Quote = &quote{Text: cu.Quote, Position: utf16Len(before), IsManual: true}
	}
	return cu.say(m)
}

func (cu *customer) location() (*message, error) {
	if cu.Lat < -90 || cu.Lat > 90 || cu.Lon < -180 || cu.Lon > 180 {
		return nil, fmt.Errorf("%w: no such place", control.ErrAction)
	}
	m := cu.message()
	m.Location = &location{cu.Lat, cu.Lon}
	return cu.say(m)
}

func (cu *customer) venue() (*message, error) {
	m := cu.message()
	m.Location = &location{cu.Lat, cu.Lon}
	m.Venue = &venue{*m.Location, cu.Name, cu.Text}
	return cu.say(m)
}

func (cu *customer) contact() (*message, error) {
	if cu.Phone == "" {
		return nil, fmt.Errorf("%w: phone is missing", control.ErrAction)
	}
	first, last, _ := strings.Cut(cu.Name, " ")
	m := cu.message()
	m.Contact = &contact{PhoneNumber: cu.Phone, FirstName: first, LastName: last}
	return cu.say(m)
}

func (cu *customer) file(kind media) (*message, error) {
	switch f := cu.File; {
	case f == nil || len(f.Data) == 0:
		return nil, fmt.Errorf("%w: file is missing or empty", control.ErrAction)
	case utf16Len(cu.Caption) > maxCaption:
		return nil, fmt.Errorf("%w: caption is longer than %d", control.ErrAction, maxCaption)
	}
	f := cu.bot.addFile(kind, cu.File.Name, cu.File.Type, cu.File.Data, cu.File.Size)
	if kind == mediaSticker && len(cu.Emoji) > 0 {
		f.emoji = cu.Emoji[0]
	}
	m := cu.message()
	m.attach(&cu.bot.files, f)
	return cu.say(m)
}
