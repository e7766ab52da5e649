package gateway

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// toEntry translates an event into what the journal keeps. It never fails:
// what cannot be carried becomes a dead letter with its reason.
func (ch *channel) toEntry(ev connectors.Event) journal.Entry {
	text, model := eventText(ev)
	culture := ev.Customer.Culture
	if culture == "" {
		culture = ch.cfg.Culture
	}
	e := journal.Entry{
		Lane: journal.Lane{Channel: ch.cfg.Name, Direction: journal.In, TrackingID: ev.TrackingID},
		ID:   ev.ID,
		Content: (&content{
			Kind:         string(ev.Kind),
			Text:         valid(text),
			Model:        model,
			PartyName:    simprot.Truncate(valid(ev.Customer.PartyName), simprot.MaxPartyName),
			ReturnChatID: ev.ReturnChatID,
			Payload:      buttonPayload(ev.Button),
		}).encode(),
		SentAt: ev.SentAt,
		Party: &journal.Party{
			RemoteAddress: valid(ev.Customer.RemoteAddress),
			PartyName:     simprot.Truncate(valid(ev.Customer.PartyName), simprot.MaxPartyName),
			UserToken:     simprot.Truncate(valid(ev.Customer.UserToken), simprot.MaxUserToken),
			Culture:       culture,
		},
	}
	if utf8.RuneCountInString(ev.Customer.RemoteAddress) > simprot.MaxRemoteAddress ||
		len(ev.TrackingID) > simprot.MaxTrackingID || ev.TrackingID == "" || ev.ID == "" || len(ev.ID) > simprot.MaxID {
		e.DeadReason = string(connectors.ReasonAddress)
		// The key must stay within what a journal can index.
		e.Lane.TrackingID = simprot.ShortenID(ev.TrackingID, simprot.MaxTrackingID)
		e.ID = simprot.ShortenID(ev.ID, simprot.MaxID)
	}
	return e
}

// valid makes text fit for packets, which carry UTF-8 only.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func buttonPayload(b *connectors.Button) string {
	if b == nil {
		return ""
	}
	return b.ID
}

// eventText is how each kind becomes text for the core: a chat carries text
// only.
func eventText(ev connectors.Event) (string, simprot.Model) {
	switch ev.Kind {
	case connectors.KindText:
		return ev.Text, simprot.ModelSentence
	case connectors.KindFile:
		return fileText(ev.File, ev.Text), simprot.ModelSentence
	case connectors.KindLocation:
		return locationText(ev.Location, ev.Text), simprot.ModelSentence
	case connectors.KindContact:
		return contactText(ev.Contact, ev.Text), simprot.ModelSentence
	case connectors.KindButton:
		if ev.Text == "" && ev.Button != nil {
			return ev.Button.Text, simprot.ModelSentence
		}
		return ev.Text, simprot.ModelSentence
	case connectors.KindEdit:
		return fmt.Sprintf("The customer changed message %s to: %s", ev.RefID, ev.Text), simprot.ModelTechNote
	case connectors.KindDelete:
		return fmt.Sprintf("The customer took message %s back.", ev.RefID), simprot.ModelTechNote
	case connectors.KindReaction:
		if ev.Text == "" {
			return fmt.Sprintf("The customer removed the reaction to message %s.", ev.RefID), simprot.ModelTechNote
		}
		return fmt.Sprintf("The customer reacted to message %s: %s", ev.RefID, ev.Text), simprot.ModelTechNote
	case connectors.KindService:
		return ev.Text, simprot.ModelTechNote
	case connectors.KindStop:
		return "", simprot.ModelTechNote
	default:
		if ev.Text == "" {
			return "The customer sent something this channel cannot show.", simprot.ModelTechNote
		}
		return "The customer sent something this channel cannot show: " + ev.Text, simprot.ModelTechNote
	}
}

func fileText(f *connectors.File, caption string) string {
	if f == nil {
		return caption
	}
	return withCaption("file:"+f.Type+"|"+f.ID+"|"+f.URL, caption)
}

func locationText(l *connectors.Location, caption string) string {
	if l == nil {
		return caption
	}
	lat := strconv.FormatFloat(l.Latitude, 'f', -1, 64)
	long := strconv.FormatFloat(l.Longitude, 'f', -1, 64)
	text := "geo:" + lat + "," + long + "\nhttps://www.openstreetmap.org/?mlat=" + lat + "&mlon=" + long
	if l.Title != "" {
		text = l.Title + "\n" + text
	}
	return withCaption(text, caption)
}

func contactText(c *connectors.Contact, caption string) string {
	if c == nil {
		return caption
	}
	return withCaption(strings.Join(append([]string{c.Name}, c.Numbers...), ", "), caption)
}

func withCaption(text, caption string) string {
	if caption == "" {
		return text
	}
	return text + "\n" + caption
}

// buttonLine is how an agent writes a button: one "[[text|payload]]" a line at
// the end of the sentence; the payload may be left out.
var buttonLine = regexp.MustCompile(`^\[\[(\s*[^|\]\s][^|\]]*)(?:\|([^\]]*))?\]\]$`)

