package omnichannel

import (
	"bytes"
	"context"
	"net/http"

	"servicelink/test/netsim/control"
)

// method is what faults about webhook calls name.
const method = "new_message"

// request makes the request of a webhook call.
func (n *Network) request(ctx context.Context, c control.Call) (*http.Request, error) {
	a, err := n.account(c.Account)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Webhook, bytes.NewReader(c.Body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}
