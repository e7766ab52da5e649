package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// poisoned has the core drop every connection that brings anna's sentence, and
// everybody write.
func poisoned(h *house, others int) {
	h.Helper()
	h.writes("anna", 1)
	for i := range others {
		h.writes(fmt.Sprint("other", i), 1)
	}
	h.waits(time.Second)
	f := refcore.Fault{
		Kind: refcore.FaultDrop, Code: simprot.CodeChatSentenceIn,
		TrackingID: h.address("anna").TrackingID, Count: -1,
	}
	if err := h.core.AddFault(f); err != nil {
		h.Fatal(err)
	}
	h.writes("anna", 2)
	for i := range others {
		h.writes(fmt.Sprint("other", i), 2)
	}
	h.writes("anna", 3)
}

// suspectSeq is the one parked event.
func suspectSeq(h *house) int64 {
	h.Helper()
	list := h.gw.suspects.list()
	if len(list) != 1 || list[0].row.ID != "in-anna-0002" || list[0].row.Strikes != suspectStrikes {
		h.Fatalf("suspects: %+v", list)
	}
	return list[0].row.Seq
}

// TestPoison: a sentence that breaks the connection stops nobody else, is
// parked after four breaks, and goes when an operator lets it.
func TestPoison(t *testing.T) {
	const others = 20
	inHouse(t, func(h *house) {
		poisoned(h, others)
		h.waits(10 * time.Second)
		for i := range others {
			h.wantShown(fmt.Sprint("other", i), 2)
		}
		if n := h.core.Faults()[0].Acted; n < suspectStrikes || n > suspectStrikes+3 {
			t.Errorf("the connection broke %d times", n)
		}
		seq := suspectSeq(h)
		wantFaults(t, "suspect", h.gw.Unwell(), ":lanes_suspect")
		h.writes("other0", 3)
		h.waits(time.Second)
		h.wantShown("other0", 3)

		h.core.ClearFaults()
		if err := h.gw.suspects.tell(true)(h.Context(), seq); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantShown("anna", 3)
		if h.gw.suspects.count() != 0 || h.pending(journal.In) != 0 {
			t.Errorf("%d suspects, %d pending", h.gw.suspects.count(), h.pending(journal.In))
		}
	})
}

// TestPoisonOutlivesTheProcess: a restart does not begin the breaks anew, and a
// trial comes by itself.
func TestPoisonOutlivesTheProcess(t *testing.T) {
	inHouse(t, func(h *house) {
		poisoned(h, 3)
		h.waits(10 * time.Second)
		suspectSeq(h)
		broken := h.core.Faults()[0].Acted
		h.crash()
		h.start()
		h.waits(parkMin / 2)
		if n := h.core.Faults()[0].Acted; n != broken {
			t.Errorf("%d more breaks after the restart", n-broken)
		}
		h.core.ClearFaults()
		h.waits(time.Hour)
		h.wantShown("anna", 3)
	})
}

// TestPoisonGivenUp: the lane goes on without it, and the agent reads why.
func TestPoisonGivenUp(t *testing.T) {
	inHouse(t, func(h *house) {
		poisoned(h, 3)
		h.waits(10 * time.Second)
		seq := suspectSeq(h)
		h.core.ClearFaults()
		if err := h.gw.suspects.tell(false)(h.Context(), seq); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		ids, notes := h.shown("anna")
		if strings.Join(ids, " ") != "in-anna-0001 in-anna-0003" || len(notes) != 1 {
			t.Errorf("shown %q, notes %q", ids, notes)
		}
		if dead := h.dead(); len(dead) != 1 || dead[0] != string(connectors.ReasonCore) {
			t.Errorf("dead letters %q", dead)
		}
	})
}

// TestOrderlyEndIsNobodysFault: connections that end in order leave no strikes.
func TestOrderlyEndIsNobodysFault(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		h.waits(time.Second)
		lose := refcore.Fault{Kind: refcore.FaultLose, Code: simprot.CodeChatSentenceIn, Count: -1}
		if err := h.core.AddFault(lose); err != nil {
			t.Fatal(err)
		}
		h.writes("anna", 2)
		h.waits(time.Second)
		h.gw.link.Session().Abort(&simprot.ByeError{Reason: simprot.ByeRestart})
		h.waits(5 * time.Second)
		rows, err := h.gw.journal.Pending(h.Context(), testChannel, 0, 10)
		if err != nil || len(rows) != 1 || rows[0].Strikes != 0 {
			t.Errorf("rows %+v, %v", rows, err)
		}
		h.core.ClearFaults()
		h.waits(5 * time.Minute)
		h.wantShown("anna", 2)
	})
}

// TestFlyAlone: a loner waits for what is in the air, holds back what comes
// later, and is overtaken by nobody.
func TestFlyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(8, nil)
		ctx := t.Context()
		fly := func(alone bool) chan error {
			done := make(chan error, 1)
			go func() { done <- w.fly(ctx, lasting{}, alone) }()
			synctest.Wait()
			return done
		}
		started := func(done chan error) bool {
			select {
			case err := <-done:
				return err == nil
			default:
				return false
			}
		}
		if first, second := fly(false), fly(false); !started(first) || !started(second) {
			t.Fatal("nothing flies in an empty sky")
		}
		loner, later := fly(true), fly(false)
		w.land(false)
		synctest.Wait()
		if started(loner) || started(later) {
			t.Fatal("somebody flies beside another")
		}
		w.land(false)
		synctest.Wait()
		if !started(loner) || started(later) {
			t.Fatal("the loner does not fly alone")
		}
		w.land(true)
		synctest.Wait()
		if !started(later) {
			t.Fatal("nobody flies after the loner")
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if err := w.fly(gone, lasting{}, true); !errors.Is(err, context.Canceled) {
			t.Errorf("a loner that is stopped: %v", err)
		}
		if again := fly(false); !started(again) {
			t.Error("a loner that left holds others back")
		}
	})
}

func TestSuspectsAPI(t *testing.T) {
	rig := newPrivateRig(rigToken)
	call := func(method, path string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+rigToken)
		w := httptest.NewRecorder()
		rig.handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	p := &suspect{
		row: journal.Row{Seq: 7, Strikes: 4, State: journal.Delivering, Entry: journal.Entry{ID: "m1", Content: []byte("PLANTED")}}, since: time.Now(),
		word: make(chan bool, 1),
	}
	rig.parked.add(p)
	if code, body := call(http.MethodGet, "/api/v1/suspects"); code != http.StatusOK || !strings.Contains(body, `"strikes":4`) || strings.Contains(body, "PLANTED") {
		t.Errorf("list: %d %s", code, body)
	}
	if code, _ := call(http.MethodPost, "/api/v1/suspects/8/requeue"); code != http.StatusConflict {
		t.Errorf("requeue of another: %d", code)
	}
	if code, _ := call(http.MethodPost, "/api/v1/suspects/7/requeue"); code != http.StatusOK || !<-p.word {
		t.Errorf("requeue: %d", code)
	}
	if code, _ := call(http.MethodPost, "/api/v1/suspects/7/discard"); code != http.StatusOK || <-p.word {
		t.Errorf("discard: %d", code)
	}
}
