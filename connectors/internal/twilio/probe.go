package twilio

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's choice
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// probeField is in no call of Twilio.
const probeField = "ServicelinkProbe"

// Probe implements connectors.Prober: a call as for a customer's message, signed with
// auth_token, that holds no message.
func (c *Channel) Probe() (*http.Request, error) {
	fields := url.Values{"AccountSid": {c.account}, probeField: {"1"}}
	if c.service != "" {
		fields.Set("MessagingServiceSid", c.service)
	} else {
		fields.Set("To", c.traits.Prefix+c.from)
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, c.messageURL(), strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", formType)
	r.Header.Set(signatureHeader, signature(c.tokens[0].Reveal(), c.messageURL(), form(fields)))
	return r, nil
}

// signature is Twilio's of a form that is posted to address: see signed.
func signature(token, address string, f form) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	fields := f.signable()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		mac.Write([]byte(name + fields[name]))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
