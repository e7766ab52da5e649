package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/gateway/journal"
)

// ledgerTimeout bounds the reading of the journal for one scrape.
const ledgerTimeout = 5 * time.Second

// ledgerCollector asks the journal and the channels when it is scraped, so
// that these gauges are never a copy that could be wrong.
type ledgerCollector struct {
	now func() time.Time

	mu       sync.Mutex // guards what follows
	channels []metricChannel
	ledger   func(context.Context) (map[journal.LedgerKey]journal.LedgerEntry, error)
	states   func() map[string]string
	size     func() int64

	counts, oldest, state, bytes, readable *prometheus.Desc
}

func newLedgerCollector() *ledgerCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("servicelink_"+name, help, labels, nil)
	}
	return &ledgerCollector{
		now: time.Now,
		counts: desc("ledger", "Messages by state, from the journal's own counters: accepted + requeued = done + dead + pending at every moment.",
			"channel", "network", "direction", "state"),
		oldest: desc("oldest_pending_seconds", "Age of the oldest message that is not done; 0 when nothing is pending.",
			"channel", "network", "direction"),
		state:    desc("channel_state", "1 for the state the channel is in, 0 for the others.", "channel", "network", "state"),
		bytes:    desc("journal_bytes", "Space the journal uses; nothing is taken any more at journal.max_bytes."),
		readable: desc("journal_readable", "1 when the journal's ledger could be read for this scrape, else 0 and the ledger's series are missing."),
	}
}

// list says which channels have series of their own.
func (c *ledgerCollector) list(channels []metricChannel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.channels = channels
}

// setSources connects the gauges that are read at scrape. Until then, and for
// sources that are nil, they show zero or nothing.
func (m *metrics) setSources(
	ledger func(context.Context) (map[journal.LedgerKey]journal.LedgerEntry, error),
	states func() map[string]string,
	journalSize func() int64,
) {
	m.ledger.mu.Lock()
	defer m.ledger.mu.Unlock()
	m.ledger.ledger, m.ledger.states, m.ledger.size = ledger, states, journalSize
}

// Describe implements prometheus.Collector.
func (c *ledgerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.counts, c.oldest, c.state, c.bytes, c.readable} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *ledgerCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	ledger, states, size, channels := c.ledger, c.states, c.size, c.channels
	c.mu.Unlock()
	if size != nil {
		ch <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(size()))
	}
	c.collectStates(ch, channels, states)
	c.collectLedger(ch, channels, ledger)
}

func (c *ledgerCollector) collectStates(ch chan<- prometheus.Metric, channels []metricChannel, states func() map[string]string) {
	if states == nil {
		return
	}
	now := states()
	for _, channel := range channels {
		for _, state := range channelStates {
			ch <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue,
				bit(now[channel.Name] == state), channel.Name, channel.Network, state)
		}
	}
}

func (c *ledgerCollector) collectLedger(ch chan<- prometheus.Metric, channels []metricChannel,
	ledger func(context.Context) (map[journal.LedgerKey]journal.LedgerEntry, error),
) {
	if ledger == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), ledgerTimeout)
	defer cancel()
	entries, err := ledger(ctx)
	ch <- prometheus.MustNewConstMetric(c.readable, prometheus.GaugeValue, bit(err == nil))
	if err != nil {
		return
	}
	strays := make(map[journal.Direction]journal.LedgerEntry)
	configured := make(map[string]bool, len(channels))
	for _, channel := range channels {
		configured[channel.Name] = true
	}
	// The ledger of a channel that left the configuration, or of a Port the core
	// made up, goes under "-": the sums stay right and the labels bounded.
	for key, e := range entries {
		if !configured[key.Channel] {
			strays[key.Direction] = addLedger(strays[key.Direction], e)
		}
	}
	for _, dir := range []journal.Direction{journal.In, journal.Out} {
		for _, channel := range channels {
			c.emit(ch, channel, dir, entries[journal.LedgerKey{Channel: channel.Name, Direction: dir}])
		}
		c.emit(ch, metricChannel{noChannel, noChannel}, dir, strays[dir])
	}
}

func (c *ledgerCollector) emit(ch chan<- prometheus.Metric, channel metricChannel, dir journal.Direction, e journal.LedgerEntry) {
	for _, s := range []struct {
		state string
		n     int64
	}{
		{"accepted", e.Accepted}, {"requeued", e.Requeued}, {"done", e.Done}, {"dead", e.Dead}, {"pending", e.Pending},
	} {
		ch <- prometheus.MustNewConstMetric(c.counts, prometheus.GaugeValue, float64(s.n),
			channel.Name, channel.Network, dir.String(), s.state)
	}
	age := 0.0
	if !e.OldestPending.IsZero() {
		age = max(0, c.now().Sub(e.OldestPending).Seconds())
	}
	ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age, channel.Name, channel.Network, dir.String())
}

func addLedger(a, b journal.LedgerEntry) journal.LedgerEntry {
	a.Accepted += b.Accepted
	a.Requeued += b.Requeued
	a.Done += b.Done
	a.Dead += b.Dead
	a.Pending += b.Pending
	if a.OldestPending.IsZero() || (!b.OldestPending.IsZero() && b.OldestPending.Before(a.OldestPending)) {
		a.OldestPending = b.OldestPending
	}
	return a
}
