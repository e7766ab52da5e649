package gateway

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"servicelink/connectors"
	"servicelink/simprot"
)

// metricChannel names a configured channel for the labels channel and network.
type metricChannel struct{ Name, Network string }

// noChannel stands in the labels channel and network for what belongs to no
// configured channel, so that neither the core nor a caller can make series.
const noChannel = unknownChannel

// other stands for a label value outside its closed list.
const other = "other"

// The closed lists behind labels. What is outside counts as other.
var (
	channelStates = []string{stateOK, stateDisabled, stateHeld, statePaused, stateConflict, stateDeaf, stateStarting, stateNoAnswer, stateClosed}

	questionCodes = []string{
		string(simprot.CodeChatResync), string(simprot.CodeChatRequest),
		string(simprot.CodeChatStart), string(simprot.CodeChatStatusAsk), other,
	}
	questionOutcomes = []string{
		simprot.QuestionAnswered, simprot.QuestionRepeated, simprot.QuestionNoAnswer, simprot.QuestionGone, other,
	}
	badPacketKinds = []string{
		string(simprot.BadUnknownCode), string(simprot.BadDecode), string(simprot.BadOversize), string(simprot.BadUnaskedAnswer),
		string(simprot.BadLateAnswer), string(simprot.BadUnexpectedCode), other,
	}
	noteKinds      = []string{"failure", "unknown_outbound", "downgrade", "settled", other}
	resyncOutcomes = []string{"done", "failed"}
)

// Buckets in seconds. Latencies inside the process and over the link start at
// half a millisecond; an event's whole way may take as long as a core is away.
var (
	latencyBuckets  = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}
	commitBuckets   = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	endToEndBuckets = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200}
)

// metrics is everything the gateway counts, in one place. Every series exists
// from the start, at zero; label values come from closed lists. Methods are
// cheap and safe for concurrent use: children are resolved once, here.
//
// Counters (_total) count what this process did; the gauges of
// servicelink_ledger come from the journal and survive it.
type metrics struct {
	mu       sync.Mutex
	channels map[metricChannel]*channelMetrics
	vecs     *channelVecs
	unknown  *channelMetrics
	ledger   *ledgerCollector

	link           prometheus.Gauge
	echoTimeouts   prometheus.Counter
	lateEchoes     prometheus.Counter
	strayEchoes    prometheus.Counter
	generation     prometheus.Gauge
	window, inUse  prometheus.Gauge
	roundtrips     prometheus.Histogram
	questions      map[[2]string]prometheus.Counter
	questionTimes  map[string]prometheus.Observer
	badPackets     *closedCounter
	notes          *closedCounter
	unknownSignals prometheus.Counter
	scenarios      prometheus.Counter
	commits        prometheus.Histogram
	journalMax     prometheus.Gauge
	reloaded       prometheus.Gauge
	reloadedAt     prometheus.Gauge
}

// newMetrics registers everything with reg, which must not hold it already.
// What belongs to no channel has its series whether or not it is listed.
func newMetrics(reg prometheus.Registerer, channels []metricChannel, version string) *metrics {
	reg.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := &metrics{channels: make(map[metricChannel]*channelMetrics)}
	m.registerLink(reg)
	m.registerQuestions(reg)
	m.registerProcess(reg, version)
	m.vecs = newChannelVecs(reg)
	m.unknown = m.vecs.resolve(metricChannel{noChannel, noChannel}, false)
	m.ledger = newLedgerCollector()
	for _, c := range channels {
		m.add(c)
	}
	reg.MustRegister(m.ledger)
	return m
}

// fullChannels have all their series from the start. Those of further channels
// that tell failures by their reasons come with the first of a kind: they are
// above a hundred for each channel, and a kilobyte each.
const fullChannels = 50

