package twilio

import (
	"bytes"
	"mime"
	"net/url"
	"unicode/utf8"

	"servicelink/connectors"
)

// Bounds of a form. Twilio's have some 30 fields of at most 4 KB, and new ones
// appear without notice.
const (
	maxFields = 500
	maxName   = 200      // bytes
	maxValue  = 64 << 10 // bytes
)

// form is the content of a webhook call: every field there is, known or not.
type form url.Values

// get is a field's value, of a repeated one the first; empty = not there.
func (f form) get(name string) string { return url.Values(f).Get(name) }

// first is the first of the fields that holds something.
func (f form) first(names ...string) string {
	for _, name := range names {
		if value := f.get(name); value != "" {
			return value
		}
	}
	return ""
}

// parseForm reads a body of application/x-www-form-urlencoded. It is strict about
// form and bounds, and leaves alone what it does not know.
func parseForm(body []byte) (form, *connectors.RequestError) {
	if bytes.Count(body, []byte("&")) >= maxFields {
		return nil, &connectors.RequestError{Reason: connectors.ReasonLimits, Detail: "too many fields"}
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &connectors.RequestError{Reason: connectors.ReasonSyntax, Detail: "not a form"}
	}
	for name, list := range values {
		if len(name) > maxName {
			return nil, &connectors.RequestError{Reason: connectors.ReasonLimits, Detail: "a name is too long"}
		}
		if !utf8.ValidString(name) {
			return nil, &connectors.RequestError{Reason: connectors.ReasonSyntax, Detail: "not UTF-8"}
		}
		for _, value := range list {
			if len(value) > maxValue {
				return nil, &connectors.RequestError{Reason: connectors.ReasonLimits, Detail: "a value is too long"}
			}
			if !utf8.ValidString(value) {
				return nil, &connectors.RequestError{Reason: connectors.ReasonSyntax, Detail: "not UTF-8"}
			}
		}
	}
	return form(values), nil
}

// isJSON reports whether a call says that its body is JSON. Twilio has such calls
// for other things than messages; their signature covers the body by its hash.
func isJSON(r *connectors.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
