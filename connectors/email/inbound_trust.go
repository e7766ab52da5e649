package email

import (
	"net"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"servicelink/connectors"
)

// fillTrust says what others found out about the mail: servers that the settings
// name, and nobody else. A sender can write the same fields into the mail.
//
// The signature is one of its writer (S/MIME, PGP); what a domain signs (DKIM) is
// broken by honest mailing lists and says nothing to an agent. Nothing here checks
// one. So a mail without is "no signature", which needs no check; one with it is
// "not checked", nil, unless a trusted server checked it (RFC 7281).
func (r *reading) fillTrust(m *connectors.Message) {
	zone, results := r.trusted()
	m.Spam = spamLevel(zone, results)
	if value := results.result("smime", "openpgp"); value != "" {
		m.Signature = signature(value)
	}
	if m.Signature == nil && r.whole && !r.signed && !r.sealed {
		none := connectors.SignatureNone
		m.Signature = &none
	}
}

func signature(result string) *int32 {
	value := connectors.SignatureInvalid
	switch result {
	case "pass":
		value = connectors.SignatureValid
	case "fail", "policy":
	default: // "neutral", "none", "temperror": nobody could tell
		return nil
	}
	return &value
}

// spamFields are those of filters, with what they begin by when they say yes and no.
var spamFields = []struct{ name, yes, no string }{
	{"x-spam-flag", "yes", "no"},
	{"x-spam-status", "yes", "no"},
	{"x-spam", "yes", "no"},
	{"x-spamd-result", "default: true", "default: false"},
}

// spamLevel is nil where nobody looked.
func spamLevel(zone header, results authResults) *int32 {
	spam, none := connectors.SpamDetected, connectors.SpamNone
	var level *int32
	for _, f := range spamFields {
		value := strings.ToLower(zone.get(f.name))
		switch {
		case strings.HasPrefix(value, f.yes):
			return &spam
		case strings.HasPrefix(value, f.no):
			level = &none
		}
	}
	// Its domain says that it is not from there, and asks that such mail be refused.
	if results.forged() {
		return &spam
	}
	return level
}

// trusted finds what servers of ours wrote: the topmost Authentication-Results under
// a name of the settings, and the fields above it. Servers put theirs on top, so
// what a sender forged lies below. The field does not count when a foreign server
// passed the mail on after it was written: then it was there when the mail came.
//
// A server must do what RFC 8601, section 5, asks for: take out fields of its own
// name that come from outside, where it adds none itself.
func (r *reading) trusted() (zone header, results authResults) {
	received := 0
	for i, f := range r.root {
		switch f.name {
		case "received":
			received++
			if !r.isOwnHop(f.value) {
				return nil, nil
			}
		case "authentication-results":
			id, results := parseAuthResults(f.value)
			if r.trusts(id) {
				end := i
				// Above every server's mark nothing is foreign.
				for received == 0 && end < len(r.root) && r.root[end].name != "received" {
					end++
				}
				return r.root[:end], results
			}
		}
	}
	return nil, nil
}

func (r *reading) trusts(id string) bool {
	for _, trusted := range r.p.settings.TrustedAuthServ {
		if id != "" && strings.EqualFold(strings.TrimSpace(trusted), id) {
			return true
		}
	}
	return false
}

// isOwnHop: a Received field of a server in the domain of one that is trusted, or
// of a program beside it.
func (r *reading) isOwnHop(received string) bool {
	fields := strings.Fields(stripComments(received))
	by := ""
	for i, word := range fields {
		if strings.EqualFold(word, "by") && i+1 < len(fields) {
			by = strings.ToLower(strings.Trim(fields[i+1], "[];"))
			break
		}
	}
	if by == "" || by == "localhost" || !strings.Contains(by, ".") || net.ParseIP(strings.TrimPrefix(by, "ipv6:")) != nil {
		return true
	}
	domain := organisation(by)
	for _, trusted := range r.p.settings.TrustedAuthServ {
		if organisation(strings.ToLower(trusted)) == domain {
			return true
		}
	}
	return false
}

// organisation is the domain that somebody registered: "mx1.example.org" is of
// "example.org".
func organisation(host string) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(strings.TrimSuffix(host, "."))
	if err != nil {
		return host
	}
	return domain
}

// authResults are what a server says in one field (RFC 8601).
type authResults []authResult

type authResult struct {
	method, result string // lower case: "dmarc", "fail"
	rest           string // properties and comments, lower case
}

// result is the first result of one of the methods.
func (a authResults) result(methods ...string) string {
	for _, one := range a {
		if slices.Contains(methods, one.method) {
			return one.result
		}
	}
	return ""
}

// forged: the domain in From denies the mail, by DMARC, and asks for consequences.
func (a authResults) forged() bool {
	for _, one := range a {
		if one.method != "dmarc" || one.result != "fail" {
			continue
		}
		for _, asks := range []string{"p=reject", "p=quarantine", "dis=reject", "dis=quarantine", "action=reject", "action=quarantine", "policy.dmarc=reject", "policy.dmarc=quarantine"} {
			if strings.Contains(one.rest, asks) {
				return true
			}
		}
	}
	return false
}

const maxResults = 100

// parseAuthResults takes a field apart as far as it goes.
func parseAuthResults(value string) (id string, results authResults) {
	parts := splitCommented(value[:min(len(value), maxField)])
	id = strings.ToLower(unquoted(firstWord(stripComments(parts[0]))))
	for _, part := range parts[1:min(len(parts), maxResults)] {
		method, rest, ok := strings.Cut(stripComments(part), "=")
		if !ok {
			continue // "none"
		}
		method, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(method)), "/") // a version
		one := authResult{method: strings.TrimSpace(method), result: strings.ToLower(firstWord(rest)), rest: strings.ToLower(part)}
		if isToken(one.method) && isToken(one.result) {
			results = append(results, one)
		}
	}
	return id, results
}

// splitCommented splits at semicolons outside of quotes and comments.
func splitCommented(s string) []string {
	var parts []string
	quoted, depth, start := false, 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ';' && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}
