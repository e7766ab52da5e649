package kill

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"servicelink/simprot/refcore"
	"servicelink/test/proc"
)

// run is what one test does to the stage.
type run struct {
	chats, each  int // conversations, messages each way in each
	kills, drops int
}

// fullRun has 4,000 messages each way. Both policies get it: what they do
// differently happens only to the few answers a kill finds in flight. For more
// kills, and all else that can happen to processes, there is test/chaos.
var fullRun = run{chats: 40, each: 100, kills: 20, drops: 10}

// TestKillNine kills the gateway 20 times within 4,000 messages each way and
// drops the core's connection as well. Every customer message is at the core
// exactly once and in order; every answer at the network in order by first
// appearance, and repeated only where a kill found its send in flight.
func TestKillNine(t *testing.T) {
	r, s := fullRun, newStage(t, "resend")
	s.play(r)
	s.checkCore(r)
	s.checkNetwork(r, nil)
	s.checkLedger(r)
}

// TestKillNineReport: with policy report nothing is repeated, and what is not
// known to have arrived has its tech note.
func TestKillNineReport(t *testing.T) {
	r, s := fullRun, newStage(t, "report")
	s.play(r)
	s.checkCore(r)
	if repeats := s.checkNetwork(r, s.noted()); repeats != 0 {
		t.Errorf("%d repeats under policy report", repeats)
	}
	s.checkLedger(r)
}

// play sends everything while gateway and link are cut at random moments, and
// waits until nothing is left to do.
func (s *stage) play(r run) {
	s.Helper()
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // dice, no secret
	s.Logf("seed %d", seed)
	var sent atomic.Int64
	var work sync.WaitGroup
	failures := make(chan error, 2*r.chats)
	for chat := 1; chat <= r.chats; chat++ {
		work.Go(func() { failures <- s.customer(r, chat, &sent) })
		work.Go(func() { failures <- s.agent(r, chat, &sent) })
	}
	total := int64(2 * r.chats * r.each)
	moments := make([]moment, 0, r.kills+r.drops)
	for i := range r.kills + r.drops {
		moments = append(moments, moment{at: total/100 + dice.Int64N(total*95/100), kill: i < r.kills})
	}
	slices.SortFunc(moments, func(a, b moment) int { return int(a.at - b.at) })
	for _, m := range moments {
		s.until(fmt.Sprintf("%d messages are on their way", m.at), func() bool { return sent.Load() >= m.at || s.Failed() })
		if m.kill {
			s.kill()
		} else if err := s.core.Call(s.Context(), http.MethodPost, "/api/drop", struct{}{}, nil); err != nil {
			s.Errorf("drop: %v", err)
		}
	}
	work.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			s.Fatal(err)
		}
	}
	s.until("nothing is pending", func() bool {
		return s.ledger("in").Pending == 0 && s.ledger("out").Pending == 0 && s.unconfirmed() == 0
	})
	if s.kills != r.kills {
		s.Errorf("%d kills, want %d", s.kills, r.kills)
	}
}

// moment is when something is cut, in messages sent so far.
type moment struct {
	at   int64
	kill bool
}

func (s *stage) customer(r run, chat int, sent *atomic.Int64) error {
	for n := range r.each {
		if err := s.post(chat, n); err != nil {
			return err
		}
		sent.Add(1)
	}
	return nil
}

// agent answers once the customer's first message is there: then the journal
// knows the chat. What is said in one that it does not know, by a journal as
// young as this, may be reported instead of sent.
func (s *stage) agent(r run, chat int, sent *atomic.Int64) error {
	for heard := false; !heard; <-time.After(50 * time.Millisecond) {
		all, err := s.core.Sentences(s.Context(), channel)
		if err != nil {
			return err
		}
		heard = slices.ContainsFunc(all, func(x proc.Sentence) bool { return !x.Outbound && x.TrackingID == tracking(chat) })
	}
	for n := range r.each {
		err := s.core.Call(s.Context(), http.MethodPost, "/api/say", map[string]string{
			"port": channel, "tracking_id": tracking(chat), "id": answerID(chat, n), "text": fmt.Sprint("answer ", n),
		}, nil)
		if err != nil {
			return err
		}
		sent.Add(1)
	}
	return nil
}

