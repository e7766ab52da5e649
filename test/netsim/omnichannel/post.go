package omnichannel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"servicelink/test/netsim/control"
)

// States of a customer's message.
const (
	stateSending = "sending"
	stateTaken   = "taken"   // the gateway answered 2xx
	stateWaiting = "waiting" // it did not, and is asked again
	stateRefused = "refused" // it never will
)

// method is what faults about webhook calls name.
const method = "new_message"

type lineKey struct {
	account string
	chat    control.ID
}

// line is the webhook calls of one conversation, posted one after the other by
// a goroutine that ends when there are none.
type line struct {
	waiting []item
	more    chan struct{} // capacity 1: something was added
}

// item is one webhook call.
type item struct {
	id   control.ID // of the message shown; empty = none is
	body []byte
}

func (n *Network) enqueue(key lineKey, it item) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.lines[key]
	if l == nil {
		if n.life.Err() != nil {
			return fmt.Errorf("%w: closed", control.ErrAction)
		}
		l = &line{more: make(chan struct{}, 1)}
		n.lines[key] = l
		n.work.Go(func() { n.run(key, l) })
	}
	if len(l.waiting) >= maxWaiting {
		return fmt.Errorf("%w: %d webhook calls wait", control.ErrFull, maxWaiting)
	}
	l.waiting = append(l.waiting, it)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return nil
}

// run posts what waits in the line.
func (n *Network) run(key lineKey, l *line) {
	for {
		it, ok := n.next(key, l)
		if !ok {
			return
		}
		if _, late := n.TakeKind(control.Reorder, key.account, method); late {
			if other, ok := n.overtaking(l); ok {
				n.post(key, other)
			}
		}
		n.post(key, it)
		if _, twice := n.TakeKind(control.Duplicate, key.account, method); twice {
			n.post(key, it)
		}
	}
}

// next takes the first item; when there is none the line is over.
func (n *Network) next(key lineKey, l *line) (item, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(l.waiting) == 0 || n.life.Err() != nil {
		delete(n.lines, key)
		return item{}, false
	}
	it := l.waiting[0]
	l.waiting = l.waiting[1:]
	return it, true
}

// overtaking waits a second for an item that goes before the one in hand.
func (n *Network) overtaking(l *line) (item, bool) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	for {
		n.mu.Lock()
		if len(l.waiting) > 0 {
			it := l.waiting[0]
			l.waiting = l.waiting[1:]
			n.mu.Unlock()
			return it, true
		}
		n.mu.Unlock()
		select {
		case <-l.more:
		case <-timer.C:
			return item{}, false
		case <-n.life.Done():
			return item{}, false
		}
	}
}

// post posts one item until it is answered for good: a client that gives up
// loses messages.
func (n *Network) post(key lineKey, it item) {
	n.mu.Lock()
	wait := n.retry
	n.mu.Unlock()
	longest := 10 * wait
	for ; ; wait = min(2*wait, longest) {
		begun := time.Now()
		status, after, err := n.try(key.account, it.body)
		switch {
		case err == nil && status < 300:
			took := time.Since(begun).Round(100 * time.Microsecond)
			n.state(key, it, stateTaken, fmt.Sprintf("the gateway has it after %v", took))
			return
		case err == nil && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
			n.state(key, it, stateRefused, fmt.Sprintf("the gateway refused it with %d", status))
			return
		case err == nil:
			n.state(key, it, stateWaiting, fmt.Sprintf("the gateway answered %d; trying again", status))
		default:
			n.state(key, it, stateWaiting, "the gateway does not answer; trying again")
		}
		timer := time.NewTimer(max(wait, after))
		select {
		case <-timer.C:
		case <-n.life.Done():
			timer.Stop()
			return
		}
	}
}

func (n *Network) state(key lineKey, it item, state, detail string) {
	if it.id == "" {
		return
	}
	_ = n.ChangeMessage(key.account, key.chat, it.id, func(m *control.Message) { // it may be forgotten
		m.State, m.Detail = state, detail
	})
}

var errDown = errors.New("this network is down")

// try posts a body once. While the network has an outage nothing leaves it.
func (n *Network) try(account string, body []byte) (status int, after time.Duration, err error) {
	a, err := n.account(account)
	if err != nil {
		return 0, 0, err
	}
	if n.Has(control.Outage, account) {
		return 0, 0, errDown
	}
	ctx, cancel := context.WithTimeout(n.life, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Webhook, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := n.http.Do(r)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	if _, err = io.Copy(io.Discard, io.LimitReader(answer.Body, maxBody)); err != nil {
		return 0, 0, err
	}
	if seconds, bad := strconv.Atoi(answer.Header.Get("Retry-After")); bad == nil && seconds > 0 {
		after = min(time.Duration(seconds)*time.Second, time.Minute)
	}
	return answer.StatusCode, after, nil
}
