package connectors

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Limits of the identifiers the core takes, in characters.
const (
	MaxEventID    = 64
	MaxTrackingID = 128
)

const hexDigits = "0123456789abcdef"

// EventID makes the ID of an event: account|kind|networkID, and |revision when
// there is one. account and kind are the connector's own words and hold no '|';
// networkID and revision are the network's (an edit's time, a file's state, ...),
// so that an edit of a message is not taken for the message come again.
//
// What fits the alphabet [0-9a-z:_.|-] and MaxEventID stays readable. Anything
// else becomes "h:" and a SHA-256 over all members; it is never lower-cased,
// since "A1" and "a1" are two messages.
func EventID(account, kind, networkID, revision string) string {
	n := len(account) + len(kind) + len(networkID) + 2
	if revision != "" {
		n += len(revision) + 1
	}
	if n <= MaxEventID && plain(account) && plain(kind) && plain(networkID) && plain(revision) {
		if revision == "" {
			return account + "|" + kind + "|" + networkID
		}
		return account + "|" + kind + "|" + networkID + "|" + revision
	}
	h := sha256.New()
	for _, member := range [...]string{account, kind, networkID, revision} {
		// The length in front keeps ("a", "bc") and ("ab", "c") apart.
		h.Write([]byte(strconv.Itoa(len(member)) + ":" + member))
	}
	return "h:" + hex.EncodeToString(h.Sum(nil))[:MaxEventID-2]
}

// plain reports whether s may stand in an event ID as it is. '|' is left out:
// it separates the members.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c == ':', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

// TrackingID names a conversation: its parts, escaped and joined by '|'. It may
// come out longer than MaxTrackingID; the engine then keeps the event as a dead
// letter (reason address), it is never cut.
func TrackingID(parts ...string) string {
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('|')
		}
		appendEscaped(&b, part, false)
	}
	return b.String()
}

// ParseTrackingID gives back what TrackingID joined. ok is false for anything
// TrackingID would not have written in exactly this form.
func ParseTrackingID(id string) (parts []string, ok bool) {
	if id == "" {
		return nil, false
	}
	parts = strings.Split(id, "|")
	for i, part := range parts {
		if parts[i], ok = unescape(part); !ok {
			return nil, false
		}
	}
	return parts, TrackingID(parts...) == id
}

// EscapeID writes every byte outside [0-9a-z:.|+@-] as '_' and two hex digits.
//
// The protocol library has the same function, and may be imported by others
// alone, as this package may: so it stands twice, and a test in test/ proves
// that both agree.
func EscapeID(s string) string {
	var b strings.Builder
	appendEscaped(&b, s, true)
	return b.String()
}

// appendEscaped leaves '|' alone only when the caller says so: inside a part of
// a TrackingID it would be taken for a separator.
func appendEscaped(b *strings.Builder, s string, pipe bool) {
	b.Grow(len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z',
			c == ':', c == '.', c == '+', c == '@', c == '-', c == '|' && pipe:
			b.WriteByte(c)
		default:
			b.WriteByte('_')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, "_") {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '_' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high := strings.IndexByte(hexDigits, s[i+1])
		low := strings.IndexByte(hexDigits, s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		out = append(out, byte(high<<4|low))
		i += 2
	}
	return string(out), true
}
