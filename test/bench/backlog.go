package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/sqlite"
)

const (
	backlogChannels = 10
	backlogEach     = 20 // messages of one conversation, on average
	fillBatch       = 250
)

// backlog measures what a long outage of the core leaves behind: a journal with
// s.pending messages of many conversations. How long does the gateway take to
// start on it, how much memory does it need, how fast does it empty it? Every
// run has a fresh copy of the file; the last one goes on to the end.
func backlog(ctx context.Context, s *settings) error {
	dir := filepath.Join(s.data, "backlog")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sample, err := sampleEntry(ctx, s, dir)
	if err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	full := filepath.Join(dir, "full.db")
	began := time.Now()
	if err := fill(ctx, full, s.pending, func(i int) journal.Entry {
		return backlogEntry(sample, i, s.pending)
	}); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	took := time.Since(began)
	info, err := os.Stat(full)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "filled    %d messages of %d conversations on %d channels, %d MB, written at %.0f/s\n", s.pending,
		max(1, s.pending/backlogEach), backlogChannels, info.Size()>>20, float64(s.pending)/took.Seconds())
	var starts, rates, resident []float64
	for i := range s.runs {
		r, err := backlogRun(ctx, s, dir, full, i == s.runs-1)
		if err != nil {
			return err
		}
		starts, rates, resident = append(starts, r.ready.Seconds()), append(rates, r.rate), append(resident, float64(r.gateway.resident>>20))
		fmt.Fprintf(s.out, "run %d  ready after %v; %6.0f/s to the core over %v; gateway resident %d MB at its highest, "+
			"%.0f us CPU and %.1f KB written a message; other programs took %.0f %% of the machine\n",
			i+1, r.ready.Round(time.Millisecond), r.rate, r.took.Round(time.Second), r.gateway.resident>>20,
			float64(r.gateway.cpu.Microseconds())/r.done, float64(r.gateway.written)/r.done/1024, 100*r.others)
	}
	fmt.Fprintf(s.out, "median start %.1f s  (asked: 5)  %6.0f/s  (asked: 5000)  resident %.0f MB  (asked: 300)\n",
		median(starts), median(rates), median(resident))
	return nil
}

// drainRun is one run on a filled journal.
type drainRun struct {
	ready   time.Duration // from the start of the program until it serves
	took    time.Duration // from there on
	done    float64       // messages echoed by the core
	rate    float64       // of them, a second
	gateway usage
	others  float64 // share of the machine
}

// backlogRun starts a gateway on a copy of the journal and lets it work for
// s.duration, or to the end.
func backlogRun(ctx context.Context, s *settings, dir, full string, toTheEnd bool) (r drainRun, err error) {
	path := filepath.Join(dir, "journal.db")
	if err := copyFile(path, full); err != nil {
		return r, err
	}
	defer removeJournal(path)
	core, address, err := startCore(ctx, s)
	if err != nil {
		return r, err
	}
	defer core.stop()
	others := watchOthers(core)
	began := time.Now()
	st, err := launch(ctx, s, dir, address, backlogConfig())
	if err != nil {
		return r, err
	}
	defer st.gateway.stop()
	r.ready = time.Since(began)
	profiled := func() error { return nil }
	if toTheEnd {
		profiled = s.startProfile(ctx, st)
	}
	err = st.watch(ctx, 20*time.Minute, time.Second, func(m samples) bool {
		r.done, r.took = doneIn(m), time.Since(began)-r.ready
		r.rate = r.done / r.took.Seconds()
		if toTheEnd {
			return r.done >= float64(s.pending) && m.sum("servicelink_ledger", `state="pending"`) == 0
		}
		return r.took >= s.duration
	})
	if err := errors.Join(err, profiled()); err != nil {
		return r, errors.Join(err, errors.New(st.gateway.log.String()))
	}
	m, err := scrape(ctx, st.metrics)
	if err != nil {
		return r, err
	}
	if dead := m.sum("servicelink_dead_total"); dead > 0 {
		return r, fmt.Errorf("%.0f dead letters", dead)
	}
	r.gateway, r.others = st.gateway.usage(), others.share(core, st.gateway)
	return r, nil
}

func backlogConfig() string {
	var channels strings.Builder
	for i := range backlogChannels {
		channels.WriteString(webhookChannel(backlogChannel(i), "http://127.0.0.1:1"))
	}
	return channels.String()
}

func backlogChannel(i int) string { return "bench" + strconv.Itoa(i) }

// sampleEntry takes one message through a gateway without a core and reads back
// what it journaled, so that the filled file holds what real ones hold.
func sampleEntry(ctx context.Context, s *settings, dir string) (e journal.Entry, err error) {
	path := filepath.Join(dir, "journal.db")
	defer removeJournal(path)
	st, err := launch(ctx, s, dir, "127.0.0.1:1", webhookChannel("sample", "http://127.0.0.1:1"))
	if err != nil {
		return e, err
	}
	err = post(ctx, &loopback, st.hook("sample"), freshWebhook(0))
	st.gateway.stop()
	if err != nil {
		return e, err
	}
	return readEntry(ctx, path, 1)
}

// readEntry reads message number seq of a journal, as it was accepted.
func readEntry(ctx context.Context, path string, seq int64) (e journal.Entry, err error) {
	j, err := sqlite.Open(ctx, path, journal.Options{OnCommit: func([]journal.Row) {}})
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	row, err := j.Row(ctx, seq)
	if err != nil {
		return e, err
	}
	c, _, err := j.Conversation(ctx, row.Lane.Channel, row.Lane.TrackingID)
	e = row.Entry
	e.Party = &c.Party
	return e, err
}

// backlogEntry is message i of a backlog: the sample in another conversation.
func backlogEntry(sample journal.Entry, i, pending int) journal.Entry {
	// A fixed walk through the conversations, without an order the journal could
	// profit from: the step shares no divisor with what it walks around.
	conversations := max(1, pending/backlogEach)
	conversation := i * 7919 % conversations
	e := sample
	e.Lane.Channel = backlogChannel(conversation % backlogChannels)
	e.Lane.TrackingID = strings.Replace(e.Lane.TrackingID, "5000000", strconv.Itoa(5_000_000+conversation), 1)
	e.ID = rand.Text()
	return e
}

// fill writes n entries into a new journal at path.
func fill(ctx context.Context, path string, n int, entry func(int) journal.Entry) (err error) {
	j, err := sqlite.Open(ctx, path, journal.Options{OnCommit: func([]journal.Row) {}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for i := 0; i < n; i += fillBatch {
		batch := make([]journal.Entry, min(fillBatch, n-i))
		for k := range batch {
			batch[k] = entry(i + k)
		}
		if _, err := j.Accept(ctx, batch...); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err = io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync() // else it is written out while something is measured
}

// removeJournal deletes a journal with the files beside it.
func removeJournal(path string) {
	for _, end := range []string{"", "-wal", "-shm", ".lock"} {
		_ = os.Remove(path + end)
	}
}
