package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

const testToken = "123456:AAHsecret-token_of-the-bot"

// fakeAPI is a Bot API below the connector's HTTP client.
type fakeAPI struct {
	mu    sync.Mutex
	calls []call
	// answer gives status and body of a call; status 0 = the usual answer.
	answer func(ctx context.Context, c call) (status int, body string, err error)
	queue  []string // updates of getUpdates
	wait   time.Duration
	added  chan struct{} // wakes a waiting poll
}

// call is one request that came.
type call struct {
	method string
	params map[string]any
	at     time.Time
	length int64
	path   string
}

func (f *fakeAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c := call{at: time.Now(), length: r.ContentLength, path: r.URL.Path}
	c.method = r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if err := json.Unmarshal(body, &c.params); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	f.mu.Unlock()
	status, text, err := 0, "", error(nil)
	if f.answer != nil {
		status, text, err = f.answer(r.Context(), c)
	}
	if status == 0 && err == nil {
		status, text, err = f.usual(r.Context(), c)
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r,
	}, nil
}

// usual answers as the Bot API does.
func (f *fakeAPI) usual(ctx context.Context, c call) (int, string, error) {
	switch c.method {
	case "getMe":
		return 200, `{"ok":true,"result":{"id":123456,"is_bot":true,"first_name":"Shop"}}`, nil
	case "getWebhookInfo":
		return 200, `{"ok":true,"result":{"url":"","pending_update_count":0}}`, nil
	case "getUpdates":
		return f.updates(ctx, c)
	}
	return 200, `{"ok":true,"result":true}`, nil
}

// updates confirms what is below the offset and waits until there is something.
func (f *fakeAPI) updates(ctx context.Context, c call) (int, string, error) {
	if offset, ok := c.params["offset"].(float64); ok {
		f.confirm(int64(offset))
	}
	timer := time.NewTimer(f.wait)
	defer timer.Stop()
	for {
		f.mu.Lock()
		queued := strings.Join(f.queue[:min(len(f.queue), 100)], ",")
		f.mu.Unlock()
		if queued != "" {
			return 200, `{"ok":true,"result":[` + queued + `]}`, nil
		}
		select {
		case <-f.added:
		case <-timer.C:
			return 200, `{"ok":true,"result":[]}`, nil
		case <-ctx.Done():
			return 0, "", ctx.Err()
		}
	}
}

// confirm forgets updates below offset; one far beyond the queue's end is ignored.
func (f *fakeAPI) confirm(offset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) > 0 && offset > updateID(f.queue[len(f.queue)-1])+10 {
		return
	}
	f.queue = slices.DeleteFunc(f.queue, func(raw string) bool { return updateID(raw) < offset })
}

func updateID(raw string) int64 { return number(object(json.RawMessage(raw))["update_id"]) }

func (f *fakeAPI) add(updates ...string) {
	f.mu.Lock()
	f.queue = append(f.queue, updates...)
	f.mu.Unlock()
	select {
	case f.added <- struct{}{}:
	default:
	}
}

// seen lists the calls of one method.
func (f *fakeAPI) seen(method string) (calls []call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.method == method {
			calls = append(calls, c)
		}
	}
	return calls
}

func newFake() *fakeAPI { return &fakeAPI{wait: 50 * time.Second, added: make(chan struct{}, 1)} }

// textUpdate is an update with a text, from chat 77.
func textUpdate(id, message, text string) string {
	return `{"update_id":` + id + `,"message":{"message_id":` + message + `,"date":1763800000,` +
		`"from":{"id":77,"first_name":"Jana"},"chat":{"id":77,"type":"private"},"text":"` + text + `"}}`
}

// fakeInbox records what is delivered.
type fakeInbox struct {
	mu      sync.Mutex
	batches [][]connectors.Event
	working int
	deliver func(context.Context, []connectors.Event) error // nil = takes all
}

func (in *fakeInbox) Deliver(ctx context.Context, events []connectors.Event) error {
	if in.deliver != nil {
		if err := in.deliver(ctx, events); err != nil {
			return err
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.batches = append(in.batches, events)
	return nil
}

func (in *fakeInbox) Typing(string, bool) {}

func (in *fakeInbox) Working() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.working++
}

// texts lists the texts of what was delivered, in order.
func (in *fakeInbox) texts() (all []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, batch := range in.batches {
		for _, ev := range batch {
			all = append(all, ev.Text)
		}
	}
	return all
}

// newTestBot makes a connector on a fake Bot API; what it logs goes to log.
func newTestBot(t *testing.T, f http.RoundTripper, settings string, log io.Writer) *Connector {
	t.Helper()
	c, err := tryNew(t, f, `token: "`+testToken+"\"\n"+settings, log)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryNew(t *testing.T, f http.RoundTripper, settings string, log io.Writer) (*Connector, error) {
	t.Helper()
	parsed, err := config.ParseSettings(settings)
	if err != nil {
		t.Fatal(err)
	}
	handler := slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	c, err := New(config.Channel{Name: "shop-tg", Network: Network, Enabled: true, Settings: parsed},
		connectors.Dependencies{Log: slog.New(handler), Transport: f})
	if err != nil {
		return nil, err
	}
	return c.(*Connector), nil
}

// runs is a Run under way.
type runs struct {
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, c *Connector, in connectors.Inbox) runs {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := runs{cancel, make(chan error, 1)}
	go func() { r.done <- c.Run(ctx, in) }()
	t.Cleanup(cancel)
	return r
}

// end stops Run, which has to end at once.
func (r runs) end(t *testing.T) {
	t.Helper()
	began := time.Now()
	r.stop()
	err := <-r.done
	if d := time.Since(began); d > 0 {
		t.Errorf("Run ended %v after it was stopped", d)
	}
	if se := connectors.AsSendError(err); se.Reason != connectors.ReasonCanceled {
		t.Errorf("Run stopped with %v", err)
	}
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// answers is a fakeAPI's answer to everything.
func answers(status int, body string) func(context.Context, call) (int, string, error) {
	return func(context.Context, call) (int, string, error) { return status, body, nil }
}
