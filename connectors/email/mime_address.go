package email

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"servicelink/connectors"
)

// address is one mailbox of an address field.
type address struct {
	name string // decoded
	addr string // local@domain, the domain in lower case; empty where there is none
}

// String is the mailbox for people.
func (a address) String() string {
	switch {
	case a.name == "" || a.name == a.addr:
		return a.addr
	case a.addr == "":
		return a.name
	default:
		return a.name + " <" + a.addr + ">"
	}
}

// How much of a field is read.
const (
	maxAddresses    = 500
	maxAddressField = 32 << 10 // bytes
)

// parseAddresses reads a field of addresses as far as it goes: what is no address
// is a name without one, groups are their members.
func parseAddresses(value, hint string) []address {
	p := addressParser{hint: hint}
	value = value[:min(len(value), maxAddressField)]
	for i := 0; i < len(value) && len(p.found) < maxAddresses; i++ {
		i = p.char(value, i)
	}
	p.flush(true)
	return p.found
}

// addressParser holds the mailbox that is being read.
type addressParser struct {
	hint  string
	found []address

	phrase  strings.Builder // what stands outside of <> and comments
	comment strings.Builder
	angle   string
	inAngle bool // there was a <>

	unclosed bool // there is no ">" any more
}

// char reads what begins at i and gives the place of its last byte.
func (p *addressParser) char(value string, i int) int {
	switch c := value[i]; c {
	case '"':
		end := closing(value, i, '"')
		p.phrase.WriteString(value[i : end+1])
		return end
	case '(':
		end := closing(value, i, ')')
		if p.comment.Len() == 0 {
			p.comment.WriteString(strings.TrimSuffix(value[i+1:end+1], ")"))
		}
		return end
	case '<':
		if p.inAngle {
			p.flush(true) // two mailboxes without a comma
		}
		end := p.endOfAngle(value, i)
		p.angle, p.inAngle = strings.Trim(value[i+1:end+1], "<> \t"), true
		return end
	case '>': // closes nothing
	case ',':
		p.flush(false)
	case ';':
		p.flush(true)
	case ':':
		if strings.Contains(p.phrase.String(), "@") || strings.Contains(p.phrase.String(), "=?") {
			p.phrase.WriteByte(c)
		} else {
			p.phrase.Reset() // the name of a group, or "mailto"
		}
	default:
		p.phrase.WriteByte(c)
	}
	return i
}

// endOfAngle is where the address that "<" begins at i ends: at ">", or before the
// next mailbox where none comes.
func (p *addressParser) endOfAngle(value string, i int) int {
	if !p.unclosed {
		if n := strings.IndexByte(value[i:], '>'); n >= 0 {
			return i + n
		}
		p.unclosed = true
	}
	if n := strings.IndexAny(value[i:], ",;"); n >= 0 {
		return i + n - 1
	}
	return len(value) - 1
}

// closing is where what opens at i ends; the end of the field where it never does.
func closing(s string, i int, by byte) int {
	depth := 0
	for j := i + 1; j < len(s); j++ {
		switch {
		case s[j] == '\\':
			j++
		case s[j] == '(' && by == ')':
			depth++
		case s[j] == by && depth > 0:
			depth--
		case s[j] == by:
			return j
		}
	}
	return len(s) - 1
}

// flush ends a mailbox. A phrase alone before a comma waits: names are written with
// commas and without quotes ("Doe, John <j@example.org>").
func (p *addressParser) flush(last bool) {
	phrase := p.phrase.String()
	switch {
	case p.inAngle:
		a := address{name: decodePhrase(phrase, p.hint), addr: cleanAddress(p.angle)}
		if a.name == "" {
			a.name = decodePhrase(p.comment.String(), p.hint)
		}
		if a.addr == "" && a.name == "" {
			a.name = decodeHeader(p.angle, p.hint)
		}
		p.add(a)
	case strings.Contains(phrase, "@"):
		p.add(bare(phrase, p.comment.String(), p.hint))
	case strings.TrimSpace(phrase) != "" && !last:
		p.phrase.WriteString(", ")
		return
	case strings.TrimSpace(phrase) != "":
		p.add(bare(decodeHeader(strings.TrimSuffix(phrase, ", "), p.hint), p.comment.String(), p.hint))
	}
	p.phrase.Reset()
	p.comment.Reset()
	p.angle, p.inAngle = "", false
}

func (p *addressParser) add(a address) {
	if a.name != "" || a.addr != "" {
		p.found = append(p.found, a)
	}
}

// bare reads a mailbox without <>: "j@example.org (John)", "John j@example.org".
func bare(phrase, comment, hint string) address {
	a := address{name: decodePhrase(comment, hint)}
	if a.addr = cleanAddress(phrase); a.addr != "" {
		return a
	}
	var rest []string
	for word := range strings.FieldsSeq(phrase) {
		if addr := cleanAddress(strings.Trim(word, `"'[]{}.,`)); addr != "" && a.addr == "" {
			a.addr = addr
		} else {
			rest = append(rest, word)
		}
	}
	if name := decodePhrase(strings.Join(rest, " "), hint); name != "" {
		a.name = name
	}
	return a
}

// decodePhrase is the name before an address, without its quotes.
func decodePhrase(s, hint string) string {
	s = strings.TrimSpace(s)
	if strings.Contains(s, `"`) {
		s = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `"`, "").Replace(s)
	}
	return strings.Join(strings.Fields(strings.Trim(decodeHeader(s, hint), ` '"`)), " ")
}

// cleanAddress brings an address into the form in which it is used; empty for
// what is none or is longer than the core takes.
func cleanAddress(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "@") { // RFC 5322, obsolete: a route
		if i := strings.LastIndexByte(s, ':'); i >= 0 {
			s = s[i+1:]
		}
	}
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	i := strings.LastIndexByte(s, '@')
	if i <= 0 {
		return ""
	}
	local, domain := strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:])
	domain = strings.ToLower(strings.TrimSuffix(fullStops.Replace(domain), "."))
	if !isLocal(local) || !isDomain(domain) || utf8.RuneCountInString(local)+1+utf8.RuneCountInString(domain) > connectors.MaxRemoteAddress {
		return ""
	}
	return local + "@" + domain
}

// fullStops are what people type for a dot in a domain, and IDNA takes for one (RFC 3490, 3.1).
var fullStops = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".")

func isLocal(s string) bool {
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
	}
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`"(),:;<>@[\]`, r)
	})
}

// isDomain: a name without empty labels, or an address literal (RFC 5321, 4.1.3).
func isDomain(s string) bool {
	if literal, ok := strings.CutPrefix(s, "["); ok {
		_, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSuffix(literal, "]"), "ipv6:"))
		return err == nil && strings.HasSuffix(literal, "]")
	}
	return s != "" && s[0] != '.' && s[len(s)-1] != '.' && !strings.Contains(s, "..") && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsControl(r) || unicode.IsSpace(r) || r < utf8.RuneSelf && !strings.ContainsRune("-._", r) &&
				(r < '0' || r > '9') && (r < 'a' || r > 'z')
		})
}
