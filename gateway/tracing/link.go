package tracing

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// w3c reads the traceparent.
var w3c = propagation.TraceContext{}

const traceparent = "traceparent"

// arrival is a sentence of the core on its way to the journal.
type arrival struct{ id, traceParent string }

// OnPacket stands before the engine's taking of packets: it ends the waiting
// for echoes, and keeps a sentence's traceparent for the journal, to which the
// engine gives it before it returns.
func (t *Tracer) OnPacket(next func(*simprot.Session, simprot.Packet)) func(*simprot.Session, simprot.Packet) {
	if t == nil {
		return next
	}
	return func(s *simprot.Session, p simprot.Packet) {
		if sentence, ok := p.Payload.(*simprot.ChatSentenceInfo); ok {
			if sentence.IsOutbound {
				t.arriving.Store(&arrival{rowID(sentence.ID), p.Extras.TraceParent})
				defer t.arriving.Store(nil)
			} else {
				t.echoed(sentence)
			}
		}
		next(s, p)
	}
}

// arrived gives the context a sentence of the core belongs to. Not every one
// arrives by itself: some are found in answers.
func (t *Tracer) arrived(ctx context.Context, id string) context.Context {
	if a := t.arriving.Load(); a != nil && a.id == id {
		return w3c.Extract(ctx, propagation.MapCarrier{traceparent: a.traceParent})
	}
	return ctx
}

// rowID is a sentence's ID as the journal has it.
func rowID(id string) string { return simprot.ShortenID(id, simprot.MaxID) }

func (t *Tracer) echoed(sentence *simprot.ChatSentenceInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.messages[key{journal.In, sentence.Port, sentence.TrackingId, sentence.ID}]
	if m != nil && m.link != nil {
		end(m.link, "echo", "")
		m.link = nil
	}
}

// Sending gives what simprot asks for every packet: its traceparent. It is nil
// when nothing is traced.
func (t *Tracer) Sending() func(simprot.Code, simprot.Payload) string {
	if t == nil {
		return nil
	}
	return func(code simprot.Code, payload simprot.Payload) string {
		switch p := payload.(type) {
		case *simprot.ChatSentenceInfo:
			return t.writing(p)
		case *simprot.ChatCommandInfo:
			if code == simprot.CodeChatConfirmIn {
				return t.confirming(p)
			}
		}
		return ""
	}
}

// writing starts the span of one writing of an event to the core.
func (t *Tracer) writing(sentence *simprot.ChatSentenceInfo) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.messages[key{journal.In, sentence.Port, sentence.TrackingId, sentence.ID}]
	if m == nil {
		return ""
	}
	if m.link != nil {
		end(m.link, "no_echo", "") // and it is written again
	}
	m.link = t.child(m, "link", trace.SpanKindProducer)
	return traceParentOf(m.link)
}

// confirming makes the span of a sentence's confirmation.
func (t *Tracer) confirming(cmd *simprot.ChatCommandInfo) string {
	t.mu.Lock()
	ctx := t.done.take(key{journal.Out, cmd.Port, cmd.TrackingId, rowID(cmd.ID)})
	t.mu.Unlock()
	if ctx == nil {
		return ""
	}
	_, span := t.tracer.Start(ctx, "confirm", trace.WithSpanKind(trace.SpanKindProducer))
	defer span.End()
	return traceParentOf(span)
}

// traceParentOf writes what Extract reads (W3C Trace Context, 3.2).
func traceParentOf(span trace.Span) string {
	sc := span.SpanContext()
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
}
