package httpx

import (
	"errors"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"servicelink/connectors"
)

// Class is what an HTTP status says about a request.
type Class struct {
	Outcome connectors.Outcome
	Reason  connectors.Reason
	Hint    string
}

// Table says what each status means. A connector starts from Statuses and
// changes what its network documents otherwise.
type Table map[int]Class

const (
	hintAddress  = "Check the configured address: nothing there takes this request."
	hintRedirect = "The address redirects; configure the one it leads to."
	hintAuth     = "The network refuses the credentials; check the token."
)

// maxRetryAfter bounds what an answer may ask for. Whatever is in doubt after a
// day has met the deadline of the message.
const maxRetryAfter = 24 * time.Hour

// statuses are the defaults. The question for each status that is not a plain
// refusal is: can the request have been carried out?
//
//   - No (NotSent): 408, 421, 423, 425, 429 and 503 are answers of a server that
//     did not begin; 521 to 523, 525 and 526 of a proxy that has no connection to
//     it; 301, 307 and 308 name another place; 401, 403, 407 and 511 stand before
//     the work.
//   - Perhaps (Unknown): 500 may break off after the work; 502 and 504 come from
//     a proxy that had handed it on, as do 520 and 524; 302 and 303 are how many
//     servers answer a POST they carried out. Every other 5xx counts here.
//   - No, and never will (Rejected): every other 4xx.
var statuses = Table{
	301: {connectors.NotSent, connectors.ReasonAnswer, hintRedirect},
	302: {connectors.Unknown, connectors.ReasonAnswer, hintRedirect},
	303: {connectors.Unknown, connectors.ReasonAnswer, hintRedirect},
	307: {connectors.NotSent, connectors.ReasonAnswer, hintRedirect},
	308: {connectors.NotSent, connectors.ReasonAnswer, hintRedirect},
	401: {connectors.NotSent, connectors.ReasonAuth, hintAuth},
	403: {connectors.NotSent, connectors.ReasonAuth, hintAuth},
	404: {connectors.Rejected, connectors.ReasonNotFound, hintAddress},
	405: {connectors.NotSent, connectors.ReasonNotFound, hintAddress},
	407: {connectors.NotSent, connectors.ReasonConnect, "The proxy wants credentials; see egress.proxy."},
	408: {connectors.NotSent, connectors.ReasonTimeout, ""},
	410: {connectors.Rejected, connectors.ReasonNotFound, ""},
	421: {connectors.NotSent, connectors.ReasonServer, ""},
	423: {connectors.NotSent, connectors.ReasonServer, ""},
	425: {connectors.NotSent, connectors.ReasonServer, ""},
	429: {connectors.NotSent, connectors.ReasonRate, ""},
	503: {connectors.NotSent, connectors.ReasonServer, ""},
	511: {connectors.NotSent, connectors.ReasonConnect, "A network in between wants a login."},
	521: {connectors.NotSent, connectors.ReasonConnect, ""},
	522: {connectors.NotSent, connectors.ReasonConnect, ""},
	523: {connectors.NotSent, connectors.ReasonConnect, ""},
	525: {connectors.NotSent, connectors.ReasonConnect, ""},
	526: {connectors.NotSent, connectors.ReasonConnect, ""},
}

// Statuses returns a copy of the defaults.
func Statuses() Table { return maps.Clone(statuses) }

// Check returns nil for a 2xx and a *connectors.SendError for anything else.
// It holds nothing of the body.
func (t Table) Check(r *Response) error {
	if r.Status >= 200 && r.Status < 300 {
		return nil
	}
	class := t.class(r)
	return &connectors.SendError{
		Outcome:    class.Outcome,
		Reason:     class.Reason,
		RetryAfter: retryAfter(r.Header),
		Code:       strconv.Itoa(r.Status),
		Hint:       class.Hint,
	}
}

func (t Table) class(r *Response) Class {
	// A 404 page in HTML is a web server's or a balancer's that knows no such path:
	// the request has not reached the API that could refuse it for good.
	if r.Status == http.StatusNotFound && isHTML(r.Header) {
		return Class{connectors.NotSent, connectors.ReasonNotFound, hintAddress}
	}
	if class, ok := t[r.Status]; ok {
		return class
	}
	switch r.Status / 100 {
	case 4:
		return Class{connectors.Rejected, connectors.ReasonContent, ""}
	case 5:
		return Class{connectors.Unknown, connectors.ReasonServer, ""}
	default:
		return Class{connectors.Unknown, connectors.ReasonAnswer, ""}
	}
}

func isHTML(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (kind == "text/html" || kind == "application/xhtml+xml")
}

// retryAfter reads the header in both its forms. A date is measured against the
// answer's own Date, so that the two clocks need not agree; 0 = none, or
// unreadable.
func retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	// Out of range, ParseUint returns the largest number with its error.
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}
