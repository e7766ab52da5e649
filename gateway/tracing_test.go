package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/tracing"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// receiver takes traces as a collector does.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	spans   []*spans.Span
	service string
	headers http.Header
	raw     []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var message spans.TracesData // ExportTraceServiceRequest has the same layout
		if err == nil {
			err = proto.Unmarshal(body, &message)
		}
		if err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", req.URL.Path, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.headers, r.raw = req.Header, append(r.raw, body...)
		for _, resource := range message.GetResourceSpans() {
			r.service = attribute(resource.GetResource().GetAttributes(), "service.name")
			for _, scope := range resource.GetScopeSpans() {
				r.spans = append(r.spans, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

func attribute(list []*common.KeyValue, name string) string {
	for _, pair := range list {
		if pair.GetKey() == name {
			return pair.GetValue().GetStringValue()
		}
	}
	return ""
}

// find gives the one span of a name.
func (r *receiver) find(t *testing.T, name string) *spans.Span {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*spans.Span
	var names []string
	for _, s := range r.spans {
		names = append(names, s.GetName())
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans of name %s among %v", len(found), name, names)
	}
	return found[0]
}

// below fails unless child lies directly below parent.
func below(t *testing.T, child, parent *spans.Span) {
	t.Helper()
	if string(child.GetParentSpanId()) != string(parent.GetSpanId()) || string(child.GetTraceId()) != string(parent.GetTraceId()) {
		t.Errorf("%s is not below %s", child.GetName(), parent.GetName())
	}
}

// coreContext is the trace the core's sentence belongs to.
const coreContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// between stands between gateway and core, sees the core's side, and gives
// the core's sentences a trace, as a core that traces does.
type between struct {
	t      *testing.T
	mu     sync.Mutex
	traces map[simprot.Code]string // what the gateway sent last
	done   sync.WaitGroup
}

func (b *between) dial(ctx context.Context, network, address string) (net.Conn, error) {
	core, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	b.done.Go(func() { defer core.Close(); b.carry(core, far, b.sawFromGateway) })
	b.done.Go(func() { defer far.Close(); b.carry(far, core, addTrace) })
	return near, nil
}

// carry copies packets after a look at them.
func (b *between) carry(to io.Writer, from io.Reader, look func(*simprot.Packet)) {
	frames := simprot.NewFrameReader(from, 0)
	for {
		body, err := frames.Next()
		if err != nil {
			return
		}
		p, err := simprot.DecodePacket(body)
		if err != nil {
			b.t.Errorf("on the link: %v", err)
			return
		}
		look(&p)
		frame, err := simprot.AppendFrame(nil, p, simprot.EncodingMsgpack)
		if err != nil {
			b.t.Errorf("on the link: %v", err)
			return
		}
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}

func (b *between) sawFromGateway(p *simprot.Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.traces[p.Code] = p.Extras.TraceParent
}

func addTrace(p *simprot.Packet) {
	if s, ok := p.Payload.(*simprot.ChatSentenceInfo); ok && s.IsOutbound {
		p.Extras.TraceParent = coreContext
	}
}

// sent is the traceparent of a packet that reached the core.
func (b *between) sent(code simprot.Code) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.traces[code]
}

// hookedNetwork is a network whose webhook brings one message.
type hookedNetwork struct{ *fakeNetwork }

func (h hookedNetwork) Webhooks() []connectors.Webhook {
	hooks := h.fakeNetwork.Webhooks()
	hooks[0].Parse = func(*connectors.Request) (connectors.ParseResult, error) {
		return connectors.ParseResult{Events: []connectors.Event{textEvent("anna", 1)}}, nil
	}
	return hooks
}

// converseTraced lets a customer write by webhook and an agent answer, through
// a gateway on real sockets, and stops it.
func converseTraced(t *testing.T, configured config.Tracing, look func(*Gateway)) *between {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	core := refcore.New(refcore.Options{Account: "gw", Secret: testSecret, Peer: testPeer, Fences: true, Asks: true})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	coreCtx, stopCore := context.WithCancel(ctx)
	var served sync.WaitGroup
	served.Go(func() {
		if err := core.Serve(coreCtx, listener); err != nil {
			t.Error(err)
		}
	})
	defer func() { stopCore(); served.Wait(); core.Close() }()

	link := &between{t: t, traces: map[simprot.Code]string{}}
	network := &fakeNetwork{}
	ready := make(chan struct{})
	gw, err := New(&config.Config{
		Core: config.Core{
			Address: listener.Addr().String(), Peer: testPeer, Account: "gw", Secret: config.NewSecret(testSecret),
			Instance: "gw-1", Encoding: "msgpack", Login: true, Settle: time.Second, Window: 256, UnknownOutbound: config.Report,
		},
		Journal: config.Journal{
			Driver: "sqlite", Path: filepath.Join(t.TempDir(), "journal.db"), MaxBytes: 1 << 30,
			KeepContent: 48 * time.Hour, KeepIDs: 192 * time.Hour,
		},
		Public: config.Public{Listen: "127.0.0.1:0"}, Private: config.Private{Listen: "127.0.0.1:0"},
		Limits: config.Limits{Deadline: time.Hour, Stop: 5 * time.Second},
		Channels: []config.Channel{{
			Name: "shop-1", Network: "fake", Enabled: true, Port: testChannel, Culture: "en", WhenClosed: config.Hold, Unknown: config.Report,
		}},
		Tracing: configured,
	}, Options{
		Definitions: []connectors.Definition{{Network: "fake", New: func(config.Channel, connectors.Dependencies) (connectors.Connector, error) {
			return hookedNetwork{network}, nil
		}}},
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Dial: link.dial,
		OnReady: func() { close(ready) },
	})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- gw.Run(running) }()
	<-ready
	look(gw)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+gw.PublicAddr()+"/fake", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("webhook: %v, %v", answer, err)
	}
	answer.Body.Close()
	address := refcore.Address{Peer: testPeer, Port: testChannel, TrackingID: "anna|fake"}
	var chat refcore.ChatState
	await(ctx, t, "the message at the core", func() bool {
		chat, err = core.Find(address)
		return err == nil && len(sentences(t, core, chat)) == 1
	})
	if _, err := core.Say(chat.ID, "an answer"); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the confirmation", func() bool {
		all := sentences(t, core, chat)
		return len(all) == 2 && all[1].ConfirmedTime != nil
	})
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	link.done.Wait()
	return link
}

