package simprot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func (a *asker) resync(port string) <-chan result[ChatStatusList] {
	return later(func() (ChatStatusList, error) { return a.Resync(a.t.Context(), port, nil) })
}

// sendList sends one frame of a list with chats of these TrackingIds.
func (a *asker) sendList(extras Extras, port string, ids ...string) {
	a.t.Helper()
	list := ChatStatusList{}
	for _, id := range ids {
		list = append(list, &ChatStatusInfo{Port: port, TrackingId: id})
	}
	a.core.send(Packet{Code: CodeChatList, Payload: list, Extras: extras})
	synctest.Wait()
}

// ids joins the TrackingIds of a list.
func ids(list ChatStatusList) string {
	var out []string
	for _, item := range list {
		out = append(out, item.TrackingId)
	}
	return strings.Join(out, " ")
}

func TestListInSeveralFrames(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		list := a.resync("p")
		ask := a.asked(CodeChatResync).Extras.Ask
		a.sendList(Extras{Ask: ask, More: true}, "p", "1", "2")
		a.sendList(Extras{Ask: ask, More: true}, "p")
		wantPending(t, list)
		a.sendList(Extras{Ask: ask}, "p", "3")
		if got := wantSettled(t, list); got.err != nil || ids(got.value) != "1 2 3" {
			t.Errorf("got %q %v", ids(got.value), got.err)
		}
		// The next list starts empty.
		list = a.resync("p")
		ask = a.asked(CodeChatResync).Extras.Ask
		a.sendList(Extras{Ask: ask}, "p", "4")
		if got := wantSettled(t, list); got.err != nil || ids(got.value) != "4" {
			t.Errorf("got %q %v", ids(got.value), got.err)
		}
	})
}

// A list that stops in the middle counts as unanswered, and its first frames
// do not get into the answer of the second question.
func TestListWithoutEnd(t *testing.T) {
	askers(t, Welcome{Asks: true}, nil, func(t *testing.T, a *asker) {
		list := a.resync("p")
		a.sendList(Extras{Ask: a.asked(CodeChatResync).Extras.Ask, More: true}, "p", "1")
		pass(20 * time.Second)
		a.sendList(Extras{Ask: a.asked(CodeChatResync).Extras.Ask}, "p", "2")
		if got := wantSettled(t, list); got.err != nil || ids(got.value) != "2" {
			t.Errorf("got %q %v", ids(got.value), got.err)
		}
	})
}

// Without Asks one Port asks at a time; with Asks they ask side by side.
func TestResyncOfSeveralPorts(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		one, two := a.resync("one"), (<-chan result[ChatStatusList])(nil)
		first := a.asked(CodeChatResync)
		two = a.resync("two")
		if a.welcome.Asks {
			second := a.asked(CodeChatResync)
			a.sendList(second.Extras, "two", "2")
			wantPending(t, one)
			a.sendList(first.Extras, "one", "1")
		} else {
			a.quiet()
			a.sendList(Extras{}, "one", "1")
			a.asked(CodeChatResync)
			a.sendList(Extras{}, "two", "2")
		}
		if got := wantSettled(t, one); ids(got.value) != "1" {
			t.Errorf("one: %q %v", ids(got.value), got.err)
		}
		if got := wantSettled(t, two); ids(got.value) != "2" {
			t.Errorf("two: %q %v", ids(got.value), got.err)
		}
	})
}

// Without Asks a list says by its items which Port it is of; an empty one is
// the oldest Port's that was not answered.
func TestCountedLists(t *testing.T) {
	type frame struct {
		port string
		ids  []string
	}
	tests := []struct {
		name   string
		frames []frame // after Port "a" was asked twice in vain and "b" once
		want   string  // b's list, "-" = none yet
	}{
		{"named", []frame{{"b", []string{"1"}}}, "1"},
		{"empty, the first of a", []frame{{"b", nil}}, "-"},
		{"empty, the third", []frame{{"b", nil}, {"b", nil}, {"b", nil}}, ""},
		{"a late, then b empty", []frame{{"a", []string{"9"}}, {"a", []string{"9"}}, {"b", nil}}, ""},
		{"of a Port never asked", []frame{{"c", []string{"1"}}}, "-"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			askers(t, Welcome{}, nil, func(t *testing.T, a *asker) {
				lost := a.resync("a")
				pass(40 * time.Second)
				if got := wantSettled(t, lost); !errors.Is(got.err, ErrNoAnswer) {
					t.Fatalf("a: %+v", got)
				}
				list := a.resync("b")
				synctest.Wait()
				for _, f := range test.frames {
					a.sendList(Extras{}, f.port, f.ids...)
				}
				if test.want == "-" {
					wantPending(t, list)
					if a.e.count("bad ") != len(test.frames) {
						t.Errorf("not counted: %v", a.e.all())
					}
					return
				}
				if got := wantSettled(t, list); got.err != nil || ids(got.value) != test.want {
					t.Errorf("b: %q %v, want %q", ids(got.value), got.err, test.want)
				}
			})
		})
	}
}

