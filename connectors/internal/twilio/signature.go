package twilio

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/twilio/twilio-go/client"

	"servicelink/connectors"
)

const signatureHeader = "X-Twilio-Signature"

// verifyMessage knows a customer's message by the account and the receiver.
func (c *Channel) verifyMessage(r *connectors.Request) error { return c.verify(r, "To") }

// verifyStatus knows a report on a message of ours by the account and the sender.
func (c *Channel) verifyStatus(r *connectors.Request) error { return c.verify(r, "From") }

// verify routes first: all channels of a network share the path. What holds neither
// the account's nor the sender's digits is not even read: there may be a thousand
// other channels.
func (c *Channel) verify(r *connectors.Request, ours string) error {
	if isJSON(r) {
		return c.verifyJSON(r)
	}
	if !bytes.Contains(r.Body, c.digits) || !bytes.Contains(r.Body, []byte(c.account)) {
		return connectors.ErrNotMine
	}
	f, err := parseForm(r.Body)
	if err != nil || f.get("AccountSid") != c.account || !c.isOurs(f, ours) {
		return connectors.ErrNotMine
	}
	if !c.signed(r, f) {
		return connectors.ErrForged
	}
	return nil
}

// isOurs compares the field that names our sender. A service answers with numbers
// of its pool, so there its own name counts.
func (c *Channel) isOurs(f form, field string) bool {
	if c.service != "" {
		return f.get("MessagingServiceSid") == c.service
	}
	return f.get(field) == c.traits.Prefix+c.from
}

// verifyJSON: such a call names neither account nor sender where a form does, so its
// signature is all there is.
func (c *Channel) verifyJSON(r *connectors.Request) error {
	if r.URL == nil || !r.URL.Query().Has("bodySHA256") || !c.signed(r, nil) {
		return connectors.ErrNotMine
	}
	return nil
}

// signed checks the signature with each token. It covers the address as it was
// entered at Twilio, byte for byte, with or without the port that its scheme has
// anyway; then the fields in order, or the hash of the body that stands in the
// address. It compares in constant time.
func (c *Channel) signed(r *connectors.Request, f form) bool {
	signature := r.Header.Get(signatureHeader)
	if signature == "" {
		return false
	}
	good := false
	for _, token := range c.tokens {
		v := client.NewRequestValidator(token.Reveal())
		if f == nil || r.URL != nil && r.URL.Query().Has("bodySHA256") {
			good = v.ValidateBody(r.PublicURL, r.Body, signature) || good
		} else {
			good = v.Validate(r.PublicURL, f.signable(), signature) || good
		}
	}
	return good
}

// signable gives the fields as RequestValidator takes them, which is one value for
// each. Twilio signs a repeated field with each distinct value in order, the name
// before each; ValidateBody would look at the first alone.
func (f form) signable() map[string]string {
	params := make(map[string]string, len(f))
	for name, values := range f {
		if len(values) == 1 {
			params[name] = values[0]
			continue
		}
		distinct := slices.Compact(slices.Sorted(slices.Values(values)))
		params[name] = strings.Join(distinct, name)
	}
	return params
}

// emptyResponse is TwiML that does nothing: without it Twilio would complain, and
// with text in it would send that to the customer.
const emptyResponse = `<?xml version="1.0" encoding="UTF-8"?><Response/>`

// reply answers a call. A refusal says nothing but that.
func reply(v connectors.Verdict) connectors.Reply {
	switch v.Result {
	case connectors.Accepted:
		return connectors.Reply{Status: http.StatusOK, ContentType: "text/xml", Body: emptyResponse}
	case connectors.Refused:
		return connectors.Reply{Status: http.StatusForbidden, ContentType: "text/plain", Body: "refused"}
	case connectors.TooLarge:
		return connectors.Reply{Status: http.StatusRequestEntityTooLarge}
	case connectors.Malformed:
		return connectors.Reply{Status: http.StatusBadRequest, ContentType: "text/plain", Body: "refused"}
	}
	return connectors.Reply{Status: http.StatusServiceUnavailable, RetryAfter: unavailableFor}
}
