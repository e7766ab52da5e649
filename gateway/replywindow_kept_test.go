package gateway

import (
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
)

func TestClosedWindowIsOpenedByTemplate(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.network.template = true
		h.writes("ann", 1)
		h.waits(day)
		id := h.says("ann", "hello [[buttons]]\n[[yes|y]]")
		h.wants("HXopen:hello [[buttons]]\n- yes")
		p := h.net.sent[0]
		if p.ID != id || p.Ref == "" || p.Text != "" || p.Buttons != nil || p.File != nil {
			h.Errorf("sent %+v", p)
		}
	})
}

// TestTemplateIsKeptOverRetries: of one message the customer never has the text
// and the template, whatever happens between its attempts.
func TestTemplateIsKeptOverRetries(t *testing.T) {
	for name, between := range map[string]func(h *windowHouse){
		"the customer writes": func(h *windowHouse) { h.writes("ann", 2) },
		"a crash":             func(h *windowHouse) { h.crash(); h.start() },
		"a crash, and the customer writes": func(h *windowHouse) {
			h.crash()
			h.start()
			h.writes("ann", 2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWindowHouse(t, func(h *windowHouse) {
				h.network.template = true
				h.writes("ann", 1)
				h.waits(day)
				h.net.block = make(chan struct{})
				h.says("ann", "hello")
				h.waits(time.Second)
				between(h)
				h.waits(time.Second)
				close(h.net.block)
				h.waits(10 * time.Minute)
				for _, got := range h.network.got() {
					if got != "HXopen:hello" {
						h.Errorf("the customer has %q", got)
					}
				}
				if len(h.network.got()) == 0 {
					h.Error("nothing was sent")
				}
			})
		})
	}
}

// TestTextIsKeptOverRetries: what may have arrived as a text is not said again by
// a template when the window has closed meanwhile.
func TestTextIsKeptOverRetries(t *testing.T) {
	inWindowHouse(t, func(h *windowHouse) {
		h.network.template = true
		h.writes("ann", 1)
		h.waits(day - time.Minute)
		h.net.fail = func(int, connectors.Part) error {
			return &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonTimeout, RetryAfter: time.Hour}
		}
		id := h.says("ann", "hello")
		h.waits(3 * time.Hour)
		_, notes := h.shown("ann")
		want := "It is not known whether message " + id + " reached the customer. It could not be sent again: the 24-hour window is closed"
		if len(notes) != 1 || !strings.HasPrefix(notes[0], want) || h.net.tried != 1 {
			h.Errorf("notes %q after %d attempts", notes, h.net.tried)
		}
	})
}
