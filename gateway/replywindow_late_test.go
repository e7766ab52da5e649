package gateway

import (
	"context"
	"slices"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// lateNetwork takes late answers for a week.
type lateNetwork struct {
	*windowNetwork
	// knows, when set, is what it says of a send that got lost.
	knows connectors.Finding
}

func (n *lateNetwork) Capabilities() connectors.Capabilities {
	caps := n.windowNetwork.Capabilities()
	caps.LateWindow = 7 * day
	return caps
}

func (n *lateNetwork) Reconcile(context.Context, connectors.Attempt) (connectors.Finding, error) {
	f := n.knows
	f.AskAgain = -1
	return f, nil
}

// got marks late answers.
func (n *lateNetwork) got() (list []string) {
	list = n.windowNetwork.got()
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, p := range n.sent {
		if p.Late {
			list[i] = "late: " + list[i]
		}
	}
	return list
}

type lateHouse struct {
	*windowHouse
	late *lateNetwork
}

func inLateHouse(t *testing.T, test func(h *lateHouse), options ...houseOption) {
	t.Helper()
	var l *lateHouse
	inHouse(t, func(*house) { test(l) }, append([]houseOption{withLate(&l)}, options...)...)
}

func withLate(l **lateHouse) houseOption {
	return func(h *house, o *refcore.Options) {
		var w *windowHouse
		withWindow(&w)(h, o)
		*l = &lateHouse{w, &lateNetwork{windowNetwork: w.network}}
		h.build = func(config.Channel) (connectors.Connector, error) { return (*l).late, nil }
	}
}

func (h *lateHouse) wants(texts ...string) {
	h.Helper()
	h.waits(time.Second)
	if got := h.late.got(); !slices.Equal(got, texts) {
		h.Errorf("the customer has %q, want %q", got, texts)
	}
}

// told checks that the agent was told that a message was stopped by the window.
func (h *lateHouse) told(ids ...string) {
	h.Helper()
	var want []string
	for _, id := range ids {
		want = append(want, "Message "+id+" was not delivered: the 7-day window is closed; "+
			"send a template, [[template:ID|name=value]], or wait until the customer writes again.")
	}
	if _, notes := h.shown("ann"); !slices.Equal(notes, want) {
		h.Errorf("notes %q, want %q", notes, want)
	}
}

// refuses has the network refuse by the window what it says.
func refuses(which func(connectors.Part) bool) func(int, connectors.Part) error {
	return func(n int, p connectors.Part) error {
		if which(p) {
			return closedByNetwork(n, p)
		}
		return nil
	}
}

func isNormal(p connectors.Part) bool     { return !p.Late && p.Template == nil }
func isNoTemplate(p connectors.Part) bool { return p.Template == nil }
func isAnything(connectors.Part) bool     { return true }
func lostOnce(n int, _ connectors.Part) error {
	if n == 1 {
		return lostSend
	}
	return nil
}

// TestLateAnswer: what an agent says goes out as a late answer when the reply window
// is over, until the late one is.
func TestLateAnswer(t *testing.T) {
	inLateHouse(t, func(h *lateHouse) {
		h.writes("ann", 1)
		h.waits(day - time.Minute)
		h.says("ann", "one")
		h.wants("one")
		h.waits(time.Minute)
		h.says("ann", "two")
		h.wants("one", "late: two")
		h.waits(6*day - time.Minute)
		h.says("ann", "three")
		h.wants("one", "late: two", "late: three")
		h.waits(time.Minute)
		id := h.says("ann", "four")
		h.wants("one", "late: two", "late: three")
		h.told(id)
		h.network.template = true
		h.says("ann", "five")
		h.wants("one", "late: two", "late: three", "HXopen:five")
		h.writes("ann", 2)
		h.says("ann", "six")
		h.wants("one", "late: two", "late: three", "HXopen:five", "six")
		if h.net.tried != 5 {
			h.Errorf("%d attempts", h.net.tried)
		}
	})
}

// TestRefusedAnswerGoesLate: what the network has refused it has not taken.
func TestRefusedAnswerGoesLate(t *testing.T) {
	for _, tt := range []struct {
		name     string
		refused  func(connectors.Part) bool
		template bool
		lost     bool // the refusal's answer is, and the network is asked
		want     []string
		tried    int
		by       string
	}{
		{"late", isNormal, true, false, []string{"late: hello"}, 2, journal.WindowByNetwork},
		{"then by a template", isNoTemplate, true, false, []string{"HXopen:hello"}, 3, journal.WindowByNetworkLate},
		{"then not at all", isNoTemplate, false, false, nil, 2, journal.WindowByNetworkLate},
		{"not even by a template", isAnything, true, false, nil, 3, journal.WindowByNetworkLate},
		{"late, asked", nil, false, true, []string{"late: hello"}, 2, journal.WindowByNetwork},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inLateHouse(t, func(h *lateHouse) {
				h.writes("ann", 1)
				h.waits(time.Hour - time.Since(bubbleStart))
				h.network.template = tt.template
				if h.net.fail = lostOnce; tt.lost {
					h.late.knows = connectors.Finding{Fate: connectors.FateFailed, Failure: &connectors.SendError{
						Outcome: connectors.Rejected, Reason: connectors.ReasonWindow,
					}}
				} else {
					h.net.fail = refuses(tt.refused)
				}
				id := h.says("ann", "hello")
				h.waits(time.Minute)
				h.wants(tt.want...)
				if h.net.tried != tt.tried {
					t.Errorf("%d attempts, want %d", h.net.tried, tt.tried)
				}
				rec, _, err := h.disk.mem.Conversation(t.Context(), testChannel, "ann|fake")
				if err != nil || rec.WindowBy != tt.by {
					t.Errorf("the window is closed by %q, %v, want %q", rec.WindowBy, err, tt.by)
				}
				if len(tt.want) == 0 {
					h.told(id)
				} else {
					h.told()
				}
			})
		})
	}
}

