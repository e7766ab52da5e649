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

// longestHost is the longest name that is shown; none in use comes near.
const longestHost = 100

// ShownHost is the host of an address that others entered at the network, without its
// port: what may be shown of it, as the rest may hold a secret. Empty = the address
// has none, or one that is no name.
func ShownHost(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	host := u.Hostname()
	if len(host) > longestHost || strings.Trim(host, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._:") != "" {
		return ""
	}
	return host
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
