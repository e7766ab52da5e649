package graph

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"servicelink/test/netsim/control"
)

// Methods of the record that are no requests of clients.
const methodAlert = "alert"

// longestWait is the longest time between two tries.
const longestWait = time.Hour

// batch is what one post brings, the same bytes at every try.
type batch struct {
	app    *app
	events []*event
	body   []byte
	begun  time.Time
}

// run posts what waits for an app until nothing does.
func (s *Server) run(a *app) {
	for {
		if gather := seconds(s.Settings().BatchSeconds); gather > 0 {
			s.pause(gather)
		}
		b := s.take(a)
		if b == nil {
			return
		}
		s.bring(b)
	}
}

// take takes what goes into one post; nil = there is nothing, and one poster less.
func (s *Server) take(a *app) *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(a.fresh) && n < s.settings.Batch && (n == 0 || a.fresh[n].array != "" && a.fresh[0].array != "") {
		n++
	}
	if n == 0 || s.life.Err() != nil {
		a.posts--
		return nil
	}
	b := &batch{app: a, events: a.fresh[:n:n], begun: time.Now()}
	a.fresh = a.fresh[n:]
	b.body = entries(b.events, b.begun)
	return b
}

// bring posts a batch, and again when that fails, while others go on.
func (s *Server) bring(b *batch) {
	ok := s.post(b)
	for _, e := range b.events {
		close(e.done)
	}
	if !ok {
		s.start(func() { s.again(b) })
		return
	}
	s.finish(b)
}

// again tries at once, and with decreasing frequency until time is up.
func (s *Server) again(b *batch) {
	for wait := time.Duration(0); ; wait = min(max(2*wait, s.o.Retry), longestWait) {
		compress := s.Settings().Compress
		if !s.pause(time.Duration(float64(wait) / compress)) {
			return
		}
		if s.post(b) {
			s.finish(b)
			return
		}
		if float64(time.Since(b.begun))*compress >= float64(bringFor) {
			s.locked(func() {
				for _, e := range b.events {
					s.state(e, control.StateRefused, "given up after 36 hours")
					s.alert(e.page, "given up")
				}
				b.app.pending -= len(b.events)
			})
			return
		}
	}
}

// finish forgets a batch that was taken, but for what comes twice.
func (s *Server) finish(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.app.pending -= len(b.events)
	for _, e := range b.events {
		if e.twice {
			s.enqueue(b.app, &event{page: e.page, kind: e.kind, array: e.array, item: e.item, chat: e.chat, done: make(chan struct{})})
		}
	}
}

// post makes one try; true = the callback answered 200, which alone counts. While the
// network has an outage nothing leaves it.
func (s *Server) post(b *batch) bool {
	if s.Has(control.Outage, b.events[0].page.Account.Account) {
		return false
	}
	begun := time.Now()
	status, err := s.ask(b)
	if s.life.Err() != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := err == nil && status == http.StatusOK
	state, detail := control.StateTaken, fmt.Sprintf("the gateway has it after %v", time.Since(begun).Round(100*time.Microsecond))
	switch {
	case err != nil:
		state, detail = control.StateWaiting, "the gateway does not answer; trying again"
	case !ok:
		state, detail = control.StateWaiting, fmt.Sprintf("the gateway answered %d; trying again", status)
	}
	for _, e := range b.events {
		s.state(e, state, detail)
		s.judge(e.page, ok)
	}
	return ok
}

// judge unsubscribes a page whose events have failed for too long.
func (s *Server) judge(p *page, ok bool) {
	now := time.Now()
	switch {
	case ok:
		p.failing = time.Time{}
	case p.failing.IsZero():
		p.failing = now
	case p.fields != nil && float64(now.Sub(p.failing))*s.settings.Compress >= float64(disableAfter):
		p.fields = nil
		s.alert(p, "unsubscribed")
	}
}

// ask posts the batch to the callback.
func (s *Server) ask(b *batch) (int, error) {
	s.mu.Lock()
	to, secret := b.app.callback, b.app.secret
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.life, hookPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(b.body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "facebookexternalua")
	r.Header.Set("Accept", "*/*")
	r.Header.Set("X-Hub-Signature", oldSignature(secret, b.body))
	r.Header.Set("X-Hub-Signature-256", Signature(secret, b.body))
	answer, err := s.hook.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, err
}

// alert records what the network tells nobody.
func (s *Server) alert(p *page, what string) {
	seq := s.Begin(control.Request{Account: p.Account.Account, Method: methodAlert, Params: map[string]string{"what": what}})
	s.End(seq, http.StatusOK, "", "")
}
