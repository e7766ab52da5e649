package connectors

import (
	"strings"
	"unicode/utf8"
)

// Limits of what the core takes about a customer, in characters.
const (
	MaxRemoteAddress = 250
	MaxUserToken     = 320
)

// Customer is what the network says about who wrote.
type Customer struct {
	RemoteAddress string // never empty; over MaxRemoteAddress the event is dead (address)
	PartyName     string // never empty: an id where the network tells no name
	UserToken     string // by UserToken
	Culture       string // ISO 639-1, two letters; empty = the channel's
}

// Member is one thing that is known of a customer.
type Member struct{ Name, Value string }

// UserToken makes Customer.UserToken: compact JSON of what is known. Members are
// taken in this order as long as they fit into MaxUserToken, each whole or not at
// all: so a long one never costs a later one, and what matters most goes first.
// An empty value is left out. Names are the connector's own words, of letters.
func UserToken(members []Member) string {
	var room [2 * MaxUserToken]byte
	out := append(room[:0], '{')
	length := 2 // both braces
	for _, m := range members {
		if m.Value == "" {
			continue
		}
		before := len(out)
		if before > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), m.Name...), `":`...)
		out = appendQuoted(out, m.Value)
		added := utf8.RuneCount(out[before:])
		if length+added > MaxUserToken {
			out = out[:before]
			continue
		}
		length += added
	}
	return string(append(out, '}'))
}

// appendQuoted writes s as a JSON string; what is no UTF-8 becomes U+FFFD.
func appendQuoted(out []byte, s string) []byte {
	out = append(out, '"')
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}
