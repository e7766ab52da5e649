package gateway

import (
	"cmp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// channelVecs are the families with the labels channel and network, from
// which the children of each configured channel are resolved once.
type channelVecs struct {
	accepted, duplicates, done, dead, attempts *prometheus.CounterVec
	requests, refused, ignored                 *prometheus.CounterVec
	idReused, resyncs, reconciled, reports     *prometheus.CounterVec
	recovered, profiles                        *prometheus.CounterVec
	files, fileBytes                           *prometheus.CounterVec
	endToEnd, webhook                          *prometheus.HistogramVec
	lanes, behind, held                        *prometheus.GaugeVec
}

func newChannelVecs(reg prometheus.Registerer) *channelVecs {
	c := func(name, help string, labels ...string) *prometheus.CounterVec {
		return add(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "servicelink_" + name, Help: help}, channelLabels(labels)))
	}
	g := func(name, help string) *prometheus.GaugeVec {
		return add(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "servicelink_" + name, Help: help}, channelLabels([]string{"direction"})))
	}
	h := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return add(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "servicelink_" + name, Help: help, Buckets: buckets}, channelLabels(labels)))
	}
	return &channelVecs{
		accepted:   c("accepted_total", "Messages this process journaled for the first time.", "direction"),
		duplicates: c("duplicates_total", "Repeats of journaled messages, answered with success and not taken again.", "direction"),
		done:       c("done_total", "Messages this process brought to their end: echoed by the core (in), taken by the network (out).", "direction"),
		dead:       c("dead_total", "Messages this process gave up, by reason; listed at /api/v1/dead.", "direction", "reason"),
		attempts:   c("send_attempts_total", "Requests to the network to send one part: outcome sent, not_sent (safe to retry), rejected, unknown; with the reason of a failure, else none.", "outcome", "reason"),
		requests:   c("webhook_requests_total", "Webhook calls by what became of them: accepted, refused, too_large, malformed, unavailable (the network is asked to send again).", "result"),
		refused:    c("webhook_refused_total", "Webhook calls that were not taken, by reason. Calls that no one channel can be blamed for have channel \"-\".", "reason"),
		ignored:    c("events_ignored_total", "Parts of webhook calls that were understood and are not to be taken, by the connector's reason.", "reason"),

		idReused: c("core_id_reused_total", "Sentences of the core with an ID it had used for another text."),
		resyncs:  c("core_resyncs_total", "Resynchronisations of the channel's Port: done, failed.", "outcome"),

		reconciled: c("reconciled_total", "Parts whose send had an unknown outcome, by what was found out: sent, not_sent, failed; unknown = nobody can tell, the channel's policy decides.", "fate"),
		reports:    c("delivery_reports_total", "What networks reported of messages they had taken, once for each step: queued, sent, delivered, read; failed = given up after all.", "status"),
		recovered:  c("recovered_total", "Messages found at the network that no webhook had brought: its calls do not arrive."),

		profiles: c("profile_lookups_total", "Questions to the network who a customer is: known, none (not given out), failed.", "outcome"),

		files:     c("media_total", "Files by what became of them: customers' by their links (in), agents' for the network (out). Links that cannot be read have channel \"-\".", "direction", "outcome"),
		fileBytes: c("media_bytes_total", "Bytes of files given out (in), or read for the network (out).", "direction"),

		endToEnd: h("end_to_end_seconds", "From a message being journaled to its end, done ones only.", endToEndBuckets[:], "direction"),
		webhook:  h("webhook_seconds", "From a webhook call's header to its answer, calls of every result.", latencyBuckets),

		lanes:  g("lanes", "Conversations with work now, per direction."),
		behind: g("lanes_behind", "Lanes with more pending messages than they hold in memory; they read on from the journal."),
		held:   g("lane_messages", "Messages the lanes hold in memory; the engine's limit is 50,000."),
	}
}

// remove deletes every child of one channel.
func (v *channelVecs) remove(c metricChannel) {
	by := prometheus.Labels{"channel": c.Name, "network": c.Network}
	for _, vec := range []*prometheus.CounterVec{
		v.accepted, v.duplicates, v.done, v.dead, v.attempts, v.requests, v.refused, v.ignored, v.idReused, v.resyncs,
		v.files, v.fileBytes, v.reconciled, v.reports, v.recovered, v.profiles,
	} {
		vec.DeletePartialMatch(by)
	}
	for _, vec := range []*prometheus.HistogramVec{v.endToEnd, v.webhook} {
		vec.DeletePartialMatch(by)
	}
	for _, vec := range []*prometheus.GaugeVec{v.lanes, v.behind, v.held} {
		vec.DeletePartialMatch(by)
	}
}

func channelLabels(more []string) []string { return append([]string{"channel", "network"}, more...) }

