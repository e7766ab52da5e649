package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot/refcore"
)

// tells has the network say something of anna's conversation, that happened at.
func (h *house) tells(n connectors.Notice, at time.Time) error {
	h.Helper()
	return inbox{h.gw, h.gw.channel(testChannel)}.Deliver(h.Context(), []connectors.Event{{
		ID: "notice", Kind: connectors.KindNotice, TrackingID: "anna|fake", SentAt: at, Notice: &n,
	}})
}

func (h *house) told(n connectors.Notice, at time.Time) {
	h.Helper()
	if err := h.tells(n, at); err != nil {
		h.Errorf("%+v: %v", n, err)
	}
	h.waits(10 * time.Millisecond)
}

// ofID is what a network says that knows a message by its own id alone.
func ofID(id string, s connectors.DeliveryStatus) connectors.Notice {
	n := connectors.Notice{Status: s, Finding: connectors.Finding{NetworkID: id}}
	if s == connectors.StatusFailed {
		n.Fate, n.Failure = connectors.FateFailed, sendErr(connectors.Rejected, connectors.ReasonBlocked)
	}
	return n
}

func upTo(at time.Time, s connectors.DeliveryStatus) connectors.Notice {
	return connectors.Notice{Status: s, UpTo: at}
}

func (h *house) wantStatuses(id string, want ...connectors.DeliveryStatus) {
	h.Helper()
	var got []connectors.DeliveryStatus
	for _, p := range h.partsOf(id) {
		got = append(got, connectors.DeliveryStatus(p.Status))
	}
	if !slices.Equal(got, want) {
		h.Errorf("%s has come as far as %q, want %q", id, got, want)
	}
}

const (
	reportNone      = connectors.StatusNone
	reportSent      = connectors.StatusSent
	reportFailed    = connectors.StatusFailed
	reportDelivered = connectors.StatusDelivered
	reportRead      = connectors.StatusRead
)

func TestReportByTheNetworksID(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		one, two := strings.Repeat("a", 99), strings.Repeat("b", 99)
		id := h.says("anna", one+" "+two)
		h.waits(time.Second)
		for _, n := range []connectors.Notice{
			ofID("net-of-others", reportRead), ofID("net-1", reportSent), ofID("net-1", reportDelivered), ofID("net-1", reportSent), ofID("net-1", reportNone),
		} {
			h.told(n, time.Time{})
		}
		h.wantStatuses(id, reportDelivered, reportNone)
		h.wantConfirmed()
		h.crash()
		h.start()
		h.waits(time.Minute)
		h.told(ofID("net-2", reportDelivered), time.Time{})
		h.told(ofID("net-2", reportRead), time.Time{})
		h.wantStatuses(id, reportDelivered, reportRead)
		h.waits(time.Minute)
		h.wantConfirmed(id)
		h.wantGot(one, two)
	}, confirmDelivered, oldJournal)
}

// TestFailedByTheNetworksID: the agent is told once, and the row stays as it ended.
func TestFailedByTheNetworksID(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		for range 2 {
			h.told(ofID("net-1", reportFailed), time.Time{})
			h.told(upTo(time.Now(), reportRead), time.Time{}) // it is not for what was given up
			h.told(upTo(time.Now(), reportFailed), time.Time{})
		}
		h.waits(time.Minute)
		h.wantStatuses(id, reportFailed)
		h.wantNotes("Message " + id + " was not delivered: the customer cannot be reached any more.")
		if got := h.dead(); len(got) != 0 {
			t.Errorf("dead letters %v", got)
		}
		h.balanced()
	})
}

// TestReportsOnADeadLetter: of a message that was given up a part was sent.
func TestReportsOnADeadLetter(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = func(n int, _ connectors.Part) error {
			if n < 3 {
				return nil
			}
			return sendErr(connectors.Rejected, connectors.ReasonContent)
		}
		id := h.says("anna", strings.Repeat("a", 99)+" "+strings.Repeat("b", 99)+" "+strings.Repeat("c", 99))
		h.waits(time.Second)
		h.told(ofID("net-2", reportDelivered), time.Time{})
		h.wantStatuses(id, reportNone, reportDelivered, reportNone)
		h.told(upTo(time.Now(), reportRead), time.Time{})
		h.wantStatuses(id, reportRead, reportRead, reportNone)
		if got := h.dead(); !slices.Equal(got, []string{string(connectors.ReasonContent)}) {
			t.Errorf("dead letters %v", got)
		}
		h.wantConfirmed()
		h.balanced()
	}, confirmDelivered)
}

