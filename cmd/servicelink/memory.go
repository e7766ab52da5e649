package main

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// mostGarbage, in percent of the live heap, replaces Go's 100 while the heap
	// is small: collecting it a third as often saves a tenth of the CPU under
	// load for some ten megabytes.
	mostGarbage = 300
	// leastGarbage bounds what collecting a large heap costs.
	leastGarbage = 50
	// garbageRoom is what may lie about, in bytes, between the two. A large
	// backlog makes a large heap, which at 300 % would be four times as large.
	garbageRoom = 64 << 20
	paceEvery   = 250 * time.Millisecond
)

// paceCollector sets how often garbage is collected, by the size of the heap,
// until the function it gives is called. It begins with mostGarbage.
func paceCollector() (stop func()) {
	end := make(chan struct{})
	var pacer sync.WaitGroup
	pacer.Go(func() {
		now := mostGarbage
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		tick := time.NewTicker(paceEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-end:
				return
			}
			metrics.Read(live)
			// Setting it stops the program for a moment, so not for a trifle.
			want := garbagePercent(live[0].Value.Uint64())
			if want > now+now/10 || want < now-now/10 {
				debug.SetGCPercent(want)
				now = want
			}
		}
	})
	return func() {
		close(end)
		pacer.Wait()
	}
}

// garbagePercent is how much garbage a heap of live bytes may hold.
func garbagePercent(live uint64) int {
	if live == 0 {
		return mostGarbage
	}
	return int(min(mostGarbage, max(leastGarbage, 100*garbageRoom/live)))
}
