package email

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"servicelink/connectors"
)

// maxRecipients is how many a message may have.
const maxRecipients = 100

// recipients are whom the message goes to, each once: the lists, or where they are
// empty RemoteAddress, or what stands in the fields for people. What is no address
// stays among them, so that it is reported by itself and the others get their mail.
// The error is a *connectors.SendError: there is nobody, or too many.
func recipients(m *connectors.Message) ([]string, error) {
	r := m.Recipients
	sources := slices.Concat(r.To, r.Cc, r.Bcc)
	if len(sources) == 0 && m.RemoteAddress != "" {
		sources = []string{m.RemoteAddress}
	}
	if len(sources) == 0 {
		sources = []string{m.To, m.Cc, m.Bcc}
	}
	var all []string
	known := map[string]bool{}
	valid := 0
	for _, source := range sources {
		for _, part := range mailboxes(source) {
			if key := sameAs(part); !known[key] {
				known[key] = true
				all = append(all, part)
				if isRecipient(part) {
					valid++
				}
			}
		}
	}
	switch {
	case valid == 0:
		return nil, noRecipient("the message names no recipient with a mail address")
	case len(all) > maxRecipients:
		return nil, noRecipient("the message has more than " + strconv.Itoa(maxRecipients) + " recipients")
	}
	return all, nil
}

func noRecipient(why string) error {
	return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonAddress, Err: errors.New(why)}
}

// mailboxes are the addresses in a text, or the text itself where there is none, which
// then is none either: a part of an address would be somebody else's.
func mailboxes(text string) []string {
	text = oneLine(strings.ToValidUTF8(text, "\uFFFD"))
	var all []string
	for _, a := range addressesOf(text) {
		all = append(all, a.addr)
	}
	if len(all) > 0 || text == "" {
		return all
	}
	const end = " ..."
	if short := cutRunes(text, connectors.MaxRemoteAddress-len(end)); short != text || isRecipient(text) {
		text = short + end
	}
	return []string{text}
}

// cutRunes is the first n characters of s.
func cutRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// isRecipient says whether a part is an address, and not what stands for one.
func isRecipient(part string) bool { return cleanAddress(part) == part }

// sameAs is by what two recipients are one: no host of today tells capitals in the
// local part apart, and nobody wants a mail twice.
func sameAs(part string) string { return strings.ToLower(part) }
