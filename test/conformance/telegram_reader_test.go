package conformance

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/telegram"
	"servicelink/test/netsim/control"
	sim "servicelink/test/netsim/telegram"
)

// inMemory leads to a handler, without sockets.
type inMemory struct{ http.Handler }

// RoundTrip implements http.RoundTripper. A handler that breaks the connection panics,
// as it does in a server.
func (m inMemory) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	defer func() {
		if x := recover(); x != nil {
			answer, err = nil, io.ErrUnexpectedEOF
		}
	}()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// heard is an Inbox that keeps the texts.
type heard struct {
	mu    sync.Mutex
	texts []string
}

func (h *heard) Deliver(_ context.Context, events []connectors.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ev := range events {
		h.texts = append(h.texts, ev.Text)
	}
	return nil
}
func (*heard) Typing(string, bool) {}
func (*heard) Working()            {}

// TestTelegramReader: who examines a bot that another gateway reads finds that one,
// and the other reads on and misses nothing.
func TestTelegramReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.New(sim.Options{Seed: 1})
		defer n.Close()
		if err := n.AddAccount(sim.Account{Token: telegramToken}); err != nil {
			t.Fatal(err)
		}
		bot := func() *telegram.Connector {
			settings, err := config.ParseSettings(telegramHarness().Settings("http://127.0.0.1"))
			if err != nil {
				t.Fatal(err)
			}
			c, err := telegram.New(config.Channel{Name: "bot", Enabled: true, Settings: settings}, connectors.Dependencies{
				Log: slog.New(slog.DiscardHandler), Transport: inMemory{http.StripPrefix("/telegram", n.API())},
			})
			if err != nil {
				t.Fatal(err)
			}
			return c.(*telegram.Connector)
		}
		reader := func() connectors.Check {
			checks := bot().Examine(t.Context(), connectors.Examination{})
			return checks[slices.IndexFunc(checks, func(c connectors.Check) bool { return c.Name == connectors.CheckReader })]
		}
		if got := reader(); got.State != connectors.CheckOK {
			t.Errorf("nobody reads: %+v", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		box, ended := &heard{}, make(chan error, 1)
		other := bot()
		go func() { ended <- other.Run(ctx, box) }()
		<-time.After(70 * time.Second) // it waits in its second poll
		if got := reader(); got.Fault != connectors.FaultSecondReader || got.Code != "409" {
			t.Errorf("another gateway reads: %+v", got)
		}
		if _, err := n.Act(telegramToken, control.Action{Do: "text", User: control.User{ID: "77", FirstName: "Ann"}, Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		box.mu.Lock()
		defer box.mu.Unlock()
		if !slices.Equal(box.texts, []string{"hello"}) {
			t.Errorf("the other gateway heard %q", box.texts)
		}
		stop()
		if err := <-ended; connectors.AsSendError(err).Reason != connectors.ReasonCanceled {
			t.Errorf("the other gateway ended with %v", err)
		}
	})
}
