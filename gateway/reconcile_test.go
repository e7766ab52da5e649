package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// asked is the fake network as one that can be asked what became of a send.
type asked struct {
	*fakeNetwork
	mu   sync.Mutex
	with []connectors.Attempt
	find func(n int, a connectors.Attempt) (connectors.Finding, error)
	// within replaces find where the question's context matters.
	within func(context.Context) (connectors.Finding, error)
}

var _ connectors.Reconciler = (*asked)(nil)

func (a *asked) Reconcile(ctx context.Context, at connectors.Attempt) (connectors.Finding, error) {
	a.mu.Lock()
	a.with = append(a.with, at)
	n := len(a.with)
	a.mu.Unlock()
	if a.within != nil {
		return a.within(ctx)
	}
	return a.find(n, at)
}

func (a *asked) questions() []connectors.Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.with)
}

// answers makes the house's network one that answers like this.
func (h *house) answers(find func(n int, a connectors.Attempt) (connectors.Finding, error)) *asked {
	a := &asked{fakeNetwork: h.net, find: find}
	h.build = func(config.Channel) (connectors.Connector, error) { return a, nil }
	h.stop()
	h.start()
	h.waits(5 * time.Second)
	return a
}

// finds always finds the same.
func finds(f connectors.Finding) func(int, connectors.Attempt) (connectors.Finding, error) {
	return func(int, connectors.Attempt) (connectors.Finding, error) { return f, nil }
}

var (
	lostSend  = sendErr(connectors.Unknown, connectors.ReasonCut)
	foundSent = connectors.Finding{Fate: connectors.FateSent, NetworkID: "found-1"}
)

// parts are the records of the outbound row with this text.
func (h *house) partsOf(id string) []journal.Part {
	h.Helper()
	rows, err := h.disk.mem.Trace(h.Context(), journal.TraceQuery{Channel: testChannel, ID: id, Recent: 1000, Limit: 10})
	if err != nil || len(rows) != 1 {
		h.Fatalf("rows of %s: %v, %v", id, rows, err)
	}
	return rows[0].Parts
}

func (h *house) wantNotes(want ...string) {
	h.Helper()
	_, notes := h.shown("anna")
	for i := range want {
		if i >= len(notes) || !strings.Contains(notes[i], want[i]) {
			h.Errorf("notes %q, want %q", notes, want)
			return
		}
	}
	if len(notes) != len(want) {
		h.Errorf("notes %q, want %q", notes, want)
	}
}

