package simprot

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// At most MaxQuestions are out, served in the order of their asking.
func TestPlaces(t *testing.T) {
	askers(t, Welcome{Asks: true}, nil, func(t *testing.T, a *asker) {
		var out []<-chan result[*ChatStatusInfo]
		for i := range 40 {
			out = append(out, a.status(fmt.Sprint(i)))
			synctest.Wait()
		}
		var asks []string
		for range 32 {
			asks = append(asks, a.asked(CodeChatStatusAsk).Extras.Ask)
		}
		a.quiet()
		for i, ask := range asks[:8] {
			a.answerStatus(ask, fmt.Sprint(i), StatusPilot)
			next, _ := a.asked(CodeChatStatusAsk).Payload.(*ChatStatusInfo)
			if want := fmt.Sprint(32 + i); next.TrackingId != want {
				t.Errorf("place %d went to %s, want %s", i, next.TrackingId, want)
			}
			wantSettled(t, out[i])
		}
	})
}

// A cancelled question keeps its place until its answer comes or its time is
// over, and is not asked again.
func TestCancelledQuestionKeepsItsPlace(t *testing.T) {
	one := func(cfg *ClientConfig) { cfg.MaxQuestions = 1 }
	cancelled := func(a *asker) (Packet, <-chan result[*ChatStatusInfo]) {
		ctx, cancel := context.WithCancelCause(a.t.Context())
		cause := errors.New("changed my mind")
		first := later(func() (*ChatStatusInfo, error) {
			return a.Status(ctx, &ChatStatusInfo{Port: "p", TrackingId: "x"})
		})
		asked := a.asked(CodeChatStatusAsk)
		cancel(cause)
		if got := wantSettled(a.t, first); !errors.Is(got.err, cause) {
			a.t.Errorf("got %+v", got)
		}
		second := a.status("y")
		a.quiet()
		return asked, second
	}
	for _, w := range []Welcome{{Asks: true}, {}} {
		t.Run(fmt.Sprintf("answer, asks=%v", w.Asks), func(t *testing.T) {
			askers(t, w, one, func(t *testing.T, a *asker) {
				asked, _ := cancelled(a)
				a.answerStatus(asked.Extras.Ask, "x", StatusPilot)
				a.asked(CodeChatStatusAsk)
				if got := a.e.count("question ES_CHAT_STATUS answered"); got != 1 {
					t.Errorf("counted %d: %v", got, a.e.all())
				}
			})
		})
		t.Run(fmt.Sprintf("time, asks=%v", w.Asks), func(t *testing.T) {
			askers(t, w, one, func(t *testing.T, a *asker) {
				cancelled(a)
				pass(20*time.Second - 1)
				a.quiet()
				pass(1)
				p, _ := a.asked(CodeChatStatusAsk).Payload.(*ChatStatusInfo)
				if p.TrackingId != "y" {
					t.Errorf("asked %+v", p)
				}
			})
		})
	}
	t.Run("waiting for a place", func(t *testing.T) {
		askers(t, Welcome{Asks: true}, one, func(t *testing.T, a *asker) {
			first := a.status("x")
			asked := a.asked(CodeChatStatusAsk)
			ctx, cancel := context.WithCancel(t.Context())
			waiting := later(func() (*ChatStatusInfo, error) { return a.Status(ctx, &ChatStatusInfo{TrackingId: "y"}) })
			wantPending(t, waiting)
			cancel()
			if got := wantSettled(t, waiting); !errors.Is(got.err, context.Canceled) {
				t.Errorf("got %+v", got)
			}
			a.answerStatus(asked.Extras.Ask, "x", StatusPilot)
			wantSettled(t, first)
			a.status("z")
			if p, _ := a.asked(CodeChatStatusAsk).Payload.(*ChatStatusInfo); p.TrackingId != "z" {
				t.Errorf("asked %+v", p)
			}
		})
	})
}
