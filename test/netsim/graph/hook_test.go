package graph

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/test/netsim/control"
)

// alerts are what the network told nobody.
func (s *site) alerts() string {
	var list []string
	for _, r := range s.Requests(control.Filter{Method: methodAlert}) {
		list = append(list, r.Account+" "+r.Params["what"])
	}
	return strings.Join(list, ", ")
}

// TestRetries: at once, then with waits that double up to an hour, the same bytes each
// time, until 200, which alone counts.
func TestRetries(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.answers(func(n int) int { return []int{500, 201, 302, 404, 204, 200}[n-1] })
		begun := time.Now()
		s.act(control.Action{Do: "text", Text: "x"})
		time.Sleep(time.Hour)
		var at []time.Duration
		for _, p := range s.got() {
			at = append(at, p.at.Sub(begun))
			if p.raw != s.got()[0].raw {
				t.Errorf("another body: %s", p.raw)
			}
		}
		if got := fmt.Sprint(at); got != "[0s 0s 2s 6s 14s 30s]" {
			t.Errorf("tried at %v", got)
		}
		if m := s.seen().Messages[0]; m.State != control.StateTaken {
			t.Errorf("it is %+v", m)
		}
	})
}

// TestPatience: who does not answer is left after 20 seconds, and others go on.
func TestPatience(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.answers(func(n int) int { return []int{0, 200, 200}[n-1] })
		begun := time.Now()
		s.act(control.Action{Do: "text", Text: "one"})
		synctest.Wait()
		s.act(control.Action{Do: "text", Text: "two"})
		time.Sleep(19 * time.Second)
		for _, m := range s.seen().Messages {
			if m.State != control.StateSending {
				t.Errorf("it is %+v", m)
			}
		}
		time.Sleep(time.Second)
		var at []time.Duration
		for _, p := range s.got() {
			at = append(at, p.at.Sub(begun))
		}
		if got := fmt.Sprint(at); got != "[0s 20s 20s]" {
			t.Errorf("posts at %v", got)
		}
		for _, m := range s.seen().Messages {
			if m.State != control.StateTaken {
				t.Errorf("it is %+v", m)
			}
		}
	})
}

// TestUnsubscribed: after an hour of failures a page hears nothing more, whoever asks
// is told so, and what was on its way is tried for 36 hours.
func TestUnsubscribed(t *testing.T) {
	for _, compress := range []time.Duration{1, 3600} {
		on(t, func(t *testing.T, s *site) {
			s.set(fmt.Sprintf(`{"compress":%d}`, compress))
			s.answers(func(int) int { return 503 })
			s.act(control.Action{Do: "text", Text: "x"})
			time.Sleep(59 * time.Minute / compress)
			s.act(control.Action{Do: "text", Text: "y"})
			synctest.Wait()
			if got := s.alerts(); got != "" {
				t.Errorf("too early: %s", got)
			}
			time.Sleep(5 * time.Minute / compress)
			synctest.Wait()
			if got := s.alerts(); got != shop+" unsubscribed" {
				t.Errorf("alerts %s", got)
			}
			if v := s.wants(0, 0, "GET", "/v25.0/me/subscribed_apps", nil); len(dig(v, "data").([]any)) != 0 {
				t.Errorf("it is subscribed: %v", v)
			}
			s.act(control.Action{Do: "text", Text: "z"})
			if m := s.seen().Messages[2]; m.State != control.StateRefused {
				t.Errorf("it is %+v", m)
			}
			time.Sleep(30 * time.Hour / compress)
			s.answers(nil)
			time.Sleep(time.Hour)
			for i, m := range s.seen().Messages[:2] {
				if m.State != control.StateTaken {
					t.Errorf("%d is %+v", i, m)
				}
			}
		})
	}
}

// TestGivenUp: after 36 hours an event is lost.
func TestGivenUp(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.answers(func(int) int { return 503 })
		s.act(control.Action{Do: "text", Text: "x"})
		time.Sleep(38 * time.Hour)
		n := len(s.got())
		last := s.got()[n-1].at.Sub(s.got()[0].at)
		if last < 36*time.Hour || last > 37*time.Hour || s.seen().Messages[0].State != control.StateRefused {
			t.Errorf("after %v: %+v", last, s.seen().Messages[0])
		}
		time.Sleep(100 * time.Hour)
		if len(s.got()) != n || !strings.HasSuffix(s.alerts(), shop+" given up") {
			t.Errorf("%d tries more, %s", len(s.got())-n, s.alerts())
		}
	})
}