// splitButtons takes the button lines off the end of a sentence. Blank lines
// among and after them say nothing.
func splitButtons(text string) (string, []connectors.Button) {
	lines := strings.Split(text, "\n")
	var buttons []connectors.Button
	last := len(lines)
	for ; last > 0; last-- {
		line := strings.TrimSpace(lines[last-1])
		if line == "" {
			continue
		}
		m := buttonLine.FindStringSubmatch(line)
		if m == nil {
			break
		}
		title := strings.TrimSpace(m[1])
		buttons = append(buttons, connectors.Button{Text: title, ID: cmp.Or(m[2], title)})
	}
	if len(buttons) == 0 {
		return text, nil
	}
	slices.Reverse(buttons)
	return strings.TrimRight(strings.Join(lines[:last], "\n"), "\r\n"), buttons
}

// toParts splits a sentence into what the network can carry. The result is
// the same for the same text and capabilities, so that a retry after a restart
// goes on with the same parts. changed tells what had to be written otherwise.
func toParts(id, text string, to connectors.Address, caps connectors.Capabilities) (parts []connectors.Part, changed string) {
	body, buttons := splitButtons(text)
	if len(buttons) > 0 && (caps.Buttons == 0 || len(buttons) > caps.Buttons || tooLong(buttons, caps)) {
		body, buttons = strings.TrimLeft(body+listed(buttons), "\n"), nil
		changed = "buttons were written as text"
	}
	texts := splitText(body, caps.TextLimit, caps.TextUnit)
	for i, t := range texts {
		p := connectors.Part{ID: partID(id, i), To: to, Text: t}
		if i == len(texts)-1 {
			p.Buttons = buttons
		}
		parts = append(parts, p)
	}
	return parts, changed
}

// listed is how buttons look on a network that has none.
func listed(buttons []connectors.Button) string {
	var list strings.Builder
	for _, b := range buttons {
		list.WriteString("\n- " + b.Text)
	}
	return list.String()
}

func tooLong(buttons []connectors.Button, caps connectors.Capabilities) bool {
	for _, b := range buttons {
		if caps.ButtonTitle > 0 && utf8.RuneCountInString(b.Text) > caps.ButtonTitle ||
			caps.ButtonPayload > 0 && len(b.ID) > caps.ButtonPayload {
			return true
		}
	}
	return false
}

func partID(id string, i int) string {
	if i == 0 {
		return id
	}
	return id + "#" + strconv.Itoa(i+1)
}

// splitText cuts text into pieces of at most limit units, at a line or space
// where there is one in the second half, never inside a grapheme unless the
// grapheme alone is over the limit. White space at a cut is left out.
func splitText(text string, limit int, unit connectors.TextUnit) []string {
	if limit <= 0 || units(text, unit) <= limit {
		return []string{text}
	}
	var parts []string
	for rest := text; rest != ""; {
		at := cutAt(rest, limit, unit)
		if at.end == len(rest) {
			at.solid = at.end // not a cut: the text's own end stays as it is
		}
		if at.solid > 0 {
			parts = append(parts, rest[:at.solid])
		}
		rest = trimBlank(rest[at.end:])
	}
	if len(parts) == 0 { // nothing but white space: still one message
		return []string{text[:cutAt(text, limit, unit).end]}
	}
	return parts
}

// cut is a place to cut a text, in bytes: what is before solid makes a part,
// the white space from there to end is left out.
type cut struct{ solid, end int }

// cutAt finds the end of the next piece, after at least one character.
func cutAt(text string, limit int, unit connectors.TextUnit) cut {
	var at, line, space cut
	used := 0
	for rest, state := text, -1; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		used += units(cluster, unit)
		fits := used <= limit
		if fits {
			at.end += len(cluster)
		}
		switch {
		case cluster == " ":
			space = at // also when it alone does not fit any more
		case blank(cluster):
			line = at
		case fits:
			at.solid = at.end
		}
		if !fits {
			break
		}
	}
	switch {
	case at.end == len(text):
		return at
	case at.end == 0: // one grapheme alone is over the limit: cut inside it
		end := cutRunes(text, limit, unit)
		return cut{end, end}
	case line.end > at.end/2:
		return line
	case space.end > at.end/2:
		return space
	}
	return at
}

// blank tells that a whole grapheme is white space; a space that carries an
// accent is not.
func blank(cluster string) bool {
	return cluster == " " || cluster == "\n" || cluster == "\r\n" || cluster == "\r"
}

// trimBlank drops the white space at the beginning.
func trimBlank(text string) string {
	for text != "" {
		cluster, rest, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
		if !blank(cluster) {
			break
		}
		text = rest
	}
	return text
}

// cutRunes gives the length of as many characters as fit, at least one.
func cutRunes(text string, limit int, unit connectors.TextUnit) int {
	end, used := 0, 0
	for end < len(text) {
		_, size := utf8.DecodeRuneInString(text[end:])
		used += units(text[end:end+size], unit)
		if used > limit && end > 0 {
			break
		}
		end += size
	}
	return end
}

func units(s string, unit connectors.TextUnit) int {
	switch unit {
	case connectors.Bytes:
		return len(s)
	case connectors.UTF16Units:
		n := 0
		for _, r := range s {
			n++
			if r > 0xFFFF {
				n++
			}
		}
		return n
	default:
		return utf8.RuneCountInString(s)
	}
}
