package email

import (
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"servicelink/connectors"
)

// Limits of what names other mails.
const (
	maxMessageID  = 512 // bytes; longer ones are malformed
	maxReferences = 50  // the first, and the latest
)

// fillFields takes from the header who wrote to whom, when and about what.
func (r *reading) fillFields(m *connectors.Message) {
	h := r.root
	from := r.addresses("from")
	r.sender = r.chooseSender(from)
	if m.RemoteAddress = r.sender.addr; m.RemoteAddress == "" {
		r.problem("The message has no address that could be answered.")
	}
	m.From = display(from)
	if m.From == "" {
		m.From = r.sender.String()
	}
	m.To, m.Cc, m.Bcc = display(r.addresses("to")), display(r.addresses("cc")), display(r.addresses("bcc"))
	for _, a := range r.addresses("reply-to") {
		if a.addr != "" && !strings.EqualFold(a.addr, m.RemoteAddress) {
			m.ReplyTo = a.addr
			break
		}
	}
	m.Subject = decodeHeader(h.get("subject"), r.hint)
	m.WrittenAt = parseDate(h.get("date"))
	m.SystemID = messageID(h.get("message-id"))
	r.fillThread(m)
	m.Culture = culture(h)
	if m.Culture == "" {
		m.Culture = r.p.settings.Culture
	}
}

// addresses reads the first field of that name that holds any.
func (r *reading) addresses(name string) []address {
	for _, value := range r.root.all(name) {
		if found := parseAddresses(value, r.hint); len(found) > 0 {
			return found
		}
	}
	return nil
}

// chooseSender is who an answer goes to: the first of From; of several the one that
// sent it. A mail without From may still tell who sent it.
func (r *reading) chooseSender(from []address) address {
	senders := r.addresses("sender")
	valid := 0
	var first address
	for _, a := range from {
		if a.addr == "" {
			continue
		}
		if valid++; valid == 1 {
			first = a
		}
	}
	if valid > 1 && len(senders) > 0 {
		for _, a := range from {
			if a.addr != "" && strings.EqualFold(a.addr, senders[0].addr) {
				return a
			}
		}
	}
	if valid > 0 {
		return first
	}
	for _, others := range [][]address{senders, r.addresses("reply-to"), r.addresses("return-path")} {
		for _, a := range others {
			if a.addr != "" {
				if len(from) > 0 && from[0].name != "" {
					a.name = from[0].name
				}
				return a
			}
		}
	}
	return address{name: display(from)}
}

// display is a list of mailboxes for people.
func display(all []address) string {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = a.String()
	}
	return strings.Join(names, ", ")
}

// fillThread takes what the mail answers. Mailers have written all of it: names of
// people, commas, ids without their brackets.
func (r *reading) fillThread(m *connectors.Message) {
	references := messageIDs(strings.Join(r.root.all("references"), " "))
	answers := messageIDs(r.root.get("in-reply-to"))
	if len(answers) > 0 {
		m.InReplyTo = answers[0]
	} else if len(references) > 0 {
		m.InReplyTo = references[len(references)-1]
	}
	if n := len(references); n > maxReferences {
		references = append(references[:1:1], references[n-maxReferences+1:]...)
	}
	m.References = references
}

// messageID is an id without its brackets; empty for what is none: two words, or
// nothing that could be told from text.
func messageID(value string) string {
	ids := messageIDs(value)
	if len(ids) == 0 || strings.ContainsFunc(strings.Trim(strings.TrimSpace(stripComments(value)), "<>"), unicode.IsSpace) {
		return ""
	}
	return ids[0]
}

// messageIDs finds the ids in a field, each once.
func messageIDs(value string) []string {
	var ids []string
	seen := map[string]bool{}
	add := func(id string) {
		if isMessageID(id) && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if !strings.Contains(value, "<") {
		for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' }) {
			if strings.Contains(word, "@") {
				add(strings.Trim(word, `<>"'`))
			}
		}
		return ids
	}
	for {
		_, rest, ok := strings.Cut(value, "<")
		if !ok {
			return ids
		}
		id, after, _ := strings.Cut(rest, ">")
		if i := strings.LastIndexByte(id, '<'); i >= 0 {
			id = id[i+1:] // one that was never closed stands before it
		}
		add(strings.TrimSpace(id))
		value = after
	}
}

func isMessageID(id string) bool {
	return id != "" && len(id) <= maxMessageID && utf8.ValidString(id) && !strings.ContainsFunc(id, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '<' || r == '>'
	})
}

// dateLayouts are what mailers write beside RFC 5322.
var dateLayouts = []string{
	"Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05 -0700",
	"Mon 2 Jan 2006 15:04:05 -0700", "Mon, 2-Jan-2006 15:04:05 -0700", "2-Jan-2006 15:04:05 -0700",
	"Mon, 2 January 2006 15:04:05 -0700", "2 January 2006 15:04:05 -0700", "Mon, 02 Jan 2006 15.04.05 -0700",
	"Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05", "2 Jan 2006 15:04",
	"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", "Mon Jan 2 15:04:05 -0700 2006", "Mon Jan 2 15:04:05 2006 -0700",
	"Mon, Jan 2 2006 15:04:05 -0700", "Jan 2, 2006 15:04:05", "Mon, 2 Jan 06 15:04:05 -0700",
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006/01/02 15:04:05",
}

// parseDate is zero for what cannot be a time of writing.
func parseDate(value string) time.Time {
	if len(value) > 200 {
		return time.Time{}
	}
	t, err := mail.ParseDate(value)
	value = strings.Join(strings.Fields(stripComments(value)), " ")
	for i := 0; err != nil && i < len(dateLayouts); i++ {
		t, err = time.Parse(dateLayouts[i], value)
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

// culture is the language that the writer's program named. The text is not looked
// at: a guess would be taken for knowledge.
func culture(h header) string {
	for _, name := range []string{"content-language", "accept-language", "x-accept-language"} {
		first, _, _ := strings.Cut(stripComments(h.get(name)), ",")
		first, _, _ = strings.Cut(first, ";")
		first = strings.TrimSpace(first)
		if len(first) < 2 || len(first) > 35 {
			continue
		}
		if tag, err := language.Parse(first); err == nil && tag != language.Und {
			return tag.String()
		}
	}
	return ""
}
