package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"

	"servicelink/connectors"
	"servicelink/simprot"
)

const (
	// journalRetry is the pause before the journal is tried again.
	journalRetry = time.Second
	// parkMin and parkMax bound how long a conversation or Port rests whose
	// questions the core does not answer.
	parkMin = 15 * time.Second
	parkMax = 15 * time.Minute
)

// pace is how attempts are spaced after failures of one reason.
type pace struct{ first, max time.Duration }

var paces = map[connectors.Reason]pace{
	connectors.ReasonRate:      {time.Second, 5 * time.Minute},
	connectors.ReasonAuth:      {30 * time.Second, 15 * time.Minute},
	connectors.ReasonForbidden: {30 * time.Second, 15 * time.Minute},
	connectors.ReasonConflict:  {30 * time.Second, 15 * time.Minute},
	connectors.ReasonConnect:   {500 * time.Millisecond, time.Minute},
	connectors.ReasonServer:    {time.Second, 2 * time.Minute},
}

var defaultPace = pace{time.Second, 5 * time.Minute}

// backOff is how long to wait before attempt tries+1: the larger of the
// network's own wish and a growing, jittered pause.
func backOff(se *connectors.SendError, tries int) time.Duration {
	p, ok := paces[se.Reason]
	if !ok {
		p = defaultPace
	}
	return max(se.RetryAfter, p.after(tries))
}

func (p pace) after(tries int) time.Duration {
	b := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(p.first), backoff.WithMaxInterval(p.max),
		backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0.2), backoff.WithMaxElapsedTime(0))
	var d time.Duration
	for range min(max(tries, 1), 32) {
		d = b.NextBackOff()
	}
	return d
}

// parkFor is how long a lane or Port rests after so many questions without an
// answer.
func parkFor(tries int) time.Duration { return pace{parkMin, parkMax}.after(tries) }

// park lets one conversation rest whose questions are not answered; nothing
// else waits for it. A new session ends the rest.
func (g *Gateway) park(ctx context.Context, c *conversation, tries int) {
	g.parkedLanes.Add(1)
	defer g.parkedLanes.Add(-1)
	c.ch.log.Warn("the core does not answer for a conversation: parked", "conversation", simprot.LogID(c.tracking), "tries", tries)
	if s := c.ch.port.current(); s != nil {
		g.renew(s)
		waitOr(ctx, s, parkFor(tries))
		return
	}
	sleep(ctx, parkMin)
}

// renewEvery is how often a connection may be given up to clear the counts of
// its answers.
const renewEvery = time.Hour

// renew gives up a connection whose core does not mirror Ask: after one answer
// that never came the counting by which the others are told apart is off for
// good.
func (g *Gateway) renew(s *simprot.Session) {
	if s.Welcome().Asks {
		return
	}
	now, last := time.Since(g.began), g.renewed.Load()
	if last != 0 && now-time.Duration(last) < renewEvery || !g.renewed.CompareAndSwap(last, int64(now)) {
		return
	}
	g.log.Warn("the connection is renewed: its answers can no longer be told apart")
	s.Abort(errRenewed)
}

var errRenewed = errors.New("renewed to clear the counts of answers")

// sleep waits for d or ctx's end.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
