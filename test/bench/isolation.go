package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"servicelink/gateway/journal"
	"servicelink/simprot/refcore"
)

const (
	quietChannels      = 4
	quietConversations = 50  // of a channel
	quietIn            = 200 // messages a second, of all quiet channels together
	quietOut           = 100
	hotBacklog         = 50_000 // events of the hot conversation that wait already
	hotPerSecond       = 100    // further ones
	settleTime         = 10 * time.Second
)

// isolation measures whether some channels suffer from others: how long their
// messages take to the core, and the agents' to their networks, without and with
// one conversation that never stops talking and one network that is down with
// s.pending/2 messages waiting. Both gateways are fresh ones for each run.
func isolation(ctx context.Context, s *settings) error {
	dir := filepath.Join(s.data, "isolation")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	network, err := startFakeNetwork(ctx)
	if err != nil {
		return err
	}
	defer network.server.Close()
	loaded := filepath.Join(dir, "loaded.db")
	if err := fillLoaded(ctx, s, dir, loaded, network); err != nil {
		return err
	}
	var in, out []float64
	for i := range s.runs {
		quiet, err := quietRun(ctx, s, dir, "", network)
		if err != nil {
			return err
		}
		beside, err := quietRun(ctx, s, dir, loaded, network)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "run %d  alone: to the core p50 %v p99 %v, to the network p50 %v p99 %v; "+
			"beside the load: %v %v, %v %v (%.0f of %d still wait, %.0f hot ones done; other programs took %.0f and %.0f %% of the machine)\n",
			i+1, quantile(quiet.in, 0.5), quantile(quiet.in, 0.99), quantile(quiet.out, 0.5), quantile(quiet.out, 0.99),
			quantile(beside.in, 0.5), quantile(beside.in, 0.99), quantile(beside.out, 0.5), quantile(beside.out, 0.99),
			beside.waiting, s.pending/2, beside.hot, 100*quiet.others, 100*beside.others)
		in = append(in, float64(quantile(beside.in, 0.99))/float64(quantile(quiet.in, 0.99)))
		out = append(out, float64(quantile(beside.out, 0.99))/float64(quantile(quiet.out, 0.99)))
	}
	fmt.Fprintf(s.out, "median of the p99s' ratios: to the core %.2f, to the network %.2f  (asked: 1.5)\n", median(in), median(out))
	return nil
}

// quietResult is what the quiet channels saw in one run.
type quietResult struct {
	in, out      []time.Duration
	waiting, hot float64 // messages for the network that is down; of the hot conversation, done
	others       float64
}

// quietRun measures the quiet channels of one gateway; a journal to begin with
// brings the load.
func quietRun(ctx context.Context, s *settings, dir, loaded string, network *fakeNetwork) (r quietResult, err error) {
	path := filepath.Join(dir, "journal.db")
	if loaded != "" {
		if err := copyFile(path, loaded); err != nil {
			return r, err
		}
	}
	defer removeJournal(path)
	core, address, stopCore, err := coreHere(ctx)
	if err != nil {
		return r, err
	}
	defer stopCore()
	st, err := launch(ctx, s, dir, address, isolationConfig(network.url))
	if err != nil {
		return r, err
	}
	defer st.gateway.stop()
	if err := st.linked(ctx); err != nil {
		return r, err
	}
	chats, err := openQuiet(ctx, st, core)
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime+s.duration+time.Minute)
	defer cancel()
	if loaded != "" {
		heat, cool := context.WithCancel(ctx)
		heated := make(chan struct{})
		go func() { defer close(heated); keepHot(heat, st.hook("hot")) }()
		defer func() { cool(); <-heated }()
	}
	if !waitUntil(ctx, time.Now().Add(settleTime)) {
		return r, ctx.Err()
	}
	others := watchOthers(st.gateway)
	r.in, r.out, err = quietTraffic(ctx, s, st, core, network, chats)
	if err != nil {
		return r, errors.Join(err, errors.New(st.gateway.log.String()))
	}
	r.others = others.share(st.gateway)
	m, err := scrape(ctx, st.metrics)
	r.waiting = m.sum("servicelink_ledger", `channel="down"`, `direction="out"`, `state="pending"`)
	r.hot = m.sum("servicelink_done_total", `channel="hot"`, `direction="in"`)
	return r, err
}

