package config

import (
	"regexp"
	"strings"
)

// headerName is a token of HTTP (RFC 9110, 5.6.2).
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")

func (v *validator) tracing() {
	tracing := v.cfg.Tracing
	if !(tracing.Sample > 0 && tracing.Sample <= 1) { // also not a number
		v.fail("tracing.sample", "must be above 0, and 1 at most", "leave tracing.endpoint empty for no tracing")
	}
	v.printable("tracing.service", tracing.Service)
	for name, value := range tracing.Headers {
		at := join("tracing.headers", shorten(name))
		switch {
		case !headerName.MatchString(name):
			v.fail(at, "is not the name of a header", "")
		case value.IsZero():
			v.fail(at, "must not be empty", "")
		case strings.ContainsFunc(value.Reveal(), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			v.fail(at, "must be one line of printable characters", "")
		}
	}
	if tracing.Endpoint == "" {
		return
	}
	u, ok := v.webURL("tracing.endpoint", tracing.Endpoint)
	if ok && u.Scheme == "http" && len(tracing.Headers) > 0 && !loopback(u.Hostname()) {
		v.warn("tracing.endpoint", "is without TLS, and gives tracing.headers away", "use https")
	}
}