// add makes a channel's series, at zero, or gives those it has.
func (m *metrics) add(c metricChannel) *channelMetrics {
	if c.Name == noChannel {
		return m.unknown
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.channels[c] == nil {
		m.channels[c] = m.vecs.resolve(c, len(m.channels) >= fullChannels)
		m.ledger.list(slices.Collect(maps.Keys(m.channels)))
	}
	return m.channels[c]
}

// remove ends the series of a channel that is not configured any more; what is
// still counted with them is seen nowhere.
func (m *metrics) remove(c metricChannel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.channels[c] == nil {
		return
	}
	m.channels[c].close()
	delete(m.channels, c)
	m.vecs.remove(c)
	m.ledger.list(slices.Collect(maps.Keys(m.channels)))
}

func (m *metrics) registerLink(reg prometheus.Registerer) {
	m.link = gauge(reg, "core_link_up", "1 while a session with the core chat server is logged in, else 0.")
	m.generation = gauge(reg, "core_link_generation", "Sessions with the core since the process started; a rise without a stop is a reconnection.")
	m.window = gauge(reg, "core_window_size", "Sentences that may be unanswered by the core at once; falls below core.window when it is slow.")
	m.inUse = gauge(reg, "core_window_in_use", "Sentences written to the core and not echoed yet.")
	m.roundtrips = add(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "servicelink_core_roundtrip_seconds", Buckets: latencyBuckets,
		Help: "From a sentence leaving the write buffer to its echo by the core.",
	}))
	m.echoTimeouts = counter(reg, "core_echo_timeouts_total", "Sentences the core had not echoed in time; each is asked about before it is sent again.")
	m.lateEchoes = counter(reg, "core_late_echoes_total", "Echoes that came after their time-out and settled their sentence.")
	m.strayEchoes = counter(reg, "core_stray_echoes_total", "Echoes nothing waited for: a second one, or of another process' sentence.")
	m.badPackets = newClosedCounter(add(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "servicelink_core_bad_packets_total",
		Help: "Packets of the core that were skipped, by kind: unknown_code, decode (unreadable), oversize, unasked_answer, late_answer, unexpected (session control), other.",
	}, []string{"kind"})), badPacketKinds, false)
	m.unknownSignals = counter(reg, "core_unknown_signals_total", "Answers of the core with a Signal outside Free, Busy, Closed and Hidden.")
	m.scenarios = counter(reg, "core_scenarios_ignored_total", "Forms (ScenarioModel) the core offered and this version does not show.")
	m.notes = newClosedCounter(add(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "servicelink_tech_notes_total",
		Help: "Tech notes written for agents, by kind: failure (a message that was not delivered), unknown_outbound (sentences at the core whose fate is unknown), downgrade (what the network cannot show), other.",
	}, []string{"kind"})), noteKinds, false)
}

func (m *metrics) registerQuestions(reg prometheus.Registerer) {
	counts := add(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "servicelink_core_questions_total",
		Help: "Questions to the core by packet code and outcome: answered, repeated (asked once more), no_answer, gone (connection lost), other.",
	}, []string{"code", "outcome"}))
	times := add(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "servicelink_core_question_seconds", Buckets: latencyBuckets,
		Help: "From a question being written to its answer by the core, answered ones only.",
	}, []string{"code"}))
	m.questions = make(map[[2]string]prometheus.Counter)
	m.questionTimes = make(map[string]prometheus.Observer)
	for _, code := range questionCodes {
		m.questionTimes[code] = times.WithLabelValues(code)
		for _, outcome := range questionOutcomes {
			m.questions[[2]string{code, outcome}] = counts.WithLabelValues(code, outcome)
		}
	}
}

func (m *metrics) registerProcess(reg prometheus.Registerer, version string) {
	m.commits = add(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "servicelink_journal_commit_seconds", Buckets: commitBuckets,
		Help: "How long an accept waited until the journal had committed (and synced) it.",
	}))
	m.journalMax = gauge(reg, "journal_max_bytes", "journal.max_bytes: with servicelink_journal_bytes at it nothing is taken any more.")
	m.reloaded = gauge(reg, "config_last_reload_success", "1 when the last reading of the configuration succeeded, else 0.")
	m.reloadedAt = gauge(reg, "config_last_reload_success_timestamp_seconds", "When the configuration was last read with success, Unix time.")
	add(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "servicelink_build_info", Help: "Always 1; the labels say what runs.",
	}, []string{"version", "goversion"})).WithLabelValues(version, runtime.Version()).Set(1)
}

// registerState adds what the gateway itself is asked at a scrape.
func registerState(reg prometheus.Registerer, ready func() bool, parkedLanes func() int64) {
	add(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "servicelink_ready", Help: "1 while /readyz says so, else 0: starting or stopping, or the journal takes nothing.",
	}, func() float64 { return bit(ready()) }))
	add(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "servicelink_lanes_parked", Help: "Conversations that rest because the core does not answer for them, or their message may be what breaks its connection.",
	}, func() float64 { return float64(parkedLanes()) }))
}

