package connectortest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"servicelink/connectors"
)

// journal is what the engine took, over all lives of the process.
type journal struct {
	p       *probe
	c       connectors.Connector
	changed chan struct{} // holds one token after a change

	mu      sync.Mutex
	events  []connectors.Event // without repeats, in the order they came first
	repeats int
	working int // calls of Inbox.Working
	refuse  int // so many calls of Deliver fail
	stuck   bool
}

func (p *probe) journal() *journal { return &journal{p: p, changed: make(chan struct{}, 1)} }

// inbox is the engine's end for one life.
type inbox struct {
	*journal
	life *life
}

// Deliver implements connectors.Inbox.
func (in inbox) Deliver(ctx context.Context, events []connectors.Event) error {
	defer in.wake()
	in.mu.Lock()
	stuck, refused := in.stuck, in.refuse > 0
	if refused {
		in.refuse--
	}
	in.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	if refused || !in.life.step("deliver") {
		return connectors.ErrUnavailable
	}
	for _, problem := range faults(in.c, events) {
		in.p.errorf("%s", problem)
	}
	in.take(events)
	if !in.life.step("journaled") {
		return connectors.ErrUnavailable
	}
	return nil
}

// take journals events as the engine does: by ID within a conversation.
func (j *journal) take(events []connectors.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, ev := range events {
		j.p.record.brought(ev)
		known := slices.IndexFunc(j.events, func(e connectors.Event) bool {
			return e.ID == ev.ID && e.TrackingID == ev.TrackingID
		})
		if known < 0 {
			j.events = append(j.events, ev)
			continue
		}
		j.repeats++
		if !reflect.DeepEqual(j.events[known], ev) {
			j.p.errorf("event %s came again as %+v, it was %+v", ev.ID, ev, j.events[known])
		}
	}
}

// Typing implements connectors.Inbox.
func (in inbox) Typing(trackingID string, _ bool) {
	if !trackingIDForm.MatchString(trackingID) {
		in.p.errorf("Typing names the conversation %q", trackingID)
	}
}

// Working implements connectors.Inbox.
func (in inbox) Working() {
	in.mu.Lock()
	in.working++
	in.mu.Unlock()
	in.wake()
}

func (j *journal) wake() {
	select {
	case j.changed <- struct{}{}:
	default:
	}
}

func (j *journal) taken() []connectors.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// latest is the NetworkID of the customer's latest message, as the engine would name
// it; empty = none.
func (j *journal) latest() string {
	for _, ev := range slices.Backward(j.taken()) {
		if ev.NetworkID != "" {
			return ev.NetworkID
		}
	}
	return ""
}

// refuseNext makes so many hand-overs fail.
func (j *journal) refuseNext(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.refuse = n
}

func (j *journal) worked() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.working
}

// await returns when n events are journaled, or the life or the time is over.
func (j *journal) await(ctx context.Context, n int) {
	timer := time.NewTimer(runPatience)
	defer timer.Stop()
	for len(j.taken()) < n {
		select {
		case <-j.changed:
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		}
	}
}

// engine runs a Runner as the gateway does: again after a back-off, until its
// life ends.
type engine struct {
	*life
	in   inbox
	done chan struct{}

	mu    sync.Mutex
	stops []*connectors.SendError // how Run returned while it should have gone on
}

// backOff is the engine's shortest wait before it calls Run again.
const (
	backOff    = time.Second
	maxBackOff = time.Minute
)

// run begins a life of a fresh connector, which ends before step fatal.
func (w *world) run(j *journal, fatal int) *engine {
	c := w.p.connector(memoryAddress)
	runner, ok := c.(connectors.Runner)
	if !ok {
		panic("the connector of this Harness is no Runner")
	}
	l := newLife(fatal)
	j.mu.Lock()
	j.c = c
	j.mu.Unlock()
	e := &engine{life: l, in: inbox{j, l}, done: make(chan struct{})}
	w.lives.set(l)
	go func() {
		defer close(e.done)
		e.loop(l.ctx(), runner)
	}()
	return e
}

func (e *engine) loop(ctx context.Context, runner connectors.Runner) {
	for wait := backOff; ; wait = min(2*wait, maxBackOff) {
		began := time.Now()
		err := e.attempt(ctx, runner)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			e.in.p.errorf("Run returned nil although nobody ended it")
			return
		}
		if time.Since(began) > maxBackOff {
			wait = backOff
		}
		select {
		case <-time.After(max(wait, err.RetryAfter)):
		case <-ctx.Done():
			return
		}
	}
}

// attempt calls Run once and judges how it ends.
func (e *engine) attempt(ctx context.Context, runner connectors.Runner) (se *connectors.SendError) {
	p := e.in.p
	defer func() {
		if x := recover(); x != nil {
			p.errorf("Run: panic: %v", x)
			e.stop()
		}
	}()
	err := runner.Run(ctx, e.in)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	p.hear(err)
	if !errors.As(err, &se) {
		p.errorf("Run's error is a %T, want a *connectors.SendError", err)
		return connectors.AsSendError(err)
	}
	if !slices.Contains(connectors.SendReasons, se.Reason) || se.Reason == connectors.ReasonBug {
		p.errorf("Run's error has the reason %q", se.Reason)
	}
	e.mu.Lock()
	e.stops = append(e.stops, se)
	e.mu.Unlock()
	return se
}

// stopped lists the reasons Run gave.
func (e *engine) stopped() []connectors.Reason {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []connectors.Reason
	for _, se := range e.stops {
		list = append(list, se.Reason)
	}
	return list
}

// atOnce is how long Run may take to end when ctx does.
const atOnce = time.Second

// stop ends the life and waits for Run.
func (e *engine) stop() {
	e.life.mu.Lock()
	e.dead = true
	e.life.mu.Unlock()
	e.end()
}

// join stops the life, if it has not ended by itself, and complains when Run
// takes longer than it may.
func (e *engine) join(when string) {
	e.stop()
	if e.counted() > mostRequests {
		e.in.p.errorf("more than %d requests in a short time, %s: a busy loop", mostRequests, when)
	}
	began := time.Now()
	select {
	case <-e.done:
		if took := time.Since(began); took > atOnce {
			e.in.p.errorf("Run took %v to end when ctx did, %s", took, when)
		}
	case <-time.After(10 * time.Minute):
		e.in.p.errorf("Run does not end when ctx does, %s", when)
	}
}

func describeEvents(events []connectors.Event) string {
	var texts []string
	for _, ev := range events {
		texts = append(texts, fmt.Sprintf("%s %q", ev.Kind, ev.Text))
	}
	return fmt.Sprint(texts)
}
