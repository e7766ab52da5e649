package gateway

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/gateway/journal"
)

func TestFlow(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 23, 12, 0, 30, 0, time.UTC)
	m := newMetrics(prometheus.NewRegistry(), nil, "")
	shop, other := metricChannel{"shop", "fake"}, metricChannel{"other", "fake"}
	ch := m.add(shop)
	f := newFlow(m, began)
	if list := f.of("shop", began.Add(runningLeast-time.Second)); len(list) != 0 {
		t.Errorf("a minute that has just begun is told: %v", list)
	}
	for range 10 {
		ch.accepted(journal.In)
	}
	ch.accepted(journal.Out)
	for range 99 {
		ch.endToEnd(journal.In, 3*time.Millisecond)
	}
	ch.endToEnd(journal.In, 40*time.Second)
	m.add(other).accepted(journal.In)
	f.tick(began.Add(29 * time.Second)) // the same minute of the clock
	if list := f.of("shop", began.Add(29*time.Second)); len(list) != 1 {
		t.Fatalf("%d minutes before the first is over", len(list))
	}
	f.tick(began.Add(30 * time.Second))
	list := f.of("shop", began.Add(31*time.Second))
	if len(list) != 1 {
		t.Fatalf("%d minutes, want 1", len(list))
	}
	// Half a minute counts as a minute's rate.
	if got := list[0]; !got.At.Equal(began) || got.In != 20 || got.Out != 2 || got.ToNetwork.P50 != 0 ||
		got.ToCore.P50 < 2500*time.Microsecond || got.ToCore.P50 > 5*time.Millisecond || got.ToCore.P99 > 5*time.Millisecond {
		t.Errorf("the first minute: %+v", got)
	}
	if sum := f.of("", began.Add(31*time.Second)); len(sum) != 1 || sum[0].In != 22 {
		t.Errorf("all channels: %+v", sum)
	}
	// What is running is told from the last end on, and only once it means something.
	ch.accepted(journal.In)
	list = f.of("shop", began.Add(time.Minute))
	if len(list) != 2 || list[1].In != 2 || list[1].ToCore.P50 != 0 {
		t.Errorf("the running minute: %+v", list)
	}
	if none := f.of("nobody", began.Add(31*time.Second)); len(none) != 0 {
		t.Errorf("a channel that is not there: %+v", none)
	}
}

// TestFlowForgets: three hours are kept, and nothing of a channel that is gone.
func TestFlowForgets(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	m := newMetrics(prometheus.NewRegistry(), nil, "")
	shop := metricChannel{"shop", "fake"}
	ch := m.add(shop)
	f := newFlow(m, at)
	for i := range 2 * flowMinutes {
		for range i {
			ch.accepted(journal.In)
		}
		at = at.Add(time.Minute)
		f.tick(at)
	}
	list := f.of("shop", at)
	if len(list) != flowMinutes || list[0].In != flowMinutes || list[flowMinutes-1].In != 2*flowMinutes-1 || !list[flowMinutes-1].At.Equal(at.Add(-time.Minute)) {
		t.Errorf("%d minutes from %v to %v", len(list), list[0], list[len(list)-1])
	}
	m.remove(shop)
	f.tick(at.Add(time.Minute))
	if len(f.channels) != 0 {
		t.Errorf("%d channels are remembered", len(f.channels))
	}
	m.add(shop).accepted(journal.In) // it counts from zero again
	f.tick(at.Add(2 * time.Minute))
	if list := f.of("shop", at.Add(2*time.Minute)); len(list) != 1 || list[0].In != 1 {
		t.Errorf("after it came back: %+v", list)
	}
}

// TestFlowCountsAnew: a channel whose counters began again within a minute is not
// told with less than nothing.
func TestFlowCountsAnew(t *testing.T) {
	t.Parallel()
	base := flowCounts{taken: [2]float64{100, 5}}
	base.lags[0][3] = 100
	counts := flowCounts{taken: [2]float64{3, 1}}
	counts.lags[0][3] = 3
	if got := counts.since(&base); got.taken[0] != 3 || got.lags[0][3] != 3 {
		t.Errorf("%+v", got)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	last := len(endToEndBuckets)
	for _, tc := range []struct {
		name    string
		buckets map[int]float64
		part    float64
		want    float64
	}{
		{"nothing", nil, .5, 0},
		{"the middle of the first bucket", map[int]float64{0: 10}, .5, endToEndBuckets[0] / 2},
		{"the edge between two", map[int]float64{0: 5, 1: 5}, .5, endToEndBuckets[0]},
		{"most of the second", map[int]float64{0: 5, 1: 5}, .9, endToEndBuckets[0] + .8*(endToEndBuckets[1]-endToEndBuckets[0])},
		{"over a gap", map[int]float64{0: 1, 5: 99}, .99, endToEndBuckets[4] + 98./99*(endToEndBuckets[5]-endToEndBuckets[4])},
		{"beyond the last edge", map[int]float64{last: 3}, .5, endToEndBuckets[last-1]},
	} {
		buckets := make([]float64, last+1)
		for i, n := range tc.buckets {
			buckets[i] = n
		}
		if got := quantile(tc.part, buckets); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
