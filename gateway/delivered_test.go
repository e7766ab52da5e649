package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

func confirmDelivered(h *house, _ *refcore.Options) {
	h.cfg.Channels[0].Confirm = config.ConfirmDelivered
}

// reports has the network say how far a part of anna's has come.
func (h *house) reports(part, networkID string, s connectors.DeliveryStatus) error {
	h.Helper()
	n := connectors.Notice{
		Ref: h.net.ref(part), Status: s, Finding: connectors.Finding{Fate: connectors.FateSent, NetworkID: networkID},
	}
	if s == connectors.StatusFailed {
		n.Fate, n.Failure = connectors.FateFailed, sendErr(connectors.Rejected, connectors.ReasonBlocked)
	}
	return inbox{h.gw, h.gw.channel(testChannel)}.Deliver(h.Context(), []connectors.Event{{
		ID: "report-" + part, Kind: connectors.KindNotice, TrackingID: "anna|fake", Notice: &n,
	}})
}

// reported is reports that must be taken.
func (h *house) reported(part, networkID string, list ...connectors.DeliveryStatus) {
	h.Helper()
	for _, s := range list {
		if err := h.reports(part, networkID, s); err != nil {
			h.Fatalf("report %s: %v", s, err)
		}
	}
	h.waits(time.Second)
}

func (h *house) wantStatus(id string, want connectors.DeliveryStatus) {
	h.Helper()
	if got := connectors.DeliveryStatus(h.partsOf(id)[0].Status); got != want {
		h.Errorf("%s has come as far as %q, want %q", id, got, want)
	}
}

func (h *house) wantConfirmed(want ...string) {
	h.Helper()
	if got := h.confirmed("anna"); !slices.Equal(got, want) {
		h.Errorf("confirmed %v, want %v", got, want)
	}
}

// TestStatusMovesForward: in whatever order the network reports, and however
// often, the furthest counts.
func TestStatusMovesForward(t *testing.T) {
	const queued, sent, failed, delivered, read = connectors.StatusQueued, connectors.StatusSent,
		connectors.StatusFailed, connectors.StatusDelivered, connectors.StatusRead
	for _, tt := range []struct {
		name string
		told []connectors.DeliveryStatus
		want connectors.DeliveryStatus
	}{
		{"in order", []connectors.DeliveryStatus{queued, sent, delivered, read}, read},
		{"backwards", []connectors.DeliveryStatus{read, delivered, sent, queued}, read},
		{"delivered before sent", []connectors.DeliveryStatus{delivered, sent}, delivered},
		{"all twice", []connectors.DeliveryStatus{sent, sent, delivered, delivered, sent}, delivered},
		{"failed", []connectors.DeliveryStatus{queued, failed, sent}, failed},
		{"there all the same", []connectors.DeliveryStatus{failed, delivered}, delivered},
		{"failed after it was there", []connectors.DeliveryStatus{delivered, failed}, delivered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				id := h.says("anna", "an answer")
				h.waits(time.Second)
				h.reported(id, "net-1", tt.told...)
				h.wantStatus(id, tt.want)
				h.wantConfirmed(id)
			})
		})
	}
}

// TestConfirmWhenDelivered: the core hears that the customer has a message when
// the customer has all of it, and not from a later process either before.
func TestConfirmWhenDelivered(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		one, two := strings.Repeat("a", 99), strings.Repeat("b", 99) // of a part each
		id := h.says("anna", one+" "+two)
		h.waits(time.Second)
		h.wantConfirmed()
		h.reported(id, "net-1", connectors.StatusSent, connectors.StatusDelivered)
		h.reported(id+"#2", "net-2", connectors.StatusSent)
		h.wantConfirmed()
		h.crash()
		h.start()
		h.waits(2 * time.Minute) // STATUS shows it unconfirmed, again and again
		h.wantConfirmed()
		h.reported(id+"#2", "net-2", connectors.StatusRead)
		h.wantConfirmed(id)
		h.wantGot(one, two)
	}, confirmDelivered, oldJournal)
}

// TestConfirmedOnce: what is read was delivered before.
func TestConfirmedOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		confirms := h.counts(simprot.CodeChatConfirmIn)
		h.reported(id, "net-1", connectors.StatusSent, connectors.StatusDelivered, connectors.StatusDelivered, connectors.StatusRead)
		h.waits(time.Minute)
		h.wantConfirmed(id)
		if got := confirms(); got != 1 {
			t.Errorf("%d CONFIRMs", got)
		}
	}, confirmDelivered)
}

// TestAnotherAttemptArrived: where a part went out more than once, the customer has
// it when any of its attempts has arrived; that one of them failed says nothing of
// the others.
func TestAnotherAttemptArrived(t *testing.T) {
	if uint8(connectors.StatusDelivered) != journal.Delivered {
		t.Fatalf("the journal takes status %d for delivered", journal.Delivered)
	}
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "an answer")
		h.waits(time.Second) // it is net-1; an attempt before it was net-0
		h.reported(id, "net-0", connectors.StatusFailed)
		h.wantStatus(id, connectors.StatusNone)
		h.reported(id, "net-0", connectors.StatusDelivered)
		h.wantStatus(id, connectors.StatusDelivered)
		h.wantConfirmed(id)
	}, confirmDelivered)
}

// TestConfirmOfWhatIsNotShown: nobody will report what is not sent.
func TestConfirmOfWhatIsNotShown(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id, err := h.core.SayAs(h.chat("anna").ID, refcore.Utterance{Text: "internal", Model: simprot.ModelTechNote})
		if err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantGot()
		h.wantConfirmed(id)
	}, confirmDelivered)
}

