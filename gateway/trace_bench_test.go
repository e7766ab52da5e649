package gateway

import (
	"testing"

	"servicelink/gateway/journal"
)

// BenchmarkStep is what a step costs a lane, once the ring is full.
func BenchmarkStep(b *testing.B) {
	s := newSteps()
	row := journal.Row{Entry: journal.Entry{Lane: journal.Lane{Channel: "shop", Direction: journal.In, TrackingID: "49151|12345|telegram"}, ID: "12345|text|49151:77"}}
	h := &held{Row: row}
	h.enter(s, stepHanded)
	for range stepsHeld {
		h.step(stepWritten)
	}
	b.Run("lane", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.step(stepWritten)
		}
	})
	b.Run("arrival", func(b *testing.B) { // by name: it has no place in a lane yet
		b.ReportAllocs()
		for b.Loop() {
			s.tell(stepFromCore, row.Entry)
		}
	})
	b.Run("two at once", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(1)
		b.RunParallel(func(pb *testing.PB) {
			mine := &held{Row: row}
			mine.enter(s, stepHanded)
			for pb.Next() {
				mine.step(stepWritten)
			}
		})
	})
}
