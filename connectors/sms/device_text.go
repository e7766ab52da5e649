package sms

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/rivo/uniseg"

	"servicelink/connectors"
)

const (
	// maxNumbers is how many recipients a message may have, maxTexts how many requests
	// each of them may take.
	maxNumbers = 100
	maxTexts   = 20
	// ownEach and foreignEach are the characters of one short message among several:
	// of the default alphabet, and UTF-16 units where one is not in it.
	ownEach, foreignEach = 153, 67
	// markRoom is for "20/20 " before a text.
	markRoom = 6
)

// texts are what a message says, each for one request, numbered where there are
// several.
func (d outDevice) texts(m *connectors.Message) ([]string, error) {
	text := strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(m.Text, "\uFFFD"), "\r\n", "\n"))
	if text == "" {
		text = strings.TrimSpace(m.Subject)
	}
	switch {
	case text == "" && m.HTML != "":
		return nil, refused(connectors.ReasonContent, "the message has no plain text")
	case text == "":
		return nil, refused(connectors.ReasonContent, "the message is empty")
	}
	room := foreignEach * d.maxSegments
	if isOwn(text) {
		room = ownEach * d.maxSegments
	}
	if length(text) <= room {
		return []string{text}, nil
	}
	var all []string
	for text != "" {
		var piece string
		piece, text = cut(text, room-markRoom)
		if all = append(all, piece); len(all) > maxTexts {
			return nil, refused(connectors.ReasonContent, "the text is too long for short messages")
		}
	}
	for i := range all {
		all[i] = fmt.Sprintf("%d/%d %s", i+1, len(all), all[i])
	}
	return all, nil
}

// isOwn says whether every character surely takes one place of the default alphabet of
// short messages. Of some others that is so, too: their texts make a part more, and
// cost no more.
func isOwn(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r > '~' || r < ' ' && r != '\n' || strings.ContainsRune("`^{}\\[~]|", r)
	})
}

func length(text string) int {
	n := 0
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}

// cut takes so much from the beginning of a text as fits, up to the end of a line or
// word where there is one, and never a character apart.
func cut(text string, room int) (piece, rest string) {
	if length(text) <= room {
		return text, ""
	}
	end, used, space := 0, 0, 0
	for left, state := text, -1; left != ""; {
		var one string
		one, left, _, state = uniseg.FirstGraphemeClusterInString(left, state)
		if used += length(one); used > room && end > 0 {
			break
		}
		end += len(one)
		if strings.TrimSpace(one) == "" {
			space = end
		}
	}
	if space > end/2 {
		end = space
	}
	return strings.TrimSpace(text[:end]), strings.TrimSpace(text[end:])
}

// recipients are the numbers the message goes to, each once. What is no number stays
// among them, to be reported by itself.
func recipients(m *connectors.Message) ([]string, error) {
	sources := slices.Concat(m.Recipients.To, m.Recipients.Cc, m.Recipients.Bcc)
	if len(sources) == 0 && m.RemoteAddress != "" {
		sources = []string{m.RemoteAddress}
	}
	if len(sources) == 0 {
		sources = slices.Concat(strings.Split(m.To, ","), strings.Split(m.Cc, ","), strings.Split(m.Bcc, ","))
	}
	var all []string
	for _, source := range sources {
		if number := normal(source); number != "" && !slices.Contains(all, number) {
			all = append(all, number)
		}
	}
	switch {
	case !slices.ContainsFunc(all, isNumber):
		return nil, refused(connectors.ReasonAddress, "the message names no telephone number")
	case len(all) > maxNumbers:
		return nil, refused(connectors.ReasonAddress, fmt.Sprintf("the message has more than %d recipients", maxNumbers))
	}
	return all, nil
}

// normal writes a number as Twilio does: "+420 601-234 567" is +420601234567. It has
// no space, which ends a number in a part's name.
func normal(source string) string {
	if at := strings.LastIndexByte(source, '<'); at >= 0 { // "Anna <+420601234567>"
		source, _, _ = strings.Cut(source[at+1:], ">")
	}
	short := strings.NewReplacer(" ", "", "\u00A0", "", "-", "", "(", "", ")", "", ".", "", "/", "").Replace(strings.TrimSpace(source))
	if isNumber(short) {
		return short
	}
	kept := strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7F || r == '\u00A0' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(source, "\uFFFD"))
	if runes := []rune(kept); len(runes) > connectors.MaxRemoteAddress {
		kept = string(runes[:connectors.MaxRemoteAddress])
	}
	return kept
}

// isNumber: a number with its country's code, or a short code.
func isNumber(s string) bool { return sender.MatchString(s) }