// TestUnknownFateIsAskedFirst: what the network can tell decides, whatever the
// policy; what it cannot tell is the policy's.
func TestUnknownFateIsAskedFirst(t *testing.T) {
	const text = "an answer"
	window := sendErr(connectors.Rejected, connectors.ReasonWindow)
	cannot := func(int, connectors.Attempt) (connectors.Finding, error) {
		return connectors.Finding{}, sendErr(connectors.NotSent, connectors.ReasonConnect) // of the question
	}
	for name, tt := range map[string]struct {
		find      func(int, connectors.Attempt) (connectors.Finding, error)
		questions int                 // at most
		got       map[string][]string // by policy: what was sent again
		confirmed map[string]bool
		dead      map[string][]string
		note      map[string]string
	}{
		"sent": {
			find: finds(foundSent), questions: 1, confirmed: map[string]bool{"resend": true, "report": true},
		},
		"not sent": {
			find: finds(connectors.Finding{Fate: connectors.FateNotSent}), questions: 1,
			got:       map[string][]string{"resend": {text}, "report": {text}},
			confirmed: map[string]bool{"resend": true, "report": true},
		},
		"failed": {
			find: finds(connectors.Finding{Fate: connectors.FateFailed, Failure: window}), questions: 1,
			dead: map[string][]string{"resend": {"window"}, "report": {"window"}},
			note: map[string]string{"resend": "reply window is closed", "report": "reply window is closed"},
		},
		"known later": {
			find: func(n int, _ connectors.Attempt) (connectors.Finding, error) {
				if n < 4 {
					return connectors.Finding{AskAgain: 40 * time.Second}, nil
				}
				return foundSent, nil
			},
			questions: 4, confirmed: map[string]bool{"resend": true, "report": true},
		},
		"never": {
			find: finds(connectors.Finding{AskAgain: -1}), questions: 1,
			got: map[string][]string{"resend": {text}}, confirmed: map[string]bool{"resend": true},
			dead: map[string][]string{"report": {"unknown"}}, note: map[string]string{"report": "not known whether message"},
		},
		"always later": {
			find: finds(connectors.Finding{}), questions: mostAsks,
			got: map[string][]string{"resend": {text}}, confirmed: map[string]bool{"resend": true},
			dead: map[string][]string{"report": {"unknown"}}, note: map[string]string{"report": "not known whether message"},
		},
		"at once again": {
			find: finds(connectors.Finding{AskAgain: time.Second}), questions: mostAsks,
			got: map[string][]string{"resend": {text}}, confirmed: map[string]bool{"resend": true},
			dead: map[string][]string{"report": {"unknown"}}, note: map[string]string{"report": "not known whether message"},
		},
		"later than anybody waits": {
			find: finds(connectors.Finding{AskAgain: 4 * time.Minute}), questions: 3,
			got: map[string][]string{"resend": {text}}, confirmed: map[string]bool{"resend": true},
			dead: map[string][]string{"report": {"unknown"}}, note: map[string]string{"report": "not known whether message"},
		},
		"cannot be asked": {
			find: cannot, questions: mostAsks,
			got: map[string][]string{"resend": {text}}, confirmed: map[string]bool{"resend": true},
			dead: map[string][]string{"report": {"unknown"}}, note: map[string]string{"report": "not known whether message"},
		},
		"panics": {
			find: func(int, connectors.Attempt) (connectors.Finding, error) { panic("a connector") }, questions: mostAsks,
			got: map[string][]string{"resend": {text}}, confirmed: map[string]bool{"resend": true},
			dead: map[string][]string{"report": {"unknown"}}, note: map[string]string{"report": "not known whether message"},
		},
	} {
		for _, policy := range []config.UnknownPolicy{config.Resend, config.Report} {
			t.Run(name+"/"+string(policy), func(t *testing.T) {
				inHouse(t, func(h *house) {
					h.cfg.Channels[0].Unknown = policy
					a := h.answers(tt.find)
					h.opened()
					h.net.fail = failing(lostSend)
					h.says("anna", text)
					h.waits(12 * time.Minute)
					p := string(policy)
					h.wantGot(tt.got[p]...)
					if got := h.dead(); !slices.Equal(got, tt.dead[p]) {
						t.Errorf("dead letters %v, want %v", got, tt.dead[p])
					}
					if note := tt.note[p]; note != "" {
						h.wantNotes(note)
					} else {
						h.wantNotes()
					}
					if got := len(h.confirmed("anna")) == 1; got != tt.confirmed[p] {
						t.Errorf("confirmed: %v", got)
					}
					if n := len(a.questions()); n == 0 || n > tt.questions {
						t.Errorf("%d questions, want at most %d", n, tt.questions)
					}
				})
			})
		}
	}
}

// TestWhatIsAsked: the question names the part, when it left, and what the
// network's other messages are.
func TestWhatIsAsked(t *testing.T) {
	inHouse(t, func(h *house) {
		var left time.Time
		a := h.answers(finds(connectors.Finding{Fate: connectors.FateSent, NetworkID: "found-1"}))
		h.opened()
		h.says("anna", "first")
		h.waits(time.Minute)
		h.net.fail = func(_ int, p connectors.Part) error {
			left = time.Now()
			if p.Text == "second" {
				return lostSend
			}
			return nil
		}
		id := h.says("anna", "second")
		h.waits(time.Minute)
		got := a.questions()
		if len(got) != 1 || got[0].Part.ID != id || got[0].Part.Text != "second" ||
			got[0].Began.After(left) || got[0].Ended.Before(left) || left.Sub(got[0].Began) > time.Second ||
			!slices.Equal(got[0].Taken, []string{"net-1"}) {
			t.Errorf("asked %+v, it left %v", got, left)
		}
		if p := h.partsOf(id); len(p) != 1 || p[0].State != journal.PartSent || p[0].NetworkID != "found-1" {
			t.Errorf("journaled %+v", p)
		}
	})
}

