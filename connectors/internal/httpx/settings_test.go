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

func TestShownHost(t *testing.T) {
	for address, want := range map[string]string{
		"https://a.example:8443/secret?x=y": "a.example", "https://user:secret@A.example": "A.example", "https://[2001:db8::1]:1/": "2001:db8::1",
		"": "", "secret": "", "://": "", "https:///secret": "", "https://\u202e.example/": "", "https://a%20b/": "",
		"https://" + strings.Repeat("a", 101): "", "https://" + strings.Repeat("a", 100): strings.Repeat("a", 100),
	} {
		if got := ShownHost(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}
