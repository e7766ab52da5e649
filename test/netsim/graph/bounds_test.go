package graph

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

// TestBounds: what is kept does not grow without end, and what is too much is refused
// or forgotten.
func TestBounds(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		first := s.act(control.Action{Do: "text", Text: "x"})
		p := s.pages[shop]
		s.locked(func() {
			for i := range maxMessages {
				p.keep(&message{mid: fmt.Sprint(i), page: p, chat: ann})
			}
			if len(p.messages) != maxMessages || len(p.byID) != maxMessages || p.byID[string(first)] != nil {
				t.Errorf("%d messages, %d by id", len(p.messages), len(p.byID))
			}
			big := make([]byte, maxFileBytes/4)
			for range 6 {
				s.keepFile(p, control.File{Name: "a", Data: big}, false)
			}
			if len(s.files) != 4 || s.fileSize > maxFileBytes {
				t.Errorf("%d files of %d bytes", len(s.files), s.fileSize)
			}
			who := p.people[ann]
			for range maxWaiting + 1 {
				s.goOn(&message{mid: "x", page: p, chat: ann, mine: true}, who)
			}
			if len(who.waiting) != maxWaiting {
				t.Errorf("%d messages wait", len(who.waiting))
			}
			for i := range maxPeople - 1 {
				_, err := p.person(control.ID(fmt.Sprint(1000 + i)))
				must(t, err)
			}
		})
		if _, err := s.Act(shop, control.Action{Do: "text", Text: "x", Chat: "1"}); !errors.Is(err, control.ErrFull) {
			t.Errorf("one customer more: %v", err)
		}
		for i := range maxPages - 2 {
			must(t, s.AddAccount(Account{Account: fmt.Sprint(i), Token: fmt.Sprint("t", i), AppID: "999999", AppSecret: "s"}))
		}
		if err := s.AddAccount(Account{Account: "888888", Token: "t", AppID: "999999", AppSecret: "s"}); !errors.Is(err, control.ErrFull) {
			t.Errorf("one page more: %v", err)
		}
	})
}

// TestPending: a gateway that takes nothing does not fill the memory.
func TestPending(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.set(`{"batch_seconds":1}`)
		s.locked(func() { s.apps[appID].pending = maxPending - 1 })
		s.act(control.Action{Do: "text", Text: "x"})
		s.act(control.Action{Do: "text", Text: "y"})
		time.Sleep(2 * time.Second)
		m := s.seen().Messages
		if m[0].State != control.StateTaken || m[1].State != control.StateRefused || len(s.items()) != 1 {
			t.Errorf("shown %+v", m)
		}
		s.locked(func() {
			if got := s.apps[appID].pending; got != maxPending-1 {
				t.Errorf("%d wait", got)
			}
		})
	})
}