func sentences(t *testing.T, core *refcore.Core, chat refcore.ChatState) []*simprot.ChatSentenceInfo {
	t.Helper()
	_, list, err := core.Chat(chat.ID)
	if err != nil {
		t.Fatal(err)
	}
	var all []*simprot.ChatSentenceInfo
	for i := range list {
		all = append(all, &simprot.ChatSentenceInfo{ID: list[i].ID, ConfirmedTime: list[i].ConfirmedTime})
	}
	return all
}

// await looks until something is so.
func await(ctx context.Context, t *testing.T, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !so() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("%s does not come", what)
		}
	}
}

// TestTracing follows a message each way from end to end: the core gets and
// gives contexts, and every span hangs where it belongs.
func TestTracing(t *testing.T) {
	sink := newReceiver(t)
	link := converseTraced(t, config.Tracing{
		Endpoint: sink.URL, Sample: 1, Service: "gateway-under-test",
		Headers: map[string]config.Secret{"Authorization": config.NewSecret("marked-token")},
	}, func(*Gateway) {})

	webhook, event, written := sink.find(t, "webhook"), sink.find(t, "event"), sink.find(t, "link")
	below(t, event, webhook)
	below(t, written, event)
	if got, want := link.sent(simprot.CodeChatSentenceIn), parent(written); got != want {
		t.Errorf("the core got %q with the message, want %q", got, want)
	}
	sentence, send, confirm := sink.find(t, "sentence"), sink.find(t, "send"), sink.find(t, "confirm")
	if got := fmt.Sprintf("00-%x-%x-01", sentence.GetTraceId(), sentence.GetParentSpanId()); got != coreContext {
		t.Errorf("the sentence is below %s, want the core's %s", got, coreContext)
	}
	below(t, send, sentence)
	below(t, confirm, sentence)
	if got, want := link.sent(simprot.CodeChatConfirmIn), parent(confirm); got != want {
		t.Errorf("the core got %q with the confirmation, want %q", got, want)
	}
	for name, outcome := range map[string]string{"webhook": "taken", "event": "done", "link": "echo", "sentence": "done", "send": "sent"} {
		if got := attribute(sink.find(t, name).GetAttributes(), "servicelink.outcome"); got != outcome {
			t.Errorf("%s: outcome %q, want %q", name, got, outcome)
		}
	}
	var committed []string
	for _, s := range sink.spans {
		if s.GetName() == "journal" {
			committed = append(committed, string(s.GetParentSpanId()))
		}
	}
	if want := []string{string(event.GetSpanId()), string(sentence.GetSpanId())}; !slices.Equal(committed, want) {
		t.Errorf("journal: below %x, want %x", committed, want)
	}
	if sink.service != "gateway-under-test" || sink.headers.Get("Authorization") != "marked-token" {
		t.Errorf("exported as %q with %v", sink.service, sink.headers)
	}
	for _, marked := range []string{"message 1", "an answer", "anna", "Customer", testSecret, "marked-token"} {
		// IDs are of the test's own making and hold the name; the real ones do not.
		if strings.Contains(strings.ReplaceAll(string(sink.raw), "in-anna-", ""), marked) {
			t.Errorf("%q is exported", marked)
		}
	}
}

func parent(s *spans.Span) string {
	return "00-" + hex.EncodeToString(s.GetTraceId()) + "-" + hex.EncodeToString(s.GetSpanId()) + "-01"
}

// TestTracingOff: without an endpoint nothing stands around the journal or at
// the link, and nothing is sent along.
func TestTracingOff(t *testing.T) {
	link := converseTraced(t, config.Tracing{Sample: 1, Service: "x"}, func(gw *Gateway) {
		if driver := fmt.Sprintf("%T", gw.journal); gw.tracing.Sending() != nil || driver != "*sqlite.Journal" {
			t.Errorf("tracing stands in the way: the journal is a %s", driver)
		}
	})
	if len(link.traces) < 6 {
		t.Fatalf("the core got only %v", link.traces)
	}
	for code, trace := range link.traces {
		if trace != "" {
			t.Errorf("%s carries %q", code, trace)
		}
	}
}

// TestTracingOffCosts nothing: no allocation at any of the places where it
// would stand.
func TestTracingOffCosts(t *testing.T) {
	var off *tracing.Tracer
	takes := func(context.Context, []connectors.Event) error { return nil }
	packet := func(*simprot.Session, simprot.Packet) {}
	ctx, p := t.Context(), simprot.Packet{Code: simprot.CodeChatSentence, Payload: &simprot.ChatSentenceInfo{}}
	deliver, onPacket := off.Webhook("a", "b", takes), off.OnPacket(packet)
	if n := testing.AllocsPerRun(100, func() {
		_ = deliver(ctx, nil)
		onPacket(nil, p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
