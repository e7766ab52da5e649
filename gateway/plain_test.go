package gateway

import (
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// A core that leaves ChatId out of its sentences: which chat one belongs to is
// known from STATUS alone. What must hold when one chat follows another.

// talked opens anna's chat and raises its Counter to 4.
func (h *house) talked() {
	h.Helper()
	h.opened()
	for _, text := range []string{"a", "b", "c"} {
		h.says("anna", text)
		h.waits(time.Second)
	}
	h.wantGot("a", "b", "c")
}

// unlabelled has anna told two texts that come before the new connection's
// STATUS is answered, so that the journal gets them without a chat.
func (h *house) unlabelled() {
	h.Helper()
	h.fault(refcore.FaultLose, simprot.CodeChatStatusAsk, 1)
	h.door.breakAll()
	h.waits(5 * time.Second)
	h.says("anna", "one")
	h.says("anna", "two")
	h.waits(time.Second)
	if row := h.outRow("anna", "one"); row == nil || row.ChatID != "" || !row.State.Pending() {
		h.Fatalf("the journal has %+v, want a pending row without a chat", row)
	}
}

// outRow finds what the journal has of a pending or ended sentence, by its text.
func (h *house) outRow(customer, text string) *journal.Row {
	h.Helper()
	_, sentences, err := h.core.Chat(h.chat(customer).ID)
	if err != nil {
		h.Fatal(err)
	}
	lane := journal.Lane{Channel: testChannel, Direction: journal.Out, TrackingID: customer + "|fake"}
	for _, s := range sentences {
		if s.Text != text {
			continue
		}
		rows, err := h.disk.mem.Find(h.Context(), lane, journal.IDHash{ID: s.ID, TextHash: textHash(text)})
		if err != nil {
			h.Fatal(err)
		}
		return rows[0]
	}
	return nil
}

// TestChatOfARowIsNotForgottenByACrash: rows journaled without a chat wait for
// the network; the chat is closed and the next one's sentences follow, whose
// Counters are lower. After a crash those do not go first, and the earlier
// chat's rows keep their order among themselves.
func TestChatOfARowIsNotForgottenByACrash(t *testing.T) {
	for name, tt := range map[string]struct{ away, between bool }{
		"the core is there":                    {false, false},
		"the core is away":                     {true, false},
		"there, between rows that have a chat": {false, true},
		"away, between rows that have a chat":  {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.talked()
				h.net.fail = func(int, connectors.Part) error { return sendErr(connectors.NotSent, connectors.ReasonConnect) }
				want := []string{"a", "b", "c"}
				says := func(texts ...string) {
					for _, text := range texts {
						h.says("anna", text)
						h.waits(time.Second)
					}
					want = append(want, texts...)
				}
				says("tried")
				if tt.between {
					says("waiting")
				}
				h.unlabelled()
				want = append(want, "one", "two")
				h.waits(time.Minute) // STATUS is answered
				if tt.between {
					says("later")
				}
				h.closes("anna")
				h.writes("anna", 2) // opens the next chat
				h.waits(5 * time.Second)
				says("three", "four")
				h.waits(time.Minute)
				h.crash()
				h.net.fail = nil
				h.door.away.Store(tt.away)
				h.start()
				h.waits(time.Minute)
				h.door.away.Store(false)
				h.waits(time.Hour)
				h.wantGot(want...)
				if got := h.dead(); len(got) != 0 {
					t.Errorf("dead letters %v", got)
				}
			}, plainCore)
		})
	}
}

// TestTwoChatsWithinOneQuestion: STATUS is lost, and when it is asked again the
// chat it was asked of has ended and another has begun. What was said in both
// meanwhile keeps its order.
func TestTwoChatsWithinOneQuestion(t *testing.T) {
	for name, crash := range map[string]bool{"broken link": false, "crash": true} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.talked()
				if crash {
					h.crash()
					h.start()
				}
				h.unlabelled()
				h.closes("anna")
				if _, err := h.core.Begin(h.address("anna"), "Anna"); err != nil {
					t.Fatal(err)
				}
				h.says("anna", "three")
				h.says("anna", "four")
				h.waits(time.Hour)
				h.wantGot("a", "b", "c", "one", "two", "three", "four")
			}, plainCore)
		})
	}
}

// TestReleasedIsOfTheChatItself: a row without a chat, tried before a crash,
// goes on after it; its Counter is not taken for one of the next chat.
func TestReleasedIsOfTheChatItself(t *testing.T) {
	inHouse(t, func(h *house) {
		h.talked()
		h.net.fail = func(int, connectors.Part) error { return sendErr(connectors.NotSent, connectors.ReasonConnect) }
		h.unlabelled()
		h.waits(time.Minute) // STATUS is answered: the network is tried
		h.closes("anna")
		h.writes("anna", 2)
		h.waits(5 * time.Second)
		h.crash()
		h.net.fail = nil
		h.says("anna", "three") // seen by STATUS only
		h.start()
		h.waits(time.Hour)
		h.wantGot("a", "b", "c", "one", "two", "three")
		if got := h.dead(); len(got) != 0 {
			t.Errorf("dead letters %v", got)
		}
	}, plainCore)
}
