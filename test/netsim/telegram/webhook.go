package telegram

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Times of the public server's webhooks.
const (
	hookTimeout  = 60 * time.Second
	hookFirst    = time.Second // doubles up to hookLast
	hookLast     = 60 * time.Second
	hookMaxRetry = 3600 * time.Second // longest Retry-After that is obeyed
)

// hook is a bot's webhook; url is empty when there is none.
type hook struct {
	url, secret, ip string
	connections     int64
	errorDate       int64
	errorText       string

	more   chan struct{} // capacity 1: there is something to post
	cancel context.CancelFunc
}

func (h *hook) wake() {
	select {
	case h.more <- struct{}{}: // a nil channel is never ready
	default:
	}
}

// close ends the posting.
func (h *hook) close() {
	if h.cancel != nil {
		h.cancel()
	}
	*h = hook{}
}

func (c *call) setWebhook() (any, error) {
	b := c.bot
	target := c.values["url"]
	if target == "" {
		return c.deleteWebhook()
	}
	secret := c.values["secret_token"]
	switch {
	case len(secret) > 256:
		return nil, badRequest("secret token is too long")
	case strings.Trim(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "":
		return nil, badRequest("secret token contains unallowed characters")
	}
	if err := checkHook(target); err != nil {
		return nil, err
	}
	b.queue.allow(c.params)
	if c.yes("drop_pending_updates") {
		b.queue.drop(len(b.queue.list))
	} else if b.hook.url == target && b.hook.secret == secret {
		c.note = "Webhook is already set"
		return true, nil
	}
	if b.poll != nil {
		b.endPoll(b.conflict(textWebhookSet, time.Now()))
	}
	b.hook.close()
	ctx, cancel := context.WithCancel(c.net.life)
	b.hook = hook{
		url: target, secret: secret, ip: c.values["ip_address"], connections: c.integer("max_connections", 40, 1, 100),
		more: make(chan struct{}, 1), cancel: cancel,
	}
	h := b.hook
	h.wake()
	c.net.work.Go(func() { b.push(ctx, h) })
	c.note = "Webhook was set"
	return true, nil
}

// checkHook refuses what the API refuses. Plain http is taken for this machine,
// as a server of one's own takes it.
func checkHook(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return badRequest("invalid webhook URL specified")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return badRequest("bad webhook: An HTTPS URL must be provided for webhook")
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (c *call) deleteWebhook() (any, error) {
	b := c.bot
	if c.yes("drop_pending_updates") {
		b.queue.drop(len(b.queue.list))
	}
	c.note = "Webhook was deleted"
	if b.hook.url == "" {
		c.note = "Webhook is already deleted"
	}
	b.hook.close()
	return true, nil
}

func (c *call) getWebhookInfo() (any, error) {
	b := c.bot
	b.queue.expire(time.Now())
	info := map[string]any{
		"url": b.hook.url, "has_custom_certificate": false, "pending_update_count": len(b.queue.list),
	}
	if b.hook.url != "" {
		info["max_connections"] = b.hook.connections
		if b.hook.ip != "" {
			info["ip_address"] = b.hook.ip
		}
	}
	if b.hook.errorDate != 0 {
		info["last_error_date"], info["last_error_message"] = b.hook.errorDate, b.hook.errorText
	}
	if b.queue.allowed != nil {
		info["allowed_updates"] = b.queue.allowed
	}
	return info, nil
}

// push posts updates in order until the webhook is taken away.
func (b *bot) push(ctx context.Context, h hook) {
	wait := hookFirst
	for {
		next, ok := b.next()
		if !ok {
			select {
			case <-h.more:
				continue
			case <-ctx.Done():
				return
			}
		}
		retry, err := b.pushOne(ctx, h, next)
		if ctx.Err() != nil {
			return
		}
		b.pushed(next, err)
		if err == nil {
			wait = hookFirst
			continue
		}
		if retry == 0 {
			retry, wait = wait, min(2*wait, hookLast)
		}
		if !b.net.hold(ctx, retry) {
			return
		}
	}
}

// next is the first update of the queue.
func (b *bot) next() (update, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue.expire(time.Now())
	if len(b.queue.list) == 0 {
		return update{}, false
	}
	return b.queue.list[0], true
}

func (b *bot) pushed(u update, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		if b.hook.url == "" { // taken away meanwhile
			return
		}
		b.hook.errorDate, b.hook.errorText = unix(time.Now()), err.Error()
		return
	}
	if len(b.queue.list) > 0 && b.queue.list[0].id == u.id {
		b.queue.drop(1)
	}
}

// pushOne posts one update. An answer that names a method is a call.
func (b *bot) pushOne(ctx context.Context, h hook, u update) (retry time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(u.body))
	if err != nil {
		return 0, errors.New("invalid webhook URL specified")
	}
	r.Header.Set("Content-Type", "application/json")
	if h.secret != "" {
		r.Header.Set("X-Telegram-Bot-Api-Secret-Token", h.secret)
	}
	answer, err := b.net.post.Do(r)
	if err != nil {
		return 0, errors.New("Connection refused") //nolint:staticcheck // the API's words
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxValues))
	if err != nil {
		return 0, errors.New("Connection reset by peer") //nolint:staticcheck // the API's words
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
			retry = min(time.Duration(seconds)*time.Second, hookMaxRetry)
		}
		return retry, errors.New("Wrong response from the webhook: " + answer.Status)
	}
	p := params{values: map[string]string{}}
	if p.readJSON(bytes.NewReader(body)) == nil && p.has("method") {
		_, _ = b.net.answer(ctx, b.token, p.values["method"], p) // nobody hears of its failure
	}
	return 0, nil
}

// loopbackClient reaches this machine and nothing else: a test must not call
// strangers because somebody set a webhook.
func loopbackClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if host, _, err := net.SplitHostPort(address); err != nil || !isLoopback(host) {
			return errors.New("not this machine")
		}
		return nil
	}}
	return &http.Client{
		Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, err := net.SplitHostPort(address); err != nil || !isLoopback(host) {
				return nil, errors.New("not this machine")
			}
			return dialer.DialContext(ctx, network, address)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