// TestFoundTheWrongOne: a message that is known to be another one's is not
// believed to be this one, also after a restart.
func TestFoundTheWrongOne(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			inHouse(t, func(h *house) {
				wrong := finds(connectors.Finding{Fate: connectors.FateSent, NetworkID: "net-1"})
				a := h.answers(wrong)
				h.opened()
				h.says("anna", "the same")
				h.waits(time.Minute)
				if restart {
					h.net.block = make(chan struct{})
				} else {
					h.net.fail = failing(nil, lostSend)
				}
				h.says("anna", "the same ") // another sentence
				h.waits(time.Second)
				if restart {
					h.crash()
					h.net.block = nil
					h.start()
				}
				h.waits(12 * time.Minute)
				h.wantGot("the same")
				if got := h.dead(); !slices.Equal(got, []string{"unknown"}) {
					t.Errorf("dead letters %v", got)
				}
				if n := len(a.questions()); n < 3 {
					t.Errorf("%d questions", n)
				}
			}, reportUnknown)
		})
	}
}

// TestAskedAfterACrash: the process dies in the attempt, or while it asks; the
// next one asks before anything else.
func TestAskedAfterACrash(t *testing.T) {
	for _, inQuestion := range []bool{false, true} {
		t.Run(fmt.Sprint("in the question ", inQuestion), func(t *testing.T) {
			inHouse(t, func(h *house) {
				known := false
				a := h.answers(func(int, connectors.Attempt) (connectors.Finding, error) {
					if !known {
						return connectors.Finding{AskAgain: time.Minute}, nil
					}
					return foundSent, nil
				})
				h.opened()
				if inQuestion {
					h.net.fail = func(int, connectors.Part) error {
						sleep(h.Context(), 10*time.Second) // an attempt takes its time
						return lostSend
					}
				} else {
					h.net.block = make(chan struct{})
				}
				left := time.Now()
				id := h.says("anna", "an answer")
				h.waits(30 * time.Second)
				h.crash()
				h.net.block, h.net.fail, known = nil, nil, true
				h.start()
				h.waits(5 * time.Minute)
				h.wantGot()
				h.wantNotes()
				if got := h.confirmed("anna"); !slices.Equal(got, []string{id}) {
					t.Errorf("confirmed %v", got)
				}
				last := a.questions()[len(a.questions())-1]
				if last.Began.After(left.Add(time.Second)) || last.Ended.Before(left) {
					t.Errorf("asked about %v to %v, it left %v", last.Began, last.Ended, left)
				}
			}, reportUnknown)
		})
	}
}

// TestClockWasAhead: a process with a clock that was hours ahead dies in an attempt, or
// while it listens. The next one, whose clock is right, does not wait for those hours.
func TestClockWasAhead(t *testing.T) {
	for _, state := range []journal.PartState{journal.PartAttempting, journal.PartUnknown} {
		t.Run(fmt.Sprint(state), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				id := h.crashesSending()
				rows, err := h.disk.mem.Pending(h.Context(), testChannel, 0, 10)
				if err != nil || len(rows) != 1 || len(rows[0].Parts) != 1 {
					t.Fatalf("pending: %+v, %v", rows, err)
				}
				ahead := journal.Part{State: state, At: time.Now().Add(3 * time.Hour)}
				if state == journal.PartUnknown {
					ahead.Reason = string(connectors.ReasonCut)
				}
				change := journal.Change{Seq: rows[0].Seq, Epoch: rows[0].Epoch, State: rows[0].State, Parts: []journal.Part{ahead}}
				if err := h.disk.mem.Commit(h.Context(), change); err != nil {
					t.Fatal(err)
				}
				h.start()
				h.waits(time.Minute)
				if got := h.confirmed("anna"); !slices.Equal(got, []string{id}) {
					t.Errorf("confirmed %v", got)
				}
			})
		})
	}
}

