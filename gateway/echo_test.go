package gateway

import (
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot/refcore"
)

// echoing is a network that says by itself what it was sent, within two minutes.
type echoing struct{ *fakeNetwork }

func (n echoing) Capabilities() connectors.Capabilities {
	caps := n.fakeNetwork.Capabilities()
	caps.EchoWithin = 2 * time.Minute
	return caps
}

func withEchoes(h *house, _ *refcore.Options) {
	h.build = func(config.Channel) (connectors.Connector, error) { return echoing{h.net}, nil }
}

// TestEchoIsWaitedFor: of a send whose answer was lost nothing is said before its echo
// has had its time. With it the message is confirmed and no note written; without it
// the agent is told once, and what follows goes on.
func TestEchoIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, arrives := range map[string]bool{"an echo": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.net.fail = failing(lostSend)
				id := h.says("anna", "an answer")
				next := h.says("anna", "the next")
				h.waits(119 * time.Second)
				h.wantNotes()
				h.wantConfirmed()
				if arrives {
					if err := h.notice(id, foundSent); err != nil {
						t.Fatal(err)
					}
				}
				h.waits(2 * time.Second)
				if arrives {
					h.wantNotes()
					h.wantConfirmed(id, next)
				} else {
					h.wantNotes("It is not known whether message " + id + " reached the customer. It was not sent again.")
					h.wantConfirmed(next)
				}
			}, withEchoes, reportUnknown)
		})
	}
}

// TestEchoIsWaitedForAfterACrash: at least a minute, however long nobody was there.
func TestEchoIsWaitedForAfterACrash(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.opened()
		id := h.crashesSending()
		h.waits(time.Hour)
		h.start()
		h.waits(50 * time.Second)
		h.wantNotes()
		if err := h.notice(id, foundSent); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantNotes()
		h.wantConfirmed(id)
	}, withEchoes, reportUnknown)
}
