package simprot

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

const (
	hashMark = "h:"
	// minHashDigits keeps a shortened identifier collision-free in practice:
	// 32 hex digits are 128 bits.
	minHashDigits = 32
	lowerHex      = "0123456789abcdef"
)

// ShortenID returns id when it has at most limit characters, otherwise "h:"
// and as many lower-case hex digits of its SHA-256 as fit, but never fewer
// than 32. Equal identifiers stay equal and different ones different, which
// cutting would not give. It is the one rule for all identifiers: ID,
// DeliverySystemId, InReplyToId.
func ShortenID(id string, limit int) string {
	if fits(id, limit) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	digits := min(max(limit-len(hashMark), minHashDigits), 2*len(sum))
	return hashMark + hex.EncodeToString(sum[:])[:digits]
}

// Truncate cuts a display field (PartyName, UserToken, ...) to at most limit
// characters (code points), never inside one.
func Truncate(s string, limit int) string {
	if fits(s, limit) {
		return s
	}
	n := 0
	for at := range s {
		if n == limit {
			return s[:at]
		}
		n++
	}
	return s
}

// fits reports whether s has at most limit code points.
func fits(s string, limit int) bool {
	return len(s) <= limit || utf8.RuneCountInString(s) <= limit
}

// EscapeID writes any text in the alphabet of a TrackingId: the characters
// 0-9 a-z : . | + @ - stay, every other byte, the underscore itself included,
// becomes "_hh" with its two lower-case hex digits. Upper case is escaped
// because cores and databases may compare without case. Different texts give
// different results, and UnescapeID gives the text back.
func EscapeID(s string) string {
	plain := 0
	for plain < len(s) && plainIDByte(s[plain]) {
		plain++
	}
	if plain == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 2*(len(s)-plain))
	b.WriteString(s[:plain])
	for i := plain; i < len(s); i++ {
		if c := s[i]; plainIDByte(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('_')
			b.WriteByte(lowerHex[c>>4])
			b.WriteByte(lowerHex[c&15])
		}
	}
	return b.String()
}

// UnescapeID undoes EscapeID. It is false for anything EscapeID does not
// write, so two different TrackingIds never name the same address.
func UnescapeID(s string) (string, bool) {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '_' {
			if len(s)-i < 3 {
				return "", false
			}
			high, low := strings.IndexByte(lowerHex, s[i+1]), strings.IndexByte(lowerHex, s[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			c = byte(high<<4 | low)
			if plainIDByte(c) {
				return "", false
			}
			i += 2
		} else if !plainIDByte(c) {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

// plainIDByte reports whether c stands for itself in a TrackingId.
func plainIDByte(c byte) bool {
	switch c {
	case ':', '.', '|', '+', '@', '-':
		return true
	}
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z'
}

// LogID is what logs show for a TrackingId: the first 8 hex digits of its
// SHA-256. The TrackingId itself may be a customer's telephone number.
func LogID(trackingID string) string {
	sum := sha256.Sum256([]byte(trackingID))
	return hex.EncodeToString(sum[:4])
}
