package gateway

import (
	"strings"
	"testing"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

func TestNoteKind(t *testing.T) {
	for about, want := range map[string]string{
		"lost:chat": "unknown_outbound", "shown:7": "downgrade", "settled:7": "settled", "7": "failure", "": "failure", "7:lost:": "failure",
	} {
		if got := noteKind(about); got != want {
			t.Errorf("noteKind(%q) = %q, want %q", about, got, want)
		}
	}
}

func TestReasonText(t *testing.T) {
	if got := reasonText(connectors.ReasonWindow); got != "the network's reply window is closed" {
		t.Errorf("%q", got)
	}
	if got := reasonText(connectors.ReasonBug); got != "bug" {
		t.Errorf("a reason without words: %q", got)
	}
	for reason, text := range why {
		if text == "" || strings.HasSuffix(text, ".") || text == string(reason) {
			t.Errorf("%s: %q does not fit into the sentence", reason, text)
		}
	}
}

// TestNoteOfAnUnknownFate: it does not say that nothing was delivered.
func TestNoteOfAnUnknownFate(t *testing.T) {
	want := "It is not known whether message 7 reached the customer. It was not sent again."
	if got := failureNote("7", connectors.ReasonUnknown); got != want {
		t.Errorf("got %q", got)
	}
}

func TestOutboundNote(t *testing.T) {
	part := func(s journal.PartState) journal.Part { return journal.Part{State: s} }
	for name, tc := range map[string]struct {
		states []journal.Part
		want   string
	}{
		"one part": {[]journal.Part{part(journal.PartRejected)}, "Message 7 was not delivered: the customer cannot be reached any more."},
		"no part of two": {
			[]journal.Part{part(journal.PartRejected), part(0)},
			"Message 7 was not delivered: the customer cannot be reached any more.",
		},
		"some parts": {
			[]journal.Part{part(journal.PartSent), part(journal.PartSent), part(journal.PartRejected)},
			"Message 7 was delivered only in part (2 of 3 parts): the customer cannot be reached any more.",
		},
		"an attempt before may have arrived": {
			[]journal.Part{part(journal.PartUnknown)},
			"It is not known whether message 7 reached the customer. It could not be sent again: the customer cannot be reached any more.",
		},
		"an attempt for the rest may have arrived": {
			[]journal.Part{part(journal.PartSent), part(journal.PartUnknown)},
			"Message 7 was delivered only in part (1 of 2 parts). It is not known whether the customer got the next one; it could not be sent again: the customer cannot be reached any more.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			row := &held{Row: journal.Row{Entry: journal.Entry{ID: "7"}}}
			d := &delivery{row: row, parts: make([]connectors.Part, len(tc.states)), states: tc.states, content: content{Text: "a private text"}}
			if got := outboundNote(d, verdict{reason: connectors.ReasonBlocked}, reasonText(connectors.ReasonBlocked)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestInboundNote(t *testing.T) {
	want := "A message of the customer could not be shown here: it is not known whether it is in this conversation already."
	if got := inboundNote(verdict{reason: connectors.ReasonInDoubt}); got != want {
		t.Errorf("got %q", got)
	}
}
