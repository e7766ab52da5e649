package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
)

var (
	authError  = &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAuth, Hint: "check the token"}
	otherError = &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonConnect}
)

func patience(d time.Duration) *connectors.SendError {
	return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: d}
}

// one is a recipient.
func one(id string) connectors.Address { return connectors.Address{TrackingID: id} }

// took is how long a send has to wait, on the bubble's clock.
func took(t *testing.T, l *limits, recipient string) time.Duration {
	t.Helper()
	began := time.Now()
	if err := l.wait(t.Context(), one(recipient), time.Time{}); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func TestLimitsBuckets(t *testing.T) {
	type rate = connectors.Rate
	for name, tc := range map[string]struct {
		account, one rate
		recipients   []string
		want         time.Duration // for all, one after the other
	}{
		"unlimited":           {rate{}, rate{}, []string{"a", "a", "a"}, 0},
		"account":             {rate{PerSecond: 1, Burst: 1}, rate{}, []string{"a", "b", "c"}, 2 * time.Second},
		"account, burst":      {rate{PerSecond: 1, Burst: 2}, rate{}, []string{"a", "b", "c"}, time.Second},
		"account, no burst":   {rate{PerSecond: 2}, rate{}, []string{"a", "b", "c"}, time.Second},
		"recipient":           {rate{}, rate{PerSecond: 1, Burst: 1}, []string{"a", "b", "a"}, time.Second},
		"different ones":      {rate{}, rate{PerSecond: 1, Burst: 1}, []string{"a", "b", "c"}, 0},
		"both":                {rate{PerSecond: 10, Burst: 1}, rate{PerSecond: 1, Burst: 1}, []string{"a", "b", "a"}, time.Second},
		"slower than one sec": {rate{PerSecond: 0.1, Burst: 1}, rate{}, []string{"a", "a"}, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimits(connectors.Capabilities{AccountRate: tc.account, RecipientRate: tc.one}, nil)
				var sum time.Duration
				for _, r := range tc.recipients {
					sum += took(t, l, r)
				}
				if sum.Round(time.Millisecond) != tc.want {
					t.Errorf("waited %v, want %v", sum, tc.want)
				}
			})
		})
	}
}

func TestLimitsObeyTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(connectors.Capabilities{}, nil)
		l.learn(one("a"), patience(7*time.Second))
		l.learn(one("a"), patience(3*time.Second)) // a shorter wish does not end a longer one
		l.learn(one("a"), patience(0))
		if d := took(t, l, "a"); d != 7*time.Second {
			t.Errorf("waited %v", d)
		}
		l.learn(one("a"), &connectors.SendError{Reason: connectors.ReasonServer, RetryAfter: time.Hour})
		if d := took(t, l, "a"); d != 0 {
			t.Errorf("one message's RetryAfter held up the account for %v", d)
		}
	})
}

// TestLimitsObeyTheNetworkInTheQueue: who already waits for its turn learns
// that the network wants patience, and then they go one by one.
func TestLimitsObeyTheNetworkInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(connectors.Capabilities{AccountRate: connectors.Rate{PerSecond: 1, Burst: 1}}, nil)
		took(t, l, "first")
		began := time.Now()
		went := make(chan time.Duration, 3)
		for i := range 3 {
			go func() {
				if l.wait(t.Context(), one(fmt.Sprint(i)), time.Time{}) == nil {
					went <- time.Since(began)
				}
			}()
		}
		synctest.Wait()
		l.learn(one("a"), patience(time.Minute))
		last := time.Minute
		for range 3 {
			d := (<-went).Round(time.Millisecond)
			if d < last {
				t.Errorf("one went after %v, want not before %v", d, last)
			}
			last = d + time.Second
		}
	})
}

