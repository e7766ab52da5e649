package gateway

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/connectors"
)

// watchCollector asks the watch when it is scraped. Its series are of the channels
// that are served, and of the gateway itself as channel "-"; those of single checks
// come with the first look, for what a connector looks at and nothing else.
type watchCollector struct {
	g *Gateway

	failed, warning, age, every, expires, mended, missing, inbound *prometheus.Desc
}

func newWatchCollector(g *Gateway) *watchCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("servicelink_"+name, help, labels, nil)
	}
	return &watchCollector{
		g: g,
		failed: desc("check_failed", "1 when the latest look at the set-up found that this does not work, else 0. What it was stands in /api/v1/doctor.",
			"channel", "network", "check"),
		warning: desc("check_warning", "1 when the latest look at the set-up found that this works, and will not for long or not in every case; else 0.",
			"channel", "network", "check"),
		age:   desc("check_last_seconds", "How long ago the set-up was looked at; before the first look, how long that is due.", "channel", "network"),
		every: desc("check_every_seconds", "limits.watch_every: how often the set-up is looked at."),
		expires: desc("token_expires_timestamp_seconds", "When the channel's credentials end, Unix time; no series when they do not, or the network does not tell.",
			"channel", "network"),
		mended: desc("mended_total", "What was found not to work and was put right by itself, by check.", "channel", "network", "check"),
		missing: desc("channel_silence_expected", "How many messages usually come in a time like the one since the latest, by the same hours of the last week; 0 while too little is known.",
			"channel", "network"),
		inbound: desc("channel_last_inbound_timestamp_seconds", "When the latest message of a customer came, Unix time; 0 = none is known.", "channel", "network"),
	}
}

// Describe implements prometheus.Collector.
func (c *watchCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.failed, c.warning, c.age, c.every, c.expires, c.mended, c.missing, c.inbound} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *watchCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	every := c.g.config().Limits.WatchEvery
	now := time.Now()
	gauge(c.every, every.Seconds())
	look := func(l *looked, lazy bool, channel, network string) {
		checks, _, _ := l.found()
		for _, check := range checks {
			c.check(gauge, check, lazy, channel, network)
		}
		if seen := l.seen(); every > 0 && !seen.IsZero() {
			gauge(c.age, max(0, now.Sub(seen).Seconds()), channel, network)
		} else if every > 0 {
			gauge(c.age, 0, channel, network)
		}
	}
	look(&c.g.self, false, noChannel, noChannel)
	for i, ch := range c.g.now().ordered {
		if !ch.cfg.Enabled {
			continue
		}
		name, network := ch.cfg.Name, ch.cfg.Network
		look(&ch.looked, i >= fullChannels, name, network)
		missing, _, _ := ch.traffic.missing(now)
		gauge(c.missing, missing, name, network)
		gauge(c.inbound, unixSeconds(ch.traffic.latest()), name, network)
		c.mendings(out, ch)
	}
}

// check shows one finding; lazy leaves out what is well.
func (c *watchCollector) check(gauge func(*prometheus.Desc, float64, ...string), check connectors.Check, lazy bool, channel, network string) {
	if !slices.Contains(connectors.Checks, check.Name) {
		return
	}
	for _, s := range []struct {
		desc  *prometheus.Desc
		state connectors.CheckState
	}{{c.failed, connectors.CheckFailed}, {c.warning, connectors.CheckWarning}} {
		if is := check.State == s.state; is || !lazy {
			gauge(s.desc, bit(is), channel, network, string(check.Name))
		}
	}
	if check.Name == connectors.CheckToken && !check.Ends.IsZero() {
		gauge(c.expires, unixSeconds(check.Ends), channel, network)
	}
}

// mendings shows what was put right: from the start what a Registrar nearly always
// does, the rest once it has occurred.
func (c *watchCollector) mendings(out chan<- prometheus.Metric, ch *channel) {
	if _, ok := ch.conn.(connectors.Registrar); !ok {
		return
	}
	done := c.g.mends.list(ch)
	for _, name := range connectors.Checks {
		usual := name == connectors.CheckSubscription || name == connectors.CheckWebhook
		if n := done[name].times; n > 0 || usual {
			out <- prometheus.MustNewConstMetric(c.mended, prometheus.CounterValue, float64(n), ch.cfg.Name, ch.cfg.Network, string(name))
		}
	}
}

func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / float64(time.Second)
}
