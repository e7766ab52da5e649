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

// MaxNetworkID is the longest Event.NetworkID that is kept, in bytes: room for the
// ids of all messengers, and for most Message-Ids of mail.
const MaxNetworkID = 512

const hexDigits = "0123456789abcdef"

// EventID makes the ID of an event: account|kind|networkID, and |revision when
// there is one. account and kind are the connector's own words and hold no '|';
// account need not tell channels apart, which the journal does: the network's name
// serves, or its id of the account.
// networkID and revision are the network's (an edit's time, a file's state, ...),
// so that an edit of a message is not taken for the message come again.
//
// What fits the alphabet [0-9a-z:_.|-] and MaxEventID stays readable. Anything
// else becomes "h:" and a SHA-256 over all members; it is never lower-cased,
// since "A1" and "a1" are two messages. So no network's id can be read back from an
// event's: that is what Event.NetworkID is for.
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

// TrackingID names a conversation: its parts joined by '|', each with every byte
// outside [0-9a-z:.|+@-] written as '_' and two hex digits. A '|' inside a part
// stays, so at most one part may be free of form; the others are the connector's
// own words or checked by it. It need not name the channel: the core knows a
// conversation by its Port as well.
//
// It may come out longer than MaxTrackingID: the engine then keeps the event as a
// dead letter (reason address). It is never cut and never hashed.
//
// The protocol library has the same escaping. Both packages may be imported by
// others alone, so it stands twice; a test in test/arch holds the two together.
func TrackingID(parts ...string) string {
	var b strings.Builder
	b.Grow(MaxTrackingID / 2) // most are shorter
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('|')
		}
		for j := range len(part) {
			if c := part[j]; standsForItself(c) {
				b.WriteByte(c)
			} else {
				b.WriteByte('_')
				b.WriteByte(hexDigits[c>>4])
				b.WriteByte(hexDigits[c&15])
			}
		}
	}
	return b.String()
}

// UnescapeID gives back a part of a TrackingID. ok is false for anything
// TrackingID does not write: one conversation has one name.
func UnescapeID(part string) (id string, ok bool) {
	out := make([]byte, 0, len(part))
	for i := 0; i < len(part); i++ {
		c := part[i]
		if c == '_' {
			if i+2 >= len(part) {
				return "", false
			}
			high := strings.IndexByte(hexDigits, part[i+1])
			low := strings.IndexByte(hexDigits, part[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			c = byte(high<<4 | low) //nolint:gosec // both are below 16
			i += 2
			if standsForItself(c) {
				return "", false
			}
		} else if !standsForItself(c) {
			return "", false
		}
		out = append(out, c)
	}
	return string(out), true
}

// standsForItself reports whether c is written as it is in a TrackingID.
func standsForItself(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || strings.IndexByte(":.|+@-", c) >= 0
}