// TestLimitsPauseForEgress: a target the guard refuses is the operator's to
// mend, like credentials.
func TestLimitsPauseForEgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(connectors.Capabilities{}, nil)
		refused := &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonForbidden, Hint: "list it"}
		for i := range authStrikes {
			if l.paused() {
				t.Fatalf("paused after %d refusals", i)
			}
			l.learn(one("a"), refused)
		}
		if l.cause() != refused {
			t.Fatalf("paused for %v, want for egress", l.cause())
		}
		if d := took(t, l, "a"); d < 20*time.Second {
			t.Errorf("the next attempt came after %v", d)
		}
		l.worked()
		if l.paused() {
			t.Error("paused although a send worked")
		}
	})
}

func TestLimitsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(connectors.Capabilities{}, nil)
		for range authStrikes - 1 {
			l.learn(one("a"), authError)
		}
		l.worked() // in a row is what counts
		for range authStrikes - 1 {
			l.learn(one("a"), authError)
			l.learn(one("a"), otherError)
		}
		if l.paused() || l.cause() != nil {
			t.Fatal("paused too early")
		}
		l.learn(one("a"), authError)
		if !l.paused() || l.cause() != authError {
			t.Fatal("not paused")
		}
		first := took(t, l, "a")
		if pace := paces[connectors.ReasonAuth].first; first < pace*8/10 || first > pace*12/10 {
			t.Errorf("the trial came after %v, want about %v", first, pace)
		}
		// It is one trial: the next comes only after a while, or once it worked.
		began := time.Now()
		second := make(chan time.Duration, 1)
		go func() {
			if l.wait(t.Context(), one("b"), time.Time{}) == nil {
				second <- time.Since(began)
			}
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(second) != 0 {
			t.Fatal("two trials at once")
		}
		l.worked()
		if d := <-second; d != time.Second {
			t.Errorf("the others went after %v, want at once", d)
		}
		if l.paused() {
			t.Error("still paused")
		}
	})
}

// TestLimitsTrialsGrowRare: every trial that fails makes the next one later,
// up to a bound.
func TestLimitsTrialsGrowRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(connectors.Capabilities{}, nil)
		for range authStrikes {
			l.learn(one("a"), authError)
		}
		var waits []time.Duration
		for range 12 {
			waits = append(waits, took(t, l, "a"))
			l.learn(one("a"), authError)
		}
		last := waits[len(waits)-1]
		if top := paces[connectors.ReasonAuth].max; last < top/2 || last > top*12/10 || waits[0] > time.Minute {
			t.Errorf("waits %v", waits)
		}
	})
}

func TestLimitsTrialWaitsForTheNetworkToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(connectors.Capabilities{}, nil)
		for range authStrikes {
			l.learn(one("a"), authError)
		}
		l.learn(one("a"), patience(time.Hour))
		if d := took(t, l, "a"); d != time.Hour {
			t.Errorf("the trial came after %v", d)
		}
	})
}

func TestLimitsDeadline(t *testing.T) {
	slow := connectors.Rate{PerSecond: 0.1, Burst: 1}
	for name, tc := range map[string]struct {
		caps connectors.Capabilities
		make func(l *limits)
	}{
		"account":   {connectors.Capabilities{AccountRate: slow}, func(l *limits) { _ = l.wait(t.Context(), one("a"), time.Time{}) }},
		"recipient": {connectors.Capabilities{RecipientRate: slow}, func(l *limits) { _ = l.wait(t.Context(), one("a"), time.Time{}) }},
		"patience":  {connectors.Capabilities{}, func(l *limits) { l.learn(one("a"), patience(10*time.Second)) }},
		"pause": {connectors.Capabilities{}, func(l *limits) {
			for range authStrikes {
				l.learn(one("a"), authError)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimits(tc.caps, nil)
				tc.make(l)
				began := time.Now()
				if err := l.wait(t.Context(), one("a"), began.Add(5*time.Second)); !errors.Is(err, errDeadline) {
					t.Errorf("wait = %v", err)
				}
				if d := time.Since(began); d != 0 {
					t.Errorf("it took %v to say so", d)
				}
				if err := l.wait(t.Context(), one("a"), began.Add(time.Hour)); err != nil {
					t.Errorf("a later deadline: %v", err)
				}
			})
		})
	}
}

func TestLimitsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, l := range map[string]*limits{
			"bucket":   newLimits(connectors.Capabilities{AccountRate: connectors.Rate{PerSecond: 0.001, Burst: 1}}, nil),
			"patience": newLimits(connectors.Capabilities{}, nil),
		} {
			took(t, l, "a")
			if name == "patience" {
				l.learn(one("a"), patience(time.Hour))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := l.wait(ctx, one("a"), time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: wait = %v", name, err)
			}
			cancel()
		}
	})
}

// TestLimitsForgetIdleRecipients: what is held follows the recipients in use,
// and nobody in use gets a fresh bucket.
func TestLimitsForgetIdleRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(connectors.Capabilities{RecipientRate: connectors.Rate{PerSecond: 1, Burst: 1}}, nil)
		for round := range 5 {
			for i := range manyRecipients {
				l.recipient(one(fmt.Sprint(round, "-", i)), false).bucket.tokens.Allow()
			}
			if n := len(l.recipients); n > manyRecipients {
				t.Fatalf("%d buckets held", n)
			}
			time.Sleep(2 * time.Second) // all are full again
		}
		busy := l.recipient(one("busy"), false)
		busy.bucket.tokens.Allow()
		for i := range 3 * manyRecipients {
			l.recipient(one(fmt.Sprint("new-", i)), false).bucket.tokens.Allow() // all in use: none may be forgotten
		}
		if l.recipient(one("busy"), false) != busy {
			t.Error("a bucket in use was forgotten")
		}
		time.Sleep(2 * time.Second)
		for i := range 4 * manyRecipients {
			l.recipient(one(fmt.Sprint("later-", i)), false)
		}
		if n := len(l.recipients); n > 6*manyRecipients {
			t.Errorf("%d buckets held", n)
		}
	})
}

// forOne is a wish that concerns its recipient alone.
func forOne(d time.Duration) *connectors.SendError {
	se := patience(d)
	se.Scope = connectors.ScopeRecipient
	return se
}

// TestLimitsWaitForOneRecipient: its wish holds up nobody else, until a third
// one hears the same meanwhile.
func TestLimitsWaitForOneRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(connectors.Capabilities{}, nil)
		l.learn(one("a"), forOne(20*time.Second))
		if d := took(t, l, "b"); d != 0 {
			t.Errorf("b waited %v for a", d)
		}
		if d := took(t, l, "a"); d != 20*time.Second {
			t.Errorf("a waited %v", d)
		}
		l.learn(one("b"), forOne(20*time.Second)) // a's wait is over: b's alone
		if d := took(t, l, "c"); d != 0 {
			t.Errorf("c waited %v for b", d)
		}
		l.learn(one("b"), forOne(30*time.Second)) // the same one again
		if d := took(t, l, "c"); d != 0 {
			t.Errorf("c waited %v for b", d)
		}
		l.learn(one("a"), forOne(10*time.Second)) // a second one
		if d := took(t, l, "c"); d != 0 {
			t.Errorf("c waited %v for a and b", d)
		}
		l.learn(one("d"), forOne(10*time.Second)) // a third one
		if d := took(t, l, "c"); d != 10*time.Second {
			t.Errorf("c waited %v for the account", d)
		}
		if d := took(t, l, "b"); d != 20*time.Second {
			t.Errorf("b waited %v more, want what was left of its own", d)
		}
	})
}

