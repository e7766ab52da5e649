package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// States of a customer's message that a webhook brings to the gateway.
const (
	StateSending = "sending"
	StateTaken   = "taken"
	StateWaiting = "waiting" // it is brought again
	StateRefused = "refused" // it never will be
)

// maxCalls bounds what waits of one conversation.
const maxCalls = 10_000

// callPatience is how long a network waits for the answer to one call unless
// CallerOptions.Patience says otherwise.
const callPatience = 30 * time.Second

// Call is one call of a webhook.
type Call struct {
	Account string
	Chat    ID // in whose line it stands
	Message ID // that is shown with its state; empty = none is
	Body    []byte
	URL     string // where to, of networks that are told it with every message
	Method  string // with URL
}

// CallerOptions are what one network has of its own.
type CallerOptions struct {
	// Method is what the faults Duplicate and Reorder name.
	Method string
	// Retry is the first wait before a call is repeated; it doubles up to ten times
	// as much. 0 = 1 s.
	Retry time.Duration
	// Transport leads to the webhooks; nil = TCP.
	Transport http.RoundTripper
	// Request makes the request of a call.
	Request func(ctx context.Context, c Call) (*http.Request, error)
	// Judge says which state an answer means; nil = Judge.
	Judge func(status int) string
	// Patience is how long the network waits for the answer to one call; 0 = 30 s.
	Patience time.Duration
	// Tries says how often a call that ended so is made in all: a network may give up
	// soon. err is set when there was no answer. nil = until it is answered for good.
	Tries func(c Call, status int, err error) int
	// Ended, unless nil, hears how a call ended for good; state is StateTaken or
	// StateRefused, a what was answered last, its Status 0 = nothing.
	Ended func(c Call, state string, a Answer)
}

// Judge is how most networks take an answer: success is success, a mistake of the
// caller stays one, and anything else passes.
func Judge(status int) string {
	switch {
	case status < 300:
		return StateTaken
	case status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
		return StateRefused
	}
	return StateWaiting
}

// Caller calls webhooks: in each conversation one call after the other, each until
// it is answered for good, as a network that gave up would lose messages. It obeys
// the board's faults and shows there what became of the messages.
type Caller struct {
	board *Board
	o     CallerOptions
	http  *http.Client
	life  context.Context //nolint:containedctx // ends by Close, like all that is under way
	end   context.CancelFunc
	work  sync.WaitGroup

	mu    sync.Mutex
	retry time.Duration
	lines map[pageKey]*line
}

// line is the calls of one conversation, made by a goroutine that ends when there
// are none.
type line struct {
	waiting []Call
	more    chan struct{} // capacity 1: something was added
}

// NewCaller makes one. Close ends it.
func (b *Board) NewCaller(o CallerOptions) *Caller {
	if o.Retry <= 0 {
		o.Retry = time.Second
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{MaxIdleConnsPerHost: 16}
	}
	if o.Judge == nil {
		o.Judge = Judge
	}
	if o.Patience <= 0 {
		o.Patience = callPatience
	}
	life, end := context.WithCancel(context.Background())
	return &Caller{
		board: b, o: o, http: &http.Client{Timeout: o.Patience, Transport: o.Transport}, life: life, end: end,
		retry: o.Retry, lines: map[pageKey]*line{},
	}
}

// Close ends the calls and waits for them.
func (c *Caller) Close() {
	c.end()
	c.work.Wait()
	c.http.CloseIdleConnections()
}

// Wait returns when every call was answered for good.
func (c *Caller) Wait() { c.work.Wait() }

// SetRetry changes CallerOptions.Retry.
func (c *Caller) SetRetry(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retry = d
}

// Add puts a call at the end of its conversation's line.
func (c *Caller) Add(call Call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := pageKey{call.Account, call.Chat}
	l := c.lines[key]
	if l == nil {
		if c.life.Err() != nil {
			return fmt.Errorf("%w: closed", ErrAction)
		}
		l = &line{more: make(chan struct{}, 1)}
		c.lines[key] = l
		c.work.Go(func() { c.run(key, l) })
	}
	if len(l.waiting) >= maxCalls {
		return fmt.Errorf("%w: %d webhook calls wait", ErrFull, maxCalls)
	}
	l.waiting = append(l.waiting, call)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return nil
}

