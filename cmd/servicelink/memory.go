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
	garbageRoom = 32 << 20
	paceEvery   = 250 * time.Millisecond
	// A program that has not collected for restAfter is idle: what then lies
	// about beyond restFrom bytes, after the start for example, is given back.
	restAfter = 10 * time.Second
	restFrom  = 4 << 20
)

// paceCollector sets how often garbage is collected, by the size of the heap,
// until the function it gives is called. It begins with mostGarbage.
func paceCollector() (stop func()) {
	end := make(chan struct{})
	var pacer sync.WaitGroup
	pacer.Go(func() {
		h := heap{percent: mostGarbage}
		tick := time.NewTicker(paceEvery)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				h.look(now)
			case <-end:
				return
			}
		}
	})
	return func() {
		close(end)
		pacer.Wait()
	}
}

// heap is what the pacer remembers between two looks.
type heap struct {
	percent int
	cycles  uint64 // collections so far
	changed time.Time
}

func (h *heap) look(now time.Time) {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	live, cycles, used := s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64()+s[3].Value.Uint64()
	// Setting it stops the program for a moment, so not for a trifle.
	want := garbagePercent(live)
	if want > h.percent+h.percent/10 || want < h.percent-h.percent/10 {
		debug.SetGCPercent(want)
		h.percent = want
	}
	if cycles != h.cycles {
		h.cycles, h.changed = cycles, now
	}
	if now.Sub(h.changed) >= restAfter && used > live+restFrom {
		debug.FreeOSMemory()
	}
}

// garbagePercent is how much garbage a heap of live bytes may hold.
func garbagePercent(live uint64) int {
	if live == 0 {
		return mostGarbage
	}
	return int(min(mostGarbage, max(leastGarbage, 100*garbageRoom/live)))
}
