package facebook

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"
)

// Probe implements connectors.Prober: a call for the page, signed with app_secret, in
// which nothing happened.
func (c *Connector) Probe() (*http.Request, error) {
	body := fmt.Appendf(nil, `{"object":"page","entry":[{"id":%q,"time":%d,"messaging":[]}]}`, c.cfg.PageID, time.Now().UnixMilli())
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, c.callback(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(signatureHeader, sign(c.cfg.AppSecret.Reveal(), body))
	return r, nil
}
