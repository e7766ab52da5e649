package httpx

import (
	"net/url"
	"strings"
)

// Address reads an address that stands in the settings: http or https, with a
// host, without a user or password and without a fragment. problem says what is
// wrong with it and never repeats it, since it may hold a secret.
func Address(s string) (u *url.URL, problem string) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, "is not an http or https URL with a host"
	case u.User != nil:
		return nil, "holds a user or password"
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return nil, "holds a fragment (#)"
	}
	return u, ""
}

// FitsHeader reports whether s can be the value of a header, as tokens are: visible
// ASCII.
func FitsHeader(s string) bool {
	for _, c := range s {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
