package tracing

import (
	"context"
	"errors"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"servicelink/gateway/journal"
)

// Journal stands around a journal and sees messages come, go forward and end.
// Closing it closes next, and then exports what is left.
func (t *Tracer) Journal(next journal.Journal) journal.Journal {
	if t == nil {
		return next
	}
	return &traced{Journal: next, t: t}
}

// OnCommit stands before the engine's hand-over: here a message learns its
// place in the journal.
func (t *Tracer) OnCommit(next func([]journal.Row)) func([]journal.Row) {
	if t == nil {
		return next
	}
	return func(rows []journal.Row) {
		t.place(rows)
		next(rows)
	}
}

// traced is a journal that tells the Tracer.
type traced struct {
	journal.Journal
	t *Tracer
}

func (j *traced) Accept(ctx context.Context, entries ...journal.Entry) ([]journal.Verdict, error) {
	taking := j.t.taking(ctx, entries)
	verdicts, err := j.Journal.Accept(ctx, entries...)
	j.t.taken(taking, verdicts, err)
	return verdicts, err
}

func (j *traced) Submit(entries []journal.Entry, done func([]journal.Verdict, error)) {
	taking := j.t.taking(context.Background(), entries)
	j.Journal.Submit(entries, func(verdicts []journal.Verdict, err error) {
		j.t.taken(taking, verdicts, err)
		done(verdicts, err)
	})
}

func (j *traced) Apply(changes ...journal.Change) {
	j.Journal.Apply(changes...)
	j.t.changed(changes)
}

func (j *traced) Commit(ctx context.Context, changes ...journal.Change) error {
	err := j.Journal.Commit(ctx, changes...)
	if err == nil {
		j.t.changed(changes)
	}
	return err
}

func (j *traced) Close() error { return errors.Join(j.Journal.Close(), j.t.stop()) }

// step is one message on its way into the journal.
type step struct {
	m      *message // nil: not followed
	commit trace.Span
}

// taking follows entries from now on. It comes before the journal has them,
// because the lane gets them before Accept returns. It is nil when none is
// followed.
func (t *Tracer) taking(ctx context.Context, entries []journal.Entry) []step {
	var steps []step
	for i := range entries {
		e := &entries[i]
		name, kind, parent := "event", trace.SpanKindInternal, ctx
		if e.Lane.Direction == journal.Out {
			name, kind, parent = "sentence", trace.SpanKindConsumer, t.arrived(ctx, e.ID)
		}
		m := t.begin(parent, name, kind, t.keyOf(e), e)
		if m == nil {
			continue
		}
		if steps == nil {
			steps = make([]step, len(entries))
		}
		steps[i] = step{m, t.child(m, "journal", trace.SpanKindInternal)}
	}
	return steps
}

// taken ends the steps into the journal, and the messages that go no further.
func (t *Tracer) taken(steps []step, verdicts []journal.Verdict, err error) {
	for i, s := range steps {
		if s.m == nil {
			continue
		}
		outcome := outcomeOf(err)
		if err == nil && verdicts[i] != journal.New {
			outcome = map[journal.Verdict]string{journal.Repeat: "repeat", journal.Refused: "dead"}[verdicts[i]]
		}
		end(s.commit, outcome, "")
		if outcome != "taken" {
			t.mu.Lock()
			t.finish(s.m, outcome, "", 0)
			t.mu.Unlock()
		}
	}
}

// place notes where the journal keeps messages that are followed.
func (t *Tracer) place(rows []journal.Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.messages) == 0 {
		return
	}
	for i := range rows {
		row := &rows[i]
		if m := t.messages[t.keyOf(&row.Entry)]; m != nil && !row.Repeat {
			m.seq = row.Seq
			t.rows[row.Seq] = m
		}
	}
}

// changed reads what the engine tells the journal of messages.
func (t *Tracer) changed(changes []journal.Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) == 0 {
		return
	}
	for i := range changes {
		change := &changes[i]
		m := t.rows[change.Seq]
		if m == nil || change.Seq == 0 {
			continue
		}
		t.attempts(m, change)
		if change.State.Pending() {
			continue
		}
		if change.State == journal.Done && m.key.direction == journal.Out {
			t.done.add(m.ctx, m.key)
		}
		t.finish(m, change.State.String(), change.Reason, change.Attempts)
	}
}

// attempts makes a span of every attempt: it is told when one begins, before
// the request leaves, and how it ended.
func (t *Tracer) attempts(m *message, change *journal.Change) {
	for i, part := range change.Parts {
		var before journal.PartState
		if i < len(m.last) {
			before = m.last[i].State
		}
		switch {
		case part.State == before:
		case part.State == journal.PartAttempting:
			m.send = t.child(m, "send", trace.SpanKindClient, attribute.Int(attrPart, i+1), attribute.Int(attrAttempts, change.Attempts))
		case before == journal.PartAttempting && m.send != nil:
			end(m.send, partOutcomes[part.State], part.Reason)
			m.send = nil
		}
	}
	if change.Parts != nil {
		m.last = slices.Clone(change.Parts)
	}
}

var partOutcomes = map[journal.PartState]string{
	0: "not_sent", journal.PartSent: "sent", journal.PartRejected: "rejected", journal.PartUnknown: "unknown",
}
