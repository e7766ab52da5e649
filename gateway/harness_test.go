package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testPeer    = "@servicelink"
	testChannel = "shop"
	testSecret  = "a secret of the core"
)

// house is a gateway between a reference core and a fake network, all in one
// synctest bubble: time passes only while everybody waits.
type house struct {
	*testing.T
	cfg  *config.Config
	core *refcore.Core
	door *pipeListener
	net  *fakeNetwork
	disk *disk
	logs *logBook // of every gateway here, from warnings up
	// build makes the connector of a channel; nil = net is everybody's.
	build  func(config.Channel) (connectors.Connector, error)
	chatty bool // logs from info up
	// devices are the types of message gateways.
	devices []connectors.DeviceDefinition
	free    atomic.Uint64 // bytes of the journal's disk, which has 100 GiB

	gw      *Gateway
	cut     *cutJournal
	stopGW  context.CancelFunc
	stopped chan error
	ready   chan struct{}
}

type houseOption func(*house, *refcore.Options)

func volatile(h *house, _ *refcore.Options)   { h.disk.volatile = true }
func oldJournal(h *house, _ *refcore.Options) { h.disk.age = 365 * 24 * time.Hour }
func plainCore(_ *house, o *refcore.Options) {
	o.Fences, o.Asks, o.Break = false, false, append(refcore.Bare(), refcore.RuleChatID)
}

func withoutLogin(h *house, o *refcore.Options) {
	o.NoLogin, o.Fences, o.Asks, h.cfg.Core.Login = true, false, false, false
}
func answerClosed(h *house, _ *refcore.Options)  { h.cfg.Channels[0].WhenClosed = config.Answer }
func reportUnknown(h *house, _ *refcore.Options) { h.cfg.Channels[0].Unknown = config.Report }

// inHouse runs a test with everything started.
func inHouse(t *testing.T, test func(h *house), options ...houseOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		core := refcore.Options{
			Account: "gw", Secret: testSecret, Peer: testPeer, Fences: true, Asks: true,
		}
		for _, o := range options {
			o(h, &core)
		}
		h.core = refcore.New(core)
		coreCtx, stopCore := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- h.core.Serve(coreCtx, h.door) }()
		h.start()
		defer func() { // a test that gives up ends alone, not with the whole package
			h.stop()
			h.balanced()
			stopCore()
			<-served
			_ = h.core.Close()
			h.disk.Close()
		}()
		test(h)
	})
}

// newHouse is a house in which nothing runs yet.
func newHouse(t *testing.T) *house {
	h := &house{T: t, net: &fakeNetwork{}, logs: new(logBook), door: newPipeListener(), cfg: &config.Config{
		Core: config.Core{
			Address: "core:18321", Peer: testPeer, Account: "gw", Secret: config.NewSecret(testSecret),
			Instance: "gw-1", Encoding: "msgpack", Login: true, Settle: 2 * time.Second, Window: 256,
			UnknownOutbound: config.Report,
		},
		Journal: config.Journal{KeepContent: 48 * time.Hour, KeepIDs: 192 * time.Hour},
		Limits:  config.Limits{Deadline: 24 * time.Hour, Stop: 15 * time.Second},
		Texts:   config.Texts{Closed: map[string]string{"en": "we are closed"}},
		Channels: []config.Channel{{
			Name: testChannel, Network: "fake", Enabled: true, Port: testChannel, Culture: "en",
			WhenClosed: config.Hold, Unknown: config.Resend,
		}},
	}}
	h.disk = newDisk()
	h.free.Store(50 << 30)
	return h
}

// start starts a gateway on the house's journal.
func (h *house) start() {
	h.Helper()
	h.ready = make(chan struct{})
	level := slog.LevelWarn
	if h.chatty {
		level = slog.LevelInfo
	}
	gw, err := New(h.cfg, Options{
		Definitions: []connectors.Definition{{Network: "fake", New: func(c config.Channel, _ connectors.Dependencies) (connectors.Connector, error) {
			if h.build != nil {
				return h.build(c)
			}
			return h.net, nil
		}}},
		Devices: h.devices,
		Log:     slog.New(slog.NewTextHandler(io.MultiWriter(h.Output(), h.logs), &slog.HandlerOptions{Level: level})),
		Dial:    h.door.dial,
		Room:    func(string) (free, all uint64, err error) { return h.free.Load(), 100 << 30, nil },
		Journal: func(o journal.Options) (journal.Journal, error) {
			h.cut = h.disk.mount(o)
			return h.cut, nil
		},
		OnReady: func() { close(h.ready) },
	})
	if err != nil {
		h.Fatalf("new: %v", err)
	}
	h.gw = gw
	ctx, cancel := context.WithCancel(context.Background())
	h.stopGW = cancel
	h.stopped = make(chan error, 1)
	go func() {
		err := gw.openJournal()
		if err == nil {
			err = gw.openLink()
		}
		if err == nil {
			err = gw.work(ctx)
		}
		h.stopped <- err
	}()
	<-h.ready
}

