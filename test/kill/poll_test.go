package kill

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"servicelink/test/netsim"
	"servicelink/test/netsim/control"
	"servicelink/test/netsim/telegram"
	"servicelink/test/proc"
)

const (
	botToken = "987654321:AAE-token-of-the-kill-test"
	// lastStep is more steps than a process can need to poll, journal and confirm
	// what a customer writes here.
	lastStep = 100
)

// written is what each customer writes: the last two once the rest has arrived.
var written = []string{"one", "two", "three", "four", "five"}

// TestKillBetweenSteps kills the gateway in front of every step of polling,
// journaling and confirming, each step in a process of its own. The next process
// finds what was not journaled: the core has every message once and in order.
func TestKillBetweenSteps(t *testing.T) {
	s, b := newBot(t)
	step := 1
	for ; step < lastStep; step++ {
		reached := b.round(s, step)
		if t.Failed() {
			t.Fatalf("killed in front of the last of the steps %q", b.taken())
		}
		if !reached {
			break
		}
	}
	// Two calls before the first poll, one poll for each hand-over, and one that
	// brings nothing: three steps each.
	if step < 15 || step == lastStep {
		t.Errorf("polling takes %d steps: %q", step, b.taken())
	}
	t.Logf("%d steps", step-1)
	for chat := 1; chat <= step; chat++ { // nothing has come late
		if got := s.texts(chat); !slices.Equal(got, written) {
			t.Errorf("customer %d wrote %q, the core has %q", chat, written, got)
		}
	}
}

// bot is a simulated Telegram that counts the steps of the process which polls
// it, and kills the process in front of one of them.
type bot struct {
	sim     *netsim.Sim
	victims chan *proc.Process // holds the process of the first life

	mu    sync.Mutex
	fatal int // the step; 0 = none
	dead  bool
	steps []string
}

func newBot(t *testing.T) (*stage, *bot) {
	t.Helper()
	b := &bot{sim: netsim.New(netsim.Options{Seed: 1}), victims: make(chan *proc.Process, 1)}
	if err := b.sim.Telegram().AddAccount(telegram.Account{Token: botToken, Username: "kill_bot"}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b)
	t.Cleanup(func() {
		b.sim.Close()
		server.Close()
	})
	s := prepare(t, "report")
	s.more = fmt.Sprintf("  - { name: bot, network: telegram, settings: { token: %q, api_url: %q, poll_timeout: 1s } }\n",
		botToken, server.URL+"/telegram")
	return s, b
}

// ServeHTTP holds an answer back until it is whole: a request leaves the process,
// it is carried out, its answer arrives.
func (b *bot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !b.step("asked " + r.URL.Path) {
		panic(http.ErrAbortHandler)
	}
	answer := httptest.NewRecorder()
	b.sim.Handler().ServeHTTP(answer, r)
	if !b.step("carried out") {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
	_ = http.NewResponseController(w).Flush()
	b.step("answered")
}

// step takes a step, unless the process dies in front of it or is dead.
func (b *bot) step(name string) (alive bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dead {
		return false
	}
	b.steps = append(b.steps, name)
	if len(b.steps) == b.fatal {
		p := <-b.victims
		p.Kill()
		b.dead = true
	}
	return !b.dead
}

// life begins to count anew.
func (b *bot) life(fatal int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fatal, b.dead, b.steps = fatal, false, nil
}

func (b *bot) taken() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.steps)
}

func (b *bot) died() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dead
}

// says lets a customer write.
func (b *bot) says(s *stage, chat int, texts []string) {
	s.Helper()
	for _, text := range texts {
		id := control.ID(fmt.Sprint(chat))
		a := control.Action{Do: "text", User: control.User{ID: id, FirstName: "Customer"}, Text: text}
		if _, err := b.sim.Telegram().Act(botToken, a); err != nil {
			s.Fatal(err)
		}
	}
}

// round is one customer's: what it writes meets a process that is killed in front
// of step fatal, and the next one. false: the first one has fewer steps.
func (b *bot) round(s *stage, fatal int) (reached bool) {
	s.Helper()
	for len(b.victims) > 0 {
		<-b.victims
	}
	b.says(s, fatal, written[:3])
	b.life(fatal)
	s.launch()
	b.victims <- s.gateway
	b.await(s, "the first messages", func() bool { return slices.Equal(s.texts(fatal), written[:3]) })
	b.says(s, fatal, written[3:])
	b.await(s, "all messages", func() bool { return slices.Equal(s.texts(fatal), written) })
	steps := len(b.taken())
	b.await(s, "two more polls", func() bool { return len(b.taken()) > steps+6 })
	if reached = b.died(); !reached {
		s.gateway.Kill()
	}
	s.kills++
	b.again(s, fatal)
	return reached
}

// again lets the next process find what is left.
func (b *bot) again(s *stage, chat int) {
	s.Helper()
	steps := b.taken()
	b.life(0)
	s.start()
	s.until(fmt.Sprintf("what customer %d wrote is at the core after a kill in front of the last of the steps %q", chat, steps),
		func() bool { return len(s.texts(chat)) >= len(written) })
	if got := s.texts(chat); !slices.Equal(got, written) {
		s.Errorf("the customer wrote %q, the core has %q", written, got)
	}
	s.gateway.Kill()
	s.kills++
}

// await waits for what a life brings, or for its end.
func (b *bot) await(s *stage, what string, ok func() bool) {
	s.Helper()
	end := time.Now().Add(patience)
	for !b.died() && !ok() {
		if time.Now().After(end) {
			s.Fatalf("not within %v: %s, after the steps %q", patience, what, b.taken())
		}
		<-time.After(10 * time.Millisecond)
	}
}

// texts lists what the core has of a customer.
func (s *stage) texts(chat int) (texts []string) {
	s.Helper()
	chats, err := s.core.Chats(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, c := range chats {
		if c.TrackingID != fmt.Sprintf("%d|telegram", chat) {
			continue
		}
		full, err := s.core.Chat(s.Context(), c.ID)
		if err != nil {
			s.Fatal(err)
		}
		for _, line := range full.Sentences {
			if !line.Outbound {
				texts = append(texts, line.Text)
			}
		}
	}
	return texts
}
