package graph

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"servicelink/test/netsim/control"
)

// kinds are those of the items that came.
func (s *site) kinds() (list []string) {
	for _, i := range s.items() {
		for _, kind := range []string{"message", "delivery", "read", "postback", "reaction", "take_thread_control", "pass_thread_control"} {
			switch {
			case i[kind] == nil:
			case kind == "message" && i.in("message", "is_echo") == true:
				list = append(list, "echo")
			default:
				list = append(list, kind)
			}
		}
	}
	return list
}

func (s *site) wantKinds(want ...string) {
	s.t.Helper()
	got := s.kinds()
	if len(got) != len(want) {
		s.t.Fatalf("came %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			s.t.Fatalf("came %v, want %v", got, want)
		}
	}
}

// TestPhoneOff: messages are delivered once the phone is on, in one event for all up
// to one, and what was read was delivered.
func TestPhoneOff(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.set(`{"status":"sent"}`)
		s.act(control.Action{Do: "text", Text: "x"})
		var mids []control.ID
		for range 4 {
			mids = append(mids, s.send(j{"text": "x"}))
			time.Sleep(time.Second)
		}
		s.wantKinds("message", "echo", "echo", "echo", "echo")
		s.act(control.Action{Do: "deliver", Message: mids[1]})
		if got, _ := s.last().in("delivery", "mids").([]any); len(got) != 2 || got[0] != string(mids[0]) || got[1] != string(mids[1]) {
			t.Errorf("delivery %v", s.last())
		}
		s.act(control.Action{Do: "deliver", Message: mids[0]}) // it was
		s.set(`{"no_mids":true}`)
		s.act(control.Action{Do: "read", Message: mids[2]})
		s.wantKinds("message", "echo", "echo", "echo", "echo", "delivery", "delivery", "read")
		list := s.items()
		if d := list[6]; d.in("delivery", "mids") != nil || d.in("delivery", "watermark") != list[3].in("timestamp") {
			t.Errorf("a delivery without mids: %v", d)
		}
		if r := list[7]; r.in("read", "watermark") != list[3].in("timestamp") {
			t.Errorf("read %v", r)
		}
		for i, want := range []string{"read", "read", "read", "sent"} {
			if got := s.seen().Messages[i+1].State; got != want {
				t.Errorf("message %d is %s", i, got)
			}
		}
	})
}

// TestDeliveredOnly: some phones do not tell that somebody reads.
func TestDeliveredOnly(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.set(`{"status":"delivered","status_seconds":3}`)
		s.act(control.Action{Do: "text", Text: "x"})
		s.send(j{"text": "x"})
		time.Sleep(3 * time.Second)
		s.wantKinds("message", "echo")
		time.Sleep(time.Hour)
		s.wantKinds("message", "echo", "delivery")
	})
}

// TestEchoFirst: the echo is brought, and answered, before the send is.
func TestEchoFirst(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		s.set(`{"echo_first":true,"status":"sent"}`)
		s.answers(func(int) int { time.Sleep(2 * time.Second); return 200 })
		begun := time.Now()
		mid := s.send(j{"text": "hi"})
		if took := time.Since(begun); took != 2*time.Second || s.last().in("message", "mid") != string(mid) {
			t.Errorf("after %v came %v", took, s.last())
		}
		s.answers(func(int) int { return 0 }) // nobody takes it: the send does not wait for good
		begun = time.Now()
		s.send(j{"text": "hi"})
		if took := time.Since(begun); took != echoPatience {
			t.Errorf("it took %v", took)
		}
		s.answers(nil)
		must(t, s.Fault(control.Fault{Kind: control.Lose, Method: "echo", Times: 1}))
		begun = time.Now()
		s.send(j{"text": "hi"})
		if took := time.Since(begun); took != 0 {
			t.Errorf("without an echo it took %v", took)
		}
	})
}

