package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// maxMessages bounds what is followed at a time; what comes beyond it has no
// trace. A core that is away for long brings it to that.
const maxMessages = 10_000

// The attributes of spans.
const (
	attrChannel      = "servicelink.channel"
	attrNetwork      = "servicelink.network"
	attrEvents       = "servicelink.events"
	attrConversation = "servicelink.conversation" // a hash, as in logs
	attrID           = "servicelink.id"
	attrOutcome      = "servicelink.outcome"
	attrReason       = "servicelink.reason"
	attrAttempts     = "servicelink.attempts"
	attrPart         = "servicelink.part"
)

// key names a message the way packets and journal both do.
type key struct {
	direction      journal.Direction
	port, tracking string
	id             string // the journal's
}

func (t *Tracer) keyOf(e *journal.Entry) key {
	return key{e.Lane.Direction, t.opts.Port(e.Lane.Channel), e.Lane.TrackingID, e.ID}
}

// message is one that is followed, guarded by the Tracer's mutex.
type message struct {
	key  key
	ctx  context.Context // with its span; outlives every call
	span trace.Span
	seq  int64 // in the journal; 0 = not known yet
	link trace.Span
	send trace.Span
	last []journal.Part
}

// begin follows a message from now on; nil when it is not sampled, or is being
// followed already.
func (t *Tracer) begin(parent context.Context, name string, kind trace.SpanKind, k key, e *journal.Entry) *message {
	_, span := t.tracer.Start(parent, name, trace.WithSpanKind(kind), trace.WithAttributes(
		attribute.String(attrChannel, e.Lane.Channel),
		attribute.String(attrConversation, simprot.LogID(e.Lane.TrackingID)),
		attribute.String(attrID, simprot.LogEventID(e.Lane.TrackingID, e.ID))))
	if !span.IsRecording() {
		return nil
	}
	m := &message{key: k, ctx: trace.ContextWithSpan(context.Background(), span), span: span}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.messages[k] != nil || len(t.messages) >= maxMessages {
		return nil // its span is dropped: it was never ended
	}
	t.messages[k] = m
	return m
}

// child starts a span below a message's own.
func (t *Tracer) child(m *message, name string, kind trace.SpanKind, attributes ...attribute.KeyValue) trace.Span {
	_, span := t.tracer.Start(m.ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
	return span
}

// finish ends a message and forgets it. Only the first call counts. t.mu is held.
func (t *Tracer) finish(m *message, outcome, reason string, attempts int) {
	if t.messages[m.key] != m {
		return
	}
	delete(t.messages, m.key)
	delete(t.rows, m.seq)
	if m.link != nil {
		end(m.link, "no_echo", "") // another answer of the core settled it
	}
	if m.send != nil {
		end(m.send, "no_outcome", "")
	}
	m.span.SetAttributes(attribute.Int(attrAttempts, attempts))
	end(m.span, outcome, reason)
}

// end ends a span with what became of it. Outcomes that somebody should look
// at are errors.
func end(span trace.Span, outcome, reason string) {
	span.SetAttributes(attribute.String(attrOutcome, outcome))
	if reason != "" {
		span.SetAttributes(attribute.String(attrReason, reason))
	}
	switch outcome {
	case "dead", "not_taken", "rejected", "unknown", "not_sent":
		span.SetStatus(codes.Error, outcome)
	}
	span.End()
}

// maxConfirmable is how many finished sentences are remembered for their
// confirmation, which follows at once or, with the link away, never.
const maxConfirmable = 1024

// confirmable remembers the contexts of finished sentences, the newest.
type confirmable struct {
	contexts map[key]context.Context
	order    []key
}

func (c *confirmable) add(ctx context.Context, k key) {
	if c.contexts == nil {
		c.contexts = map[key]context.Context{}
	}
	if len(c.order) >= maxConfirmable {
		delete(c.contexts, c.order[0])
		c.order = c.order[1:]
	}
	c.contexts[k] = ctx
	c.order = append(c.order, k)
}

// take gives a context once.
func (c *confirmable) take(k key) context.Context {
	ctx := c.contexts[k]
	delete(c.contexts, k)
	return ctx
}