// resolve makes the children of one channel, at zero; lazy leaves out those by
// reason.
func (v *channelVecs) resolve(c metricChannel, lazy bool) *channelMetrics {
	by := prometheus.Labels{"channel": c.Name, "network": c.Network}
	m := &channelMetrics{
		sent:      v.attempts.With(prometheus.Labels{"channel": c.Name, "network": c.Network, "outcome": "sent", "reason": "none"}),
		attempts:  make(map[string]*closedCounter, 3),
		refused:   newClosedCounter(v.refused.MustCurryWith(by), requestReasons, lazy),
		ignoredBy: openCounter{vec: v.ignored.MustCurryWith(by)},
		reused:    v.idReused.With(by),
		resyncs:   newClosedCounter(v.resyncs.MustCurryWith(by), resyncOutcomes, false),
		fates:     newClosedCounter(v.reconciled.MustCurryWith(by), fateNames, false),
		lost:      v.recovered.With(by),
		reports:   newClosedCounter(v.reports.MustCurryWith(by), statusNames, false),
		profiles:  newClosedCounter(v.profiles.MustCurryWith(by), profileOutcomes, false),
		webhook:   v.webhook.With(by),
	}
	m.ignoredBy.child(other)
	for _, o := range []connectors.Outcome{connectors.NotSent, connectors.Rejected, connectors.Unknown} {
		vec := v.attempts.MustCurryWith(by).MustCurryWith(prometheus.Labels{"outcome": o.String()})
		m.attempts[o.String()] = newClosedCounter(vec, reasonNames(connectors.SendReasons), lazy)
	}
	for r, name := range resultNames {
		m.results[r] = v.requests.MustCurryWith(by).WithLabelValues(name)
	}
	for i, dir := range []journal.Direction{journal.In, journal.Out} {
		m.dirs[i] = v.resolveDirection(prometheus.Labels{"channel": c.Name, "network": c.Network, "direction": dir.String()}, lazy)
	}
	return m
}

func (v *channelVecs) resolveDirection(by prometheus.Labels, lazy bool) directionMetrics {
	return directionMetrics{
		accepted:   v.accepted.With(by),
		duplicates: v.duplicates.With(by),
		done:       v.done.With(by),
		dead:       newClosedCounter(v.dead.MustCurryWith(by), reasonNames(connectors.SendReasons, connectors.DeadReasons), lazy),
		files:      newClosedCounter(v.files.MustCurryWith(by), mediaEnds, lazy),
		fileBytes:  v.fileBytes.With(by),
		endToEnd:   v.endToEnd.With(by),
		lanes:      v.lanes.With(by),
		behind:     v.behind.With(by),
		held:       v.held.With(by),
	}
}

// fateNames is the closed list of servicelink_reconciled_total.
var fateNames = []string{
	connectors.FateSent.String(), connectors.FateNotSent.String(), connectors.FateFailed.String(), connectors.FateUnknown.String(),
}

// statusNames is the closed list of servicelink_delivery_reports_total.
var statusNames = []string{
	connectors.StatusQueued.String(), connectors.StatusSent.String(), connectors.StatusDelivered.String(),
	connectors.StatusRead.String(), connectors.StatusFailed.String(),
}

// requestReasons is the closed list of servicelink_webhook_refused_total; bug
// comes last, since a reason outside the list is one.
var requestReasons = []string{
	string(connectors.ReasonMissing), string(connectors.ReasonSyntax), string(connectors.ReasonLimits),
	string(connectors.ReasonNobody), string(connectors.ReasonForged), string(connectors.ReasonTooLarge),
	string(connectors.ReasonBody), string(connectors.ReasonUnavail), string(connectors.ReasonNoPath),
	string(connectors.ReasonBadMethod), string(connectors.ReasonPanic),
}

// resultNames gives the label of each connectors.Result.
var resultNames = [...]string{
	connectors.Accepted: "accepted", connectors.Refused: "refused", connectors.TooLarge: "too_large",
	connectors.Malformed: "malformed", connectors.Unavailable: "unavailable",
}

// channelMetrics are the resolved series of one channel.
type channelMetrics struct {
	dirs     [2]directionMetrics // in, out
	sent     prometheus.Counter
	attempts map[string]*closedCounter // by outcome, then reason

	results   [len(resultNames)]prometheus.Counter
	refused   *closedCounter
	ignoredBy openCounter
	webhook   prometheus.Observer

	reused   prometheus.Counter
	resyncs  *closedCounter
	fates    *closedCounter     // of sends of unknown outcome
	reports  *closedCounter     // of delivery
	lost     prometheus.Counter // messages no webhook had brought
	profiles *closedCounter
}

type directionMetrics struct {
	accepted, duplicates, done prometheus.Counter
	dead, files                *closedCounter
	fileBytes                  prometheus.Counter
	endToEnd                   prometheus.Observer
	lanes, behind, held        prometheus.Gauge
}

