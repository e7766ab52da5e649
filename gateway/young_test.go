package gateway

import (
	"testing"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// TestSentenceOfAChatYoungerThanTheJournal: the journal is new, but it was told
// of the conversation before the agent began the chat. What it has no record of
// was surely never sent.
func TestSentenceOfAChatYoungerThanTheJournal(t *testing.T) {
	for name, then := range map[string]func(h *house){
		"the link comes back": func(*house) {},
		"a restart":           func(h *house) { h.stop(); h.start() },
		"a crash":             func(h *house) { h.crash(); h.start() },
		"the first look fails": func(h *house) {
			h.cut.blind.Store(true)
			h.door.away.Store(false)
			h.waits(5 * time.Second)
			h.cut.blind.Store(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.door.away.Store(true)
				h.door.breakAll()
				h.turns()
				h.says("anna", "an answer")
				then(h)
				h.door.away.Store(false)
				h.waits(2 * time.Minute)
				h.wantGot("an answer")
				if _, notes := h.shown("anna"); len(notes) != 0 {
					t.Errorf("notes %q", notes)
				}
			})
		})
	}
}

// TestSentenceOfTheFirstChat: the core had no chat with the customer when it was
// asked, so the one there is now is younger than the journal.
func TestSentenceOfTheFirstChat(t *testing.T) {
	inHouse(t, func(h *house) {
		h.core.SetSignal(testChannel, simprot.SignalClosed)
		h.opened()
		h.door.away.Store(true)
		h.door.breakAll()
		if _, err := h.core.Begin(h.address("anna"), "Anna"); err != nil {
			t.Fatal(err)
		}
		h.says("anna", "an answer")
		h.door.away.Store(false)
		h.waits(2 * time.Minute)
		got := h.net.got()
		if len(got) == 0 || got[len(got)-1] != "an answer" {
			t.Errorf("got %q", got)
		}
	})
}

// TestChatOlderThanTheJournal: the first answer a new journal gets shows a chat.
// It may have begun before, whatever the answers after it show.
func TestChatOlderThanTheJournal(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.stop()
		h.disk.Close()
		h.disk = newDisk()
		id := h.says("anna", "an answer")
		h.start()
		h.waits(time.Minute)
		h.crash()
		h.start()
		h.waits(time.Minute)
		h.wantGot()
		h.wantTold("anna", id)
		if n := h.pending(journal.Out); n != 0 {
			t.Errorf("%d pending", n)
		}
	})
}
