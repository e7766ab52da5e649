package gateway

import (
	"time"

	"golang.org/x/time/rate"

	"servicelink/connectors"
)

// How a bucket learns. A network's real limit moves, and is often lower than
// what is told; one that answers "too fast" is taken at its word for a while.
const (
	// leastShare of the declared rate is kept, whatever the network says.
	leastShare = 1.0 / 16
	// slowEvery is the shortest time between two halvings: sends that were under
	// way together fail together, and are one lesson.
	slowEvery = 5 * time.Second
	// regainEvery and regainStep are how the declared rate comes back.
	regainEvery = 10 * time.Second
	regainStep  = 1.0 / 16
)

// bucket is a token bucket that slows down when the network finds it too fast,
// and regains the declared rate little by little. Its tokens may be taken at
// any time; the rest is guarded by the limits' mutex.
type bucket struct {
	tokens   *rate.Limiter
	declared connectors.Rate
	share    float64   // of the declared rate that is in force; 1 = all
	slowed   time.Time // when it was halved last
	since    time.Time // since when share is what it is
}

// newBucket gives nil for an unlimited rate.
func newBucket(r connectors.Rate) *bucket {
	if r.PerSecond <= 0 {
		return nil
	}
	r.Burst = max(1, r.Burst)
	return &bucket{tokens: rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst), declared: r, share: 1}
}

// slow halves the rate. An unlimited one cannot learn.
func (b *bucket) slow(now time.Time) {
	if b == nil {
		return
	}
	b.regain(now)
	if b.share < 1 && now.Sub(b.slowed) < slowEvery {
		return
	}
	b.slowed, b.since = now, now
	b.set(now, max(leastShare, b.share/2))
}

// regain gives back what is due by now.
func (b *bucket) regain(now time.Time) {
	if b.share >= 1 {
		return
	}
	passed := now.Sub(b.since).Truncate(regainEvery)
	if passed <= 0 {
		return
	}
	b.since = b.since.Add(passed)
	b.set(now, min(1, b.share+float64(passed/regainEvery)*regainStep))
}

func (b *bucket) set(now time.Time, share float64) {
	b.share = share
	b.tokens.SetLimitAt(now, rate.Limit(b.declared.PerSecond*share))
	b.tokens.SetBurstAt(now, max(1, int(float64(b.declared.Burst)*share)))
}

// idle: a new one would be like it.
func (b *bucket) idle(now time.Time) bool {
	b.regain(now)
	return b.share >= 1 && b.tokens.TokensAt(now) >= float64(b.declared.Burst)
}
