//go:build sim

package sim

import (
	"flag"
	"testing"
	"time"
)

var flagFor = flag.Duration("for", time.Minute, "how long TestFresh goes on")

// TestFresh makes runs that nobody made before, for as long as it is asked to.
func TestFresh(t *testing.T) {
	s := newSeries(t)
	for seed := uint64(s.began.UnixNano()); time.Since(s.began) < *flagFor; seed++ {
		s.run(seed)
	}
	s.report()
}