// stop ends the gateway in order.
func (h *house) stop() {
	h.Helper()
	if h.gw == nil {
		return
	}
	h.stopGW()
	if err := <-h.stopped; err != nil {
		h.Errorf("stop: %v", err)
	}
	h.gw = nil
}

// crash ends the gateway as kill -9 does: nothing it does from now on reaches
// the disk, its connection just breaks.
func (h *house) crash() {
	h.Helper()
	h.cut.dead.Store(true)
	h.door.breakAll()
	h.gw.life.stopHard()
	h.stopGW()
	<-h.stopped
	h.gw = nil
}

// crashesSending has the process die while "an answer" is on its way to anna, and the
// network answer again.
func (h *house) crashesSending() (id string) {
	h.Helper()
	h.net.block = make(chan struct{})
	id = h.says("anna", "an answer")
	h.waits(time.Second)
	h.crash()
	h.net.block = nil
	return id
}

// writes puts a customer's message into the gateway.
func (h *house) writes(customer string, n int) {
	h.Helper()
	if err := h.deliver(customer, n); err != nil {
		h.Errorf("deliver: %v", err)
	}
}

func (h *house) deliver(customer string, n int) error {
	return inbox{h.gw, h.gw.channel(testChannel)}.Deliver(h.Context(), []connectors.Event{textEvent(customer, n)})
}

func textEvent(customer string, n int) connectors.Event {
	return connectors.Event{
		ID: fmt.Sprintf("in-%s-%04d", customer, n), Kind: connectors.KindText, TrackingID: customer + "|fake",
		Customer: connectors.Customer{RemoteAddress: customer, PartyName: "Customer " + customer},
		Text:     fmt.Sprintf("message %d", n),
	}
}

func (h *house) address(customer string) refcore.Address {
	return refcore.Address{Peer: testPeer, Port: testChannel, TrackingID: customer + "|fake"}
}

// chat finds the customer's latest chat at the core.
func (h *house) chat(customer string) refcore.ChatState {
	h.Helper()
	c, err := h.core.Find(h.address(customer))
	if err != nil {
		h.Fatalf("chat of %s: %v", customer, err)
	}
	return c
}

func (h *house) says(customer, text string) string {
	h.Helper()
	id, err := h.core.Say(h.chat(customer).ID, text)
	if err != nil {
		h.Fatalf("say: %v", err)
	}
	return id
}

// shown gives the IDs of a customer's messages at the core, in order of
// appearance over all chats. A message shown twice fails the test.
func (h *house) shown(customer string) (ids, notes []string) {
	h.Helper()
	chats, err := h.core.Chats()
	if err != nil {
		h.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range chats {
		if c.TrackingID != customer+"|fake" {
			continue
		}
		_, sentences, err := h.core.Chat(c.ID)
		if err != nil {
			h.Fatal(err)
		}
		for _, s := range sentences {
			switch {
			case s.IsOutbound:
			case s.Model == simprot.ModelTechNote:
				notes = append(notes, s.Text)
			default:
				if seen[s.ID] {
					h.Errorf("%s was shown twice", s.ID)
				}
				seen[s.ID] = true
				ids = append(ids, s.ID)
			}
		}
	}
	return ids, notes
}

// wantShown checks that messages 1..n of a customer are shown once, in order.
func (h *house) wantShown(customer string, n int) {
	h.Helper()
	got, _ := h.shown(customer)
	var want []string
	for i := 1; i <= n; i++ {
		want = append(want, textEvent(customer, i).ID)
	}
	if !slices.Equal(got, want) {
		h.Errorf("%s: shown %v, want %v", customer, got, want)
	}
}

// logged counts the log's lines that hold every part.
func (h *house) logged(parts ...string) (n int) {
	for line := range strings.Lines(h.logs.String()) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
			n++
		}
	}
	return n
}

