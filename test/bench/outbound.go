package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot/refcore"
)

const (
	outChats    = 200   // conversations the agents write in
	outMessages = 20000 // of one run
	outWorkers  = 64    // of the bare client
)

// answerText is what the agents write.
var answerText = strings.Repeat("Your parcel left our house this morning. ", 5)

// fakeNetwork takes every message and counts.
type fakeNetwork struct {
	url    string
	took   atomic.Int64
	server *http.Server
	// arrived, when set, is told each message's id as it arrives.
	arrived atomic.Pointer[func(id string)]
}

func startFakeNetwork(ctx context.Context) (*fakeNetwork, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &fakeNetwork{url: "http://" + l.Addr().String()}
	n.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			n.took.Add(1)
			if arrived := n.arrived.Load(); arrived != nil {
				var in struct {
					Message struct{ ID string }
				}
				if json.NewDecoder(r.Body).Decode(&in) == nil {
					(*arrived)(in.Message.ID)
				}
			}
			w.WriteHeader(http.StatusOK)
		})}
	go func() { _ = n.server.Serve(l) }() // ends with Close
	return n, nil
}

// outbound measures SE_CHAT_SENTENCE -> accepted by a network -> confirmed to
// the core, beside a bare client that posts the same to the same network. The
// core and the network live in this process.
func outbound(ctx context.Context, s *settings) error {
	dir := filepath.Join(s.data, "outbound")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	network, err := startFakeNetwork(ctx)
	if err != nil {
		return err
	}
	defer network.server.Close()
	core, address, stopCore, err := coreHere(ctx)
	if err != nil {
		return err
	}
	defer stopCore()
	st, err := startGateway(ctx, s, dir, address, network.url)
	if err != nil {
		return err
	}
	defer st.gateway.stop()
	if err := openConversations(ctx, st); err != nil {
		return err
	}
	chats, err := core.Chats()
	if err != nil {
		return err
	}
	if len(chats) < outChats {
		return fmt.Errorf("the core has %d chats", len(chats))
	}
	ids := make([]uuid.UUID, outChats)
	for i := range ids {
		ids[i] = chats[i].ID
	}

	others := watchOthers(st.gateway)
	cpu := st.gateway.usage()
	var rates, bareRates, ratios []float64
	for i := range s.runs {
		bare, err := bareSends(ctx, network.url+"/send_message")
		if err != nil {
			return err
		}
		rate, err := outboundRun(ctx, core, network, ids)
		if err != nil {
			return errors.Join(err, errors.New(st.gateway.log.String()))
		}
		bareRates, rates, ratios = append(bareRates, bare), append(rates, rate), append(ratios, rate/bare)
		fmt.Fprintf(s.out, "run %d  bare client %6.0f/s  gateway %6.0f/s confirmed (ratio %.2f)\n", i+1, bare, rate, rate/bare)
	}
	fmt.Fprintf(s.out, "median bare client %6.0f/s  gateway %6.0f/s  ratio %.2f\n", median(bareRates), median(rates), median(ratios))
	if s.profile != "" {
		taken := s.startProfile(ctx, st)
		_, err := outboundRun(ctx, core, network, ids)
		if err := errors.Join(err, taken()); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.out, "gateway %.0f us CPU a message; other programs took %.0f %% of the machine\n",
		float64(st.gateway.usage().since(cpu).cpu.Microseconds())/float64(s.runs*outMessages), 100*others.share(st.gateway))
	return outboundSteps(ctx, s, core, network, ids)
}

// steps of one message, as seen from outside the gateway.
type steps struct{ said, arrived, confirmed time.Time }

