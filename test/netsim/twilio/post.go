package twilio

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// calls are the ways of webhooks (https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides):
// they are tried a second time when nobody was there, and given up.
func (n *Network) calls(method string) control.CallerOptions {
	return control.CallerOptions{
		Method: method, Retry: n.server.o.Retry, Transport: n.server.o.Transport, Patience: hookPatience,
		Request: n.request, Tries: tries, Ended: n.ended,
		Judge: func(status int) string {
			if status < 300 {
				return control.StateTaken
			}
			return control.StateWaiting
		},
	}
}

// tries is how often a call that ended so is made: the fragment of its URL may
// ask for more (rc times, rp on what).
func tries(c control.Call, status int, err error) int {
	_, fragment, _ := strings.Cut(c.URL, "#")
	overrides := parseForm(fragment)
	count, bad := strconv.Atoi(overrides.Get("rc"))
	if bad != nil || count < 0 || count > 5 {
		count = 1
	}
	policy := overrides.Get("rp")
	timeout := false
	if problem := net.Error(nil); errors.As(err, &problem) {
		timeout = problem.Timeout()
	}
	wanted := func(what string) bool { return policy == "all" || strings.Contains(policy, what) }
	switch {
	case err == nil && status >= 500 && wanted("5xx"), err == nil && status >= 400 && status < 500 && wanted("4xx"):
	case err != nil && (!timeout || wanted("rt")): // the connection failed: always
	default:
		return 1
	}
	return 1 + count
}

// request makes the request of a call: a form, signed.
func (n *Network) request(ctx context.Context, c control.Call) (*http.Request, error) {
	address, _, _ := strings.Cut(c.URL, "#")
	n.server.mu.Lock()
	port, token, sid := n.settings.SignedPort, "", ""
	if one := n.senders[c.Account]; one != nil {
		token, sid = one.tenant.token, one.tenant.sid
	}
	n.server.mu.Unlock()
	body, form := io.Reader(bytes.NewReader(c.Body)), parseForm(string(c.Body))
	if c.Method == http.MethodGet {
		body, form = http.NoBody, nil
		join := "?"
		if strings.Contains(address, "?") {
			join = "&"
		}
		address += join + string(c.Body)
	}
	r, err := http.NewRequestWithContext(ctx, c.Method, address, body)
	if err != nil {
		return nil, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	}
	r.Header.Set("User-Agent", "TwilioProxy/1.1")
	r.Header.Set("Accept", "*/*")
	r.Header.Set("X-Home-Region", "us1")
	r.Header.Set("I-Twilio-Idempotency-Token", idempotency(sid, c.Body))
	r.Header.Set("X-Twilio-Signature", Signature(token, signedAddress(address, port), form))
	return r, nil
}

// idempotency is the same for all tries of a call.
func idempotency(sid string, body []byte) string {
	sum := sha256.Sum256(append([]byte(sid), body...))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// post brings a webhook, as the faults have it. The server's mutex need not be
// held.
func (n *Network) post(method string, caller *control.Caller, c control.Call, to hook) {
	c.URL, c.Method = to.url, to.how()
	if c.URL == "" {
		n.lost(c, "no webhook is set")
		return
	}
	if _, lose := n.TakeKind(control.Lose, c.Account, method); lose {
		n.lost(c, "the webhook was lost")
		n.alert(c, alertFailed, 0)
		return
	}
	if f, late := n.TakeKind(control.Late, c.Account, method); late {
		n.server.later(f.Duration(3*time.Second), func() { n.add(caller, c) })
		return
	}
	n.add(caller, c)
}

func (n *Network) add(caller *control.Caller, c control.Call) {
	if err := caller.Add(c); err != nil {
		n.lost(c, err.Error())
	}
}

// lost shows that a message goes nowhere.
func (n *Network) lost(c control.Call, why string) {
	if c.Message != "" {
		_ = n.ChangeMessage(c.Account, c.Chat, c.Message, func(m *control.Message) { // it may be forgotten
			m.State, m.Detail = control.StateRefused, why
		})
	}
}

// ended records what a webhook did wrong.
func (n *Network) ended(c control.Call, state string, a control.Answer) {
	if state == control.StateRefused {
		n.alert(c, alertFailed, a.Status)
		return
	}
	kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	switch {
	case c.Message == "": // of a status nobody reads the answer
	case kind == "text/xml", kind == "application/xml", kind == "text/html":
	case kind == "text/plain":
		n.answered(c, string(bytes.TrimSpace(a.Body)))
	case len(bytes.TrimSpace(a.Body)) > 0:
		n.alert(c, alertType, a.Status)
	}
}

// answered sends the customer what a webhook answered in plain text, as Twilio
// does.
func (n *Network) answered(c control.Call, text string) {
	if text == "" {
		return
	}
	s := n.server
	s.mu.Lock()
	defer s.mu.Unlock()
	one := n.senders[c.Account]
	if one == nil {
		return
	}
	m := &message{
		sid: s.sid("SM"), one: one, chat: c.Chat, direction: outboundReply, text: text, segments: n.segments(text),
		status: statusSent, created: time.Now(),
	}
	m.updated, m.sent = m.created, m.created
	one.tenant.keep(m)
	_ = n.Add(c.Account, c.Chat, control.Message{ // a full board shows no more
		ID: control.ID(m.sid), From: control.FromAgent, Kind: "text", Text: text, State: statusSent, At: m.created, Copies: 1,
	})
}

// form is a webhook's body; empty fields are sent, too.
func form(fields map[string]string) url.Values {
	values := url.Values{}
	for name, value := range fields {
		values.Set(name, value)
	}
	return values
}
