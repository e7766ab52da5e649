package connectors

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Webhook is one way in by HTTP, as data. The engine mounts it.
type Webhook struct {
	Method string // "POST"
	// Path is a pattern of net/http's router: "/hook/{token}/x".
	Path string
	// MaxBody is the largest body read, in bytes; a larger one is refused
	// without being held.
	MaxBody int64
	// Verify decides from the raw request whether it is this channel's and
	// genuine. It returns ErrNotMine or ErrForged, never what it compared.
	Verify func(*Request) error
	// Parse turns a verified request into events. On a *RequestError, or any
	// other error, nothing is journaled and Reply says what the network hears.
	Parse func(*Request) (ParseResult, error)
	// Reply makes the answer for what became of the request. It is called
	// once for every request that reached the path, with the first accepting
	// channel's connector, or any channel's for Refused.
	Reply func(Verdict) Reply
}

// Request is a webhook call, read whole. Its Header and Body must not be
// changed or kept.
type Request struct {
	Method    string
	URL       *url.URL          // as received: path and raw query
	PublicURL string            // public.url + path + query, byte for byte
	Values    map[string]string // wildcards of the path pattern
	Header    http.Header
	Body      []byte
	Client    string // the caller's address; behind trusted proxies the one they tell
	Received  time.Time
}

// ParseResult is what a webhook held.
type ParseResult struct {
	Events []Event
	// Ignored counts what was understood and is not to be taken, by a short
	// constant reason ("file_not_ready", "unknown_event").
	Ignored map[string]int
}

// Verdict is what became of a webhook call.
type Verdict struct {
	Result Result
	// Err is Parse's, for Malformed. For Refused it is Verify's: ErrNotMine when no
	// channel said that the call is forged, ErrForged when one did; nil when it is a
	// disabled channel's.
	Err error
	// Request is the call, for a network that wants part of it back; nil when it was
	// not read whole (TooLarge, and some Malformed and Unavailable).
	Request *Request
}

// Result of a webhook call.
type Result uint8

// The results, in the order of the pipeline.
const (
	Accepted    Result = iota // journaled, or a repeat of what is journaled
	Refused                   // no channel verified it, or only disabled ones
	TooLarge                  // body above MaxBody
	Malformed                 // Parse failed
	Unavailable               // the journal cannot take it now: send again
)

// Reply is an HTTP answer.
type Reply struct {
	Status      int
	ContentType string // empty = none
	Body        string
	RetryAfter  time.Duration // 0 = no header
}

// What Verify returns.
var (
	// ErrNotMine: genuine perhaps, but not this channel's.
	ErrNotMine = errors.New("not this channel's request")
	// ErrForged: this channel's path, but the proof is wrong.
	ErrForged = errors.New("request is not genuine")
)

// ErrUnavailable is what Inbox.Deliver returns while nothing can be taken.
var ErrUnavailable = errors.New("cannot take events now")

// RequestError is a request that Parse refuses, with a reason that is also a
// metric label.
type RequestError struct {
	Reason RequestReason
	// Detail names a member or position; never content.
	Detail string
}

func (e *RequestError) Error() string {
	if e.Detail == "" {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Detail
}

// RequestReason is why a webhook call was refused.
type RequestReason string

// The closed list; the label of servicelink_webhook_refused_total.
const (
	ReasonMissing   RequestReason = "missing_parameter"
	ReasonSyntax    RequestReason = "syntax"      // not what the content type says
	ReasonLimits    RequestReason = "limits"      // too deep, too long, too many
	ReasonNobody    RequestReason = "no_channel"  // Refused: nobody's, or a disabled channel's
	ReasonForged    RequestReason = "forged"      // Refused: proof wrong
	ReasonTooLarge  RequestReason = "too_large"   // TooLarge
	ReasonBody      RequestReason = "body"        // cut or too slow
	ReasonUnavail   RequestReason = "unavailable" // Unavailable
	ReasonNoPath    RequestReason = "not_found"   // no such path
	ReasonBadMethod RequestReason = "method"
	ReasonPanic     RequestReason = "bug" // the connector panicked
)
