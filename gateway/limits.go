package gateway

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"servicelink/connectors"
)

// errDeadline: the wait would outlast the message's deadline.
var errDeadline = errors.New("deadline before the limits allow a send")

const (
	// authStrikes is how many refusals in a row that only an operator can mend,
	// by the network (credentials) or the egress guard, pause a channel.
	authStrikes = 3
	// manyRecipients is how many recipients may be remembered before those that
	// say nothing any more are looked for.
	manyRecipients = 10_000
	// manyAsked is how many recipients must be asked for patience at once for it
	// to be the account's: two busy groups are a coincidence.
	manyAsked = 3
)

// limits says when a channel may send: account and recipient buckets, the
// network's own wishes, and the pause after errors that only an operator mends.
type limits struct {
	perOne connectors.Rate
	rater  connectors.RecipientRater // nil = perOne is everybody's
	app    *app                      // nil = the channel shares none

	mu         sync.Mutex
	account    *bucket // nil = unlimited
	recipients map[string]*recipient
	sweepAt    int       // how many recipients make the next sweep
	notBefore  time.Time // the network asked for patience with the account
	// asked holds until when recipients were asked for patience lately.
	asked     map[string]time.Time
	strikes   int      // errors in a row that count towards the pause
	struck    *ailment // the last of them, since the first; nil = none
	change    chan struct{}
	pausedFor *connectors.SendError // by sends
	refused   *connectors.SendError // by the Runner: it tells when that is over
	held      *connectors.SendError // by an operator, who tells, too
	// nextTrial is when one attempt is let through although sends have paused
	// the channel, to see whether the credentials work again.
	nextTrial time.Time
}

// recipient is what limits the sends to one customer or group.
type recipient struct {
	bucket    *bucket // nil = unlimited
	notBefore time.Time
}

// idle: forgetting it changes nothing.
func (r *recipient) idle(now time.Time) bool {
	return !r.notBefore.After(now) && (r.bucket == nil || r.bucket.idle(now))
}

func newLimits(caps connectors.Capabilities, conn connectors.Device) *limits {
	l := &limits{
		perOne: caps.RecipientRate, account: newBucket(caps.AccountRate),
		recipients: make(map[string]*recipient), asked: make(map[string]time.Time), sweepAt: manyRecipients, change: make(chan struct{}),
	}
	l.rater, _ = conn.(connectors.RecipientRater)
	return l
}

// refusal is what the network refuses sends for since the last that worked, whether
// that has paused the channel or not yet; nil = nothing.
func (l *limits) refusal() *ailment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.struck
}

func (l *limits) paused() bool { return l.cause() != nil }

// cause is why the channel is paused; nil = it is not.
func (l *limits) cause() *connectors.SendError {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.held, l.refused, l.pausedFor)
}

// wait returns when a send to the recipient is allowed.
func (l *limits) wait(ctx context.Context, to connectors.Address, deadline time.Time) error {
	for {
		trial, err := l.waitPatience(ctx, to, deadline)
		if err == nil {
			err = l.waitTurn(ctx, to, deadline)
		}
		if err != nil || trial || l.free(to) {
			return err
		}
		// The network asked for patience while this send waited for its turn.
	}
}

// free tells that neither the network's own wish nor a pause is in the way.
func (l *limits) free(to connectors.Address) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held == nil && l.refused == nil && l.pausedFor == nil && !l.patience(to).After(time.Now())
}

// patience is until when the network does not want a send to the recipient.
// l.mu is held.
func (l *limits) patience(to connectors.Address) time.Time {
	key, _ := l.named(to)
	until := later(l.notBefore, l.app.rests())
	if r := l.recipients[key]; r != nil {
		until = later(until, r.notBefore)
	}
	return until
}

