package gateway

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// unconfirmed counts a chat's sentences that the core holds as not delivered.
func (h *house) unconfirmed(chat uuid.UUID) (n int) {
	h.Helper()
	_, sentences, err := h.core.Chat(chat)
	if err != nil {
		h.Fatal(err)
	}
	for _, s := range sentences {
		if s.IsOutbound && s.ConfirmedTime == nil {
			n++
		}
	}
	return n
}

// turns ends anna's chat, and the agent begins another: from now on
// STATUS tells nothing of the first.
func (h *house) turns() {
	h.Helper()
	h.closes("anna")
	if _, err := h.core.Begin(h.address("anna"), "Anna"); err != nil {
		h.Fatal(err)
	}
}

// TestLostConfirmationOfAnEarlierChat: the network has a sentence, the core was
// not told, and by the time it can be told the conversation has another chat.
func TestLostConfirmationOfAnEarlierChat(t *testing.T) {
	for _, tt := range []struct {
		name    string
		crash   bool
		part    bool // the first list came without the chat
		options []houseOption
	}{
		{name: "the link was lost"},
		{name: "the link was lost, plain core", options: []houseOption{plainCore}},
		{name: "a crash", crash: true},
		{name: "a crash, and a list with a part missing", crash: true, part: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.says("anna", "an answer")
				h.waits(2 * resyncEvery) // this one the core has heard of
				h.fault(refcore.FaultDrop, simprot.CodeChatConfirmIn, 1)
				h.says("anna", "another")
				h.door.away.Store(true)
				h.waits(10 * time.Second)
				h.wantGot("an answer", "another")
				if tt.crash {
					h.crash()
				}
				chat := h.chat("anna").ID
				if n := h.unconfirmed(chat); n != 1 {
					t.Fatalf("%d unconfirmed before the link is back, want 1", n)
				}
				h.turns()
				if tt.crash {
					h.start()
				}
				if tt.part {
					h.gw.channel(testChannel).port.owed.swap(false)
				}
				h.door.away.Store(false)
				h.waits(2 * time.Minute)
				if n := h.unconfirmed(chat); n != 0 {
					t.Errorf("%d unconfirmed", n)
				}
				h.wantGot("an answer", "another")
				if off := h.core.Offences(); len(off.Total) != 0 {
					t.Errorf("offences: %+v", off)
				}
			}, tt.options...)
		})
	}
}

// TestConfirmationsWhileTheCoreIsAway: more is sent than the list of what the
// core was not told can hold; the journal has the rest.
func TestConfirmationsWhileTheCoreIsAway(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		p := h.gw.channel(testChannel).port
		chat := h.chat("anna").ID
		h.net.block = make(chan struct{})
		for range 3 {
			h.says("anna", "an answer")
		}
		h.waits(time.Second)
		h.door.away.Store(true)
		h.door.breakAll()
		h.turns()
		close(h.net.block)
		h.waits(10 * time.Second)
		for range mostOwed {
			p.confirm("nobody|fake", "of another customer")
		}
		h.door.away.Store(false)
		h.waits(2 * time.Minute)
		if n := h.unconfirmed(chat); n != 0 {
			t.Errorf("%d unconfirmed", n)
		}
	})
}

// TestConfirmationIsRepeatedOnce: what the core has read is not told again by
// the next connections, and is not kept.
func TestConfirmationIsRepeatedOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.says("anna", "an answer")
		h.waits(2 * resyncEvery)
		told := h.counts(simprot.CodeChatConfirmIn)
		for range 3 {
			h.door.breakAll()
			h.waits(2 * resyncEvery)
		}
		if n := told(); n != 0 {
			t.Errorf("told %d times more", n)
		}
		h.waits(10 * time.Second) // between two RESYNCs
		h.says("anna", "another")
		h.waits(time.Second)
		h.door.breakAll() // at once: nothing says that the core has read it
		h.waits(2 * resyncEvery)
		h.door.breakAll()
		h.waits(2 * resyncEvery)
		if n := told(); n != 2 {
			t.Errorf("told %d times, want 2", n)
		}
	})
}

// TestOnlyWhatWasSentIsConfirmed: a chat is listed because one sentence of it
// is a dead letter; that one is never confirmed.
func TestOnlyWhatWasSentIsConfirmed(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		chat := h.chat("anna").ID
		h.net.fail = failing(nil, sendErr(connectors.Rejected, connectors.ReasonContent))
		h.says("anna", "an answer")
		h.says("anna", "not for this network")
		h.waits(time.Minute)
		h.crash()
		h.turns()
		h.start()
		h.waits(time.Hour)
		if n := h.unconfirmed(chat); n != 1 {
			t.Errorf("%d unconfirmed, want the dead letter", n)
		}
		if n := h.pending(journal.Out); n != 0 {
			t.Errorf("%d pending", n)
		}
	})
}

// TestOwedUntilRead: an answer to RESYNC speaks of what was written before the
// question, on its own connection.
func TestOwedUntilRead(t *testing.T) {
	var o owed
	say := func(id string, gen uint64) { o.add(confirmation{id: id, gen: gen}) }
	want := func(again []confirmation, ids ...string) {
		t.Helper()
		var got []string
		for _, c := range again {
			got = append(got, c.id)
		}
		if !slices.Equal(got, ids) {
			t.Errorf("told again: %v, want %v", got, ids)
		}
	}
	say("nobody there", 0)
	say("read", 1)
	asked := o.end()
	say("behind the question", 1)
	want(o.read(asked, 1), "nobody there")
	asked = o.end()
	say("lost", 1)
	want(o.read(asked, 1)) // and "behind the question" is read
	want(o.read(o.end(), 2), "lost")
	want(o.read(o.end(), 3))
}
