package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/simprot/refcore"
)

// TestFailureNoticeInFlight: it may be about an attempt before this one.
func TestFailureNoticeInFlight(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.block = make(chan struct{})
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		for _, fate := range []connectors.Fate{connectors.FateFailed, connectors.FateNotSent} {
			if err := h.notice(id, connectors.Finding{Fate: fate}); err != nil {
				t.Fatal(err)
			}
		}
		h.crash() // this one may have arrived
		h.net.block = nil
		h.start()
		h.waits(5 * time.Minute)
		h.wantGot()
		if got := h.dead(); !slices.Equal(got, []string{"unknown"}) {
			t.Errorf("dead letters %v", got)
		}
	}, reportUnknown)
}

// notice has the network say what became of a part of anna's.
func (h *house) notice(part string, f connectors.Finding) error {
	h.Helper()
	return inbox{h.gw, h.gw.channel(testChannel)}.Deliver(h.Context(), []connectors.Event{{
		ID: "notice-" + part, Kind: connectors.KindNotice, TrackingID: "anna|fake", Notice: &connectors.Notice{Ref: h.net.ref(part), Finding: f},
	}})
}

// TestNoticeBeforeTheAnswer: the echo comes while the request is under way, and
// its answer is lost.
func TestNoticeBeforeTheAnswer(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprint("crash ", crash), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.net.block = make(chan struct{})
				h.net.fail = failing(lostSend)
				id := h.says("anna", "an answer")
				h.waits(time.Second)
				if err := h.notice(id, foundSent); err != nil {
					t.Fatal(err)
				}
				if crash {
					h.crash()
					h.net.block, h.net.fail = nil, nil
					h.start()
				} else {
					close(h.net.block)
				}
				h.waits(5 * time.Minute)
				h.wantGot()
				h.wantNotes()
				if got := h.confirmed("anna"); !slices.Equal(got, []string{id}) {
					t.Errorf("confirmed %v, dead %v", got, h.dead())
				}
			}, reportUnknown)
		})
	}
}

// TestNoticeWhileAsking: it is not asked any further, and the lane goes on at
// once.
func TestNoticeWhileAsking(t *testing.T) {
	for fate, want := range map[connectors.Fate]struct {
		got, dead []string
	}{
		connectors.FateSent:    {got: []string{"next"}},
		connectors.FateNotSent: {got: []string{"an answer", "next"}},
		connectors.FateFailed:  {got: []string{"next"}, dead: []string{"blocked"}},
	} {
		t.Run(fate.String(), func(t *testing.T) {
			inHouse(t, func(h *house) {
				a := h.answers(finds(connectors.Finding{AskAgain: 4 * time.Minute}))
				h.opened()
				h.net.fail = failing(lostSend)
				id := h.says("anna", "an answer")
				h.says("anna", "next")
				h.waits(time.Minute)
				h.wantGot()
				f := connectors.Finding{Fate: fate, NetworkID: "found-1", Failure: sendErr(connectors.Rejected, connectors.ReasonBlocked)}
				if err := h.notice(id, f); err != nil {
					t.Fatal(err)
				}
				h.waits(5 * time.Second)
				h.wantGot(want.got...)
				if got := h.dead(); !slices.Equal(got, want.dead) || len(a.questions()) != 1 {
					t.Errorf("dead letters %v, %d questions", got, len(a.questions()))
				}
			}, reportUnknown)
		})
	}
}

// TestNoticeBeforeTheRowIsRead: after a start the network may speak before the
// journal has given the row back.
func TestNoticeBeforeTheRowIsRead(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.crashesSending()
		h.disk.seek.Store(int64(3 * time.Second))
		h.start()
		c := h.gw.convs.get(h.gw.channel(testChannel), "anna|fake")
		c.mu.Lock()
		if c.out.idle() || c.out.now != nil {
			t.Error("the row was read already")
		}
		c.mu.Unlock()
		if err := h.notice(id, foundSent); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantNotes()
		if got := h.confirmed("anna"); !slices.Equal(got, []string{id}) {
			t.Errorf("confirmed %v, dead %v", got, h.dead())
		}
	}, reportUnknown)
}