// On a core without fence the first RESYNC waits until Settle has passed
// since the session began.
func TestSettle(t *testing.T) {
	settle := func(cfg *ClientConfig) { cfg.Settle = 2 * time.Second }
	t.Run("without fence", func(t *testing.T) {
		askers(t, Welcome{Asks: true}, settle, func(t *testing.T, a *asker) {
			pass(time.Second - 1) // one nanosecond has passed already
			a.resync("p")
			pass(time.Second - 1)
			a.quiet()
			pass(1)
			a.asked(CodeChatResync)
			a.resync("q")
			a.asked(CodeChatResync)
		})
	})
	t.Run("with fence", func(t *testing.T) {
		askers(t, Welcome{Asks: true, Fences: true}, settle, func(t *testing.T, a *asker) {
			a.resync("p")
			a.asked(CodeChatResync)
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		askers(t, Welcome{}, settle, func(t *testing.T, a *asker) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := a.Resync(ctx, "p", nil); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			a.quiet()
		})
	})
	t.Run("gone", func(t *testing.T) {
		askers(t, Welcome{}, settle, func(t *testing.T, a *asker) {
			list := a.resync("p")
			synctest.Wait()
			a.Abort(errors.New("over"))
			if got := wantSettled(t, list); !errors.Is(got.err, ErrGone) {
				t.Errorf("got %+v", got)
			}
		})
	})
}

// An answer above MaxFrame is thrown away: the question is asked again, the
// connection lives.
func TestOversizeAnswer(t *testing.T) {
	small := func(cfg *ClientConfig) { cfg.MaxFrame = 1000 }
	long := strings.Repeat("x", 2000)
	for _, w := range []Welcome{{Asks: true}, {}} {
		t.Run(fmt.Sprintf("status, asks=%v", w.Asks), func(t *testing.T) {
			askers(t, w, small, func(t *testing.T, a *asker) {
				status := a.status("x")
				ask := a.asked(CodeChatStatusAsk).Extras.Ask
				a.answerStatus(ask, "x", Status(long))
				wantPending(t, status)
				pass(20 * time.Second)
				a.asked(CodeChatStatusAsk)
				if got := a.e.count("bad oversize"); got != 1 {
					t.Errorf("counted %d: %v", got, a.e.all())
				}
			})
		})
		t.Run(fmt.Sprintf("a list's middle, asks=%v", w.Asks), func(t *testing.T) {
			askers(t, w, small, func(t *testing.T, a *asker) {
				list := a.resync("p")
				ask := a.asked(CodeChatResync).Extras.Ask
				a.sendList(Extras{Ask: ask, More: true}, "p", "1")
				a.sendList(Extras{Ask: ask, More: true}, "p", long)
				a.sendList(Extras{Ask: ask}, "p", "3")
				wantPending(t, list) // "1 3" would look whole
				pass(20 * time.Second)
				a.sendList(Extras{Ask: a.asked(CodeChatResync).Extras.Ask}, "p", "4")
				if got := wantSettled(t, list); got.err != nil || ids(got.value) != "4" {
					t.Errorf("got %q %v", ids(got.value), got.err)
				}
			})
		})
	}
}

// The frames of one list are bounded together, not only each.
func TestEndlessList(t *testing.T) {
	for _, asks := range []bool{true, false} {
		t.Run(fmt.Sprintf("asks=%v", asks), func(t *testing.T) {
			b := book{asks: asks, prefix: "r-", observe: noObserver{}, live: map[string]*attempt{}, lines: map[lineKey]*line{}, partial: map[Code]listAnswer{}}
			a := &attempt{question: CodeChatResync, answer: CodeChatList, port: "p"}
			b.open(a)
			frame := Packet{
				Code: CodeChatList, Extras: Extras{Ask: a.token, More: true},
				Payload: ChatStatusList{{Port: "p"}},
			}
			for range 100 {
				b.take(frame, 1<<20)
			}
			for _, list := range []listAnswer{a.list, b.partial[CodeChatList]} {
				if items, _ := list.items.(ChatStatusList); len(items) > 64 {
					t.Errorf("%d frames of 1 MiB are kept", len(items))
				}
			}
			frame.Extras.More = false
			if bad := b.take(frame, 1); bad != BadOversize || a.outcome != "" {
				t.Errorf("the end was taken as %q, outcome %q", bad, a.outcome)
			}
		})
	}
}
