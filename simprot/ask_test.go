package simprot

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// asker is a session that is up, and the scripted core it asks.
type asker struct {
	t *testing.T
	*Session
	core *script
	in   <-chan Packet // what the core got
	e    *events
}

// askers runs a test in a bubble against a scripted core that announced w.
func askers(t *testing.T, w Welcome, change func(*ClientConfig), test func(t *testing.T, a *asker)) {
	t.Helper()
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := testConfig(n, e)
		cfg.Settle = 1
		if change != nil {
			change(&cfg)
		}
		client := runClient(t, cfg)
		core := accept(t, n)
		w.KeepAlive = 1 << 20 // pings are tested elsewhere
		core.welcome(w)
		in := core.read()
		pass(1)
		test(t, &asker{t: t, Session: client.Session(), core: core, in: in, e: e})
	})
}

// bothWays runs a test with a core that mirrors Ask and with one that does not.
func bothWays(t *testing.T, test func(t *testing.T, a *asker)) {
	t.Run("asks", func(t *testing.T) { askers(t, Welcome{Asks: true}, nil, test) })
	t.Run("counts", func(t *testing.T) { askers(t, Welcome{}, nil, test) })
}

// asked takes the next packet the core got.
func (a *asker) asked(code Code) Packet {
	a.t.Helper()
	synctest.Wait()
	select {
	case p := <-a.in:
		if p.Code != code {
			a.t.Fatalf("core got %q, want %s", p.Code, code)
		}
		return p
	default:
		a.t.Fatalf("core got nothing, want %s", code)
		return Packet{}
	}
}

// quiet fails when the core got something.
func (a *asker) quiet() {
	a.t.Helper()
	synctest.Wait()
	select {
	case p := <-a.in:
		a.t.Fatalf("core got %q, want nothing", p.Code)
	default:
	}
}

// result is what a question came to.
type result[T any] struct {
	value T
	err   error
	after time.Duration
}

// later runs a question beside the test.
func later[T any](ask func() (T, error)) <-chan result[T] {
	out := make(chan result[T], 1)
	start := time.Now()
	go func() {
		v, err := ask()
		out <- result[T]{v, err, time.Since(start)}
	}()
	return out
}

// wantPending fails when a question is settled already.
func wantPending[T any](t *testing.T, r <-chan result[T]) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-r:
		t.Fatalf("settled early: %+v", got)
	default:
	}
}

// wantSettled returns a question's result, which must be there.
func wantSettled[T any](t *testing.T, r <-chan result[T]) result[T] {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-r:
		return got
	default:
		t.Fatal("not settled")
		return result[T]{}
	}
}

func (a *asker) status(id string) <-chan result[*ChatStatusInfo] {
	return later(func() (*ChatStatusInfo, error) {
		return a.Status(a.t.Context(), &ChatStatusInfo{Port: "p", TrackingId: id})
	})
}

// answerStatus is an answer about conversation id in a status that tells it
// from others.
func (a *asker) answerStatus(ask, id string, status Status) {
	a.t.Helper()
	a.core.send(Packet{Code: CodeChatStatus, Extras: Extras{Ask: ask}, Payload: &ChatStatusInfo{
		Port: "p", TrackingId: id, Status: status, Sentences: []*ChatSentenceInfo{},
	}})
	synctest.Wait()
}

