package gateway

import (
	"testing"
	"time"

	"servicelink/connectors"
)

func TestBackOff(t *testing.T) {
	within := func(d, want time.Duration) bool { return d >= want*8/10 && d <= want*12/10 }
	for _, reason := range connectors.SendReasons {
		p, ok := paces[reason]
		if !ok {
			p = defaultPace
		}
		se := &connectors.SendError{Reason: reason}
		want := p.first
		for tries := 1; tries <= 40; tries++ {
			if d := backOff(se, tries); !within(d, want) {
				t.Errorf("%s, %d tries: %v, want about %v", reason, tries, d, want)
			}
			want = min(2*want, p.max)
		}
		if d := backOff(se, 0); !within(d, p.first) {
			t.Errorf("%s, no tries: %v", reason, d)
		}
	}
}

func TestBackOffTakesTheLargerWish(t *testing.T) {
	se := &connectors.SendError{Reason: connectors.ReasonConnect, RetryAfter: time.Hour}
	if d := backOff(se, 1); d != time.Hour {
		t.Errorf("backOff = %v, want the network's own wish", d)
	}
	se.RetryAfter = time.Nanosecond
	if d := backOff(se, 1); d < 100*time.Millisecond {
		t.Errorf("backOff = %v, want at least our own", d)
	}
}

func TestBackOffIsJittered(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		seen[backOff(&connectors.SendError{Reason: connectors.ReasonServer}, 1)] = true
	}
	if len(seen) < 10 {
		t.Errorf("%d different waits of 20: everybody would come back at once", len(seen))
	}
}

func TestParkFor(t *testing.T) {
	if d := parkFor(1); d < parkMin*8/10 || d > parkMin*12/10 {
		t.Errorf("first rest: %v", d)
	}
	if d := parkFor(1000); d < parkMax*8/10 || d > parkMax*12/10 {
		t.Errorf("longest rest: %v", d)
	}
}
