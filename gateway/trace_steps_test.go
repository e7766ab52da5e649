package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// TestStepsAreBounded: the ring forgets the oldest steps, says since when it has
// them all, and the last step of a row in a lane is never forgotten.
func TestStepsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteps()
		if s.since() != s.began {
			t.Errorf("complete since %v, want %v", s.since(), s.began)
		}
		old := &held{Row: journal.Row{Entry: journal.Entry{ID: "old"}}}
		old.enter(s, stepHanded)
		old.step(stepWindow)
		began := time.Now()
		time.Sleep(time.Second)
		for i := range 2 * stepsHeld {
			s.tell(stepFromCore, journal.Entry{ID: fmt.Sprint(i)})
		}
		list, lost := s.of(old.key)
		if len(list) != 0 || !lost.After(began) || s.since().Before(lost) {
			t.Errorf("held %+v, lost until %v, complete since %v", list, lost, s.since())
		}
		if last := old.lastStep(); last.kind != stepWindow || last.at != began.UnixNano() {
			t.Errorf("the last step is %+v", last)
		}
		n := 0
		for i := range s.shards {
			n += len(s.shards[i].ring)
		}
		if n != stepsHeld {
			t.Errorf("%d steps are held, want %d", n, stepsHeld)
		}
	})
}

// TestStepsCostNothing: a lane's step takes no memory.
func TestStepsCostNothing(t *testing.T) {
	s := newSteps()
	h := &held{Row: journal.Row{Entry: journal.Entry{ID: "1"}}}
	h.enter(s, stepHanded)
	for range stepsHeld / stepShards {
		h.step(stepWritten)
	}
	if n := testing.AllocsPerRun(1000, func() { h.step(stepWritten) }); n != 0 {
		t.Errorf("a step allocates %g times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { s.tell(stepFromCore, h.Entry) }); n != 0 {
		t.Errorf("an arrival allocates %g times", n)
	}
}

// TestTimelineForgotten: the trace says what is no longer held, and where a
// waiting message is all the same.
func TestTimelineForgotten(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		l := &timelines{house: h}
		h.waits(time.Second)
		h.asks("POST", pauseShop, 200, nil)
		h.writes("ann", 1)
		h.waits(time.Second)
		id := h.says("ann", "hello")
		h.waits(time.Second)
		for i := range 2 * stepsHeld {
			h.gw.steps.tell(stepFromCore, journal.Entry{ID: fmt.Sprint(i)})
		}
		h.waits(time.Second)
		l.trace("waiting", id)
		for _, want := range []string{
			"NOW [wait_paused] waits: an operator has paused the channel; since 2.0",
			"2.0 [accepted]", "3.0 [gap] steps up to here are no longer held, apart from the journal's\n",
		} {
			if !strings.Contains(l.text.String(), want) {
				t.Errorf("%q is not in\n%s", want, l.text.String())
			}
		}
	})
}

// TestTraceMasksNames: what a network calls a part may hold the address.
func TestTraceMasksNames(t *testing.T) {
	row := journal.Row{
		Entry: journal.Entry{Lane: journal.Lane{Channel: "shop", Direction: journal.Out, TrackingID: "4915112345|fake"}, ID: "1"},
		State: journal.Done, Parts: []journal.Part{{State: journal.PartSent, NetworkID: "4915112345:77"}},
	}
	g := &Gateway{steps: newSteps()}
	for withContent, want := range map[bool]string{false: simprot.LogID(row.Lane.TrackingID) + ":77", true: "4915112345:77"} {
		list := g.timeline(&row, withContent)
		if !slices.ContainsFunc(list, func(s Step) bool { return s.What == "part 1 of 1: sent, at the network "+want }) {
			t.Errorf("with content %t: %+v", withContent, list)
		}
	}
	if row.Parts[0].NetworkID != "4915112345:77" {
		t.Error("the row was changed")
	}
}