// waitTurn takes a token from each bucket.
func (l *limits) waitTurn(ctx context.Context, to connectors.Address, deadline time.Time) error {
	one, all := l.buckets(to)
	for _, b := range []*bucket{one, all} {
		if b == nil {
			continue
		}
		r := b.tokens.Reserve()
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

// buckets gives the recipient's and the account's, at the rates of now.
func (l *limits) buckets(to connectors.Address) (one, all *bucket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if r := l.recipient(to, false); r != nil && r.bucket != nil {
		one = r.bucket
		one.regain(now)
	}
	if l.account != nil {
		l.account.regain(now)
	}
	return one, l.account
}

// farAway stands for "until something changes".
var farAway = time.Unix(1<<40, 0)

// waitPatience waits until the network's own wish and a pause allow an attempt.
// trial tells that it is the one attempt made in spite of a pause.
func (l *limits) waitPatience(ctx context.Context, to connectors.Address, deadline time.Time) (trial bool, err error) {
	for {
		l.mu.Lock()
		now := time.Now()
		until := l.patience(to)
		switch {
		case l.held != nil || l.refused != nil:
			until = farAway
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
			if until != farAway || !now.Before(deadline) {
				return false, errDeadline
			}
			until = deadline
		}
		if err := waitUntil(ctx, until, change); err != nil {
			return false, err
		}
	}
}

// waitUntil waits for a time or a change; the error is ctx's.
func waitUntil(ctx context.Context, until time.Time, change <-chan struct{}) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-change:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// learn takes what a failed send says about its recipient or the whole account.
func (l *limits) learn(to connectors.Address, se *connectors.SendError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch se.Reason {
	case connectors.ReasonRate:
		l.tooFast(to, se, now)
	case connectors.ReasonAuth, connectors.ReasonForbidden:
		// What only an operator can mend pauses the channel.
		l.strikes++
		since := now
		if l.struck != nil {
			since = l.struck.since
		}
		l.struck = &ailment{se, since}
		if l.strikes >= authStrikes {
			l.pausedFor = se
			l.nextTrial = now.Add(paces[connectors.ReasonAuth].after(l.strikes - authStrikes + 1))
		}
	}
}

// tooFast slows the bucket that was too fast, and waits as long as the network
// wants. What it asks for several recipients within one wait, it means for the
// account (connectors.SendError), and of an app it has all that share it wait. l.mu
// is held.
func (l *limits) tooFast(to connectors.Address, se *connectors.SendError, now time.Time) {
	until := now.Add(se.RetryAfter)
	if se.Scope == connectors.ScopeRecipient {
		r := l.recipient(to, true)
		r.notBefore = later(r.notBefore, until)
		r.bucket.slow(now)
		maps.DeleteFunc(l.asked, func(_ string, until time.Time) bool { return !now.Before(until) })
		key, _ := l.named(to)
		l.asked[key] = later(l.asked[key], until)
		if len(l.asked) < manyAsked {
			return
		}
		l.keepLatest()
	}
	l.notBefore = later(l.notBefore, until)
	l.account.slow(now)
	if se.Scope == connectors.ScopeApp && l.app != nil {
		l.app.wait(until)
	}
}

// keepLatest keeps as many in asked as it takes to know that they are many.
// l.mu is held.
func (l *limits) keepLatest() {
	for len(l.asked) > manyAsked {
		first := ""
		for key, until := range l.asked {
			if first == "" || until.Before(l.asked[first]) {
				first = key
			}
		}
		delete(l.asked, first)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// worked notes that the network took something: the credentials are right.
func (l *limits) worked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strikes, l.struck = 0, nil
	if l.pausedFor != nil {
		l.pausedFor = nil
		l.changed()
	}
}

// refuse pauses sending because the Runner's credentials were refused, until
// accept.
func (l *limits) refuse(se *connectors.SendError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = se
}

// accept ends what refuse began.
func (l *limits) accept() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused != nil {
		l.refused = nil
		l.changed()
	}
}

// hold pauses sending because an operator wants it, or ends that.
func (l *limits) hold(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = nil
	if on {
		l.held = &connectors.SendError{Hint: "an operator has paused it: servicelink resume lets it go on"}
	}
	l.changed()
}

func (l *limits) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held != nil
}

// changed wakes everybody who waits. l.mu is held.
func (l *limits) changed() {
	close(l.change)
	l.change = make(chan struct{})
}

// named gives the name a recipient is counted under, and its rate.
func (l *limits) named(to connectors.Address) (key string, rate connectors.Rate) {
	if l.rater != nil {
		key, rate = l.rater.RecipientRate(to)
	}
	if rate.PerSecond <= 0 {
		rate = l.perOne
	}
	return cmp.Or(key, to.TrackingID), rate
}

// recipient gives what is known of a recipient, nil for one without limits
// unless it is to be made. l.mu is held.
func (l *limits) recipient(to connectors.Address, always bool) *recipient {
	key, rate := l.named(to)
	r := l.recipients[key]
	if r != nil {
		return r
	}
	if rate.PerSecond <= 0 && !always {
		return nil
	}
	if len(l.recipients) >= l.sweepAt {
		now := time.Now()
		for k, old := range l.recipients {
			if old.idle(now) {
				delete(l.recipients, k)
			}
		}
		// Those in use stay: their number is bounded by the account's rate. The
		// next sweep comes when it pays.
		l.sweepAt = max(manyRecipients, 2*len(l.recipients))
	}
	r = &recipient{bucket: newBucket(rate)}
	l.recipients[key] = r
	return r
}