// waits lets time pass.
func (h *house) waits(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// balanced checks the ledger's equation.
func (h *house) balanced() {
	h.Helper()
	synctest.Wait()
	ledger, err := h.disk.mem.Ledger(context.Background())
	if err != nil {
		h.Fatal(err)
	}
	for k, e := range ledger {
		if e.Accepted+e.Requeued != e.Done+e.Dead+e.Pending {
			h.Errorf("ledger of %v is not in balance: %+v", k, e)
		}
	}
}

func (h *house) pending(dir journal.Direction) int64 {
	h.Helper()
	h.waits(10 * time.Millisecond) // changes nobody waits for take their time
	ledger, err := h.disk.mem.Ledger(context.Background())
	if err != nil {
		h.Fatal(err)
	}
	return ledger[journal.LedgerKey{Channel: testChannel, Direction: dir}].Pending
}

// dead lists the reasons of the dead letters, oldest first.
func (h *house) dead() (reasons []string) {
	h.Helper()
	rows, err := h.disk.mem.Dead(context.Background(), journal.DeadQuery{})
	if err != nil {
		h.Fatal(err)
	}
	for _, r := range slices.Backward(rows) {
		reasons = append(reasons, r.Reason)
	}
	return reasons
}

// confirmed tells which of a chat's outbound sentences the core holds
// confirmed.
func (h *house) confirmed(customer string) (ids []string) {
	h.Helper()
	_, sentences, err := h.core.Chat(h.chat(customer).ID)
	if err != nil {
		h.Fatal(err)
	}
	for _, s := range sentences {
		if s.IsOutbound && s.ConfirmedTime != nil {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// fakeNetwork is a connector and the network behind it.
type fakeNetwork struct {
	mu     sync.Mutex
	sent   []connectors.Part
	fail   func(n int, p connectors.Part) error // nth attempt; nil = accept
	tried  int
	refs   map[string]string // Part.Ref by Part.ID, of all attempts
	typing []bool
	silent bool          // reports no deliveries
	path   string        // of the webhook, "" = /fake
	block  chan struct{} // when set, Send waits for it
}

var (
	_              connectors.Connector = (*fakeNetwork)(nil)
	_              connectors.Webhooker = (*fakeNetwork)(nil)
	_              connectors.Typer     = (*fakeNetwork)(nil)
	errFakeNetwork                      = errors.New("fake network")
)

func (f *fakeNetwork) Webhooks() []connectors.Webhook {
	return []connectors.Webhook{{
		Method: "POST", Path: cmp.Or(f.path, "/fake"), MaxBody: 1 << 10,
		Verify: func(*connectors.Request) error { return nil },
		Parse:  func(*connectors.Request) (connectors.ParseResult, error) { return connectors.ParseResult{}, nil },
		Reply:  func(connectors.Verdict) connectors.Reply { return connectors.Reply{Status: 200} },
	}}
}

func (f *fakeNetwork) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{TextLimit: 100, Typing: true, Unknown: config.Report, Reports: !f.silent}
}

func (f *fakeNetwork) Send(ctx context.Context, p connectors.Part) (connectors.Receipt, error) {
	f.mu.Lock()
	f.tried++
	if f.refs == nil {
		f.refs = make(map[string]string)
	}
	f.refs[p.ID] = p.Ref
	n, fail, block := f.tried, f.fail, f.block
	f.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return connectors.Receipt{}, &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonTimeout, Err: ctx.Err()}
		}
	}
	if fail != nil {
		if err := fail(n, p); err != nil {
			return connectors.Receipt{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, p)
	return connectors.Receipt{NetworkID: fmt.Sprint("net-", len(f.sent))}, nil
}

// ref is the latest Ref a part came with, whatever became of it.
func (f *fakeNetwork) ref(part string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refs[part]
}

// Address reads "NAME|fake".
func (f *fakeNetwork) Address(trackingID string) (connectors.Address, bool) {
	name, ok := strings.CutSuffix(trackingID, "|fake")
	return connectors.Address{TrackingID: trackingID, RemoteAddress: name}, ok
}

func (f *fakeNetwork) Typing(_ context.Context, _ connectors.Address, _ string, on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.typing = append(f.typing, on)
	return nil
}

// got lists the texts the customer received.
func (f *fakeNetwork) got() (texts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.sent {
		texts = append(texts, p.Text)
	}
	return texts
}
