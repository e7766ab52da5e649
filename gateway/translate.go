package gateway

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// toEntry translates an event into what the journal keeps. It never fails:
// what cannot be carried becomes a dead letter with its reason.
func (ch *channel) toEntry(ev connectors.Event) journal.Entry {
	ev.File = ch.media.announced(ch.cfg.Name, ev.File, time.Now())
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
			NetworkID:    keptNetworkID(ev.NetworkID),
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

// valid makes text fit for packets, which carry UTF-8 only. Nearly all of it is
// right, and to look is cheaper than to mend.
func valid(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// keptNetworkID leaves out what is too long: cut, it would name nothing.
func keptNetworkID(id string) string {
	if len(id) > connectors.MaxNetworkID {
		return ""
	}
	return id
}

func buttonPayload(b *connectors.Button) string {
	if b == nil {
		return ""
	}
	return b.ID
}

// eventText is how each kind becomes text for the core: a chat carries text
// only. What a reply answers stands in front of it.
func eventText(ev connectors.Event) (string, simprot.Model) {
	text, model := kindText(ev)
	if quote := quoted(ev.Quote); quote != "" && model == simprot.ModelSentence {
		return withCaption(quote, text), model
	}
	return text, model
}

func kindText(ev connectors.Event) (string, simprot.Model) {
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
		return fmt.Sprintf("The customer changed message %s to: %s", shortRef(ev.RefID), ev.Text), simprot.ModelTechNote
	case connectors.KindDelete:
		return fmt.Sprintf("The customer took message %s back.", shortRef(ev.RefID)), simprot.ModelTechNote
	case connectors.KindReaction:
		if ev.Text == "" {
			return fmt.Sprintf("The customer removed the reaction to message %s.", shortRef(ev.RefID)), simprot.ModelTechNote
		}
		return fmt.Sprintf("The customer reacted to message %s: %s", shortRef(ev.RefID), ev.Text), simprot.ModelTechNote
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

// A network's message id above refMax characters is shown by its first refShown: nobody
// reads more of it.
const refMax, refShown = 24, 8

func shortRef(id string) string {
	if utf8.RuneCountInString(id) <= refMax {
		return id
	}
	return simprot.Truncate(valid(id), refShown) + "…"
}

func fileText(f *connectors.File, caption string) string {
	if f == nil {
		return caption
	}
	if f.TooBig || f.URL == "" {
		return withCaption(unlinkedText(f), caption)
	}
	return withCaption("file:"+formField(f.Type)+"|"+formField(f.ID)+"|"+f.URL, caption)
}

// unlinkedText stands for a file that nobody can be given a link to.
func unlinkedText(f *connectors.File) string {
	text := "The customer sent a file that there is no link to"
	if f.TooBig {
		text = "The customer sent a file that is too big to fetch"
	}
	var told []string
	for _, s := range []string{formField(f.Type), fileName(f.Name), sizeText(f.Size)} {
		if s != "" {
			told = append(told, s)
		}
	}
	if len(told) == 0 {
		return text + "."
	}
	return text + ": " + strings.Join(told, ", ") + "."
}

// sizeText is a size as people read it: the files it is about have megabytes.
func sizeText(bytes int64) string {
	switch {
	case bytes <= 0:
		return ""
	case bytes < 1<<20:
		return strconv.FormatInt((bytes+1<<10-1)>>10, 10) + " KB"
	}
	return strconv.FormatFloat(float64(bytes)/(1<<20), 'f', 1, 64) + " MB"
}

// formField keeps a field of the file form from being read as another one.
func formField(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '|' || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, s)
}

// Limits of a quote, in lines and characters.
const (
	quoteLines = 3
	quoteRunes = 200
)

// quoted is the message a reply answers, as mail has it; cut where it is long.
func quoted(text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(valid(text)), "\r\n", "\n")
	if text == "" {
		return ""
	}
	lines := strings.SplitN(text, "\n", quoteLines+1)
	whole := strings.Join(lines[:min(len(lines), quoteLines)], "\n")
	short := whole
	if utf8.RuneCountInString(whole) > quoteRunes {
		short = splitText(whole, quoteRunes, connectors.Characters)[0]
	}
	if short != text {
		short = strings.TrimRight(short, " \n") + "…"
	}
	return "> " + strings.ReplaceAll(short, "\n", "\n> ")
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
