package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed load.lua
var loadScript []byte

// connections and threads of wrk, as the project's figures are stated.
const (
	connections   = 64
	threads       = 2
	conversations = 1000
)

// wrkResult is what wrk counted.
type wrkResult struct {
	requests, failed int
	took             time.Duration
	p50, p99         time.Duration
}

func (r wrkResult) rate() float64 { return float64(r.requests) / r.took.Seconds() }

// wrk is the load generator with its files.
type wrk struct {
	script, pool string
	duration     time.Duration
}

// newWrk writes the script and the pool of signed messages into dir.
func newWrk(dir string, duration time.Duration) (*wrk, error) {
	w := &wrk{filepath.Join(dir, "load.lua"), filepath.Join(dir, "pool"), duration}
	if err := os.WriteFile(w.script, loadScript, 0o644); err != nil {
		return nil, err
	}
	var pool bytes.Buffer
	for i := range conversations {
		head, id, tail := webhookParts(i)
		fmt.Fprintf(&pool, "%s\t%s\t%s\t%s\n", sign([]byte(head+id+tail)), head, id, tail)
	}
	return w, os.WriteFile(w.pool, pool.Bytes(), 0o644)
}

// run posts to url for the duration; ids is "fresh" or "same".
func (w *wrk) run(ctx context.Context, url, ids string) (wrkResult, error) {
	cmd := exec.CommandContext(ctx, "wrk",
		fmt.Sprintf("-c%d", connections), fmt.Sprintf("-t%d", threads),
		fmt.Sprintf("-d%ds", int(w.duration.Seconds())),
		"-s", w.script, url, "--", w.pool, ids)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return wrkResult{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	_, line, ok := strings.Cut(string(out), "RESULT ")
	if !ok {
		return wrkResult{}, fmt.Errorf("wrk said nothing to read: %s", out)
	}
	var r wrkResult
	var took, p50, p99 float64
	if _, err := fmt.Sscan(line, &r.requests, &r.failed, &took, &p50, &p99); err != nil {
		return r, fmt.Errorf("wrk's result: %w", err)
	}
	r.took, r.p50, r.p99 = micro(took), micro(p50), micro(p99)
	if r.failed > 0 || r.requests == 0 {
		return r, errors.New("wrk: " + strings.TrimSpace(string(out)))
	}
	return r, nil
}

func micro(us float64) time.Duration { return time.Duration(us * float64(time.Microsecond)) }

// webhookParts makes an Omnichannel webhook body of about 500 bytes for
// conversation i, cut around the message's id.
func webhookParts(i int) (head, id, tail string) {
	text := strings.Repeat("The parcel has not come yet, where is it? ", 5)
	head = fmt.Sprintf(`{"event":"new_message","chat_id":%d,"visitor":{"id":"v%d","fields":{`+
		`"name":"Customer %d","login":"c%d","phone":"+1555%07d","email":"c%d@example.com","site":"shop.example.com"}},`+
		`"message":{"id":"`, 5_000_000+i, i, i, i, i, i)
	id = fmt.Sprintf("%032x", i)
	tail = fmt.Sprintf(`","kind":"visitor","text":"%s"}}`, text)
	return head, id, tail
}
