package omnichannel

import (
	"context"
	"net/http"
	"strings"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// Examine implements connectors.Doctor:
//
//	network  something answers at webhook_url
//	clock    the Date of its answer
//
// Only a message would tell more, and none is sent.
func (c *Connector) Examine(ctx context.Context, _ connectors.Examination) []connectors.Check {
	answer, err := c.client.Do(ctx, httpx.Request{Method: http.MethodOptions, URL: c.target})
	if err == nil && away(answer.Status) {
		err = statuses.Check(answer)
	}
	return []connectors.Check{httpx.Reached(err), httpx.Clock(answer)}
}

// away reports whether an answer is not the client's server's: it is a proxy's in
// front of it, or leads elsewhere. What the server itself says to OPTIONS does not
// matter.
func away(status int) bool {
	return status/100 == 3 || status >= http.StatusBadGateway
}

// eventProbe is in no client's message.
const eventProbe = "servicelink_probe"

// Probe implements connectors.Prober: the client's call with an event that brings
// nothing. The token that proves it is in its address.
func (c *Connector) Probe() (*http.Request, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, c.hookURL(), strings.NewReader(`{"event":"`+eventProbe+`"}`))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}