// TestEarlierDoubt: between which times an earlier process made its attempt.
func TestEarlierDoubt(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		now, limit := time.Now(), 30*time.Second
		for name, test := range map[string]struct {
			state        journal.PartState
			at           time.Duration // from now
			began, ended time.Duration
		}{
			"lost in the attempt":            {journal.PartAttempting, -time.Minute, -time.Minute, -30 * time.Second},
			"lost in the attempt, just now":  {journal.PartAttempting, -10 * time.Second, -10 * time.Second, 0},
			"of unknown fate":                {journal.PartUnknown, -time.Minute, -90 * time.Second, -time.Minute},
			"by a clock ahead, attempting":   {journal.PartAttempting, 3 * time.Hour, -clockDoubt, 0},
			"by a clock ahead, unknown fate": {journal.PartUnknown, 3 * time.Hour, -clockDoubt, 0},
		} {
			got := earlierDoubt(journal.Part{State: test.state, At: now.Add(test.at)}, limit)
			if got.began.Sub(now) != test.began || got.ended.Sub(now) != test.ended {
				t.Errorf("%s: %v to %v", name, got.began.Sub(now), got.ended.Sub(now))
			}
		}
	})
}

// TestStopWhileAsking: a stop does not wait for the network's word, and decides
// nothing.
func TestStopWhileAsking(t *testing.T) {
	for name, find := range map[string]func(context.Context) (connectors.Finding, error){
		"between questions": func(context.Context) (connectors.Finding, error) {
			return connectors.Finding{AskAgain: 5 * time.Minute}, nil
		},
		"in a question": func(ctx context.Context) (connectors.Finding, error) {
			sleep(ctx, 25*time.Second)
			return connectors.Finding{}, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) { stopWhileAsking(t, find) })
	}
}

func stopWhileAsking(t *testing.T, find func(context.Context) (connectors.Finding, error)) {
	t.Helper()
	inHouse(t, func(h *house) {
		a := h.answers(nil)
		a.within = find
		h.opened()
		h.net.fail = failing(lostSend)
		h.says("anna", "an answer")
		h.waits(time.Minute)
		began := time.Now()
		h.stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the stop took %v", took)
		}
		if n := h.pending(journal.Out); n != 1 || len(h.dead()) != 0 {
			t.Errorf("%d pending, dead %v", n, h.dead())
		}
		h.start()
		h.waits(12 * time.Minute)
		h.wantNotes("not known whether")
	}, reportUnknown)
}

// TestFailureAfterAnUnknownFate: what was sent again and failed is not called
// undelivered.
func TestFailureAfterAnUnknownFate(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = failing(lostSend, sendErr(connectors.NotSent, connectors.ReasonServer), sendErr(connectors.Rejected, connectors.ReasonBlocked))
		id := h.says("anna", "an answer")
		h.waits(10 * time.Minute)
		h.wantGot()
		h.wantNotes("It is not known whether message " + id + " reached the customer. It could not be sent again: the customer cannot be reached any more.")
		if got := h.dead(); !slices.Equal(got, []string{"blocked"}) {
			t.Errorf("dead letters %v", got)
		}
		if err := h.notice(id, foundSent); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantNotes("It is not known", "Message "+id+" did reach the customer.")
	})
}

// TestDeadlineAfterAnUnknownFate: so with what could not be sent again in time.
func TestDeadlineAfterAnUnknownFate(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = func(n int, _ connectors.Part) error {
			if n == 1 {
				return lostSend
			}
			return sendErr(connectors.NotSent, connectors.ReasonConnect)
		}
		id := h.says("anna", "an answer")
		h.waits(time.Hour)
		h.crash()
		h.start()
		h.waits(25 * time.Hour)
		h.wantNotes("It is not known whether message " + id + " reached the customer. It could not be sent again: it could not be sent in time.")
	})
}
