package email

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"servicelink/config"
	"servicelink/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testFiles is a FileKeeper in memory.
type testFiles struct {
	mu    sync.Mutex
	kept  map[string][]byte
	fails error
	open  int
	most  int // Puts at the same time
}

func (f *testFiles) Put(_ context.Context, name, mimeType string, r io.Reader) (connectors.File, error) {
	f.mu.Lock()
	f.open++
	f.most = max(f.most, f.open)
	fails := f.fails
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.open--
		f.mu.Unlock()
	}()
	if fails != nil {
		return connectors.File{}, fails
	}
	all, err := io.ReadAll(r)
	if err != nil {
		return connectors.File{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := fmt.Sprintf("f%d", len(f.kept))
	f.kept[id] = all
	return connectors.File{ID: id, Name: name, Type: mimeType, Size: int64(len(all)), URL: "https://files.example/" + id}, nil
}

func (f *testFiles) Open(id string) (io.ReadSeekCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return readSeekCloser{bytes.NewReader(f.kept[id])}, nil
}

type readSeekCloser struct{ *bytes.Reader }

func (readSeekCloser) Close() error { return nil }

// testEngine is an Inbox that keeps the rules of the contract: an event that has
// ended and comes again is settled again.
type testEngine struct {
	device connectors.Settler
	auto   bool // everything ends as soon as it is delivered, within Deliver

	mu      sync.Mutex
	fails   error
	events  []connectors.Event // each once
	seen    map[connectors.EventKey]bool
	ended   map[connectors.EventKey]connectors.Settlement
	repeats int
	working int
	most    int // the most that was delivered and not settled
}

func newTestEngine() *testEngine {
	return &testEngine{seen: map[connectors.EventKey]bool{}, ended: map[connectors.EventKey]connectors.Settlement{}}
}

func (e *testEngine) Deliver(_ context.Context, events []connectors.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fails != nil {
		return e.fails
	}
	for _, event := range events {
		key := keyOf(event)
		if e.seen[key] {
			e.repeats++
		} else {
			e.seen[key] = true
			e.events = append(e.events, event)
		}
		if e.auto {
			e.ended[key] = connectors.SettledDone
		}
		if end, ok := e.ended[key]; ok {
			e.device.Settled(key, end)
		}
	}
	e.most = max(e.most, len(e.seen)-len(e.ended))
	return nil
}

func (e *testEngine) Typing(string, bool) {}

func (e *testEngine) Working() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.working++
}

func (e *testEngine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fails = err
}

// settle ends everything that is under way.
func (e *testEngine) settle(end connectors.Settlement) {
	e.mu.Lock()
	var keys []connectors.EventKey
	for key := range e.seen {
		if _, over := e.ended[key]; !over {
			e.ended[key] = end
			keys = append(keys, key)
		}
	}
	e.mu.Unlock()
	for _, key := range keys {
		e.device.Settled(key, end)
	}
}

func (e *testEngine) subjects() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, event := range e.events {
		all = append(all, event.Message.Subject)
	}
	return strings.Join(all, " ")
}

func (e *testEngine) counts() (events, repeats int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.events), e.repeats
}

// testMail is a small mail.
func testMail(n int) []byte {
	return fmt.Appendf(nil, "From: Anna <anna@example.org>\r\nTo: support@mail.test\r\nSubject: m%d\r\nMessage-ID: <%d@example.org>\r\n"+
		"Date: Mon, 23 Nov 2026 08:00:00 +0000\r\n\r\nHello %d\r\n", n, n, n)
}

// testChannel is a gateway with settings.
func testChannel(t testing.TB, settings string) config.Channel {
	t.Helper()
	parsed, err := config.ParseSettings(settings)
	if err != nil {
		t.Fatal(err)
	}
	const id = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
	return config.Channel{Name: id, Network: Network, Settings: parsed, Gateway: &config.Gateway{ID: id, Inbound: true}}
}

// testRun is a device that runs.
type testRun struct {
	stop  context.CancelFunc
	ended chan error
}

func run(t testing.TB, r connectors.Runner, e *testEngine) *testRun {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	e.device = r.(connectors.Settler)
	run := &testRun{stop: stop, ended: make(chan error, 1)}
	go func() { run.ended <- r.Run(ctx, e) }()
	return run
}

// end stops the device and gives what Run returned.
func (r *testRun) end() connectors.SendError {
	r.stop()
	return *connectors.AsSendError(<-r.ended)
}

func testLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestIntakeRoom(t *testing.T) {
	k := newIntake[int](defaultMail(), connectors.Dependencies{Log: testLog()})
	for i := range maxWaiting {
		if !k.take(i, 100) {
			t.Fatalf("no room for mail %d", i)
		}
	}
	if k.take(maxWaiting, 100) {
		t.Error("there is room for more than the limit")
	}
	k.release(0)
	if !k.take(maxWaiting, 100) || k.take(1, 100) {
		t.Error("what was released is not free, or what is taken is")
	}
	k = newIntake[int](defaultMail(), connectors.Dependencies{Log: testLog()})
	n := 0
	for k.take(n, 10<<20) {
		n++
	}
	if n != maxWaitingBytes/(2*connectors.MaxBody) {
		t.Errorf("room for %d big mails", n)
	}
}

// TestIntakeSettles: copies of a mail are one event, and all of them are marked when
// it ends; an event of an earlier process is none of these.
func TestIntakeSettles(t *testing.T) {
	e := newTestEngine()
	k := newIntake[string](defaultMail(), connectors.Dependencies{Log: testLog()})
	e.device = k
	event := connectors.Event{ID: "x", TrackingID: "t", Message: &connectors.Message{Text: "abc"}}
	k.take("a", 10)
	k.take("b", 10)
	if err := k.deliver(t.Context(), e, []arrived[string]{{"a", event}, {"b", event}}); err != nil {
		t.Fatal(err)
	}
	k.Settled(connectors.EventKey{TrackingID: "t", ID: "other"}, connectors.SettledDone)
	if done, failed := k.unmarked(); len(done)+len(failed) > 0 {
		t.Fatalf("marked before the end: %v %v", done, failed)
	}
	e.settle(connectors.SettledDone)
	done, failed := k.unmarked()
	if len(done) != 2 || len(failed) != 0 {
		t.Fatalf("ended: %v %v", done, failed)
	}
	if wanted, _ := k.wanted("a"); wanted {
		t.Error("what has ended and is not marked is fetched again")
	}
	k.marked(done)
	if k.count != 0 || k.bytes != 0 || len(k.taken) != 0 || len(k.waiting) != 0 {
		t.Errorf("left: %d mails, %d bytes, %v, %v", k.count, k.bytes, k.taken, k.waiting)
	}
}

func TestIntakeRefusedDelivery(t *testing.T) {
	e := newTestEngine()
	k := newIntake[string](defaultMail(), connectors.Dependencies{Log: testLog()})
	e.device, e.fails = k, connectors.ErrUnavailable
	event := connectors.Event{ID: "x", TrackingID: "t", Message: &connectors.Message{}}
	k.take("a", 10)
	if err := k.deliver(t.Context(), e, []arrived[string]{{"a", event}}); !errors.Is(err, connectors.ErrUnavailable) {
		t.Fatal(err)
	}
	if wanted, _ := k.wanted("a"); !wanted || k.count != 0 {
		t.Error("what was not taken is not fetched again")
	}
}

// TestIntakeTooBig: an event that says so, with what the header tells.
func TestIntakeTooBig(t *testing.T) {
	files := &testFiles{kept: map[string][]byte{}}
	k := newIntake[int](defaultMail(), connectors.Dependencies{Log: testLog(), Files: files})
	event, err := k.read(t.Context(), strings.NewReader("From: a@b.example\r\nSubject: huge\r\n\r\n"), time.Time{}, false, 70<<20)
	if err != nil {
		t.Fatal(err)
	}
	m := event.Message
	if m.Subject != "huge" || !strings.Contains(m.Problem, "70.0 MiB") || m.Text != m.Problem || len(m.Files) != 0 {
		t.Errorf("got %+v", m)
	}
}

// TestIntakeWithoutFiles: the mail is read from a file that is gone afterwards.
func TestIntakeWithoutFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	k := newIntake[int](defaultMail(), connectors.Dependencies{Log: testLog()})
	event, err := k.read(t.Context(), bytes.NewReader(testMail(1)), time.Time{}, true, 100)
	if err != nil || event.Message.Subject != "m1" {
		t.Fatalf("%v %+v", err, event)
	}
	if left := filesIn(t, dir); len(left) > 0 {
		t.Errorf("left in the system's folder: %v", left)
	}
	if _, err := k.read(t.Context(), io.MultiReader(strings.NewReader("From: a\r\n"), brokenReader{}), time.Time{}, true, 100); !errors.Is(err, errBroken) {
		t.Errorf("a mail that breaks off: %v", err)
	}
}

var errBroken = errors.New("broken off")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func secretOf(s string) config.Secret { return config.NewSecret(s) }
