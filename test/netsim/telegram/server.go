package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// errGone ends a request whose connection has to break: the network closes, has
// an outage, or the client is gone.
var errGone = errors.New("gone")

// call is one request of a method.
type call struct {
	params
	ctx    context.Context //nolint:containedctx // a call is its context's
	net    *Network
	bot    *bot
	method string
	note   string // "description" beside a success
	byURL  map[string]fetched
}

// API implements control.Network.
func (n *Network) API() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if rest, ok := strings.CutPrefix(path, "/file/bot"); ok {
			n.serveFile(w, r, rest)
			return
		}
		rest, ok := strings.CutPrefix(path, "/bot")
		token, method, slash := strings.Cut(rest, "/")
		if !ok || !slash {
			control.Give(w, r, errNotFound.answer(), control.Fault{}, n.stop)
			return
		}
		n.serveMethod(w, r, strings.ReplaceAll(strings.ReplaceAll(token, "%3A", ":"), "%3a", ":"), method)
	})
}

// serveMethod answers one call and records it.
func (n *Network) serveMethod(w http.ResponseWriter, r *http.Request, token, method string) {
	p, err := readParams(r)
	values, files := p.record()
	seq := n.Begin(control.Request{
		Account: token, Method: method, Header: r.Header.Clone(), Params: values, Files: files, Body: p.body,
	})
	fault, spoilt := n.Take(token, method)
	var answer control.Answer
	switch {
	case spoilt && fault.Instead():
		answer = instead(fault)
	case err != nil:
		answer = failed(err)
	default:
		answer, err = n.answer(r.Context(), token, method, p)
		if errors.Is(err, errGone) {
			n.End(seq, 0, "", control.Outage)
			control.Reset(w)
			return
		}
	}
	n.record(seq, answer, fault)
	control.Give(w, r, answer, fault, n.stop)
}

func (n *Network) record(seq int64, a control.Answer, f control.Fault) {
	status := a.Status
	if f.Kind == control.Swallow || f.Kind == control.Outage {
		status = 0
	}
	n.End(seq, status, string(a.Body), f.Kind)
}

// answer does what is asked. An error other than errGone is in the answer.
func (n *Network) answer(ctx context.Context, token, method string, p params) (control.Answer, error) {
	result, note, err := n.do(ctx, token, method, p)
	if err != nil {
		if e, ok := errors.AsType[*apiError](err); ok && e.delay > 0 && !n.hold(ctx, e.delay) {
			err = errGone
		}
		return failed(err), err
	}
	return succeeded(result, note), nil
}

func (n *Network) do(ctx context.Context, token, method string, p params) (any, string, error) {
	method = strings.ToLower(method)
	if method == "" { // it may be a parameter
		method = strings.ToLower(p.values["method"])
	}
	if _, err := tokenID(token); err != nil {
		return nil, "", errNotFound
	}
	b, err := n.find(token)
	if err != nil || b.token != token {
		return nil, "", errUnauthorized
	}
	if err := n.limitToken(token); err != nil {
		return nil, "", err
	}
	c := &call{params: p, ctx: ctx, net: n, bot: b, method: method}
	if method == "getupdates" { // it takes care of the bot's mutex itself
		result, err := c.getUpdates()
		return result, c.note, err
	}
	do := n.methods[method]
	if do == nil {
		return nil, "", errMethod
	}
	if err := c.prepare(); err != nil {
		return nil, "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	result, err := do(c)
	if err != nil {
		return nil, "", err
	}
	return json.RawMessage(encode(result)), c.note, nil // while nobody changes it
}

// hold waits; false when ctx or the network ended meanwhile.
func (n *Network) hold(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-n.stop:
	}
	return false
}

// instead is the answer of a fault that takes the place of the method.
func instead(f control.Fault) control.Answer {
	switch f.Kind {
	case control.Rate:
		return tooMany(f.RetryAfter).answer()
	case control.HTML:
		return control.HTMLPage()
	case control.Unauthorized:
		return errUnauthorized.answer()
	case control.Conflict:
		return conflict(textOtherPoll).answer()
	case control.Blocked:
		return errBlocked.answer()
	default:
		return errServer.answer()
	}
}

// serveFile serves /file/bot{token}/{path}, recorded as method "file".
func (n *Network) serveFile(w http.ResponseWriter, r *http.Request, rest string) {
	token, path, _ := strings.Cut(rest, "/")
	seq := n.Begin(control.Request{
		Account: token, Method: "file", Header: r.Header.Clone(), Params: map[string]string{"file_path": path},
	})
	fault, spoilt := n.Take(token, "file")
	var answer control.Answer
	if spoilt && fault.Instead() {
		answer = instead(fault)
	} else {
		answer = n.fileAnswer(r, token, path)
	}
	status := answer.Status
	if fault.Kind == control.Swallow || fault.Kind == control.Outage {
		status = 0
	}
	n.End(seq, status, "", fault.Kind)
	control.Give(w, r, answer, fault, n.stop)
}

func (n *Network) fileAnswer(r *http.Request, token, path string) control.Answer {
	b, err := n.find(token)
	if err != nil || b.token != token {
		return errUnauthorized.answer()
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return errNotFound.answer()
	}
	b.mu.Lock()
	f := b.files.at(path)
	b.mu.Unlock()
	if f == nil {
		return errNotFound.answer()
	}
	out := &control.Buffer{}
	out.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(out, r, "", f.made, bytes.NewReader(f.data))
	return out.Answer()
}
