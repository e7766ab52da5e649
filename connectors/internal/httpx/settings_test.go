package httpx

import (
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	for s, want := range map[string]string{
		"https://a.example":               "",
		"http://127.0.0.1:8080/p?token=1": "",
		"":                                "is not an http or https URL with a host",
		"a.example":                       "is not an http or https URL with a host",
		"ftp://a.example":                 "is not an http or https URL with a host",
		"https://:443/":                   "is not an http or https URL with a host",
		"http://[::1/marked":              "is not a URL",
		"https://u:marked@a.example":      "holds a user or password",
		"https://a.example/#marked":       "holds a fragment (#)",
		"https://a.example/#":             "holds a fragment (#)",
	} {
		u, got := Address(s)
		if got != want || (u == nil) != (want != "") || u != nil && u.String() != s {
			t.Errorf("Address(%q) = %v, %q, want %q", s, u, got, want)
		}
		if strings.Contains(got, "marked") {
			t.Errorf("%q repeats what may be a secret", got)
		}
	}
}

func TestFitsHeader(t *testing.T) {
	for s, want := range map[string]bool{"": true, "a-B_9~!": true, "a b": false, "a\n": false, "ž": false, "a\x7f": false} {
		if got := FitsHeader(s); got != want {
			t.Errorf("FitsHeader(%q) = %v", s, got)
		}
	}
}