// TestDeliveredBeforeTheAnswer: the report overtakes the answer to the request.
func TestDeliveredBeforeTheAnswer(t *testing.T) {
	for _, lost := range []bool{false, true} {
		inHouse(t, func(h *house) {
			h.opened()
			h.net.block = make(chan struct{})
			if lost {
				h.net.fail = failing(lostSend)
			}
			id := h.says("anna", "an answer")
			h.waits(time.Second)
			h.reported(id, "net-1", connectors.StatusDelivered)
			h.wantConfirmed(id)
			close(h.net.block)
			h.waits(time.Minute)
			h.wantConfirmed(id)
			h.wantStatus(id, connectors.StatusDelivered)
			h.wantNotes()
		}, confirmDelivered, reportUnknown)
	}
}

// TestConfirmOfAnEarlierProcess: the report came and the process died before the
// core was told.
func TestConfirmOfAnEarlierProcess(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		h.door.away.Store(true)
		h.door.breakAll()
		h.reported(id, "net-1", connectors.StatusDelivered)
		h.crash()
		h.door.away.Store(false)
		h.start()
		h.waits(2 * time.Minute)
		h.wantConfirmed(id)
	}, confirmDelivered, oldJournal)
}

// TestGivenUpLater: the network took the message and gave it up. The agent is
// told once, and nothing else changes.
func TestGivenUpLater(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		h.reported(id, "net-1", connectors.StatusSent, connectors.StatusFailed, connectors.StatusFailed)
		h.crash()
		h.start()
		h.waits(time.Minute)
		h.reported(id, "net-1", connectors.StatusFailed)
		h.waits(time.Minute)
		h.wantNotes("Message " + id + " was not delivered: the customer cannot be reached any more.")
		h.wantStatus(id, connectors.StatusFailed)
		if got := h.dead(); len(got) != 0 {
			t.Errorf("dead letters %v", got)
		}
		h.balanced()
	}, oldJournal)
}

// TestGivenUpBeforeTheAnswer: that it failed is heard before that it was taken.
func TestGivenUpBeforeTheAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		fail  []error
		notes []string
		dead  []string
	}{
		"taken": {nil, nil, nil},
		// Nobody can be asked, so it is reported at once.
		"lost": {[]error{lostSend}, []string{"It is not known whether"}, []string{string(connectors.ReasonUnknown)}},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.net.block = make(chan struct{})
				if tt.fail != nil {
					h.net.fail = failing(tt.fail...)
				}
				id := h.says("anna", "an answer")
				h.waits(time.Second)
				told := make(chan error, 1)
				go func() { told <- h.reports(id, "net-1", connectors.StatusFailed) }()
				h.waits(time.Second)
				close(h.net.block)
				if err := <-told; err != nil {
					t.Error(err)
				}
				h.waits(time.Hour)
				h.wantNotes(append(tt.notes, "Message "+id+" was not delivered: the customer cannot be reached any more.")...)
				if got := h.dead(); !slices.Equal(got, tt.dead) {
					t.Errorf("dead letters %v, want %v", got, tt.dead)
				}
			}, reportUnknown)
		})
	}
}

// TestReportsOfOthers: what is said of another attempt, another part or nothing
// known changes nothing.
func TestReportsOfOthers(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		before := h.partsOf(id)
		h.reported(id, "net-of-an-attempt-before", connectors.StatusSent, connectors.StatusFailed)
		for _, ref := range []string{"x", "1z.", "1z." + id, h.net.ref(id) + "#2", h.net.ref(id) + "#", strings.Repeat("z", 99)} {
			h.net.refs["other"] = ref
			h.reported("other", "net-1", connectors.StatusDelivered)
		}
		if after := h.partsOf(id); !slices.Equal(before, after) {
			t.Errorf("parts %+v, then %+v", before, after)
		}
		h.wantNotes()
	})
}

// TestReportThatCannotBeKept: nothing is told yes that is not on disk.
func TestReportThatCannotBeKept(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		h.cut.away.Store(true)
		if err := h.reports(id, "net-1", connectors.StatusDelivered); !errors.Is(err, connectors.ErrUnavailable) {
			t.Errorf("deliver: %v", err)
		}
		h.cut.away.Store(false)
		h.reported(id, "net-1", connectors.StatusDelivered)
		h.wantStatus(id, connectors.StatusDelivered)
	})
}

// TestReportOfAForgottenCustomer leaves no trace of one.
func TestReportOfAForgottenCustomer(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.says("anna", "an answer")
		h.waits(time.Second)
		h.forgets("anna|fake", "", "", http.StatusOK)
		h.waits(time.Second)
		for part := range h.net.refs {
			h.reported(part, "net-1", connectors.StatusDelivered)
		}
		if _, known, err := h.disk.mem.Conversation(h.Context(), testChannel, "anna|fake"); known || err != nil {
			t.Errorf("known %v, %v", known, err)
		}
	})
}

// TestConfirmDeliveredNeedsReports: a network that reports nothing would never
// confirm.
func TestConfirmDeliveredNeedsReports(t *testing.T) {
	inHouse(t, func(h *house) {
		h.net.silent = true
		_, err := New(h.cfg, Options{
			Definitions: []connectors.Definition{{Network: "fake", New: func(config.Channel, connectors.Dependencies) (connectors.Connector, error) {
				return h.net, nil
			}}},
			Log: slog.New(slog.DiscardHandler),
		})
		h.net.silent = false
		if err == nil || !strings.Contains(err.Error(), "does not report deliveries") {
			t.Errorf("New: %v", err)
		}
	}, confirmDelivered)
}
