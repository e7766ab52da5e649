package console

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestPlots(t *testing.T) {
	t.Parallel()
	minutes := []Minute{
		{At: now.Add(-2 * time.Hour), In: 900},
		{At: now.Add(-60 * time.Minute), In: 1, ToCore: Latency{2 * time.Millisecond, 40 * time.Millisecond}},
		{At: now.Add(-59 * time.Minute), In: 3, Out: 1.5},
		{At: now.Add(-30 * time.Minute), In: 2, ToCore: Latency{4 * time.Millisecond, 30 * time.Millisecond}},
		{At: now.Add(-29 * time.Minute), In: 2, ToCore: Latency{4 * time.Millisecond, 30 * time.Millisecond}},
	}
	got := plots(minutes, now, time.Hour)
	for i, want := range []plot{
		{Top: "5", From: "11:00", Until: "12:00", Words: "from customers: 2, at most 3 at 11:01; to customers: 0, at most 1.5 at 11:01"},
		{Top: "50 ms", From: "11:00", Until: "12:00", Words: "half within: 4 ms, at most 4 ms at 11:30; 99 of 100 within: 30 ms, at most 40 ms at 11:00"},
		{Top: "1 s", From: "11:00", Until: "12:00", Words: "nothing yet", Empty: true},
	} {
		p := got[i]
		if p.Top != want.Top || p.From != want.From || p.Until != want.Until || p.Words != want.Words || p.Empty != want.Empty {
			t.Errorf("plot %d: %+v, want %+v", i, p, want)
		}
	}
	// A minute without a latency parts the line; a lone minute is a dot.
	if want := "M8.0 96.7h.1M180.0 93.4h.1L185.7 93.4"; got[1].Curves[0].Path != want {
		t.Errorf("path %s, want %s", got[1].Curves[0].Path, want)
	}
	if three := plots(minutes, now, 3*time.Hour); three[0].Top != "1000" || !strings.HasPrefix(three[0].Words, "from customers: 2, at most 900 at 10:00") {
		t.Errorf("three hours: %+v", three[0])
	}
	if none := plots(nil, now, time.Hour); !none[0].Empty || none[0].Words != "nothing yet" {
		t.Errorf("nothing: %+v", none[0])
	}
}

func TestRound(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{0: 1, -1: 1, 1: 1, 1.01: 2, 2: 2, 4.9: 5, 7: 10, 10: 10, 11: 20, .003: .005, .05: .05, 900: 1000} {
		if got := round(v); math.Abs(got-want) > 1e-12*want {
			t.Errorf("%v is rounded to %v, want %v", v, got, want)
		}
	}
}