// outboundSteps shows where the time of one message goes while nothing waits:
// 100 a second, one after the other.
func outboundSteps(ctx context.Context, s *settings, core *refcore.Core, network *fakeNetwork, chats []uuid.UUID) error {
	const messages, perSecond = 1000, 100
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var mu sync.Mutex
	seen := map[string]*steps{}
	note := func(id string, set func(*steps, time.Time)) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		if seen[id] == nil {
			seen[id] = new(steps)
		}
		set(seen[id], now)
	}
	arrived := func(id string) { note(id, func(m *steps, at time.Time) { m.arrived = at }) }
	network.arrived.Store(&arrived)
	defer network.arrived.Store(nil)
	events := core.Subscribe(10 * messages)
	defer events.Cancel()
	begin, confirmed := time.Now(), 0
	for i := 0; confirmed < messages; {
		var next <-chan time.Time
		if i < messages {
			next = time.After(time.Until(begin.Add(time.Duration(i) * time.Second / perSecond)))
		}
		select {
		case <-next:
			id := uuid.NewString()
			note(id, func(m *steps, at time.Time) { m.said = at })
			if _, err := core.SayAs(chats[i%len(chats)], refcore.Utterance{ID: id, Text: answerText}); err != nil {
				return err
			}
			i++
		case e := <-events.C:
			if e.Kind == refcore.EventConfirmed {
				note(e.Sentence.ID, func(m *steps, at time.Time) { m.confirmed = at })
				confirmed++
			}
		case <-ctx.Done():
			return fmt.Errorf("%d of %d confirmed: %w", confirmed, messages, ctx.Err())
		}
	}
	mu.Lock()
	defer mu.Unlock()
	var there, back []time.Duration
	for _, m := range seen {
		there, back = append(there, m.arrived.Sub(m.said)), append(back, m.confirmed.Sub(m.arrived))
	}
	fmt.Fprintf(s.out, "steps at %d/s: said -> journaled, attempt durable, at the network p50 %v p99 %v; -> answered, confirmed to the core p50 %v p99 %v\n",
		perSecond, quantile(there, 0.5), quantile(there, 0.99), quantile(back, 0.5), quantile(back, 0.99))
	return nil
}

// coreHere runs a reference core with its memory store in this process.
func coreHere(ctx context.Context) (core *refcore.Core, address string, stop func(), err error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	core = refcore.New(refcore.Options{
		Account: "bench", Secret: coreSecret, Fences: true, Asks: true, KeepSentences: 2 * outMessages / outChats,
	})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = core.Serve(ctx, l) // a core that does not serve shows as a gateway that does not come up
	}()
	stop = func() {
		_ = core.Close()
		<-served
	}
	return core, l.Addr().String(), stop, nil
}

// outboundRun lets the agents write outMessages and waits until each is
// confirmed.
func outboundRun(ctx context.Context, core *refcore.Core, network *fakeNetwork, chats []uuid.UUID) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	events := core.Subscribe(4 * outMessages)
	defer events.Cancel()
	taken := network.took.Load()
	begin := time.Now()
	said := make(chan error, 1)
	go func() {
		for i := range outMessages {
			if _, err := core.Say(chats[i%len(chats)], answerText); err != nil {
				said <- err
				return
			}
		}
		said <- nil
	}()
	for confirmed := 0; confirmed < outMessages; {
		select {
		case e := <-events.C:
			if e.Kind == refcore.EventConfirmed {
				confirmed++
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("%d of %d confirmed: %w", confirmed, outMessages, ctx.Err())
		}
	}
	took := time.Since(begin)
	if err := <-said; err != nil {
		return 0, err
	}
	if n := network.took.Load() - taken; n != outMessages {
		return 0, fmt.Errorf("the network took %d messages, want %d", n, outMessages)
	}
	return outMessages / took.Seconds(), nil
}

// bareSends posts as many messages of the same size as fast as a plain client
// can, and gives the rate.
func bareSends(ctx context.Context, url string) (float64, error) {
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: outWorkers, MaxConnsPerHost: outWorkers},
		Timeout:   10 * time.Second,
	}
	defer client.CloseIdleConnections()
	body := fmt.Appendf(nil, `{"chat_id":5000000,"message":{"id":%q,"kind":"operator","text":%q}}`, uuid.NewString(), answerText)
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	begin := time.Now()
	for range outWorkers {
		workers.Go(func() {
			for range outMessages / outWorkers {
				if err := post(ctx, client, url, body); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	workers.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(outMessages/outWorkers*outWorkers) / time.Since(begin).Seconds(), nil
}
