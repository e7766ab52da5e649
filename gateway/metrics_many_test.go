package gateway

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/gateway/journal"
)

// TestManyChannels: beyond fullChannels a failure's series come with the first
// of a kind, and go with the channel.
func TestManyChannels(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg, nil, "test")
	for i := range fullChannels {
		m.add(metricChannel{fmt.Sprint("full", i), "net"})
	}
	late := metricChannel{"late", "net"}
	c := m.add(late)
	count := func(name, reason string) (n int, sum float64) {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, s := range f.GetMetric() {
				labels := map[string]string{}
				for _, l := range s.GetLabel() {
					labels[l.GetName()] = l.GetValue()
				}
				if f.GetName() == "servicelink_dead_total" && labels["channel"] == name && (reason == "" || labels["reason"] == reason) {
					n++
					sum += s.GetCounter().GetValue()
				}
			}
		}
		return n, sum
	}
	if n, _ := count("full0", ""); n < 20 {
		t.Errorf("an early channel has %d series", n)
	}
	if n, _ := count("late", ""); n != 0 {
		t.Errorf("a late channel has %d series before its first failure", n)
	}
	c.dead(journal.In, "deadline")
	c.dead(journal.In, "made up")
	if n, sum := count("late", "deadline"); n != 1 || sum != 1 {
		t.Errorf("%d series of the sum %v", n, sum)
	}
	if n, sum := count("late", "bug"); n != 1 || sum != 1 {
		t.Errorf("outside the list: %d series of the sum %v", n, sum)
	}
	m.remove(late)
	c.dead(journal.In, "deadline")
	if n, _ := count("late", ""); n != 0 {
		t.Errorf("%d series of a channel that is gone", n)
	}
}