func TestReportsOnATemplate(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.writes("anna", 1)
		h.waits(time.Second)
		one, two := h.says("anna", "[[template:HX1|1=hello]]"), h.says("anna", "hello")
		h.waits(time.Second)
		h.house.told(ofID("net-1", reportDelivered), time.Time{})
		h.house.told(upTo(time.Now(), reportRead), time.Time{})
		h.wantStatuses(one, reportRead)
		h.wantStatuses(two, reportRead)
	})
}

// TestReportByIDBeforeTheAnswer: the id is not known yet when the report comes.
func TestReportByIDBeforeTheAnswer(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.block = make(chan struct{})
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		h.told(ofID("net-1", reportDelivered), time.Time{})
		h.wantStatuses(id, reportNone)
		c := h.gw.convs.find(h.gw.channel(testChannel), "anna|fake")
		for i := range keptNotices - 1 {
			h.told(ofID(fmt.Sprint("other-", i), reportRead), time.Time{})
		}
		if got := len(c.out.unnamed); got != keptNotices {
			t.Errorf("%d reports are kept", got)
		}
		close(h.net.block)
		h.waits(time.Second)
		h.wantStatuses(id, reportDelivered)
		h.wantConfirmed(id)
		if got := len(c.out.unnamed); got != 0 {
			t.Errorf("%d reports are kept of nothing", got)
		}
		h.told(ofID("net-2", reportRead), time.Time{}) // nothing is under way
		if got := len(c.out.unnamed); got != 0 {
			t.Errorf("%d reports are kept of nothing", got)
		}
	}, confirmDelivered)
}

// TestFailedByIDBeforeTheAnswer: the agent is told of it all the same.
func TestFailedByIDBeforeTheAnswer(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.block = make(chan struct{})
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		h.told(ofID("net-1", reportFailed), time.Time{})
		close(h.net.block)
		h.waits(time.Minute)
		h.wantStatuses(id, reportFailed)
		h.wantNotes("Message " + id + " was not delivered: the customer cannot be reached any more.")
	})
}

// TestReportBeforeTheAnswerSurvivesAStop: a stop waits for the answer.
func TestReportBeforeTheAnswerSurvivesAStop(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = func(int, connectors.Part) error { time.Sleep(2 * time.Second); return nil }
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		h.told(ofID("net-1", reportDelivered), time.Time{})
		h.stop()
		h.start()
		h.waits(time.Minute)
		h.wantStatuses(id, reportDelivered)
		h.wantConfirmed(id)
		h.wantGot("an answer")
	}, confirmDelivered)
}