func TestQuestionsAreAnswered(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		ctx := t.Context()
		request := later(func() (*ChatServiceInfo, error) {
			return a.Request(ctx, &ChatServiceInfo{Port: "p", TrackingId: "x"})
		})
		asked := a.asked(CodeChatRequest)
		info, _ := asked.Payload.(*ChatServiceInfo)
		if info.Peer != "@peer" || (asked.Extras.Ask != "") != a.welcome.Asks {
			t.Errorf("asked %+v, extras %+v", info, asked.Extras)
		}
		info.Signal = SignalBusy
		a.core.send(Packet{Code: CodeChatResponse, Payload: info, Extras: Extras{Ask: asked.Extras.Ask}})
		if got := wantSettled(t, request); got.err != nil || got.value.Signal != SignalBusy {
			t.Errorf("request: %+v", got)
		}

		start := later(func() (*ChatStatusInfo, error) {
			return a.Start(ctx, &ChatServiceInfo{Port: "p", TrackingId: "x"})
		})
		asked = a.asked(CodeChatStart)
		a.answerStatus(asked.Extras.Ask, "x", StatusPilot)
		if got := wantSettled(t, start); got.err != nil || got.value.Status != StatusPilot || got.value.Sentences == nil {
			t.Errorf("start: %+v", got)
		}

		status := a.status("x")
		asked = a.asked(CodeChatStatusAsk)
		a.answerStatus(asked.Extras.Ask, "x", StatusAnswered)
		if got := wantSettled(t, status); got.err != nil || got.value.Status != StatusAnswered {
			t.Errorf("status: %+v", got)
		}

		list := later(func() (ChatStatusList, error) { return a.Resync(ctx, "p", nil) })
		asked = a.asked(CodeChatResync)
		if c, _ := asked.Payload.(*ChatCommandInfo); c.Port != "p" || c.Peer != "@peer" {
			t.Errorf("resync asked %+v", c)
		}
		a.core.send(Packet{Code: CodeChatList, Payload: ChatStatusList{}, Extras: asked.Extras})
		if got := wantSettled(t, list); got.err != nil || len(got.value) != 0 {
			t.Errorf("resync: %+v", got)
		}
		a.e.want(t, "link connecting", "link up", "up 1", "question ES_CHAT_REQUEST answered",
			"question ES_CHAT_START answered", "question ES_CHAT_STATUS answered", "question ES_CHAT_RESYNC answered")
	})
}

// Answers of one kind to several conversations may come in any order.
func TestAnswersFindTheirConversation(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		x, y := a.status("x"), a.status("y")
		asks := map[string]string{}
		for range 2 {
			p := a.asked(CodeChatStatusAsk)
			info, _ := p.Payload.(*ChatStatusInfo)
			asks[info.TrackingId] = p.Extras.Ask
		}
		a.answerStatus(asks["y"], "y", StatusClosed)
		wantPending(t, x)
		a.answerStatus(asks["x"], "x", StatusPilot)
		if got := wantSettled(t, x); got.err != nil || got.value.TrackingId != "x" {
			t.Errorf("x: %+v", got)
		}
		if got := wantSettled(t, y); got.err != nil || got.value.TrackingId != "y" {
			t.Errorf("y: %+v", got)
		}
	})
}

// An unanswered question is asked once more; then only the answer to the last
// one asked decides.
func TestOnlyTheLastAnswerDecides(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		status := a.status("x")
		first := a.asked(CodeChatStatusAsk)
		pass(20*time.Second - 1)
		a.quiet()
		pass(1)
		second := a.asked(CodeChatStatusAsk)
		if a.welcome.Asks && first.Extras.Ask == second.Extras.Ask {
			t.Errorf("asked twice with token %q", first.Extras.Ask)
		}
		a.answerStatus(first.Extras.Ask, "x", StatusPilot)
		wantPending(t, status)
		a.answerStatus(second.Extras.Ask, "x", StatusClosed)
		if got := wantSettled(t, status); got.err != nil || got.value.Status != StatusClosed {
			t.Errorf("got %+v", got)
		}
		a.e.want(t, "link connecting", "link up", "up 1", "question ES_CHAT_STATUS repeated",
			"bad late_answer SE_CHAT_STATUS", "question ES_CHAT_STATUS answered")
	})
}

func TestUnansweredQuestionsGiveUp(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		status := a.status("x")
		pass(40*time.Second - 1)
		wantPending(t, status)
		pass(1)
		if got := wantSettled(t, status); !errors.Is(got.err, ErrNoAnswer) || got.after != 40*time.Second {
			t.Errorf("got %+v", got)
		}
		a.asked(CodeChatStatusAsk)
		a.asked(CodeChatStatusAsk)
		pass(time.Hour)
		a.quiet()
		a.e.want(t, "link connecting", "link up", "up 1",
			"question ES_CHAT_STATUS repeated", "question ES_CHAT_STATUS no_answer")
	})
}

