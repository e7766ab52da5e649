package facebook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"servicelink/connectors"
)

const signatureHeader = "X-Hub-Signature-256"

// sign is the value of signatureHeader for a body.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// proof shows with a call that its caller has the app's secret too.
func proof(secret, token string) string {
	return strings.TrimPrefix(sign(secret, []byte(token)), "sha256=")
}

// verify looks at whose the call is before it hashes: all pages share the path. A
// call with a right signature that does not name this page is another channel's, or
// nobody's; one that cannot be read is of nobody else either.
func (c *Connector) verify(r *connectors.Request) error {
	ours, readable := c.peek(r.Body)
	if readable && !ours {
		return connectors.ErrNotMine
	}
	if !c.signed(r) {
		return connectors.ErrForged
	}
	return nil
}

func (c *Connector) signed(r *connectors.Request) bool {
	given := []byte(strings.ToLower(r.Header.Get(signatureHeader)))
	good := hmac.Equal(given, []byte(sign(c.cfg.AppSecret.Reveal(), r.Body)))
	if !c.cfg.AppSecretOther.IsZero() {
		good = hmac.Equal(given, []byte(sign(c.cfg.AppSecretOther.Reveal(), r.Body))) || good
	}
	return good
}

// peek looks for an entry of this page.
func (c *Connector) peek(body []byte) (ours, readable bool) {
	if !bytes.Contains(body, []byte(c.cfg.PageID)) && json.Valid(body) {
		return false, true // the network writes digits as they are
	}
	p, ok := readPayload(body)
	if !ok {
		return false, false
	}
	for _, e := range p.Entry {
		if p.Object == "page" && string(e.ID) == c.cfg.PageID {
			return true, true
		}
	}
	return false, true
}

// verifyHandshake: the network asks whether the address is meant for it.
func (c *Connector) verifyHandshake(r *connectors.Request) error {
	if r.URL == nil {
		return connectors.ErrForged
	}
	q := r.URL.Query()
	if !c.cfg.VerifyToken.Equal(q.Get("hub.verify_token")) || q.Get("hub.mode") != "subscribe" {
		return connectors.ErrForged
	}
	return nil
}

func replyHandshake(v connectors.Verdict) connectors.Reply {
	switch {
	case v.Result == connectors.Refused:
		return connectors.Reply{Status: http.StatusForbidden, ContentType: "text/plain", Body: "refused"}
	case v.Result != connectors.Accepted:
		return reply(v)
	case v.Request == nil || v.Request.URL == nil:
		return connectors.Reply{Status: http.StatusOK}
	}
	return connectors.Reply{Status: http.StatusOK, ContentType: "text/plain", Body: v.Request.URL.Query().Get("hub.challenge")}
}

// unavailableFor is the wait that is asked for. The network has its own.
const unavailableFor = 30 * time.Second

// reply answers a call. Refusing a genuine one of a page that nobody has here would
// get the app's other pages unsubscribed.
func reply(v connectors.Verdict) connectors.Reply {
	received := connectors.Reply{Status: http.StatusOK, ContentType: "text/plain", Body: "EVENT_RECEIVED"}
	switch v.Result {
	case connectors.Accepted:
		return received
	case connectors.Refused:
		if errors.Is(v.Err, connectors.ErrNotMine) {
			return received
		}
		return connectors.Reply{Status: http.StatusForbidden, ContentType: "text/plain", Body: "refused"}
	case connectors.TooLarge:
		return connectors.Reply{Status: http.StatusRequestEntityTooLarge}
	case connectors.Malformed:
		return connectors.Reply{Status: http.StatusBadRequest, ContentType: "text/plain", Body: "refused"}
	}
	return connectors.Reply{Status: http.StatusServiceUnavailable, RetryAfter: unavailableFor}
}
