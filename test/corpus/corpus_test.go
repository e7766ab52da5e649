package corpus

import (
	"bytes"
	"net/mail"
	"testing"
)

// TestGenerate: a seed gives the same mails again, another one others, and a reader
// of somebody else's finds a header in each.
func TestGenerate(t *testing.T) {
	one, again, other := Generate(7, 200), Generate(7, 200), Generate(8, 200)
	seen := map[string]bool{}
	for i, raw := range one {
		if !bytes.Equal(raw, again[i]) || bytes.Equal(raw, other[i]) {
			t.Errorf("mail %d does not follow from its seed alone", i)
		}
		if seen[string(raw)] {
			t.Errorf("mail %d is there twice", i)
		}
		seen[string(raw)] = true
		if m, err := mail.ReadMessage(bytes.NewReader(raw)); err != nil || m.Header.Get("To") == "" {
			t.Errorf("mail %d: %v", i, err)
		}
	}
}

// TestHostile: every hostile mail is as long as it was asked for.
func TestHostile(t *testing.T) {
	for _, m := range Hostile(100_000) {
		if len(m.Raw) < 90_000 || len(m.Raw) > 400_000 {
			t.Errorf("%s has %d bytes", m.Name, len(m.Raw))
		}
	}
}

// TestAll: the mails of both collections are there.
func TestAll(t *testing.T) {
	names := map[string]bool{}
	for _, m := range All(t) {
		if names[m.Name] {
			t.Errorf("two mails are called %s", m.Name)
		}
		names[m.Name] = true
	}
}