func TestStartIsNotRepeated(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		start := later(func() (*ChatStatusInfo, error) {
			return a.Start(t.Context(), &ChatServiceInfo{Port: "p", TrackingId: "x"})
		})
		asked := a.asked(CodeChatStart)
		pass(20 * time.Second)
		if got := wantSettled(t, start); !errors.Is(got.err, ErrNoAnswer) {
			t.Errorf("got %+v", got)
		}
		a.quiet()
		// Its answer belongs to nobody, also when a STATUS is out by now.
		status := a.status("x")
		second := a.asked(CodeChatStatusAsk)
		a.answerStatus(asked.Extras.Ask, "x", StatusPilot)
		wantPending(t, status)
		a.answerStatus(second.Extras.Ask, "x", StatusClosed)
		if got := wantSettled(t, status); got.err != nil || got.value.Status != StatusClosed {
			t.Errorf("got %+v", got)
		}
	})
}

// Without Asks the nth answer belongs to the nth question, START's and
// STATUS' alike: what an earlier question lost stays lost.
func TestCountedAnswersStayCounted(t *testing.T) {
	askers(t, Welcome{}, nil, func(t *testing.T, a *asker) {
		lost := a.status("x")
		pass(40 * time.Second)
		wantSettled(t, lost)
		status := a.status("x")
		a.answerStatus("", "x", StatusPilot)
		a.answerStatus("", "x", StatusPilot)
		wantPending(t, status)
		a.answerStatus("", "x", StatusClosed)
		if got := wantSettled(t, status); got.err != nil || got.value.Status != StatusClosed {
			t.Errorf("got %+v", got)
		}
		if got := len(a.book.lines); got != 0 {
			t.Errorf("%d lines are kept though all is answered", got)
		}
	})
}

func TestAnswersNobodyAskedFor(t *testing.T) {
	ours := func(a *asker) string { return a.asked(CodeChatStatusAsk).Extras.Ask }
	tests := []struct {
		name string
		send func(a *asker) Packet
		want string
	}{
		{"another's token", func(a *asker) Packet {
			return statusAnswer("x", "other-1")
		}, "bad unasked_answer SE_CHAT_STATUS"},
		{"no token", func(a *asker) Packet {
			return statusAnswer("x", "")
		}, "bad unasked_answer SE_CHAT_STATUS"},
		{"a token not issued yet", func(a *asker) Packet {
			return statusAnswer("x", a.book.prefix+"2")
		}, "bad unasked_answer SE_CHAT_STATUS"},
		{"our token on another conversation", func(a *asker) Packet {
			return statusAnswer("y", ours(a))
		}, "bad unasked_answer SE_CHAT_STATUS"},
		{"our token on another kind of answer", func(a *asker) Packet {
			return Packet{Code: CodeChatResponse, Payload: &ChatServiceInfo{}, Extras: Extras{Ask: ours(a)}}
		}, "bad unasked_answer SE_CHAT_RESPONSE"},
		{"a list", func(a *asker) Packet {
			return Packet{Code: CodeChatList, Payload: ChatStatusList{}}
		}, "bad unasked_answer SE_CHAT_LIST"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			askers(t, Welcome{Asks: true}, nil, func(t *testing.T, a *asker) {
				status := a.status("x")
				synctest.Wait()
				a.core.send(test.send(a))
				wantPending(t, status)
				a.e.want(t, "link connecting", "link up", "up 1", test.want)
			})
		})
	}
}

func statusAnswer(id, ask string) Packet {
	return Packet{Code: CodeChatStatus, Extras: Extras{Ask: ask}, Payload: &ChatStatusInfo{
		Port: "p", TrackingId: id, Sentences: []*ChatSentenceInfo{},
	}}
}

// A second answer to the same question is counted and changes nothing.
func TestAnsweredTwice(t *testing.T) {
	for _, w := range []Welcome{{Asks: true}, {}} {
		t.Run(fmt.Sprintf("asks=%v", w.Asks), func(t *testing.T) {
			askers(t, w, nil, func(t *testing.T, a *asker) {
				status := a.status("x")
				ask := a.asked(CodeChatStatusAsk).Extras.Ask
				a.answerStatus(ask, "x", StatusPilot)
				a.answerStatus(ask, "x", StatusClosed)
				if got := wantSettled(t, status); got.value.Status != StatusPilot {
					t.Errorf("got %+v", got)
				}
				if got := a.e.count("bad "); got != 1 {
					t.Errorf("counted %d bad packets: %v", got, a.e.all())
				}
			})
		})
	}
}

