package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/gateway/journal/memory"
	"servicelink/simprot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Tracer around a memory journal whose spans stay here.
type rig struct {
	*testing.T
	tracer  *Tracer
	journal journal.Journal
	spans   *tracetest.InMemoryExporter
	rows    chan []journal.Row
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, spans: tracetest.NewInMemoryExporter(), rows: make(chan []journal.Row, 16)}
	r.tracer = New(config.Tracing{Endpoint: "http://collector", Sample: 1, Service: "test"}, Options{
		Log: slog.New(slog.DiscardHandler), Port: func(channel string) string { return "port-of-" + channel },
	})
	r.tracer.start(sdktrace.WithSyncer(r.spans))
	inner, err := memory.Open(journal.Options{OnCommit: r.tracer.OnCommit(func(rows []journal.Row) { r.rows <- rows })})
	if err != nil {
		t.Fatal(err)
	}
	r.journal = r.tracer.Journal(inner)
	t.Cleanup(func() {
		if err := r.journal.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func entry(d journal.Direction, id string) journal.Entry {
	return journal.Entry{Lane: journal.Lane{Channel: "shop", Direction: d, TrackingID: "anna"}, ID: id, Content: []byte("x")}
}

// accept journals an entry and gives its row.
func (r *rig) accept(e journal.Entry) journal.Row {
	r.Helper()
	if _, err := r.journal.Accept(r.Context(), e); err != nil {
		r.Fatal(err)
	}
	return (<-r.rows)[0]
}

// seen lists the ended spans, each with what became of it.
func (r *rig) seen() string {
	var list []string
	for _, s := range r.spans.GetSpans() {
		text := s.Name
		for _, a := range s.Attributes {
			switch a.Key {
			case attrOutcome, attrReason, attrPart:
				text += " " + a.Value.String()
			}
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func (r *rig) want(want string) {
	r.Helper()
	if got := r.seen(); got != want {
		r.Errorf("spans:\n got %s\nwant %s", got, want)
	}
	r.tracer.mu.Lock()
	defer r.tracer.mu.Unlock()
	if len(r.tracer.messages)+len(r.tracer.rows) > 0 {
		r.Errorf("%d messages and %d rows are still followed", len(r.tracer.messages), len(r.tracer.rows))
	}
}

func (r *rig) commit(c journal.Change) {
	r.Helper()
	if err := r.journal.Commit(r.Context(), c); err != nil {
		r.Fatal(err)
	}
}

// TestAttempts: each attempt of each part is a span with its outcome.
func TestAttempts(t *testing.T) {
	r := newRig(t)
	row := r.accept(entry(journal.Out, "a"))
	parts := func(n int, state journal.PartState, reason string, more ...journal.Part) journal.Change {
		return journal.Change{
			Seq: row.Seq, State: journal.Delivering, Attempts: n,
			Parts: append([]journal.Part{{State: state, Reason: reason}}, more...),
		}
	}
	sent := journal.Part{State: journal.PartSent}
	r.commit(parts(1, journal.PartAttempting, ""))
	r.journal.Apply(parts(1, 0, "network"))
	r.commit(parts(2, journal.PartAttempting, ""))
	r.journal.Apply(parts(2, journal.PartSent, ""))
	r.commit(parts(3, journal.PartSent, "", journal.Part{State: journal.PartAttempting}))
	r.journal.Apply(parts(3, journal.PartSent, "", journal.Part{State: journal.PartRejected, Reason: "content"}))
	r.commit(journal.Change{Seq: row.Seq, State: journal.Dead, Reason: "content", Attempts: 3, Parts: []journal.Part{sent}})
	r.want("journal taken, send 1 not_sent network, send 1 sent, send 2 rejected content, sentence dead content")
	if p := r.tracer.Sending()(simprot.CodeChatConfirmIn, &simprot.ChatCommandInfo{Port: "port-of-shop", TrackingId: "anna", ID: "a"}); p != "" {
		t.Errorf("a dead sentence is confirmed with %q", p)
	}
}

// TestWrittenTwice: a writing that stays without echo ends with the next one,
// or with the event.
func TestWrittenTwice(t *testing.T) {
	r := newRig(t)
	row := r.accept(entry(journal.In, "a"))
	sentence := &simprot.ChatSentenceInfo{Port: "port-of-shop", TrackingId: "anna", ID: "a"}
	sending := r.tracer.Sending()
	first, second := sending(simprot.CodeChatSentenceIn, sentence), sending(simprot.CodeChatSentenceIn, sentence)
	if len(first) != 55 || len(second) != 55 || first == second || first[:36] != second[:36] {
		t.Errorf("sent with %q and %q", first, second)
	}
	for _, other := range []*simprot.ChatSentenceInfo{
		{Port: "another", TrackingId: "anna", ID: "a"},
		{Port: "port-of-shop", TrackingId: "berta", ID: "a"},
		{Port: "port-of-shop", TrackingId: "anna", ID: "b"},
	} {
		if p := sending(simprot.CodeChatSentenceIn, other); p != "" {
			t.Errorf("%+v is sent with %q", other, p)
		}
	}
	r.journal.Apply(journal.Change{Seq: row.Seq, State: journal.Done, Attempts: 2})
	r.want("journal taken, link no_echo, link no_echo, event done")
}

// TestRepeats and refusals end where they are; the message that was there goes
// on.
func TestRepeats(t *testing.T) {
	r := newRig(t)
	row := r.accept(entry(journal.In, "a"))
	r.accept(entry(journal.In, "a")) // while the first is followed
	dead := entry(journal.In, "b")
	dead.DeadReason = "address"
	if _, err := r.journal.Accept(r.Context(), dead); err != nil {
		t.Fatal(err)
	}
	r.journal.Apply(journal.Change{Seq: row.Seq, State: journal.Done})
	if _, err := r.journal.Accept(r.Context(), entry(journal.In, "a")); err != nil { // after it
		t.Fatal(err)
	}
	r.want("journal taken, journal dead, event dead, event done, journal repeat, event repeat")
}

// TestNotTaken: a journal that is away ends what was begun.
func TestNotTaken(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	deliver := r.tracer.Webhook("shop", "fake", func(ctx context.Context, _ []connectors.Event) error {
		steps := r.tracer.taking(ctx, []journal.Entry{entry(journal.In, "a")})
		r.tracer.taken(steps, nil, journal.ErrAway)
		return journal.ErrAway
	})
	if err := deliver(ctx, make([]connectors.Event, 1)); !errors.Is(err, journal.ErrAway) {
		t.Fatal(err)
	}
	r.want("journal not_taken, event not_taken, webhook not_taken")
}

// TestBound: what is beyond the bound has no trace, and the rest goes on.
func TestBound(t *testing.T) {
	r := newRig(t)
	entries := make([]journal.Entry, maxMessages+5)
	for i := range entries {
		entries[i] = entry(journal.In, fmt.Sprint(i))
	}
	steps := r.tracer.taking(t.Context(), entries)
	followed := 0
	for _, s := range steps {
		if s.m != nil {
			followed++
		}
	}
	if followed != maxMessages || len(r.tracer.messages) != maxMessages {
		t.Errorf("%d messages are followed", followed)
	}
	var done confirmable
	for i := range maxConfirmable + 5 {
		done.add(t.Context(), key{id: fmt.Sprint(i)})
	}
	if len(done.contexts) != maxConfirmable || len(done.order) != maxConfirmable || done.take(key{id: "4"}) != nil || done.take(key{id: "5"}) == nil {
		t.Errorf("%d contexts and %d names are kept", len(done.contexts), len(done.order))
	}
}

// TestArriving: only the sentence that is being handed over is below the
// core's span, and what is no traceparent is none.
func TestArriving(t *testing.T) {
	const core = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := newRig(t)
	arrive := func(id, trace string, then ...string) {
		take := r.tracer.OnPacket(func(*simprot.Session, simprot.Packet) {
			for _, id := range then {
				row := r.accept(entry(journal.Out, id))
				r.journal.Apply(journal.Change{Seq: row.Seq, State: journal.Done})
			}
		})
		take(nil, simprot.Packet{
			Code: simprot.CodeChatSentence, Payload: &simprot.ChatSentenceInfo{ID: id, IsOutbound: true}, Extras: simprot.Extras{TraceParent: trace},
		})
	}
	long := strings.Repeat("x", 100) // is shortened for the journal
	arrive("a", core, "a", "other")
	arrive("b", "nonsense", "b")
	arrive(long, core, simprot.ShortenID(long, simprot.MaxID))
	for _, s := range r.spans.GetSpans() {
		if s.Name != "sentence" {
			continue
		}
		var id string
		for _, a := range s.Attributes {
			if a.Key == attrID {
				id = a.Value.String()
			}
		}
		below, want := s.Parent.TraceID().String() == core[3:35], id == "a" || strings.HasPrefix(id, "h:")
		if below != want {
			t.Errorf("%s: below the core's span: %v", id, below)
		}
	}
}

// TestReporter says once that exporting fails, and once that it works again.
func TestReporter(t *testing.T) {
	var text strings.Builder
	failing := &failingExporter{err: errors.New("refused")}
	r := &reporter{SpanExporter: failing, log: slog.New(slog.NewTextHandler(&text, nil))}
	for _, err := range []error{failing.err, failing.err, nil, nil} {
		failing.err = err
		if err := r.ExportSpans(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	if got := text.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "refused") || !strings.Contains(got, "exported again") {
		t.Errorf("logs %s", got)
	}
}

type failingExporter struct {
	sdktrace.SpanExporter
	err error
}

func (f *failingExporter) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return f.err }