// TestSuccessKeeps: one success within the hour keeps the page.
func TestSuccessKeeps(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.answers(func(n int) int { return []int{503, 200}[n%2] })
		for range 10 {
			s.act(control.Action{Do: "text", Text: "x"})
			time.Sleep(20 * time.Minute)
		}
		if got := s.alerts(); got != "" {
			t.Errorf("alerts %s", got)
		}
	})
}

// TestBatch: events of several pages come together, those of one page in one entry, no
// more than are allowed.
func TestBatch(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.set(`{"batch_seconds":5,"batch":7}`)
		for i := range 10 {
			page := []string{shop, other}[i/2%2]
			_, err := s.Act(page, control.Action{Do: "text", Text: fmt.Sprint(i), Chat: ann})
			must(t, err)
		}
		time.Sleep(time.Minute)
		posts := s.got()
		if len(posts) != 2 {
			t.Fatalf("%d posts", len(posts))
		}
		var shape []string
		for _, e := range posts[0].body.Entry {
			shape = append(shape, fmt.Sprint(e.ID[len(e.ID)-1:], ":", len(e.Messaging)))
		}
		if got := strings.Join(shape, " "); got != "0:2 1:2 0:2 1:1" {
			t.Errorf("the first post has %s", got)
		}
		if got := s.items(); len(got) != 10 || got[9].in("message", "text") != "9" {
			t.Errorf("came %v", got)
		}
	})
}

// TestParallel: several posts at once, if that is wanted.
func TestParallel(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.set(`{"posts":3,"batch":1}`)
		s.answers(func(int) int { time.Sleep(time.Second); return http.StatusOK })
		for range 4 {
			s.act(control.Action{Do: "text", Text: "x"})
		}
		if got := len(s.got()); got != 3 {
			t.Errorf("%d at once", got)
		}
		time.Sleep(2 * time.Second)
		if got := len(s.got()); got != 4 {
			t.Errorf("%d in all", got)
		}
	})
}

// TestEventFaults: an event can be lost, come twice, later, and after the next one.
func TestEventFaults(t *testing.T) {
	texts := func(s *site) string {
		var list []string
		for _, i := range s.items() {
			list = append(list, fmt.Sprint(i.in("message", "text")))
		}
		return strings.Join(list, " ")
	}
	for kind, want := range map[control.Kind]string{
		control.Lose: "2 3", control.Duplicate: "1 1 2 3", control.Late: "2 3 1", control.Reorder: "2 1 3",
	} {
		on(t, func(t *testing.T, s *site) {
			must(t, s.Fault(control.Fault{Kind: kind, Method: "message", Times: 1, Account: shop}))
			for i := range 3 {
				s.act(control.Action{Do: "text", Text: fmt.Sprint(i + 1)})
			}
			time.Sleep(10 * time.Second)
			if got := texts(s); got != want {
				t.Errorf("%s: %s, want %s", kind, got, want)
			}
			must(t, s.Fault(control.Fault{Kind: kind, Method: "reaction"}))
			s.act(control.Action{Do: "text", Text: "last"})
			time.Sleep(10 * time.Second)
			if got := texts(s); got != want+" last" {
				t.Errorf("%s: %s", kind, got)
			}
		})
	}
	on(t, func(t *testing.T, s *site) { // nothing comes after it
		must(t, s.Fault(control.Fault{Kind: control.Reorder, Times: 1}))
		s.act(control.Action{Do: "text", Text: "1"})
		time.Sleep(2 * time.Second)
		if got := texts(s); got != "1" {
			t.Errorf("came %s", got)
		}
	})
}

// TestOutage: nothing leaves the network meanwhile.
func TestOutage(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		must(t, s.Fault(control.Fault{Kind: control.Outage, Seconds: 7200}))
		s.act(control.Action{Do: "text", Text: "x"})
		time.Sleep(7000 * time.Second)
		if got := len(s.got()); got != 0 {
			t.Errorf("%d posts", got)
		}
		time.Sleep(2 * time.Hour)
		if got := len(s.items()); got != 1 || s.alerts() != "" {
			t.Errorf("%d items, %s", got, s.alerts())
		}
	})
}

// TestCloseInTime: what waits ends with the server.
func TestCloseInTime(t *testing.T) {
	on(t, func(t *testing.T, s *site) {
		s.answers(func(n int) int { return []int{0, 503}[n%2] })
		for range 3 {
			s.act(control.Action{Do: "text", Text: "x"})
			time.Sleep(time.Second)
		}
		begun := time.Now()
		s.Close()
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %v", took)
		}
		s.act(control.Action{Do: "text", Text: "x"}) // goes nowhere
	})
}