// TestLimitsLearn: a bucket that was too fast is slowed, not for ever and not
// without bound, and the others are not.
func TestLimitsLearn(t *testing.T) {
	// rate is how many sends of one recipient pass in a minute, beginning with
	// an empty bucket.
	pass := func(t *testing.T, l *limits, recipient string) (n int) {
		for end := time.Now().Add(time.Minute); ; n++ {
			if l.wait(t.Context(), one(recipient), end) != nil {
				time.Sleep(time.Until(end))
				return n
			}
		}
	}
	near := func(n, want int) bool { return n >= want*8/10 && n <= want*12/10+1 }
	caps := connectors.Capabilities{
		AccountRate:   connectors.Rate{PerSecond: 16, Burst: 16},
		RecipientRate: connectors.Rate{PerSecond: 4, Burst: 1},
	}
	for name, tc := range map[string]struct {
		failures  int
		recipient bool
		spacing   time.Duration
		first     int // sends of the first minute, to one recipient
		other     int // to another one meanwhile
	}{
		"a recipient, halved":         {1, true, 0, 150, 240}, // 2/s, and a sixteenth more every 10 s
		"failures together are one":   {9, true, time.Second / 4, 150, 240},
		"again and again":             {9, true, 6 * time.Second, 52, 240},
		"the account above its share": {1, false, 0, 240, 240}, // 8/s are still enough for one
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimits(caps, nil)
				for range tc.failures {
					se := patience(0)
					if tc.recipient {
						se.Scope = connectors.ScopeRecipient
					}
					l.learn(one("a"), se)
					time.Sleep(tc.spacing)
				}
				other := make(chan int, 1)
				go func() { other <- pass(t, l, "b") }()
				if n := pass(t, l, "a"); !near(n, tc.first) {
					t.Errorf("%d sends in the first minute, want about %d", n, tc.first)
				}
				if n := <-other; !near(n, tc.other) {
					t.Errorf("%d sends to another one, want about %d", n, tc.other)
				}
				time.Sleep(5 * time.Minute)
				if n := pass(t, l, "a"); !near(n, 240) {
					t.Errorf("%d sends a minute in the end, want the declared 240", n)
				}
			})
		})
	}
}

// TestBucketIsNeverShut, and its burst shrinks with it: what it saved while the
// network wanted patience would be too fast at once.
func TestBucketIsNeverShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(connectors.Rate{PerSecond: 32, Burst: 32})
		for i := range 20 {
			b.slow(time.Now())
			time.Sleep(slowEvery)
			if share := b.share; share < leastShare || i == 0 && b.tokens.Burst() != 16 {
				t.Fatalf("share %v, burst %d after %d", share, b.tokens.Burst(), i+1)
			}
		}
		if got := b.tokens.Burst(); got < 1 || got > 4 {
			t.Errorf("burst %d", got)
		}
		time.Sleep(3 * time.Minute)
		b.regain(time.Now())
		if b.share != 1 || b.tokens.Limit() != 32 || b.tokens.Burst() != 32 {
			t.Errorf("share %v, %v a second, burst %d", b.share, b.tokens.Limit(), b.tokens.Burst())
		}
	})
}

// grouped has a rate of its own for groups.
type grouped struct{ connectors.Connector }

func (grouped) RecipientRate(to connectors.Address) (string, connectors.Rate) {
	if strings.HasPrefix(to.TrackingID, "group") {
		return "the group", connectors.Rate{PerSecond: 0.1, Burst: 1}
	}
	return "", connectors.Rate{}
}

func TestLimitsOfARecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for declared, want := range map[float64]time.Duration{0: 0, 1: time.Second} {
			l := newLimits(connectors.Capabilities{RecipientRate: connectors.Rate{PerSecond: declared, Burst: 1}}, grouped{})
			took(t, l, "group")
			took(t, l, "person")
			if d := took(t, l, "person"); d != want {
				t.Errorf("a person waited %v, want %v", d, want)
			}
			if d := took(t, l, "group, a topic"); d.Round(time.Millisecond) != 10*time.Second-want {
				t.Errorf("a group waited %v", d)
			}
		}
	})
}

// TestLimitsForgetWishes: what was learned of recipients is not kept for ever.
func TestLimitsForgetWishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(connectors.Capabilities{}, nil)
		for round := range 4 {
			for i := range manyRecipients {
				l.learn(one(fmt.Sprint(round, "-", i)), forOne(time.Minute))
			}
			if n := len(l.recipients); n > manyRecipients {
				t.Fatalf("%d recipients are remembered", n)
			}
			time.Sleep(2 * time.Minute)
		}
	})
}
