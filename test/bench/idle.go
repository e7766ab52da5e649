package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	idleChannels = 1000
	// idleRuns is how many of a section's runs long one look at idling is.
	idleRuns = 6
	// idleSettle is how long the start may echo.
	idleSettle = 15 * time.Second
)

// idle measures what a gateway with many Telegram channels needs while nobody
// writes: each holds a long poll at a simulator in a process of its own. Then
// one message comes on the last channel, to see that they listen.
func idle(ctx context.Context, s *settings) error {
	dir := filepath.Join(s.data, "idle")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sim, url, err := startNetsim(ctx, s)
	if err != nil {
		return err
	}
	defer sim.stop()
	core, address, err := startCore(ctx, s)
	if err != nil {
		return err
	}
	defer core.stop()
	channels, err := telegramChannels(ctx, url)
	if err != nil {
		return err
	}
	st, err := launch(ctx, s, dir, address, channels)
	if err != nil {
		return err
	}
	defer st.gateway.stop()
	if err := st.linked(ctx); err != nil {
		return err
	}
	if err := awaitPolls(ctx, url); err != nil {
		return errors.Join(err, errors.New(st.gateway.log.String()))
	}
	if !waitUntil(ctx, time.Now().Add(idleSettle)) {
		return ctx.Err()
	}
	others := watchOthers(sim, core, st.gateway)
	profiled := s.startProfile(ctx, st)
	before, began := st.gateway.usage(), time.Now()
	var resident int64 // at its highest while it idles
	for end := began.Add(idleRuns * s.duration); time.Now().Before(end); {
		resident = max(resident, st.gateway.usage().now)
		if !waitUntil(ctx, time.Now().Add(time.Second)) {
			return ctx.Err()
		}
	}
	used, took := st.gateway.usage().since(before), time.Since(began)
	share := others.share(sim, core, st.gateway)
	if err := profiled(); err != nil {
		return err
	}
	polls, err := heldPolls(ctx, url)
	if err != nil {
		return err
	}
	m, err := scrape(ctx, st.metrics)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d of %d channels ok, %d long polls held after %v\n",
		int(m.sum("servicelink_channel_state", `state="ok"`)), idleChannels, polls, took.Round(time.Second))
	fmt.Fprintf(s.out, "gateway resident %d MB at most while idle  (asked: 150; %d MB while it started)  %.2f %% of a core  (asked: 2); "+
		"other programs took %.0f %% of the machine\n",
		resident>>20, used.resident>>20, 100*used.cpu.Seconds()/took.Seconds(), 100*share)
	return wakeIdle(ctx, s, st, url)
}

// wakeIdle lets a customer write to the last of the channels.
func wakeIdle(ctx context.Context, s *settings, st *stage, url string) error {
	began := time.Now()
	err := postJSON(ctx, url+"/control/telegram/act/"+idleBot(idleChannels-1), map[string]any{
		"chat": 7_000_001, "do": "text", "text": "is anybody there?",
		"user": map[string]any{"id": 7_000_001, "first_name": "Anna", "language_code": "en"},
	})
	if err != nil {
		return err
	}
	if err := st.await(ctx, time.Minute, func(m samples) bool { return doneIn(m) == 1 }); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "a message on an idle channel was with the core after at most %v\n", time.Since(began).Round(time.Millisecond))
	return nil
}

// idleBot is the user name of a bot; its token is the bot's in idleToken.
func idleBot(i int) string { return fmt.Sprintf("idle_%d_bot", i) }

func idleToken(i int) string {
	return fmt.Sprintf("%d:%s", 100_000+i, strings.Repeat("benchmark", 4)[:35])
}

// telegramChannels makes the bots known to the simulator and gives the
// configuration of their channels.
func telegramChannels(ctx context.Context, url string) (string, error) {
	var channels strings.Builder
	for i := range idleChannels {
		err := postJSON(ctx, url+"/control/telegram/accounts", map[string]any{"token": idleToken(i), "username": idleBot(i)})
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&channels, "  - { name: idle%d, network: telegram, settings: { token: %q, api_url: %q } }\n",
			i, idleToken(i), url+"/telegram")
	}
	return channels.String(), nil
}

// awaitPolls waits until every channel holds a long poll.
func awaitPolls(ctx context.Context, url string) error {
	const limit = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		polls, err := heldPolls(ctx, url)
		if err == nil && polls == idleChannels {
			return nil
		}
		if !waitUntil(ctx, time.Now().Add(time.Second)) {
			return errors.Join(fmt.Errorf("%d of %d long polls after %v", polls, idleChannels, limit), err)
		}
	}
}

// heldPolls counts the long polls that the simulator has not answered.
func heldPolls(ctx context.Context, url string) (int, error) {
	body, err := get(ctx, url+"/control/telegram/requests?method=getUpdates")
	if err != nil {
		return 0, err
	}
	var requests []struct{ Status int }
	err = json.Unmarshal(body, &requests)
	held := 0
	for _, r := range requests {
		if r.Status == 0 {
			held++
		}
	}
	return held, err
}

func postJSON(ctx context.Context, url string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return post(ctx, &loopback, url, body)
}

// startNetsim starts bin/netsim.
func startNetsim(ctx context.Context, s *settings) (p *process, url string, err error) {
	p = newProcess(ctx, filepath.Join(s.bin, "netsim"), "-listen", "127.0.0.1:0")
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, "", err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var at struct{ URL string }
	if err == nil {
		err = json.Unmarshal(bytes.TrimSpace(line), &at)
	}
	if err != nil {
		p.stop()
		return nil, "", fmt.Errorf("netsim: %w: %s", err, p.log)
	}
	return p, at.URL, nil
}
