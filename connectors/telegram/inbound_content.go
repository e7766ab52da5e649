package telegram

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/go-telegram/bot/models"

	"servicelink/connectors"
)

// maxDownload is the largest file the Bot API gives out, in bytes.
const maxDownload = 20 << 20

// content fills what m holds into ev and names it. members are m's, as they came:
// they show what the models do not know.
func content(m *models.Message, members map[string]json.RawMessage, ev *connectors.Event) (noun string) {
	if m.Text != "" {
		ev.Kind, ev.Text = connectors.KindText, withLinks(m.Text, m.Entities)
		return "text"
	}
	if file, what := fileOf(m); file != nil {
		ev.Kind, ev.File, ev.Text = connectors.KindFile, file, withLinks(m.Caption, m.CaptionEntities)
		if m.Sticker != nil {
			ev.Text = m.Sticker.Emoji
		}
		return what
	}
	switch {
	case m.Venue != nil: // fills location too
		ev.Kind = connectors.KindLocation
		ev.Location = &connectors.Location{
			Latitude: m.Venue.Location.Latitude, Longitude: m.Venue.Location.Longitude,
			Title: strings.Trim(m.Venue.Title+", "+m.Venue.Address, ", "),
		}
		return "venue"
	case m.Location != nil:
		ev.Kind = connectors.KindLocation
		ev.Location = &connectors.Location{Latitude: m.Location.Latitude, Longitude: m.Location.Longitude}
		return "location"
	case m.Contact != nil:
		ev.Kind, ev.Contact = connectors.KindContact, contactOf(m.Contact)
		return "contact"
	case m.WebAppData != nil:
		ev.Kind = connectors.KindButton
		ev.Button = &connectors.Button{ID: m.WebAppData.Data, Text: m.WebAppData.ButtonText}
		ev.Text = m.WebAppData.ButtonText
		return "web app"
	}
	if s, what := written(m); s != "" {
		ev.Kind, ev.Text = connectors.KindText, s
		return what
	}
	return other(m, members, ev)
}

// written makes text of what people see as text.
func written(m *models.Message) (s, noun string) {
	switch {
	case m.Dice != nil:
		return m.Dice.Emoji + " " + strconv.Itoa(m.Dice.Value), "dice"
	case m.Poll != nil:
		s = "Poll: " + m.Poll.Question
		for _, o := range m.Poll.Options {
			s += "\n- " + o.Text
		}
		return s, "poll"
	case m.Checklist != nil:
		s = "Checklist: " + m.Checklist.Title
		for _, task := range m.Checklist.Tasks {
			mark := "\n[ ] "
			if task.CompletionDate != 0 {
				mark = "\n[x] "
			}
			s += mark + task.Text
		}
		return s, "checklist"
	case m.Game != nil:
		return strings.TrimSpace("Game: " + m.Game.Title), "game"
	}
	return "", ""
}

// other is a service message, or what this connector does not know.
func other(m *models.Message, members map[string]json.RawMessage, ev *connectors.Event) (noun string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if services[name] {
			ev.Kind, ev.Text = connectors.KindService, serviceText(name, m, ev)
			if ev.Text == "" {
				ev.Text = "Service message: " + readable(name)
			}
			return "service message"
		}
	}
	ev.Kind, ev.Text = connectors.KindUnsupported, "an empty message"
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !envelope[name] {
			ev.Text = "a message with " + readable(name)
			break
		}
	}
	return ev.Text
}

// envelope are the members of a message that say nothing of what it holds.
var envelope = names(`author_signature business_connection_id caption caption_entities chat date
	direct_messages_topic edit_date effect_id entities ephemeral_message_id external_reply forward_origin from
	guest_bot_caller_chat guest_bot_caller_user guest_query_id has_media_spoiler has_protected_content
	is_automatic_forward is_from_offline is_paid_post is_topic_message link_preview_options media_group_id message_id
	message_thread_id paid_star_count quote receiver_user reply_markup reply_to_checklist_task_id reply_to_message
	reply_to_poll_option_id reply_to_story sender_boost_count sender_business_bot sender_chat sender_tag
	show_caption_above_media suggested_post_info via_bot`)

// shown is an event as one text, for edits and quotes.
func shown(ev connectors.Event, noun string) string {
	switch {
	case ev.Location != nil:
		place := noun + " " + coordinate(ev.Location.Latitude) + "," + coordinate(ev.Location.Longitude)
		return strings.TrimSpace(place + " " + ev.Location.Title)
	case ev.Contact != nil:
		return noun + " " + strings.Join(append([]string{ev.Contact.Name}, ev.Contact.Numbers...), ", ")
	case ev.Text == "":
		return noun
	case ev.File != nil:
		return noun + ": " + ev.Text
	}
	return ev.Text
}

