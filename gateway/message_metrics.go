package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// answerBuckets reach to the ten minutes after which a message is written again.
var answerBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 90, 300, 600}

// messageMetrics counts what is no gateway's: the packets of messages.
type messageMetrics struct {
	taken, sents prometheus.Histogram
	answers      *closedCounter
	late         prometheus.Counter
}

func newMessageMetrics(reg prometheus.Registerer) *messageMetrics {
	return &messageMetrics{
		taken: add(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "servicelink_message_received_seconds", Buckets: answerBuckets,
			Help: "From ES_MESSAGE_RECEIVING being written to the core's SE_MESSAGE_RECEIVED.",
		})),
		sents: add(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "servicelink_message_sent_seconds", Buckets: answerBuckets,
			Help: "From SE_MESSAGE_SENDING being read to ES_MESSAGE_SENT, whatever that says.",
		})),
		answers: newClosedCounter(add(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "servicelink_message_answers_total",
			Help: "Answers of the core to messages that were out of the ordinary, by kind: none (not in ten minutes), neither (neither true nor false), duplicate, late (it counted all the same), unknown (nobody asked).",
		}, []string{"kind"})), answerKinds, false),
		late: counter(reg, "message_sent_withheld_total", "Answers to SE_MESSAGE_SENDING that were not written because their time had passed; the core's repeat gets them."),
	}
}

func (m *messageMetrics) received(d time.Duration) { m.taken.Observe(d.Seconds()) }
func (m *messageMetrics) sent(d time.Duration)     { m.sents.Observe(d.Seconds()) }
func (m *messageMetrics) answer(kind string)       { m.answers.inc(kind) }
func (m *messageMetrics) withheld()                { m.late.Inc() }