func (m *metrics) linkUp(up bool)            { m.link.Set(bit(up)) }
func (m *metrics) linkGeneration(n uint64)   { m.generation.Set(float64(n)) }
func (m *metrics) windowSize(n int)          { m.window.Set(float64(n)) }
func (m *metrics) windowInUse(n int)         { m.inUse.Set(float64(n)) }
func (m *metrics) roundtrip(d time.Duration) { m.roundtrips.Observe(d.Seconds()) }
func (m *metrics) echoTimeout()              { m.echoTimeouts.Inc() }
func (m *metrics) lateEcho()                 { m.lateEchoes.Inc() }
func (m *metrics) strayEcho()                { m.strayEchoes.Inc() }
func (m *metrics) badPacket(kind string)     { m.badPackets.inc(kind) }
func (m *metrics) note(kind string)          { m.notes.inc(kind) }
func (m *metrics) unknownSignal()            { m.unknownSignals.Inc() }
func (m *metrics) scenarioIgnored()          { m.scenarios.Inc() }

// journalLimit shows journal.max_bytes.
func (m *metrics) journalLimit(bytes int64) { m.journalMax.Set(float64(bytes)) }

// journalCommit records how long one accept waited for its commit.
func (m *metrics) journalCommit(d time.Duration) { m.commits.Observe(d.Seconds()) }

// question records the outcome of one question; d counts only when answered.
func (m *metrics) question(code, outcome string, d time.Duration) {
	if _, ok := m.questionTimes[code]; !ok {
		code = other
	}
	c, ok := m.questions[[2]string{code, outcome}]
	if !ok {
		c = m.questions[[2]string{code, other}]
	}
	c.Inc()
	if outcome == simprot.QuestionAnswered {
		m.questionTimes[code].Observe(d.Seconds())
	}
}

// configLoaded records a reading of the configuration, the first included.
func (m *metrics) configLoaded(ok bool, at time.Time) {
	m.reloaded.Set(bit(ok))
	if ok {
		m.reloadedAt.Set(float64(at.Unix()))
	}
}

// add registers a new collector; a name registered twice is a mistake in this
// package and panics at start.
func add[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	reg.MustRegister(c)
	return c
}

func gauge(reg prometheus.Registerer, name, help string) prometheus.Gauge {
	return add(reg, prometheus.NewGauge(prometheus.GaugeOpts{Name: "servicelink_" + name, Help: help}))
}

func counter(reg prometheus.Registerer, name, help string) prometheus.Counter {
	return add(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "servicelink_" + name, Help: help}))
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// closedCounter is a counter per value of a closed list, the last of which
// takes whatever is outside.
type closedCounter struct {
	vec      *prometheus.CounterVec
	values   []string
	mu       sync.Mutex
	children map[string]prometheus.Counter
	closed   bool // as of openCounter
}

// newClosedCounter makes the series, at zero, or lazy: each with its first count.
func newClosedCounter(vec *prometheus.CounterVec, values []string, lazy bool) *closedCounter {
	c := &closedCounter{vec: vec, values: values}
	if !lazy {
		for _, v := range values {
			c.child(v)
		}
	}
	return c
}

func (c *closedCounter) inc(value string) {
	if !slices.Contains(c.values, value) {
		value = c.values[len(c.values)-1]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.child(value).Inc()
	}
}

// child gives a series. c.mu is held, or c is known to nobody yet.
func (c *closedCounter) child(value string) prometheus.Counter {
	child := c.children[value]
	if child == nil {
		child = c.vec.WithLabelValues(value)
		if c.children == nil {
			c.children = make(map[string]prometheus.Counter)
		}
		c.children[value] = child
	}
	return child
}

// close keeps a late caller from making a series again.
func (c *closedCounter) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// reasonNames lists reasons as label values; the bug reason comes last, since
// a reason outside the list is one.
func reasonNames(lists ...[]connectors.Reason) []string {
	var names []string
	for _, list := range lists {
		for _, r := range list {
			if r != connectors.ReasonBug {
				names = append(names, string(r))
			}
		}
	}
	return append(names, string(connectors.ReasonBug))
}