// quietTraffic writes to the quiet channels' webhooks and lets their agents
// answer, at a fixed pace, and gives how long each message took: from when it
// was due until the core had it, and from the agent until the network had it.
func quietTraffic(ctx context.Context, s *settings, st *stage, core *refcore.Core, network *fakeNetwork, chats []uuid.UUID) (in, out []time.Duration, err error) {
	watch := newStopwatch()
	events := core.Subscribe(100_000)
	defer events.Cancel()
	go func() {
		for e := range events.C {
			if e.Kind == refcore.EventSentence && !e.Sentence.IsOutbound {
				id, _, _ := strings.Cut(e.Sentence.Text, " ")
				watch.stop(id)
			}
		}
	}()
	arrived := func(id string) { watch.stop(id) }
	network.arrived.Store(&arrived)
	defer network.arrived.Store(nil)

	ins, outs := int(quietIn*s.duration.Seconds()), int(quietOut*s.duration.Seconds())
	posted, said := make(chan error, 1), make(chan error, 1)
	go func() {
		posted <- atPace(ctx, quietIn, ins, func(i int, due time.Time) error {
			hook := st.hook(quietChannel(i % quietChannels))
			head, _, tail := webhookParts(i / quietChannels % quietConversations)
			id := rand.Text()
			watch.start("in", id, due)
			tail = strings.Replace(tail, `"text":"`, `"text":"`+id+" ", 1) // the core sees it there
			return post(ctx, &loopback, hook, []byte(head+id+tail))
		})
	}()
	go func() {
		said <- atPace(ctx, quietOut, outs, func(i int, due time.Time) error {
			id := uuid.NewString()
			watch.start("out", id, due)
			_, err := core.SayAs(chats[i%len(chats)], refcore.Utterance{ID: id, Text: answerText})
			return err
		})
	}()
	if err := errors.Join(<-posted, <-said); err != nil {
		return nil, nil, err
	}
	if err := watch.wait(ctx); err != nil {
		return nil, nil, err
	}
	return watch.took("in"), watch.took("out"), nil
}

func quietChannel(i int) string { return "quiet" + strconv.Itoa(i) }

func isolationConfig(network string) string {
	var channels strings.Builder
	for i := range quietChannels {
		channels.WriteString(webhookChannel(quietChannel(i), network))
	}
	channels.WriteString(webhookChannel("hot", network))
	channels.WriteString(webhookChannel("down", "http://127.0.0.1:1"))
	return channels.String()
}

// openQuiet writes once in every quiet conversation, and gives their chats.
func openQuiet(ctx context.Context, st *stage, core *refcore.Core) (ids []uuid.UUID, err error) {
	for c := range quietChannels {
		for i := range quietConversations {
			if err := post(ctx, &loopback, st.hook(quietChannel(c)), freshWebhook(i)); err != nil {
				return nil, err
			}
		}
	}
	err = st.await(ctx, time.Minute, func(m samples) bool {
		return m.sum("servicelink_done_total", `channel="quiet`, `direction="in"`) == quietChannels*quietConversations
	})
	if err != nil {
		return nil, err
	}
	chats, err := core.Chats()
	for _, c := range chats {
		if strings.HasPrefix(c.Port, "quiet") {
			ids = append(ids, c.ID)
		}
	}
	return ids, err
}

// keepHot goes on writing in one conversation until ctx ends.
func keepHot(ctx context.Context, hook string) {
	_ = atPace(ctx, hotPerSecond, 1<<30, func(int, time.Time) error {
		return post(ctx, &loopback, hook, freshWebhook(0)) // a refusal shows in the count of the done
	})
}

// fillLoaded makes the journal that brings the load.
func fillLoaded(ctx context.Context, s *settings, dir, path string, network *fakeNetwork) error {
	in, err := sampleEntry(ctx, s, dir)
	if err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	out, err := sampleAnswer(ctx, s, dir, network)
	if err != nil {
		return fmt.Errorf("sample of an answer: %w", err)
	}
	down := s.pending / 2
	hot := min(hotBacklog, down)
	err = fill(ctx, path, hot+down, func(i int) journal.Entry {
		if i < hot {
			e := in
			e.Lane.Channel, e.ID = "hot", rand.Text()
			return e
		}
		i -= hot
		conversations := max(1, down/backlogEach)
		e := out
		e.Lane.Channel = "down"
		e.Lane.TrackingID = strings.Replace(e.Lane.TrackingID, "5000000", strconv.Itoa(5_000_000+i%conversations), 1)
		e.ID, e.Counter = uuid.NewString(), int32(2+i/conversations)
		return e
	})
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	fmt.Fprintf(s.out, "load      %d messages for a network that is down, %d of one conversation for the core and %d/s more\n",
		down, hot, hotPerSecond)
	return nil
}

// sampleAnswer lets an agent answer on a channel whose network is down and reads
// back what the gateway journaled.
func sampleAnswer(ctx context.Context, s *settings, dir string, network *fakeNetwork) (e journal.Entry, err error) {
	path := filepath.Join(dir, "journal.db")
	defer removeJournal(path)
	core, address, stopCore, err := coreHere(ctx)
	if err != nil {
		return e, err
	}
	defer stopCore()
	st, err := launch(ctx, s, dir, address, isolationConfig(network.url))
	if err != nil {
		return e, err
	}
	err = func() error {
		if err := post(ctx, &loopback, st.hook("down"), freshWebhook(0)); err != nil {
			return err
		}
		if err := st.await(ctx, time.Minute, func(m samples) bool { return doneIn(m) == 1 }); err != nil {
			return err
		}
		chats, err := core.Chats()
		if err != nil || len(chats) != 1 {
			return fmt.Errorf("%d chats: %w", len(chats), err)
		}
		if _, err := core.Say(chats[0].ID, answerText); err != nil {
			return err
		}
		return st.await(ctx, time.Minute, func(m samples) bool {
			return m.sum("servicelink_ledger", `direction="out"`, `state="pending"`) == 1
		})
	}()
	st.gateway.stop()
	if err != nil {
		return e, err
	}
	return readEntry(ctx, path, 2)
}