// TestLateTruth: what was reported as unknown, and is learned later, is told
// once, whatever is repeated and restarted.
func TestLateTruth(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 50)) // three parts
	for name, tt := range map[string]struct {
		text      string
		part      int // the one in doubt
		f         connectors.Finding
		note      string
		confirmed bool
	}{
		"arrived":         {text: "an answer", part: 1, f: foundSent, note: "did reach the customer", confirmed: true},
		"did not":         {text: "an answer", part: 1, f: connectors.Finding{Fate: connectors.FateNotSent}, note: "did not reach the customer"},
		"failed":          {text: "an answer", part: 1, f: connectors.Finding{Fate: connectors.FateFailed, Failure: sendErr(connectors.Rejected, connectors.ReasonBlocked)}, note: "cannot be reached any more"},
		"a part arrived":  {text: long, part: 2, f: foundSent, note: "has 2 of 3 parts"},
		"the last one":    {text: long, part: 3, f: foundSent, note: "did reach the customer", confirmed: true},
		"a part did not":  {text: long, part: 2, f: connectors.Finding{Fate: connectors.FateNotSent}, note: "has 1 of 3 parts"},
		"forgot its why?": {text: "an answer", part: 1, f: connectors.Finding{Fate: connectors.FateFailed}, note: "was not delivered: bug"},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.net.fail = func(n int, _ connectors.Part) error {
					if n == tt.part {
						return lostSend
					}
					return nil
				}
				id := h.says("anna", tt.text)
				h.waits(time.Minute)
				unknown := "not known whether"
				h.wantNotes(unknown)
				for range 2 {
					for range 2 {
						if err := h.notice(partID(id, tt.part-1), tt.f); err != nil {
							t.Fatal(err)
						}
					}
					h.waits(time.Minute)
					h.wantNotes(unknown, tt.note)
					if got := len(h.confirmed("anna")) == 1; got != tt.confirmed {
						t.Errorf("confirmed: %v", got)
					}
					h.crash()
					h.start()
				}
				if off := h.core.Offences(); len(off.Total) != 0 {
					t.Errorf("offences: %+v", off)
				}
			}, reportUnknown)
		})
	}
}

// TestLateTruthWhileTheCoreIsAway: the truth is journaled, and told when the
// core is back, in a later process.
func TestLateTruthWhileTheCoreIsAway(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = failing(lostSend)
		id := h.says("anna", "an answer")
		h.waits(time.Minute)
		h.door.away.Store(true)
		h.door.breakAll()
		if err := h.notice(id, foundSent); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.crash()
		h.door.away.Store(false)
		h.start()
		h.waits(2 * time.Minute)
		h.wantNotes("not known whether", "did reach the customer")
		if got := h.confirmed("anna"); !slices.Equal(got, []string{id}) {
			t.Errorf("confirmed %v", got)
		}
	}, reportUnknown)
}

// TestNoticeOfWhatIsKnown: it changes nothing, and no event of a customer beside
// it is held up.
func TestNoticeOfWhatIsKnown(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "an answer")
		h.waits(time.Minute)
		before := h.partsOf(id)
		events := []connectors.Event{textEvent("anna", 2)}
		for _, n := range []*connectors.Notice{
			{Ref: h.net.ref(id), Finding: connectors.Finding{Fate: connectors.FateFailed}},
			{Ref: h.net.ref(id), Finding: foundSent},
			{Ref: "another", Finding: foundSent},
			{Ref: h.net.ref(id) + "#2", Finding: foundSent},
			{Ref: h.net.ref(id)},
			{Finding: foundSent},
			nil,
		} {
			events = append(events, connectors.Event{ID: "n", Kind: connectors.KindNotice, TrackingID: "anna|fake", Notice: n})
		}
		if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), events); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantShown("anna", 2)
		h.wantNotes()
		if after := h.partsOf(id); !slices.Equal(before, after) {
			t.Errorf("parts %+v, then %+v", before, after)
		}
	})
}

// TestNoticeOfAReusedID: the core gave two sentences one ID; a notice of the
// first says nothing of the second.
func TestNoticeOfAReusedID(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		chat := h.chat("anna").ID
		say := func(text string) {
			if _, err := h.core.SayAs(chat, refcore.Utterance{ID: "same", Text: text}); err != nil {
				t.Fatal(err)
			}
			h.waits(time.Second)
		}
		say("one")
		h.net.block, h.net.fail = make(chan struct{}), failing(nil, lostSend)
		say("two")
		if err := h.notice("same", connectors.Finding{Fate: connectors.FateSent, NetworkID: "net-1"}); err != nil {
			t.Fatal(err)
		}
		close(h.net.block)
		h.waits(time.Minute)
		if got := h.dead(); !slices.Equal(got, []string{"unknown"}) {
			t.Errorf("dead letters %v", got)
		}
	}, reportUnknown)
}

// TestNoticeThatCannotBeKept: the network is asked to say it again.
func TestNoticeThatCannotBeKept(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = failing(lostSend)
		id := h.says("anna", "an answer")
		h.waits(time.Minute)
		h.cut.away.Store(true)
		ctx, cancel := context.WithTimeout(h.Context(), 10*time.Second)
		defer cancel()
		err := inbox{h.gw, h.gw.channel(testChannel)}.Deliver(ctx, []connectors.Event{{
			Kind: connectors.KindNotice, TrackingID: "anna|fake", Notice: &connectors.Notice{Ref: h.net.ref(id), Finding: foundSent},
		}})
		if !errors.Is(err, connectors.ErrUnavailable) {
			t.Errorf("deliver: %v", err)
		}
		h.cut.away.Store(false)
		h.crash() // and a later process knows of it from the journal
		h.start()
		if err := h.notice(id, foundSent); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantNotes("not known whether", "did reach the customer")
	}, reportUnknown)
}
