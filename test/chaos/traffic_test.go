//go:build chaos

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"servicelink/test/netsim/control"
	"servicelink/test/proc"
)

const (
	// conversations of one network and round.
	conversations = 8
	// closing is after how many sentences, about, an agent closes the chat.
	closing = 30
	// customerPace is the mean time between two messages of a customer.
	customerPace = 350 * time.Millisecond
)

// agentPace is the mean time between two sentences of an agent. To one chat of
// Telegram the gateway sends one a second, and what is left would be sent when
// nothing happens any more.
var agentPace = map[string]time.Duration{"telegram": 1100 * time.Millisecond, "omnichannel": 350 * time.Millisecond}

// conversation is one customer and the agent who answers. Its goroutines write
// it; it is read once they have ended.
type conversation struct {
	network string
	chat    int
	written []string
	said    []string
	closed  bool
}

func (c *conversation) name() string     { return fmt.Sprintf("%s %d", c.network, c.chat) }
func (c *conversation) tracking() string { return fmt.Sprintf("%d|%s", c.chat, c.network) }

// traffic is what customers and agents do in one round.
type traffic struct {
	w    *world
	list []*conversation
	from map[string]int64 // the last request of earlier rounds, by network
	// untold counts dead letters without a note, by network, as of the last look.
	untold map[string]int64
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex
	failed error
}

// startTraffic lets a round's customers and agents begin.
func (w *world) startTraffic(round int, seed uint64) *traffic {
	ctx, stop := context.WithCancel(w.ctx)
	t := &traffic{w: w, stop: stop, from: map[string]int64{}}
	for _, network := range networkNames {
		t.from[network] = w.lastRequest(network)
		for i := range conversations {
			c := &conversation{network: network, chat: 1000*round + i + 1}
			t.list = append(t.list, c)
			t.work.Go(func() { t.fail(t.customer(ctx, c, newDice(seed, c.name()+" customer"))) })
			t.work.Go(func() { t.fail(t.agent(ctx, c, newDice(seed, c.name()+" agent"))) })
		}
	}
	return t
}

// end lets everybody finish the word they are at.
func (t *traffic) end() error {
	t.stop()
	t.work.Wait()
	return t.failed
}

func (t *traffic) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = errors.Join(t.failed, err)
}

// rest is a pause between two messages, of pace on the average; false: the round
// is over.
func rest(ctx context.Context, dice *rand.Rand, pace time.Duration) bool {
	d := between(dice, pace/4, 9*pace/4)
	if dice.IntN(5) == 0 {
		d = time.Millisecond // in a hurry
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// customer writes numbered messages. netsim is never disturbed: from here on it
// is the network's to bring them.
func (t *traffic) customer(ctx context.Context, c *conversation, dice *rand.Rand) error {
	user := control.User{ID: control.ID(strconv.Itoa(c.chat)), FirstName: "Customer"}
	for n := 1; rest(ctx, dice, customerPace); n++ {
		text := fmt.Sprintf("c%d-%d", c.chat, n)
		of := map[string]string{"telegram": botToken, "omnichannel": account}[c.network]
		if err := t.w.networks[c.network].Act(t.w.ctx, of, control.Action{Do: "text", User: user, Text: text}); err != nil {
			return err
		}
		c.written = append(c.written, text)
	}
	return nil
}

// agent says numbered sentences where there is an open chat, and closes it now
// and then.
func (t *traffic) agent(ctx context.Context, c *conversation, dice *rand.Rand) error {
	for n := 1; rest(ctx, dice, agentPace[c.network]); n++ {
		id := fmt.Sprintf("a%d-%d", c.chat, n)
		said, err := t.say(ctx, c, id)
		if err != nil {
			return err
		}
		if said {
			c.said = append(c.said, id)
		}
		if said && dice.IntN(closing) == 0 {
			_ = t.w.core.Call(t.w.ctx, http.MethodPost, "/api/close", map[string]string{"port": c.network, "tracking_id": c.tracking()}, nil)
			c.closed = true // perhaps: the core may be away
		}
	}
	return nil
}

// say says one sentence until it is known whether the core has it. false: there
// is no chat to say it in.
func (t *traffic) say(ctx context.Context, c *conversation, id string) (said bool, err error) {
	asked := false
	for {
		if asked { // the core may have been killed between taking and answering
			has, err := t.has(c, id)
			if err == nil && has {
				return true, nil
			}
			if err == nil {
				asked = false
			}
		}
		if !asked {
			err := t.w.core.Call(t.w.ctx, http.MethodPost, "/api/say", map[string]string{
				"port": c.network, "tracking_id": c.tracking(), "id": id, "text": id,
			}, nil)
			refused, answered := errors.AsType[*proc.Refused](err)
			switch {
			case err == nil:
				return true, nil
			case answered && (refused.Status == http.StatusNotFound || refused.Status == http.StatusConflict):
				return false, nil
			case answered && refused.Status != http.StatusInternalServerError:
				return false, err
			}
			asked = true
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-t.w.ctx.Done():
			return false, t.w.ctx.Err()
		}
		_ = ctx // a sentence that was begun is brought to its end
	}
}

func (t *traffic) has(c *conversation, id string) (bool, error) {
	all, err := t.w.core.Sentences(t.w.ctx, c.network)
	return slices.ContainsFunc(all, func(s proc.Sentence) bool { return s.Outbound && s.ID == id }), err
}

// methods are how the networks are sent to.
var methods = map[string]string{"telegram": "sendMessage", "omnichannel": "send_message"}

func (w *world) lastRequest(network string) (seq int64) {
	all, err := w.networks[network].Requests(w.ctx, methods[network], 0)
	w.must(err)
	for _, r := range all {
		seq = r.Seq
	}
	return seq
}

// gather asks both ends what they have of a round's conversations.
func (t *traffic) gather() ([]evidence, error) {
	found := map[string]*evidence{} // by tracking
	for _, c := range t.list {
		found[c.tracking()] = &evidence{
			name: c.name(), tracking: c.tracking(), closed: c.closed, resend: t.w.resends(c.network), written: c.written, said: c.said,
		}
	}
	chats, err := t.w.core.Chats(t.w.ctx)
	if err != nil {
		return nil, err
	}
	for _, chat := range chats {
		e := found[chat.TrackingID]
		if e == nil {
			continue
		}
		full, err := t.w.core.Chat(t.w.ctx, chat.ID)
		if err != nil {
			return nil, err
		}
		e.chats = append(e.chats, full.Sentences)
	}
	dead, err := t.w.deadLetters()
	if err != nil {
		return nil, err
	}
	for _, network := range networkNames {
		requests, err := t.w.networks[network].Requests(t.w.ctx, methods[network], t.from[network])
		if err != nil {
			return nil, err
		}
		for _, r := range requests {
			e := found[r.Params["chat_id"]+"|"+network]
			if e == nil || !happened(r) {
				continue
			}
			life, err := strconv.Atoi(r.Header.Get(lifeHeader))
			if err != nil {
				return nil, err
			}
			e.arrivals = append(e.arrivals, arrival{r.Params["text"], life, r.At})
		}
	}
	list := make([]evidence, 0, len(found))
	for _, c := range t.list {
		e := found[c.tracking()]
		e.dead = dead
		list = append(list, *e)
	}
	return list, nil
}

// happened says whether the customer sees the message, whatever became of the
// answer.
func happened(r control.Request) bool {
	return r.Status/100 == 2 || slices.Contains([]control.Kind{control.Cut, control.Swallow, control.Slow}, r.Fault)
}