func coordinate(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func contactOf(c *models.Contact) *connectors.Contact {
	contact := &connectors.Contact{Name: person{first: c.FirstName, last: c.LastName}.name()}
	if c.PhoneNumber != "" {
		contact.Numbers = []string{c.PhoneNumber}
	}
	return contact
}

// fileOf finds the file of a message; nil = none.
func fileOf(m *models.Message) (file *connectors.File, noun string) {
	switch {
	case m.Animation != nil: // fills document too
		a := m.Animation
		return newFile(a.FileID, a.FileName, a.MimeType, "video/mp4", a.FileSize), "animation"
	case m.Document != nil:
		d := m.Document
		return newFile(d.FileID, d.FileName, d.MimeType, "application/octet-stream", d.FileSize), "document"
	case m.Audio != nil:
		a := m.Audio
		return newFile(a.FileID, a.FileName, a.MimeType, "audio/mpeg", a.FileSize), "audio"
	case m.Voice != nil:
		return newFile(m.Voice.FileID, "", m.Voice.MimeType, "audio/ogg", m.Voice.FileSize), "voice message"
	case m.Video != nil:
		v := m.Video
		return newFile(v.FileID, v.FileName, v.MimeType, "video/mp4", v.FileSize), "video"
	case m.VideoNote != nil:
		return newFile(m.VideoNote.FileID, "", "", "video/mp4", int64(m.VideoNote.FileSize)), "video message"
	case m.Sticker != nil:
		return newFile(m.Sticker.FileID, "", "", stickerType(m.Sticker), int64(m.Sticker.FileSize)), "sticker"
	case len(m.Photo) > 0:
		largest := slices.MaxFunc(m.Photo, func(a, b models.PhotoSize) int { return a.Width*a.Height - b.Width*b.Height })
		return newFile(largest.FileID, "", "", "image/jpeg", int64(largest.FileSize)), "photo"
	}
	return nil, ""
}

func stickerType(s *models.Sticker) string {
	switch {
	case s.IsAnimated:
		return "application/x-tgsticker"
	case s.IsVideo:
		return "video/webm"
	}
	return "image/webp"
}

// newFile describes a file; URL stays empty, as an address holds the token (see
// Open). The type is what the sender's app says, if it looks like one.
func newFile(id, name, mime, usual string, size int64) *connectors.File {
	if id == "" {
		return nil
	}
	major, minor, _ := strings.Cut(strings.ToLower(mime), "/")
	const token = "abcdefghijklmnopqrstuvwxyz0123456789.+-_"
	if major == "" || minor == "" || len(mime) > 100 || strings.Trim(major+minor, token) != "" {
		mime = usual
	}
	return &connectors.File{
		Type: strings.ToLower(mime), ID: id, Name: name, Size: max(size, 0), TooBig: size > maxDownload,
	}
}

// withLinks writes the address of every link whose text is another behind that
// text, in parentheses. All other formatting is left out. Offsets count UTF-16
// units.
func withLinks(s string, entities []models.MessageEntity) string {
	links := slices.DeleteFunc(slices.Clone(entities), func(e models.MessageEntity) bool {
		return e.Type != models.MessageEntityTypeTextLink || e.URL == "" || e.Offset < 0 || e.Length <= 0
	})
	if len(links) == 0 {
		return s
	}
	slices.SortStableFunc(links, func(a, b models.MessageEntity) int { return (a.Offset + a.Length) - (b.Offset + b.Length) })
	units := utf16.Encode([]rune(s))
	var out []uint16
	done := 0
	for _, link := range links {
		end := link.Offset + link.Length
		if link.Offset > len(units) || end > len(units) || end < len(units) && isLow(units[end]) {
			continue // not in this text
		}
		label := string(utf16.Decode(units[link.Offset:end]))
		out = append(out, units[done:end]...)
		done = end
		if label != link.URL && label+"/" != link.URL {
			out = append(out, utf16.Encode([]rune(" ("+link.URL+")"))...)
		}
	}
	return string(utf16.Decode(append(out, units[done:]...)))
}

// isLow reports whether u is the second half of a surrogate pair.
func isLow(u uint16) bool { return u >= 0xDC00 && u <= 0xDFFF }
