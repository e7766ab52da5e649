package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"servicelink/connectors"
)

// errDeadline: the wait would outlast the message's deadline.
var errDeadline = errors.New("deadline before the limits allow a send")

const (
	// authStrikes is how many refusals in a row that only an operator can mend,
	// by the network (credentials) or the egress guard, pause a channel.
	authStrikes = 3
	// manyRecipients is how many recipient buckets may be held before the idle
	// ones are looked for.
	manyRecipients = 10_000
)

// limits says when a channel may send: account and recipient buckets, the
// network's own wish, and the pause after repeated errors of the configuration.
type limits struct {
	account    *rate.Limiter // nil = unlimited
	perOne     connectors.Rate
	mu         sync.Mutex
	recipients map[string]*rate.Limiter
	sweepAt    int       // how many recipients make the next sweep
	notBefore  time.Time // the network asked for patience
	strikes    int       // errors in a row that count towards the pause
	change     chan struct{}
	pausedFor  *connectors.SendError
	// nextTrial is when one attempt is let through although the channel is
	// paused, to see whether the credentials work again.
	nextTrial time.Time
}

func newLimits(caps connectors.Capabilities) *limits {
	l := &limits{perOne: caps.RecipientRate, recipients: make(map[string]*rate.Limiter), sweepAt: manyRecipients, change: make(chan struct{})}
	if caps.AccountRate.PerSecond > 0 {
		l.account = rate.NewLimiter(rate.Limit(caps.AccountRate.PerSecond), max(1, caps.AccountRate.Burst))
	}
	return l
}

func (l *limits) paused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pausedFor != nil
}

// cause is why the channel is paused; nil = it is not.
func (l *limits) cause() *connectors.SendError {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pausedFor
}

// wait returns when a send to the recipient is allowed.
func (l *limits) wait(ctx context.Context, recipient string, deadline time.Time) error {
	for {
		trial, err := l.waitPatience(ctx, deadline)
		if err == nil {
			err = l.waitTurn(ctx, recipient, deadline)
		}
		if err != nil || trial || l.free() {
			return err
		}
		// The network asked for patience while this send waited for its turn.
	}
}

// free tells that neither the network's own wish nor a pause is in the way.
func (l *limits) free() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pausedFor == nil && !l.notBefore.After(time.Now())
}

// waitTurn takes a token from each bucket.
func (l *limits) waitTurn(ctx context.Context, recipient string, deadline time.Time) error {
	for _, b := range []*rate.Limiter{l.recipient(recipient), l.account} {
		if b == nil {
			continue
		}
		r := b.Reserve()
		if d := r.Delay(); d > 0 {
			if !deadline.IsZero() && time.Now().Add(d).After(deadline) {
				r.Cancel()
				return errDeadline
			}
			sleep(ctx, d)
		}
		if ctx.Err() != nil {
			r.Cancel()
			return ctx.Err()
		}
	}
	return nil
}

// waitPatience waits until the network's own wish and a pause allow an attempt.
// trial tells that it is the one attempt made in spite of a pause.
func (l *limits) waitPatience(ctx context.Context, deadline time.Time) (trial bool, err error) {
	for {
		l.mu.Lock()
		now := time.Now()
		until := l.notBefore
		switch {
		case l.pausedFor == nil:
		case !now.Before(l.nextTrial) && !until.After(now):
			l.nextTrial = now.Add(paces[connectors.ReasonAuth].first)
			l.mu.Unlock()
			return true, nil
		case l.nextTrial.After(until):
			until = l.nextTrial
		}
		change := l.change
		l.mu.Unlock()
		if !until.After(now) {
			return false, nil
		}
		if !deadline.IsZero() && until.After(deadline) {
			return false, errDeadline
		}
		timer := time.NewTimer(until.Sub(now))
		select {
		case <-timer.C:
		case <-change:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
}

// learn takes what a failed send says about the whole account.
func (l *limits) learn(se *connectors.SendError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if se.Reason == connectors.ReasonRate && se.RetryAfter > 0 {
		if until := now.Add(se.RetryAfter); until.After(l.notBefore) {
			l.notBefore = until
		}
	}
	if se.Reason != connectors.ReasonAuth && se.Reason != connectors.ReasonForbidden {
		return // what only an operator can mend pauses the channel
	}
	l.strikes++
	if l.strikes >= authStrikes {
		l.pausedFor = se
		l.nextTrial = now.Add(paces[connectors.ReasonAuth].after(l.strikes - authStrikes + 1))
	}
}

// worked notes that the network took something: the credentials are right.
func (l *limits) worked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strikes = 0
	if l.pausedFor != nil {
		l.pausedFor = nil
		close(l.change)
		l.change = make(chan struct{})
	}
}

func (l *limits) recipient(id string) *rate.Limiter {
	if l.perOne.PerSecond <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.recipients[id]
	if b != nil {
		return b
	}
	if len(l.recipients) >= l.sweepAt {
		for k, old := range l.recipients {
			if old.Tokens() >= float64(old.Burst()) {
				delete(l.recipients, k) // full: forgetting it changes nothing
			}
		}
		// Those in use stay: their number is bounded by the account's rate. The
		// next sweep comes when it pays.
		l.sweepAt = max(manyRecipients, 2*len(l.recipients))
	}
	b = rate.NewLimiter(rate.Limit(l.perOne.PerSecond), max(1, l.perOne.Burst))
	l.recipients[id] = b
	return b
}
