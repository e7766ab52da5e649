package twilio

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's choice
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Signature is X-Twilio-Signature of a request to address with the parameters
// of its body (https://www.twilio.com/docs/usage/security#validating-requests):
// the address and, sorted by name, each parameter's name and value, without
// anything between. Of a repeated one each different value counts once, in order.
func Signature(token, address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			mac.Write([]byte(name + value))
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signedAddress is address as it is signed; see Settings.SignedPort. It is
// changed letter by letter, as nothing else in it may change.
func signedAddress(address, port string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found || port == "" {
		return address
	}
	host, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, tail = rest[:i], rest[i:]
	}
	colon := strings.LastIndexByte(host, ':')
	has := colon > strings.LastIndexByte(host, ']')
	switch {
	case port == "without" && has:
		host = host[:colon]
	case port == "with" && !has && scheme == "https":
		host += ":443"
	case port == "with" && !has:
		host += ":80"
	}
	return scheme + "://" + host + tail
}
