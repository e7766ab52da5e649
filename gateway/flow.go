package gateway

import (
	"maps"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"servicelink/gateway/console"
)

// flowMinutes is how far back the console's plots go.
const flowMinutes = 180

// runningLeast is how old the running minute must be to be told: a rate of less
// is a guess.
const runningLeast = 20 * time.Second

// flow remembers what went through, minute by minute. It counts nothing itself:
// once a minute it reads the metrics and keeps what they grew by.
type flow struct {
	metrics *metrics

	mu       sync.Mutex
	minute   time.Time // the running one's beginning
	all      flowRing
	channels map[metricChannel]*flowRing
}

// flowRing is one channel's minutes, 5 KiB at most; the zero value has none.
type flowRing struct {
	base   flowCounts // what the metrics said when the running minute began
	points []flowPoint
	next   int // the oldest, once there are flowMinutes
}

// flowPoint is a minute. Rates are a minute's, latencies seconds, 0 = none.
type flowPoint struct {
	at      int64 // Unix seconds
	in, out float32
	lags    [2]flowLag // to the core, to the network
}

type flowLag struct{ p50, p99 float32 }

// flowCounts is what a channel's metrics say, or what they grew by.
type flowCounts struct {
	taken [2]float64                           // in, out
	lags  [2][len(endToEndBuckets) + 1]float64 // messages that took as long, by bucket
}

func newFlow(m *metrics, now time.Time) *flow {
	return &flow{metrics: m, minute: now, channels: make(map[metricChannel]*flowRing)}
}

// tick ends the running minute when its time is over.
func (f *flow) tick(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !now.Truncate(time.Minute).After(f.minute) {
		return
	}
	listed := f.metrics.listed()
	maps.DeleteFunc(f.channels, func(c metricChannel, _ *flowRing) bool { return listed[c] == nil })
	var sum flowCounts
	for c, m := range listed {
		ring := f.channels[c]
		if ring == nil {
			ring = &flowRing{}
			f.channels[c] = ring
		}
		counts := countsOf(m)
		grown := counts.since(&ring.base)
		ring.base = counts
		ring.add(grown.point(f.minute, now))
		sum.add(&grown)
	}
	f.all.add(sum.point(f.minute, now))
	f.minute = now.Truncate(time.Minute)
}

// of gives a channel's minutes, oldest first, and what the running one brought so
// far; "" = all channels' together.
func (f *flow) of(channel string, now time.Time) []console.Minute {
	f.mu.Lock()
	defer f.mu.Unlock()
	ring, sum := &f.all, flowCounts{}
	if channel != "" {
		ring = &flowRing{}
	}
	for c, m := range f.metrics.listed() {
		if channel != "" && c.Name != channel {
			continue
		}
		base := &flowCounts{}
		if known := f.channels[c]; known != nil {
			base = &known.base
			if channel != "" {
				ring = known
			}
		}
		counts := countsOf(m)
		grown := counts.since(base)
		sum.add(&grown)
	}
	list := make([]console.Minute, 0, len(ring.points)+1)
	for i := range ring.points {
		list = append(list, ring.points[(ring.next+i)%len(ring.points)].minute())
	}
	if now.Sub(f.minute) >= runningLeast {
		running := sum.point(f.minute, now)
		list = append(list, running.minute())
	}
	return list
}

func (r *flowRing) add(p flowPoint) {
	if len(r.points) < flowMinutes {
		r.points = append(r.points, p)
		return
	}
	r.points[r.next] = p
	r.next = (r.next + 1) % flowMinutes
}

// point makes a minute of what came between two times.
func (c *flowCounts) point(from, until time.Time) flowPoint {
	minutes := max(until.Sub(from).Minutes(), 1.0/60)
	p := flowPoint{at: from.Unix(), in: float32(c.taken[0] / minutes), out: float32(c.taken[1] / minutes)}
	for i := range c.lags {
		p.lags[i] = flowLag{float32(quantile(.5, c.lags[i][:])), float32(quantile(.99, c.lags[i][:]))}
	}
	return p
}

func (p *flowPoint) minute() console.Minute {
	lag := func(l flowLag) console.Latency {
		seconds := float64(time.Second)
		return console.Latency{P50: time.Duration(float64(l.p50) * seconds), P99: time.Duration(float64(l.p99) * seconds)}
	}
	return console.Minute{
		At: time.Unix(p.at, 0), In: float64(p.in), Out: float64(p.out), ToCore: lag(p.lags[0]), ToNetwork: lag(p.lags[1]),
	}
}

// since is what counts grew by. A channel that was away counts from zero again.
func (c *flowCounts) since(base *flowCounts) flowCounts {
	grown := *c
	for i := range c.taken {
		if base.taken[i] > c.taken[i] {
			return grown
		}
	}
	for i := range c.taken {
		grown.taken[i] -= base.taken[i]
		for j := range c.lags[i] {
			grown.lags[i][j] = max(0, grown.lags[i][j]-base.lags[i][j])
		}
	}
	return grown
}

func (c *flowCounts) add(more *flowCounts) {
	for i := range c.taken {
		c.taken[i] += more.taken[i]
		for j := range c.lags[i] {
			c.lags[i][j] += more.lags[i][j]
		}
	}
}

// countsOf reads a channel's metrics.
func countsOf(m *channelMetrics) (c flowCounts) {
	for i := range m.dirs {
		c.taken[i] = read(m.dirs[i].accepted).GetCounter().GetValue()
		lag, ok := m.dirs[i].endToEnd.(prometheus.Metric) // every histogram is one
		if !ok {
			continue
		}
		h, below := read(lag).GetHistogram(), uint64(0)
		for j, b := range h.GetBucket() {
			c.lags[i][j] = float64(b.GetCumulativeCount() - below)
			below = b.GetCumulativeCount()
		}
		c.lags[i][len(endToEndBuckets)] = float64(h.GetSampleCount() - below)
	}
	return c
}

func read(m prometheus.Metric) *dto.Metric {
	out := new(dto.Metric)
	_ = m.Write(out) // fails for metrics without a value alone
	return out
}

// quantile is what the given part of all did not exceed, by the place in its
// bucket; 0 = there are none. Beyond the last edge nothing more is known.
func quantile(part float64, buckets []float64) float64 {
	total := 0.0
	for _, n := range buckets {
		total += n
	}
	rank, below := math.Max(part*total, math.SmallestNonzeroFloat64), 0.0
	for i, n := range buckets {
		if n == 0 || below+n < rank {
			below += n
			continue
		}
		if i == len(endToEndBuckets) {
			return endToEndBuckets[i-1]
		}
		from := 0.0
		if i > 0 {
			from = endToEndBuckets[i-1]
		}
		return from + (endToEndBuckets[i]-from)*(rank-below)/n
	}
	return 0
}

// listed gives the series of every configured channel.
func (m *metrics) listed() map[metricChannel]*channelMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.channels)
}
