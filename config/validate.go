package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// validator holds a decoded file against what the gateway can work with. A
// place that the decoder has complained about is not complained about again.
type validator struct {
	cfg      *Config
	src      *source
	problems Problems
}

func (v *validator) all() {
	v.core()
	v.journal()
	v.public()
	v.private()
	v.egress()
	v.media()
	v.files()
	v.texts("texts.closed", v.cfg.Texts.Closed)
	v.texts("texts.hidden", v.cfg.Texts.Hidden)
	v.duration("limits.deadline", v.cfg.Limits.Deadline, time.Second, 30*24*time.Hour)
	v.duration("limits.recover_after", v.cfg.Limits.RecoverAfter, time.Second, time.Hour)
	v.duration("limits.stop", v.cfg.Limits.Stop, time.Second, 5*time.Minute)
	v.duration("limits.watch_every", v.cfg.Limits.WatchEvery, time.Minute, 24*time.Hour)
	oneOf(v, "log.level", v.cfg.Log.Level, "debug", "info", "warn", "error")
	oneOf(v, "log.format", v.cfg.Log.Format, "text", "json")
	v.tracing()
	v.channels()
	v.messages()
}

// fail records a mistake at a path, unless the path or what holds it has one.
func (v *validator) fail(path, message, hint string) {
	holds := func(p Problem) bool {
		rest, below := strings.CutPrefix(path, p.Path)
		return below && p.Path != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	if !slices.ContainsFunc(v.problems, holds) {
		v.problems = append(v.problems, v.src.problem(path, message, hint))
	}
}

func (v *validator) warn(path, message, hint string) {
	v.cfg.warn(v.src.problem(path, message, hint))
}

// written reports whether the file has this path, and not only a part of it.
func (v *validator) written(path string) bool {
	_, complete := locate(v.src.root, path)
	return complete
}

// oneOf checks a closed list of words.
func oneOf[T ~string](v *validator, path string, value T, known ...T) {
	if slices.Contains(known, value) {
		return
	}
	words := make([]string, len(known))
	for i, word := range known {
		words[i] = string(word)
	}
	last := len(words) - 1
	v.fail(path, "must be "+strings.Join(words[:last], ", ")+" or "+words[last], "")
}

func (v *validator) duration(path string, value, least, most time.Duration) {
	if value < least || value > most {
		v.fail(path, fmt.Sprintf("must be from %s to %s", short(least), short(most)), "")
	}
}

// short writes a duration without zero units: 48h, not 48h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// printable checks a name that goes into packets: visible characters only.
func (v *validator) printable(path, value string) {
	invisible := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	switch {
	case value == "":
		v.fail(path, "must not be empty", "")
	case len([]rune(value)) > maxNameRunes:
		v.fail(path, fmt.Sprintf("must have at most %d characters", maxNameRunes), "")
	case strings.IndexFunc(value, invisible) >= 0:
		v.fail(path, "must not hold spaces or invisible characters", "")
	}
}

// address checks "host:port"; a listener may leave the host out and ask for
// port 0, any free one. ok is false when it was not one.
func (v *validator) address(path, value string, listener bool) (host string, ok bool) {
	host, port, err := net.SplitHostPort(value)
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case value == "":
		v.fail(path, "is missing", `such as "127.0.0.1:18321"`)
	case !listener && (err != nil || portErr != nil):
		v.fail(path, "must be host:port with a port from 1 to 65535", `such as "core.example.com:18321"; IPv6 as "[2001:db8::1]:18321"`)
	case err != nil || portErr != nil:
		v.fail(path, "must be host:port with a port from 0 to 65535", `such as "127.0.0.1:8080"; IPv6 as "[::1]:8080"`)
	case !listener && (host == "" || number == 0):
		v.fail(path, "must name a host and a port to connect to", `such as "core.example.com:18321"`)
	case host != "" && !validHost(host):
		v.fail(path, "must begin with a host name or an IP address", "")
	default:
		return host, true
	}
	return "", false
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$`)

func validHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || hostName.MatchString(host)
}

// loopback reports whether nobody outside this machine reaches a host. A name
// other than localhost may stand for any address.
func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// webURL checks an absolute http or https URL. Its messages never repeat it.
func (v *validator) webURL(path, value string) (*url.URL, bool) {
	u, err := url.Parse(value)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		v.fail(path, "must be an http or https URL with a host", "")
	case u.User != nil:
		v.fail(path, "must not hold a user name or a password", "")
	case u.RawQuery != "", u.Fragment != "", u.ForceQuery:
		v.fail(path, "must not hold a query or a fragment", "")
	default:
		return u, true
	}
	return nil, false
}
