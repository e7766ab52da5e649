package gateway

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/connectors"
)

// probes are the calls on their way from this gateway to itself (doctor_trip.go). They
// are answered as any other and counted nowhere: they are nobody's messages, and say
// nothing of the network's calls.
type probes struct {
	under atomic.Int64 // how many there are; looked at with every webhook call
	mu    sync.Mutex
	sums  map[[sha256.Size]byte]int
}

// probeSum is by what a call is known again: a proxy may change its path and header.
func probeSum(method, query string, body []byte) [sha256.Size]byte {
	return sha256.Sum256(bytes.Join([][]byte{[]byte(method), []byte(query), body}, []byte{0}))
}

// expect says that a call is about to be made. done ends that.
func (p *probes) expect(r *http.Request) (done func()) {
	var body []byte
	if r.GetBody != nil {
		if b, err := r.GetBody(); err == nil {
			body, _ = io.ReadAll(b) // it is in memory
			_ = b.Close()
		}
	}
	sum := probeSum(r.Method, r.URL.RawQuery, body)
	p.add(sum, 1)
	return func() { p.add(sum, -1) }
}

func (p *probes) add(sum [sha256.Size]byte, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sums == nil {
		p.sums = make(map[[sha256.Size]byte]int)
	}
	if p.sums[sum] += n; p.sums[sum] == 0 {
		delete(p.sums, sum)
	}
	p.under.Add(int64(n))
}

// has tells whether a call is one of them. A nil p has none.
func (p *probes) has(r *connectors.Request) bool {
	if p == nil || p.under.Load() == 0 {
		return false
	}
	sum := probeSum(r.Method, r.URL.RawQuery, r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sums[sum] > 0
}

// nowhere counts what is not to be counted.
var nowhere = sync.OnceValue(func() *channelMetrics {
	return newChannelVecs(prometheus.NewRegistry()).resolve(metricChannel{noChannel, noChannel}, false)
})

// uncounted is the same route for a probe.
func (rt *route) uncounted() *route {
	u := &route{public: rt.public, path: rt.path, method: rt.method, maxBody: rt.maxBody, blame: nowhere()}
	for _, h := range rt.hooks {
		c := *h.channel
		c.Metrics = nowhere()
		u.hooks = append(u.hooks, &hook{Webhook: h.Webhook, channel: &c})
	}
	return u
}