// TestCrowd: many customers and sends at once; nothing is lost or told twice.
func TestCrowd(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		const people, each = 20, 5
		s.set(`{"posts":8,"batch":3}`)
		s.answers(func(n int) int { return []int{200, 200, 503}[n%3] })
		var work sync.WaitGroup
		for i := range people {
			chat := control.ID(fmt.Sprint(5000 + i))
			work.Go(func() {
				for range each {
					if _, err := s.Act(shop, control.Action{Do: "text", Text: "x", Chat: chat}); err != nil {
						t.Error(err)
					}
					body := toAnn(j{"text": "hi"})
					body["recipient"] = j{"id": chat}
					s.wants(0, 0, "POST", sendPath, body)
					time.Sleep(time.Second)
				}
			})
		}
		work.Wait()
		time.Sleep(10 * time.Minute)
		mids := map[string]int{}
		for _, p := range s.got() {
			if s.status(p.number) != 200 {
				continue
			}
			for _, e := range p.body.Entry {
				for _, i := range e.Messaging {
					mids[fmt.Sprint(i.in("message", "mid"), i.in("delivery", "mids"), i.in("read", "watermark"), i.in("sender", "id"))]++
				}
			}
		}
		// The text, and of the answer its echo, its delivery and that it was read.
		if len(mids) != people*each*4 {
			t.Errorf("%d events came, want %d", len(mids), people*each*4)
		}
		for mid, n := range mids {
			if n != 1 {
				t.Errorf("%s came %d times", mid, n)
			}
		}
	})
}

// TestInbox: somebody else answers, in the page's inbox or by another app.
func TestInbox(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.act(control.Action{Do: "text", Text: "x"})
		for app, id := range map[string]float64{"": 263902037430900, "555": 555} {
			mid := s.act(control.Action{Do: "inbox", Text: "we are here", Data: app})
			s.set(`{"status":"sent"}`)
			time.Sleep(time.Second)
			e := s.last()
			if e.in("message", "mid") != string(mid) || e.in("message", "app_id") != id || e.in("message", "metadata") != nil ||
				e.in("sender", "id") != shop || e.in("recipient", "id") != ann || e.in("message", "text") != "we are here" {
				t.Errorf("echo %v", e)
			}
		}
		s.act(control.Action{Do: "inbox", Text: "look", File: &control.File{Name: "a.png", Data: picture}})
		time.Sleep(time.Second)
		if m := s.seen().Messages[3]; m.From != control.FromAgent || m.Kind != "photo" || m.Caption != "look" || m.File == nil ||
			dig(s.last(), "message attachments 0 type") != "image" {
			t.Errorf("shown %+v, echo %v", m, s.last())
		}
		s.act(control.Action{Do: "expire"})
		s.act(control.Action{Do: "inbox", Text: "again"}) // it opens nothing
		s.wants(10, 2018278, "POST", sendPath, toAnn(j{"text": "x"}))
	})
}

// TestStandby: what happens while another app has the thread comes in standby, and a
// button's payload does not.
func TestStandby(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.set(`{"status":"sent"}`)
		s.act(control.Action{Do: "text", Text: "x"})
		s.buttons()
		time.Sleep(time.Second)
		s.act(control.Action{Do: "stand", Data: "by"})
		if s.last().in("take_thread_control", "previous_owner_app_id") != appID {
			t.Errorf("handover %v", s.last())
		}
		before := len(s.got())
		s.act(control.Action{Do: "text", Text: "quiet"})
		s.act(control.Action{Do: "press", Data: "PY"})
		var list []item
		for _, p := range s.got()[before:] {
			for _, e := range p.body.Entry {
				if list = append(list, e.Standby...); len(e.Messaging) > 0 {
					t.Errorf("messaging has %v", e.Messaging)
				}
			}
		}
		if len(list) != 2 || list[0].in("message", "text") != "quiet" {
			t.Fatalf("came %v", list)
		}
		if list[1].in("postback", "title") != "Yes" || list[1].in("postback", "payload") != nil {
			t.Errorf("a press: %v", list[1])
		}
		s.act(control.Action{Do: "stand", Data: "main"})
		if s.last().in("pass_thread_control", "new_owner_app_id") != appID {
			t.Errorf("handover %v", s.last())
		}
		s.act(control.Action{Do: "text", Text: "loud"})
		if s.last().in("message", "text") != "loud" {
			t.Errorf("came %v", s.last())
		}
	})
}