// close keeps late callers from making series of a channel that is gone.
func (m *channelMetrics) close() {
	m.ignoredBy.close()
	for _, c := range m.attempts {
		c.close()
	}
	for _, c := range []*closedCounter{m.refused, m.resyncs, m.fates, m.reports, m.profiles, m.dirs[0].dead, m.dirs[0].files, m.dirs[1].dead, m.dirs[1].files} {
		c.close()
	}
}

func (m *channelMetrics) dir(d journal.Direction) *directionMetrics {
	if d == journal.Out {
		return &m.dirs[1]
	}
	return &m.dirs[0]
}

func (m *channelMetrics) accepted(d journal.Direction)            { m.dir(d).accepted.Inc() }
func (m *channelMetrics) duplicate(d journal.Direction)           { m.dir(d).duplicates.Inc() }
func (m *channelMetrics) done(d journal.Direction)                { m.dir(d).done.Inc() }
func (m *channelMetrics) dead(d journal.Direction, reason string) { m.dir(d).dead.inc(reason) }

// taken records what the journal did with entries.
func (m *channelMetrics) taken(d journal.Direction, entries []journal.Entry, verdicts []journal.Verdict) {
	for i, v := range verdicts {
		if v == journal.Repeat {
			m.duplicate(d)
			continue
		}
		m.accepted(d)
		if v == journal.Refused {
			m.dead(d, cmp.Or(entries[i].DeadReason, string(connectors.ReasonRefused)))
		}
	}
}

// finished records the end of a message that was taken the given time ago.
func (m *channelMetrics) finished(d journal.Direction, end journal.State, reason string, took time.Duration) {
	if end != journal.Done {
		m.dead(d, reason)
		return
	}
	m.done(d)
	m.endToEnd(d, took)
}

// endToEnd records the whole way of a message that is done.
func (m *channelMetrics) endToEnd(d journal.Direction, took time.Duration) {
	m.dir(d).endToEnd.Observe(took.Seconds())
}

// attempt records one request to the network: outcome is "sent", or the
// String of a connectors.Outcome with its reason.
func (m *channelMetrics) attempt(outcome, reason string) {
	if outcome == "sent" {
		m.sent.Inc()
		return
	}
	c, ok := m.attempts[outcome]
	if !ok {
		c, reason = m.attempts[connectors.Unknown.String()], string(connectors.ReasonBug)
	}
	c.inc(reason)
}

func (m *channelMetrics) webhookResult(r connectors.Result) { m.results[r].Inc() }
func (m *channelMetrics) webhookRefused(reason string)      { m.refused.inc(reason) }
func (m *channelMetrics) webhookSeconds(took time.Duration) { m.webhook.Observe(took.Seconds()) }
func (m *channelMetrics) ignored(reason string, n int)      { m.ignoredBy.child(reason).Add(float64(n)) }
func (m *channelMetrics) reusedID()                         { m.reused.Inc() }
func (m *channelMetrics) resync(outcome string)             { m.resyncs.inc(outcome) }
func (m *channelMetrics) reconciled(f connectors.Fate)      { m.fates.inc(f.String()) }
func (m *channelMetrics) reported(s connectors.DeliveryStatus) {
	m.reports.inc(s.String())
}
func (m *channelMetrics) profile(outcome string)              { m.profiles.inc(outcome) }
func (m *channelMetrics) recovered(n int)                     { m.lost.Add(float64(n)) }
func (m *channelMetrics) lane(d journal.Direction, delta int) { m.dir(d).lanes.Add(float64(delta)) }
func (m *channelMetrics) laneBehind(d journal.Direction, delta int) {
	m.dir(d).behind.Add(float64(delta))
}

func (m *channelMetrics) laneHeld(d journal.Direction, delta int) { m.dir(d).held.Add(float64(delta)) }

// Limits of openCounter.
const (
	maxOpenValues = 32 // distinct label values of one channel
	maxOpenLength = 40 // characters of one
)

// openCounter counts by label values that are constants of a connector and
// not known here. It bounds what a careless connector could make of them.
type openCounter struct {
	vec      *prometheus.CounterVec
	mu       sync.RWMutex
	children map[string]prometheus.Counter
	closed   bool // its series are gone, and no new ones come
}

// close keeps a late caller from making a series again.
func (c *openCounter) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *openCounter) child(value string) prometheus.Counter {
	c.mu.RLock()
	child, ok := c.children[value]
	c.mu.RUnlock()
	if ok {
		return child
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !labelWord(value) || len(c.children) >= maxOpenValues {
		value = other
	}
	if child, ok := c.children[value]; ok {
		return child
	}
	if c.children == nil {
		c.children = make(map[string]prometheus.Counter)
	}
	if c.closed {
		return prometheus.NewCounter(prometheus.CounterOpts{}) // seen by nobody
	}
	child = c.vec.WithLabelValues(value)
	c.children[value] = child
	return child
}

// labelWord reports whether s looks like a constant reason: a word of
// [a-z0-9_], not something a request holds.
func labelWord(s string) bool {
	if s == "" || len(s) > maxOpenLength {
		return false
	}
	for _, r := range []byte(s) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return true
}
