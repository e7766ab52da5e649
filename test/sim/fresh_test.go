//go:build sim

package sim

import (
	"flag"
	"testing"
	"time"
)

var flagFor = flag.Duration("for", time.Minute, "how long TestFresh goes on")

// TestFresh makes runs that nobody made before, for as long as it is asked to: of chats
// and of messages in turn.
func TestFresh(t *testing.T) {
	s := newSeries(t)
	for seed := uint64(s.began.UnixNano()); time.Since(s.began) < *flagFor; seed++ {
		if s.runs%2 == 0 {
			s.run(newPlan(seed))
		} else {
			s.run(newMessagePlan(seed))
		}
	}
	s.report()
}