// SE_CHAT_STATUS without Sentences is news, whatever token it carries.
func TestNewsIsNoAnswer(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		status := a.status("x")
		asked := a.asked(CodeChatStatusAsk)
		a.core.send(Packet{
			Code: CodeChatStatus, Extras: asked.Extras,
			Payload: &ChatStatusInfo{Port: "p", TrackingId: "x", Status: StatusClosed},
		})
		wantPending(t, status)
		a.e.want(t, "link connecting", "link up", "up 1", "packet SE_CHAT_STATUS")
		a.answerStatus(asked.Extras.Ask, "x", StatusPilot)
		if got := wantSettled(t, status); got.value.Status != StatusPilot {
			t.Errorf("got %+v", got)
		}
	})
}

// The 20 s run from the moment the frame was written, not queued.
func TestTimeRunsFromTheWrite(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		client := runClient(t, testConfig(n, e))
		core := accept(t, n)
		core.welcome(Welcome{Asks: true, KeepAlive: 1 << 20})
		synctest.Wait()
		a := &asker{t: t, Session: client.Session(), core: core, e: e}
		status := a.status("x")
		pass(8 * time.Second) // nobody reads: the frame hangs in the writer
		a.in = core.read()
		a.asked(CodeChatStatusAsk)
		pass(20*time.Second - 1)
		a.quiet()
		pass(1)
		a.asked(CodeChatStatusAsk)
		pass(20 * time.Second)
		if got := wantSettled(t, status); got.after != 48*time.Second {
			t.Errorf("gave up after %v", got.after)
		}
	})
}

func TestQuestionsEndWithTheConnection(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		status := a.status("x")
		cause := errors.New("out of patience")
		a.asked(CodeChatStatusAsk)
		a.Abort(cause)
		if got := wantSettled(t, status); !errors.Is(got.err, ErrGone) || !errors.Is(got.err, cause) {
			t.Errorf("got %+v", got)
		}
		if _, err := a.Status(t.Context(), &ChatStatusInfo{}); !errors.Is(err, ErrGone) {
			t.Errorf("asked a dead session: %v", err)
		}
		if got := a.e.count("question ES_CHAT_STATUS gone"); got != 1 {
			t.Errorf("counted %d: %v", got, a.e.all())
		}
	})
}

// A question above the core's MaxFrame fails alone and leaves the count right.
func TestQuestionTooLong(t *testing.T) {
	for _, w := range []Welcome{{Asks: true, MaxFrame: 200}, {MaxFrame: 200}} {
		t.Run(fmt.Sprintf("asks=%v", w.Asks), func(t *testing.T) {
			askers(t, w, func(cfg *ClientConfig) { cfg.MaxQuestions = 1 }, func(t *testing.T, a *asker) {
				long := string(slices.Repeat([]byte("x"), 300))
				_, err := a.Request(t.Context(), &ChatServiceInfo{Port: "p", TrackingId: "x", UserToken: long})
				if !errors.Is(err, ErrFrameTooLong) {
					t.Fatalf("got %v", err)
				}
				request := later(func() (*ChatServiceInfo, error) {
					return a.Request(t.Context(), &ChatServiceInfo{Port: "p", TrackingId: "x"})
				})
				p := a.asked(CodeChatRequest)
				a.core.send(Packet{Code: CodeChatResponse, Payload: p.Payload, Extras: p.Extras})
				if got := wantSettled(t, request); got.err != nil {
					t.Errorf("got %+v", got)
				}
			})
		})
	}
}

func TestQuestionsAreNotSent(t *testing.T) {
	askers(t, Welcome{}, nil, func(t *testing.T, a *asker) {
		for _, code := range []Code{CodeChatRequest, CodeChatStart} {
			var bad *EncodeError
			if err := a.Send(code, &ChatServiceInfo{}, nil); !errors.As(err, &bad) {
				t.Errorf("Send(%s): %v", code, err)
			}
		}
		a.quiet()
	})
}