// TestLateIsTriedOnce: where the network has refused late answers, too, no more are
// tried until the customer writes, by a later process neither.
func TestLateIsTriedOnce(t *testing.T) {
	inLateHouse(t, func(h *lateHouse) {
		h.writes("ann", 1)
		h.waits(time.Hour)
		h.net.fail = refuses(isNoTemplate)
		one := h.says("ann", "one")
		h.waits(time.Second)
		two := h.says("ann", "two")
		h.waits(time.Second)
		h.stop()
		h.start()
		h.waits(time.Minute)
		three := h.says("ann", "three")
		h.wants()
		h.told(one, two, three)
		if h.net.tried != 2 {
			h.Errorf("%d attempts", h.net.tried)
		}
		h.net.fail = refuses(isNormal)
		h.writes("ann", 2)
		h.waits(time.Second) // within the same instant what she writes may come after the refusal, and end it
		h.says("ann", "four")
		h.wants("late: four")
		h.says("ann", "five") // only the refusal of a normal one is known
		h.wants("late: four", "late: five")
		if h.net.tried != 5 {
			h.Errorf("%d attempts", h.net.tried)
		}
	})
}

// TestReportClosesTheLateWindow: the network takes a late answer and gives it up.
func TestReportClosesTheLateWindow(t *testing.T) {
	inLateHouse(t, func(h *lateHouse) {
		h.writes("ann", 1)
		h.waits(2 * day)
		one := h.says("ann", "one")
		h.wants("late: one")
		h.brings(connectors.Event{ID: "n", Kind: connectors.KindNotice, TrackingID: "ann|fake", Notice: &connectors.Notice{
			Status: connectors.StatusFailed, Finding: connectors.Finding{
				NetworkID: "net-1", Failure: &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonWindow},
			},
		}})
		two := h.says("ann", "two")
		h.wants("late: one")
		h.told(one, two)
	})
}

// TestLateAnswerSurvivesACrash: the next process repeats, and asks about, the same
// thing, although the customer has written.
func TestLateAnswerSurvivesACrash(t *testing.T) {
	for _, refusedBefore := range []bool{false, true} {
		inLateHouse(t, func(h *lateHouse) {
			h.writes("ann", 1)
			h.waits(time.Second)
			h.net.fail = func(_ int, p connectors.Part) error {
				if !p.Late {
					return closedByNetwork(0, p)
				}
				return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer, RetryAfter: time.Hour}
			}
			if !refusedBefore {
				h.waits(2 * day)
			}
			id := h.says("ann", "hello")
			h.waits(time.Minute)
			h.crash()
			h.net.fail = nil
			h.start()
			h.writes("ann", 2)
			h.waits(time.Minute)
			h.wants("late: hello")
			if p := h.partsOf(id)[0]; p.Hint != asLate {
				h.Errorf("part %+v", p)
			}
		}, oldJournal)
	}
}

// TestLateWindowEndsBetweenAttempts: what could not be sent meanwhile is too late.
func TestLateWindowEndsBetweenAttempts(t *testing.T) {
	inLateHouse(t, func(h *lateHouse) {
		h.writes("ann", 1)
		h.waits(7*day - time.Minute)
		h.net.fail = func(int, connectors.Part) error {
			return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer, RetryAfter: time.Hour}
		}
		id := h.says("ann", "hello")
		h.waits(2 * time.Hour)
		h.told(id)
		if h.net.tried != 1 {
			h.Errorf("%d attempts", h.net.tried)
		}
	})
}

// TestLateIsForWhatAnAgentSaid: the network takes it for nothing else.
func TestLateIsForWhatAnAgentSaid(t *testing.T) {
	inLateHouse(t, func(h *lateHouse) {
		h.writes("ann", 1)
		h.waits(2 * day)
		if _, err := h.core.SayAs(h.chat("ann").ID, refcore.Utterance{Text: "internal", Model: simprot.ModelTechNote}); err != nil {
			h.Fatal(err)
		}
		h.says("ann", "[[template:HX1|1=hello]]")
		h.wants("HX1:hello")
		if got := h.dead(); !slices.Equal(got, []string{string(connectors.ReasonWindow)}) {
			h.Errorf("dead %v", got)
		}
		h.core.SetSignal("", simprot.SignalClosed)
		if err := h.core.CloseChat(h.chat("ann").ID); err != nil {
			h.Fatal(err)
		}
		h.waits(time.Second)
		old := textEvent("ann", 2)
		old.SentAt = bubbleStart
		h.brings(old)
		h.wants("HX1:hello")
	}, answerClosed, func(h *house, _ *refcore.Options) { h.cfg.Channels[0].TechNotes = true })
}

// TestTimelineLate: what a trace says of late answers.
func TestTimelineLate(t *testing.T) {
	t.Parallel()
	var l *lateHouse
	golden(t, "out-late", func(h *timelines) {
		h.waits(5 * time.Second)
		h.writes("ann", 1)
		h.waits(2 * day)
		late := h.says("ann", "late")
		h.waits(time.Second)
		h.trace("late", late)
		h.stop()
		h.start()
		h.waits(time.Second)
		h.trace("by a later process", late)
		h.writes("ann", 2)
		h.waits(time.Second)
		h.net.fail = refuses(isNormal)
		refused := h.says("ann", "refused first")
		h.waits(time.Second)
		h.trace("refused first", refused)
		h.net.fail = refuses(isNoTemplate)
		closed := h.says("ann", "closed")
		h.waits(time.Second)
		h.trace("closed for late answers too", closed)
	}, withLate(&l))
}
