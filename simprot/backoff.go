package simprot

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	defaultMinBackoff = 200 * time.Millisecond
	defaultMaxBackoff = 30 * time.Second
	// steadyAfter is how long a connection lives before its end is taken for a
	// new trouble and no longer for the old one: a core that accepts and dies
	// is not hammered.
	steadyAfter = 10 * time.Second
	// replacedWait is kept by a gateway that was told "replaced".
	replacedWait = 30 * time.Second
	// maxRetryAfter is the most of a RetryAfterMs that is honoured.
	maxRetryAfter = 10 * time.Minute
)

// backoff spreads the attempts to connect: full jitter below a ceiling that
// doubles.
type backoff struct {
	least, most time.Duration
	failures    int
}

// wait returns how long to wait after a connection that ended with err and
// was up for so long (0: never).
func (b *backoff) wait(err error, up time.Duration) time.Duration {
	if up >= steadyAfter {
		b.failures = 0
	}
	wait := b.jitter()
	var bye *ByeError
	if !errors.As(err, &bye) {
		return wait
	}
	if bye.Reason == ByeReplaced {
		return replacedWait
	}
	return max(wait, bye.RetryAfter+upTo(bye.RetryAfter/2))
}

// jitter draws below the ceiling and raises it.
func (b *backoff) jitter() time.Duration {
	ceiling := b.most
	if shift := b.failures; shift < 32 && b.least<<shift < b.most {
		ceiling = b.least << shift
	}
	b.failures++
	return upTo(ceiling)
}

// upTo draws from [0, limit].
func upTo(limit time.Duration) time.Duration {
	return rand.N(limit + 1) //nolint:gosec // spreads load, guards nothing
}