// TestWatermark: two messages; the first is answered at 0.4 s and the second at 1.4 s
// after the request left at 1.0 s, when nothing else is said.
func TestWatermark(t *testing.T) {
	type said struct {
		heard time.Duration // by our clock; all since the first request left
		upTo  time.Duration // 0 = it is an echo of the second message
		taken time.Duration // of an echo
	}
	const ms = time.Millisecond
	for _, tt := range []struct {
		name string
		said []said
		want [2]connectors.DeliveryStatus
	}{
		{"after both", []said{{heard: 5000 * ms, upTo: 4000 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportRead}},
		{"between", []said{{heard: 5000 * ms, upTo: 900 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportNone}},
		{"before both", []said{{heard: 5000 * ms, upTo: -61 * time.Second}}, [2]connectors.DeliveryStatus{reportNone, reportNone}},
		{"faster than the first answer", []said{{heard: 5000 * ms, upTo: 200 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportNone}},
		{"faster, heard before it", []said{{heard: 300 * ms, upTo: 200 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportNone}},
		{"each faster than its answer", []said{{heard: 300 * ms, upTo: 200 * ms}, {heard: 1300 * ms, upTo: 1200 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportRead}},
		{"the same again", []said{{heard: 900 * ms, upTo: 600 * ms}, {heard: 1300 * ms, upTo: 600 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportNone}},
		{"the same again after both", []said{{heard: 1100 * ms, upTo: 600 * ms}, {heard: 5000 * ms, upTo: 600 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportNone}},
		{"for the first, the second on its way", []said{{heard: 1300 * ms, upTo: 1200 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportNone}},
		{"the same, and its echo before", []said{{heard: 1100 * ms, taken: 1050 * ms}, {heard: 1300 * ms, upTo: 1200 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportRead}},
		{"the same, and its echo after", []said{{heard: 1300 * ms, upTo: 1200 * ms}, {heard: 1350 * ms, taken: 1050 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportRead}},
		{"its echo long after", []said{{heard: 1300 * ms, upTo: 1200 * ms}, {heard: 9000 * ms, taken: 1050 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportRead}},
		{"taken after it", []said{{heard: 1300 * ms, upTo: 1200 * ms}, {heard: 9000 * ms, taken: 1250 * ms}}, [2]connectors.DeliveryStatus{reportRead, reportSent}},
		{"the network's clock is ahead", []said{{heard: 2000 * ms, upTo: time.Hour}}, [2]connectors.DeliveryStatus{reportRead, reportRead}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.net.fail = func(int, connectors.Part) error { time.Sleep(400 * ms); return nil }
				began := time.Now()
				one := h.says("anna", "one")
				var two string
				later := func(at time.Duration) { time.Sleep(time.Until(began.Add(at))) }
				for _, s := range tt.said {
					if s.heard > 1000*ms && two == "" {
						later(1000 * ms)
						two = h.says("anna", "two")
					}
					later(s.heard)
					n := upTo(began.Add(s.upTo), reportRead)
					if s.upTo == 0 {
						n = ofID("net-2", reportSent)
						n.Ref, n.Fate = h.net.ref(two), connectors.FateSent
					}
					h.told(n, began.Add(s.taken+s.upTo))
				}
				h.waits(time.Minute)
				h.wantStatuses(one, tt.want[0])
				if two != "" {
					h.wantStatuses(two, tt.want[1])
				}
				h.wantNotes()
			})
		})
	}
}

// TestWatermarkAfterARestart: what it is for lies in the journal alone.
func TestWatermarkAfterARestart(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		one, two := h.says("anna", "one"), h.says("anna", "two")
		h.waits(time.Second)
		at := time.Now()
		h.crash()
		h.start()
		h.waits(time.Minute)
		three := h.says("anna", "three")
		h.waits(time.Second)
		h.told(upTo(at, reportDelivered), time.Time{})
		h.wantStatuses(one, reportDelivered)
		h.wantStatuses(two, reportDelivered)
		h.wantStatuses(three, reportNone)
		h.wantConfirmed(one, two)
	}, confirmDelivered, oldJournal)
}

// TestUnnamedReportThatCannotBeKept: it comes again, and counts then.
func TestUnnamedReportThatCannotBeKept(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = func(int, connectors.Part) error { time.Sleep(time.Second); return nil }
		before := time.Now()
		id := h.says("anna", "an answer")
		h.waits(2 * time.Second)
		for _, n := range []connectors.Notice{ofID("net-1", reportDelivered), upTo(before, reportRead)} {
			h.cut.away.Store(true)
			if err := h.tells(n, time.Time{}); !errors.Is(err, connectors.ErrUnavailable) {
				t.Errorf("%+v: %v", n, err)
			}
			h.cut.away.Store(false)
			h.told(n, time.Time{})
			h.wantStatuses(id, n.Status)
		}
	})
}

// TestChannelWithoutReportsListsNothing: it pays for nothing that it has not.
func TestChannelWithoutReportsListsNothing(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "an answer")
		h.waits(time.Second)
		h.told(ofID("net-1", reportDelivered), time.Time{})
		h.told(upTo(time.Now(), reportRead), time.Time{})
		h.wantStatuses(id, reportNone)
		lane := journal.Lane{Channel: testChannel, Direction: journal.Out, TrackingID: "anna|fake"}
		if rows, err := h.disk.mem.Listed(t.Context(), journal.ListedQuery{Lane: lane, NetworkID: "net-1", Recent: 9}); err != nil || len(rows) > 0 {
			t.Errorf("listed %v, %v", rows, err)
		}
	}, func(h *house, _ *refcore.Options) { h.net.silent = true })
}