func tracking(chat int) string    { return fmt.Sprintf("%d|omnichannel", chat) }
func answerID(chat, n int) string { return fmt.Sprintf("answer-%d-%d", chat, n) }

func (s *stage) sentences() []proc.Sentence {
	s.Helper()
	all, err := s.core.Sentences(s.Context(), channel)
	if err != nil {
		s.Fatal(err)
	}
	return all
}

// unconfirmed counts answers the core has neither a confirmation nor a tech
// note for.
func (s *stage) unconfirmed() (n int) {
	noted := s.noted()
	for _, x := range s.sentences() {
		if x.Outbound && !x.Confirmed && !noted[x.ID] {
			n++
		}
	}
	return n
}

// noted lists the answers a tech note speaks of.
func (s *stage) noted() map[string]bool {
	s.Helper()
	ids := map[string]bool{}
	for _, x := range s.sentences() {
		if id, ok := strings.CutPrefix(x.ID, "note:"); ok && x.Model == 2 {
			ids[id] = true
		}
	}
	return ids
}

// checkCore: every customer message exactly once and in order, and no offence
// against the protocol.
func (s *stage) checkCore(r run) {
	s.Helper()
	got := map[string][]string{}
	for _, x := range s.sentences() {
		if !x.Outbound && x.Model == 0 {
			got[x.TrackingID] = append(got[x.TrackingID], x.ID)
		}
	}
	for chat := 1; chat <= r.chats; chat++ {
		ids := got[tracking(chat)]
		if len(ids) != r.each {
			s.Errorf("conversation %d: %d messages at the core, want %d", chat, len(ids), r.each)
			continue
		}
		for n, id := range ids {
			if !strings.Contains(id, fmt.Sprintf("m-%d-%d", chat, n)) {
				s.Errorf("conversation %d: message %d at the core is %s", chat, n, id)
				break
			}
		}
	}
	offences, err := s.core.Offences(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	delete(offences.Total, refcore.OffenceUnconfirmed) // how long it took is the machine's doing; play saw each confirmed
	for name, n := range offences.Total {
		s.Errorf("offence %s: %d, last at %s", name, n, offences.Last[name])
	}
}

// checkNetwork: every answer (but those noted) in order by first appearance;
// no repeat but of what a kill found in flight.
func (s *stage) checkNetwork(r run, noted map[string]bool) (repeats int) {
	s.Helper()
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	for chat := 1; chat <= r.chats; chat++ {
		first, inFlight, wrong := split(s.network.got[fmt.Sprint(chat)])
		repeats += inFlight + len(wrong)
		for _, a := range wrong {
			s.Errorf("conversation %d: after kill %d %s was repeated, which was not in flight", chat, a.kills, a.id)
		}
		last := -1
		for _, id := range first {
			var c, n int
			if _, err := fmt.Sscanf(id, "answer-%d-%d", &c, &n); err != nil || c != chat || n <= last {
				s.Errorf("conversation %d: %s came after answer %d", chat, id, last)
				break
			}
			last = n
		}
		for n := range r.each {
			id := answerID(chat, n)
			if !slices.Contains(first, id) && !noted[id] {
				s.Errorf("conversation %d: answer %d was lost", chat, n)
			}
		}
	}
	s.Logf("%d kills, %d repeats", s.kills, repeats)
	return repeats
}

// checkLedger: in balance, and what was taken is what there was.
func (s *stage) checkLedger(r run) {
	s.Helper()
	for _, direction := range []string{"in", "out"} {
		l := s.ledger(direction)
		s.Logf("ledger %s: %+v", direction, l)
		if !l.Balanced() {
			s.Errorf("the ledger of %s is not in balance: %+v", direction, l)
		}
		if want := int64(r.chats * r.each); l.Accepted < want {
			s.Errorf("%s: %d accepted, want at least %d", direction, l.Accepted, want)
		}
	}
}
