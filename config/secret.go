package config

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// mask is what a Secret shows of itself.
const mask = "[secret]"

// Secret is a value that cannot print itself: not with any verb of fmt, not as
// JSON or YAML, not in slog, also when it sits below an unexported field. The
// zero value is "not set". Secrets cannot be compared with ==, see Equal.
type Secret struct {
	_ [0]func() // not comparable
	// value is behind a pointer: below an unexported field fmt cannot call
	// Format and walks the memory instead, and there it shows an address.
	value *string
}

// NewSecret keeps value. An empty value gives a Secret that is not set.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value. Whoever calls it answers for where it goes.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether the secret is not set.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal compares in constant time, whatever the lengths. A secret that is not
// set equals nothing, not even the empty string: a forgotten one opens no door.
func (s Secret) Equal(candidate string) bool {
	if s.value == nil {
		return false
	}
	want, got := sha256.Sum256([]byte(*s.value)), sha256.Sum256([]byte(candidate))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// String returns the mask, or nothing for a secret that is not set.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return mask
}

// Format prints the mask for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText makes the mask what JSON, YAML and XML show.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue makes the mask what slog shows.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