// run makes the calls that wait in the line.
func (c *Caller) run(key pageKey, l *line) {
	for {
		call, ok := c.next(key, l)
		if !ok {
			return
		}
		if _, late := c.board.TakeKind(Reorder, key.account, c.o.Method); late {
			if other, ok := c.overtaking(l); ok {
				c.make(other)
			}
		}
		c.make(call)
		if _, twice := c.board.TakeKind(Duplicate, key.account, c.o.Method); twice {
			c.make(call)
		}
	}
}

// next takes the first call; when there is none the line is over.
func (c *Caller) next(key pageKey, l *line) (Call, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(l.waiting) == 0 || c.life.Err() != nil {
		delete(c.lines, key)
		return Call{}, false
	}
	call := l.waiting[0]
	l.waiting = l.waiting[1:]
	return call, true
}

// overtaking waits a second for a call that goes before the one in hand.
func (c *Caller) overtaking(l *line) (Call, bool) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	for {
		c.mu.Lock()
		if len(l.waiting) > 0 {
			call := l.waiting[0]
			l.waiting = l.waiting[1:]
			c.mu.Unlock()
			return call, true
		}
		c.mu.Unlock()
		select {
		case <-l.more:
		case <-timer.C:
			return Call{}, false
		case <-c.life.Done():
			return Call{}, false
		}
	}
}

// make makes one call until it is answered for good.
func (c *Caller) make(call Call) {
	c.mu.Lock()
	wait := c.retry
	c.mu.Unlock()
	longest := 10 * wait
	tries := 0
	for ; ; wait = min(2*wait, longest) {
		begun := time.Now()
		answer, after, err := c.try(call)
		if !errors.Is(err, errDown) { // it tried nothing
			tries++
		}
		state, detail := c.judge(call, tries, answer.Status, err)
		if state == StateTaken {
			detail = fmt.Sprintf("the gateway has it after %v", time.Since(begun).Round(100*time.Microsecond))
		}
		c.show(call, state, detail)
		if state != StateWaiting {
			if c.o.Ended != nil && c.life.Err() == nil {
				c.o.Ended(call, state, answer)
			}
			return
		}
		timer := time.NewTimer(max(wait, after))
		select {
		case <-timer.C:
		case <-c.life.Done():
			timer.Stop()
			return
		}
	}
}

// judge says what an attempt means for the call, and why, for people.
func (c *Caller) judge(call Call, tries, status int, err error) (state, detail string) {
	state, detail = StateWaiting, "the gateway does not answer"
	if err == nil {
		state, detail = c.o.Judge(status), fmt.Sprintf("the gateway answered %d", status)
	}
	switch {
	case state == StateRefused:
		return state, fmt.Sprintf("the gateway refused it with %d", status)
	case state == StateWaiting && c.o.Tries != nil && !errors.Is(err, errDown) && tries >= c.o.Tries(call, status, err):
		return StateRefused, detail + "; given up"
	}
	return state, detail + "; trying again"
}

func (c *Caller) show(call Call, state, detail string) {
	if call.Message == "" {
		return
	}
	_ = c.board.ChangeMessage(call.Account, call.Chat, call.Message, func(m *Message) { // it may be forgotten
		m.State, m.Detail = state, detail
	})
}

var errDown = errors.New("this network is down")

// try makes a call once. While the network has an outage nothing leaves it.
func (c *Caller) try(call Call) (a Answer, after time.Duration, err error) {
	if c.board.Has(Outage, call.Account) {
		return Answer{}, 0, errDown
	}
	ctx, cancel := context.WithTimeout(c.life, c.o.Patience)
	defer cancel()
	r, err := c.o.Request(ctx, call)
	if err != nil {
		return Answer{}, 0, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return Answer{}, 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return Answer{}, 0, err
	}
	if seconds, bad := strconv.Atoi(answer.Header.Get("Retry-After")); bad == nil && seconds > 0 {
		after = min(time.Duration(seconds)*time.Second, time.Minute)
	}
	return Answer{answer.StatusCode, answer.Header, body}, after, nil
}
