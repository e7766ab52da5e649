package gateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

var testChannels = []metricChannel{{"shop", "omnichannel"}, {"desk", "telegram"}}

func testMetrics(t *testing.T) (*metrics, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	return newMetrics(reg, append(slices.Clip(testChannels), metricChannel{noChannel, noChannel}), "1.2.3"), reg
}

// ours gathers the families of this project, by name.
func ours(t *testing.T, reg prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := make(map[string]*dto.MetricFamily)
	for _, f := range all {
		if strings.HasPrefix(f.GetName(), "servicelink_") {
			families[f.GetName()] = f
		}
	}
	return families
}

// series counts the series of every family, to see what a call adds.
func series(families map[string]*dto.MetricFamily) map[string]int {
	n := make(map[string]int, len(families))
	for name, f := range families {
		n[name] = len(f.GetMetric())
	}
	return n
}

// TestMetricsNames fixes the names and labels that dashboards and alerts use.
func TestMetricsNames(t *testing.T) {
	t.Parallel()
	m, reg := testMetrics(t)
	connectSources(m, nil)
	const channel = "channel network"
	want := map[string]string{
		"servicelink_ledger":                                       "channel direction network state",
		"servicelink_accepted_total":                               "channel direction network",
		"servicelink_duplicates_total":                             "channel direction network",
		"servicelink_done_total":                                   "channel direction network",
		"servicelink_dead_total":                                   "channel direction network reason",
		"servicelink_oldest_pending_seconds":                       "channel direction network",
		"servicelink_end_to_end_seconds":                           "channel direction network",
		"servicelink_send_attempts_total":                          "channel network outcome reason",
		"servicelink_webhook_refused_total":                        "channel network reason",
		"servicelink_webhook_requests_total":                       "channel network result",
		"servicelink_webhook_seconds":                              channel,
		"servicelink_events_ignored_total":                         "channel network reason",
		"servicelink_media_total":                                  "channel direction network outcome",
		"servicelink_media_bytes_total":                            "channel direction network",
		"servicelink_channel_state":                                "channel network state",
		"servicelink_lanes":                                        "channel direction network",
		"servicelink_lanes_behind":                                 "channel direction network",
		"servicelink_lane_messages":                                "channel direction network",
		"servicelink_core_echo_timeouts_total":                     "",
		"servicelink_core_late_echoes_total":                       "",
		"servicelink_core_stray_echoes_total":                      "",
		"servicelink_core_id_reused_total":                         channel,
		"servicelink_core_resyncs_total":                           "channel network outcome",
		"servicelink_reconciled_total":                             "channel fate network",
		"servicelink_recovered_total":                              "channel network",
		"servicelink_delivery_reports_total":                       "channel network status",
		"servicelink_profile_lookups_total":                        "channel network outcome",
		"servicelink_core_link_up":                                 "",
		"servicelink_core_link_generation":                         "",
		"servicelink_core_window_size":                             "",
		"servicelink_core_window_in_use":                           "",
		"servicelink_core_roundtrip_seconds":                       "",
		"servicelink_core_questions_total":                         "code outcome",
		"servicelink_core_question_seconds":                        "code",
		"servicelink_core_bad_packets_total":                       "kind",
		"servicelink_core_unknown_signals_total":                   "",
		"servicelink_core_scenarios_ignored_total":                 "",
		"servicelink_tech_notes_total":                             "kind",
		"servicelink_journal_commit_seconds":                       "",
		"servicelink_journal_bytes":                                "",
		"servicelink_journal_max_bytes":                            "",
		"servicelink_journal_readable":                             "",
		"servicelink_build_info":                                   "goversion version",
		"servicelink_config_last_reload_success":                   "",
		"servicelink_config_last_reload_success_timestamp_seconds": "",
	}
	got := make(map[string]string)
	for name, f := range ours(t, reg) {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		got[name] = strings.Join(labels, " ")
		if len(f.GetHelp()) < 20 {
			t.Errorf("%s: help %q says too little", name, f.GetHelp())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMetricsLint(t *testing.T) {
	t.Parallel()
	m, reg := testMetrics(t)
	connectSources(m, nil)
	problems, err := testutil.GatherAndLint(reg, slices.Collect(maps.Keys(ours(t, reg)))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// connectSources gives m a ledger; nil = an empty one.
func connectSources(m *metrics, entries map[journal.LedgerKey]journal.LedgerEntry) {
	m.setSources(
		func(context.Context) (map[journal.LedgerKey]journal.LedgerEntry, error) { return entries, nil },
		func() map[string]string { return map[string]string{"shop": stateOK, "desk": statePaused} },
		func() int64 { return 4096 },
	)
}

// TestMetricsLabelsAreBounded throws at every method what comes from outside
// and expects no series beyond those that exist from the start.
func TestMetricsLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m, reg := testMetrics(t)
	strays := make(map[journal.LedgerKey]journal.LedgerEntry)
	connectSources(m, strays)
	before := series(ours(t, reg))
	for i := range 200 {
		junk := strings.Repeat("Z", i)
		c := m.channel(junk)
		for _, d := range []journal.Direction{journal.In, journal.Out, 9} {
			c.accepted(d)
			c.duplicate(d)
			c.done(d)
			c.dead(d, junk)
			c.endToEnd(d, time.Second)
			c.lane(d, 1)
			c.laneBehind(d, 1)
			c.laneHeld(d, 1)
			strays[journal.LedgerKey{Channel: junk, Direction: journal.In}] = journal.LedgerEntry{}
		}
		c.attempt(junk, junk)
		c.attempt("rejected", junk)
		c.attempt("sent", junk)
		c.webhookRefused(junk)
		c.ignored(junk, 1)
		c.resync(junk)
		m.question(junk, junk, time.Second)
		m.question("ES_CHAT_STATUS", junk, time.Second)
		m.badPacket(junk)
		m.note(junk)
	}
	if diff := cmp.Diff(before, series(ours(t, reg))); diff != "" {
		t.Error(diff)
	}
}

// TestMetricsIgnoredReasons: reasons are a connector's constants; however many
// there are, a channel has at most maxOpenValues series of them.
func TestMetricsIgnoredReasons(t *testing.T) {
	t.Parallel()
	m, reg := testMetrics(t)
	for i := range 100 {
		m.channel("shop").ignored("reason_"+strings.Repeat("a", i%40), 2)
	}
	m.channel("shop").ignored("file_not_ready", 3)
	perChannel, sum := 0, 0.0
	for _, s := range ours(t, reg)["servicelink_events_ignored_total"].GetMetric() {
		if s.GetLabel()[0].GetValue() == "shop" {
			perChannel++
			sum += s.GetCounter().GetValue()
		}
	}
	if perChannel != maxOpenValues || sum != 203 {
		t.Errorf("%d series with %v in sum, want %d with 203", perChannel, sum, maxOpenValues)
	}
}

// TestMetricsCounts: each method moves its series by one and nothing else.
func TestMetricsCounts(t *testing.T) {
	t.Parallel()
	m, reg := testMetrics(t)
	c := m.channel("shop")
	before := values(ours(t, reg))
	for _, tc := range []struct {
		name, labels string
		do           func()
	}{
		{"accepted_total", "shop in omnichannel", func() { c.accepted(journal.In) }},
		{"duplicates_total", "shop out omnichannel", func() { c.duplicate(journal.Out) }},
		{"done_total", "shop out omnichannel", func() { c.done(journal.Out) }},
		{"dead_total", "shop in omnichannel in_doubt", func() { c.dead(journal.In, "in_doubt") }},
		{"dead_total", "shop in omnichannel bug", func() { c.dead(journal.In, "never heard of") }},
		{"send_attempts_total", "shop omnichannel sent none", func() { c.attempt("sent", "") }},
		{"send_attempts_total", "shop omnichannel not_sent rate", func() { c.attempt("not_sent", "rate") }},
		{"send_attempts_total", "shop omnichannel unknown bug", func() { c.attempt("?", "rate") }},
		{"webhook_requests_total", "shop omnichannel malformed", func() { c.webhookResult(connectors.Malformed) }},
		{"webhook_refused_total", "shop omnichannel forged", func() { c.webhookRefused("forged") }},
		{"events_ignored_total", "shop omnichannel file_not_ready", func() { c.ignored("file_not_ready", 1) }},
		{"core_id_reused_total", "shop omnichannel", c.reusedID},
		{"core_resyncs_total", "shop omnichannel failed", func() { c.resync("failed") }},
		{"reconciled_total", "shop not_sent omnichannel", func() { c.reconciled(connectors.FateNotSent) }},
		{"recovered_total", "shop omnichannel", func() { c.recovered(1) }},
		{"delivery_reports_total", "shop omnichannel read", func() { c.reported(connectors.StatusRead) }},
		{"profile_lookups_total", "shop omnichannel none", func() { c.profile(profileNone) }},
		{"reconciled_total", "shop unknown omnichannel", func() { c.reconciled(99) }},
		{"lanes", "shop in omnichannel", func() { c.lane(journal.In, 1) }},
		{"lanes_behind", "shop out omnichannel", func() { c.laneBehind(journal.Out, 1) }},
		{"lane_messages", "shop out omnichannel", func() { c.laneHeld(journal.Out, 1) }},
		{"core_questions_total", "ES_CHAT_START no_answer", func() { m.question("ES_CHAT_START", "no_answer", 0) }},
		{"core_bad_packets_total", "decode", func() { m.badPacket("decode") }},
		{"core_bad_packets_total", "other", func() { m.badPacket("?") }},
		{"tech_notes_total", "failure", func() { m.note("failure") }},
		{"core_echo_timeouts_total", "", m.echoTimeout},
		{"core_late_echoes_total", "", m.lateEcho},
		{"core_stray_echoes_total", "", m.strayEcho},
		{"core_unknown_signals_total", "", m.unknownSignal},
		{"core_scenarios_ignored_total", "", m.scenarioIgnored},
		{"core_link_generation", "", func() { m.linkGeneration(1) }},
		{"core_window_size", "", func() { m.windowSize(1) }},
		{"core_window_in_use", "", func() { m.windowInUse(1) }},
		{"core_link_up", "", func() { m.linkUp(true) }},
		{"config_last_reload_success", "", func() { m.configLoaded(true, time.Unix(0, 0)) }},
	} {
		tc.do()
		after := values(ours(t, reg))
		moved := make(map[string]float64)
		for key, v := range after {
			if d := v - before[key]; d != 0 {
				moved[key] = d
			}
		}
		before = after
		key := strings.TrimSpace("servicelink_" + tc.name + " " + tc.labels)
		if diff := cmp.Diff(map[string]float64{key: 1}, moved); diff != "" {
			t.Error(diff)
		}
	}
}

// values flattens counters, gauges and histogram counts: "name value value".
func values(families map[string]*dto.MetricFamily) map[string]float64 {
	flat := make(map[string]float64)
	for name, f := range families {
		for _, s := range f.GetMetric() {
			key := name
			for _, l := range s.GetLabel() {
				key += " " + l.GetValue()
			}
			flat[key] = s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())
		}
	}
	return flat
}

// TestMetricsTaken: whatever the journal's verdict, the process' own counters
// keep the ledger's law.
func TestMetricsTaken(t *testing.T) {
	t.Parallel()
	m, reg := testMetrics(t)
	c := m.channel("shop")
	c.taken(journal.In, []journal.Entry{{}, {}, {DeadReason: "address"}, {}},
		[]journal.Verdict{journal.New, journal.Repeat, journal.Refused, journal.Refused})
	c.finished(journal.In, journal.Done, "", time.Second)
	c.finished(journal.In, journal.Dead, "deadline", time.Second)
	got := values(ours(t, reg))
	for key, want := range map[string]float64{
		"accepted_total shop in omnichannel":      3,
		"duplicates_total shop in omnichannel":    1,
		"dead_total shop in omnichannel address":  1,
		"dead_total shop in omnichannel refused":  1,
		"dead_total shop in omnichannel deadline": 1,
		"done_total shop in omnichannel":          1,
		"end_to_end_seconds shop in omnichannel":  1,
	} {
		if got["servicelink_"+key] != want {
			t.Errorf("%s = %v, want %v", key, got["servicelink_"+key], want)
		}
	}
}

func TestMetricsHistograms(t *testing.T) {
	t.Parallel()
	m, reg := testMetrics(t)
	m.roundtrip(time.Millisecond)
	m.journalCommit(time.Millisecond)
	m.question("ES_CHAT_STATUS", "answered", time.Millisecond)
	m.question("ES_CHAT_STATUS", "no_answer", time.Hour)
	m.channel("desk").endToEnd(journal.Out, 90*time.Minute)
	m.channel("desk").webhookSeconds(time.Millisecond)
	got := values(ours(t, reg))
	for _, key := range []string{
		"servicelink_core_roundtrip_seconds", "servicelink_journal_commit_seconds",
		"servicelink_core_question_seconds ES_CHAT_STATUS",
		"servicelink_end_to_end_seconds desk out telegram", "servicelink_webhook_seconds desk telegram",
	} {
		if got[key] != 1 {
			t.Errorf("%s has %v observations, want 1", key, got[key])
		}
	}
}

func TestMetricsLedger(t *testing.T) {
	t.Parallel()
	m, reg := testMetrics(t)
	now := time.Unix(1000, 0)
	m.ledger.now = func() time.Time { return now }
	key := func(c string) journal.LedgerKey { return journal.LedgerKey{Channel: c, Direction: journal.In} }
	connectSources(m, map[journal.LedgerKey]journal.LedgerEntry{
		key("shop"): {Counts: journal.Counts{Accepted: 7, Requeued: 1, Done: 4, Dead: 1, Pending: 3}, OldestPending: now.Add(-90 * time.Second)},
		key("left"): {Counts: journal.Counts{Accepted: 2, Dead: 1, Pending: 1}, OldestPending: now.Add(-time.Hour)},
		key("made-up"): {
			Counts: journal.Counts{Accepted: 1, Pending: 1}, OldestPending: now.Add(-time.Minute),
		},
	})
	got := values(ours(t, reg))
	for name, want := range map[string]float64{
		"ledger shop in omnichannel accepted":        7,
		"ledger shop in omnichannel requeued":        1,
		"ledger shop in omnichannel done":            4,
		"ledger shop in omnichannel dead":            1,
		"ledger shop in omnichannel pending":         3,
		"ledger - in - accepted":                     3,
		"ledger - in - pending":                      2,
		"oldest_pending_seconds shop in omnichannel": 90,
		"oldest_pending_seconds - in -":              3600,
		"oldest_pending_seconds desk in telegram":    0,
		"channel_state desk telegram paused":         1,
		"channel_state desk telegram ok":             0,
		"journal_bytes":                              4096,
		"journal_readable":                           1,
	} {
		if v, ok := got["servicelink_"+name]; !ok || v != want {
			t.Errorf("%s = %v (there: %t), want %v", name, v, ok, want)
		}
	}
}

// TestMetricsLedgerAway: a journal that cannot be read takes its own series
// away and no other's, and says so.
func TestMetricsLedgerAway(t *testing.T) {
	t.Parallel()
	m, reg := testMetrics(t)
	m.setSources(func(context.Context) (map[journal.LedgerKey]journal.LedgerEntry, error) {
		return nil, errors.New("disk gone")
	}, nil, nil)
	families := ours(t, reg)
	if families["servicelink_ledger"] != nil {
		t.Error("a ledger that cannot be read is shown all the same")
	}
	got := values(families)
	if v, ok := got["servicelink_journal_readable"]; !ok || v != 0 {
		t.Errorf("journal_readable = %v, there: %t; want 0", v, ok)
	}
	if _, ok := got["servicelink_accepted_total shop in omnichannel"]; !ok {
		t.Error("other series are gone too")
	}
}

func TestMetricsHotPathDoesNotAllocate(t *testing.T) {
	m, _ := testMetrics(t)
	n := testing.AllocsPerRun(100, func() {
		c := m.channel("shop")
		c.accepted(journal.In)
		c.webhookResult(connectors.Accepted)
		c.webhookSeconds(time.Millisecond)
		c.endToEnd(journal.In, time.Millisecond)
		c.done(journal.In)
		m.roundtrip(time.Millisecond)
	})
	if n != 0 {
		t.Errorf("%v allocations per message, want 0", n)
	}
}

// channel gives a channel's metrics by its name alone.
func (m *metrics) channel(name string) *channelMetrics {
	for c, has := range m.channels {
		if c.Name == name {
			return has
		}
	}
	return m.unknown
}
