package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// inRun is one run of the inbound path.
type inRun struct {
	rate    float64       // messages echoed by the core, a second, backlog included
	answers wrkResult     // webhook calls answered
	drained time.Duration // after the load ended
	gateway usage         // used in this run
	core    usage
}

// inbound measures webhook -> fsynced -> echoed by the core beside the bare
// handler, then the latency of webhook answers at half of that rate.
func inbound(ctx context.Context, s *settings) error {
	dir := filepath.Join(s.data, "inbound")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	load, err := newWrk(dir, s.duration)
	if err != nil {
		return err
	}
	bare, bareURL, err := startBare(ctx)
	if err != nil {
		return err
	}
	defer bare.stop()
	core, address, err := startCore(ctx, s)
	if err != nil {
		return err
	}
	defer core.stop()
	st, err := startGateway(ctx, s, dir, address, "http://127.0.0.1:1")
	if err != nil {
		return err
	}
	defer st.gateway.stop()
	if err := openConversations(ctx, st); err != nil {
		return err
	}

	others := watchOthers(bare, core, st.gateway)
	var ratios, bareRates, rates []float64
	for i := range s.runs {
		b, err := load.run(ctx, bareURL, "same")
		if err != nil {
			return err
		}
		r, err := inboundRun(ctx, st, core, load)
		if err != nil {
			return errors.Join(err, errors.New(st.gateway.log.String()))
		}
		bareRates, rates = append(bareRates, b.rate()), append(rates, r.rate)
		ratios = append(ratios, r.rate/b.rate())
		n := float64(r.answers.requests)
		fmt.Fprintf(s.out, "run %d  bare %6.0f/s  gateway %6.0f/s end to end (ratio %.2f; webhook p50 %v p99 %v; "+
			"drained %v after; gateway %.0f us CPU and %.1f KB written a message, core %.0f us)\n",
			i+1, b.rate(), r.rate, r.rate/b.rate(), r.answers.p50, r.answers.p99,
			r.drained.Round(time.Millisecond), float64(r.gateway.cpu.Microseconds())/n,
			float64(r.gateway.written)/n/1024, float64(r.core.cpu.Microseconds())/n)
	}
	fmt.Fprintf(s.out, "median bare %6.0f/s  gateway %6.0f/s  ratio %.2f  (asked: 0.25)\n",
		median(bareRates), median(rates), median(ratios))
	if err := halfLoad(ctx, s, st, median(rates)/2); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "gateway resident %d MB at its highest; other programs took %.0f %% of the machine\n",
		st.gateway.usage().resident>>20, 100*others.share(bare, core, st.gateway))
	return profiled(ctx, s, st, load)
}

// openConversations posts one message for each, and waits for their echoes.
func openConversations(ctx context.Context, st *stage) error {
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for i := range conversations {
		if err := post(ctx, client, st.webhook, freshWebhook(i)); err != nil {
			return fmt.Errorf("open conversation %d: %w", i, err)
		}
	}
	return st.await(ctx, time.Minute, func(m samples) bool { return doneIn(m) >= conversations })
}

func doneIn(m samples) float64 { return m.sum("servicelink_done_total", `direction="in"`) }

// inboundRun loads the gateway and counts until nothing is left to do.
func inboundRun(ctx context.Context, st *stage, core *process, load *wrk) (inRun, error) {
	before, err := scrape(ctx, st.metrics)
	if err != nil {
		return inRun{}, err
	}
	gatewayBefore, coreBefore := st.gateway.usage(), core.usage()
	begin := time.Now()
	var r inRun
	if r.answers, err = load.run(ctx, st.webhook, "fresh"); err != nil {
		return r, err
	}
	loaded := time.Now()
	err = st.await(ctx, 5*time.Minute, func(m samples) bool {
		return m.sum("servicelink_ledger", `state="pending"`, `direction="in"`) == 0 &&
			doneIn(m)-doneIn(before) >= float64(r.answers.requests)
	})
	if err != nil {
		return r, fmt.Errorf("backlog: %w", err)
	}
	r.drained = time.Since(loaded)
	after, err := scrape(ctx, st.metrics)
	if err != nil {
		return r, err
	}
	done := doneIn(after) - doneIn(before)
	if dead := after.sum("servicelink_dead_total") - before.sum("servicelink_dead_total"); dead > 0 {
		return r, fmt.Errorf("%.0f dead letters", dead)
	}
	r.rate = done / time.Since(begin).Seconds()
	r.gateway, r.core = st.gateway.usage().since(gatewayBefore), core.usage().since(coreBefore)
	return r, nil
}

// halfLoad measures webhook answers at a fixed pace.
func halfLoad(ctx context.Context, s *settings, st *stage, perSecond float64) error {
	var p99s []float64
	for i := range s.runs {
		r := paced(ctx, st.webhook, perSecond, s.duration)
		if r.failed > 0 || r.sent == 0 {
			return fmt.Errorf("paced run: %d of %d calls failed", r.failed, r.sent)
		}
		p99s = append(p99s, float64(r.p99))
		fmt.Fprintf(s.out, "half %d  %6.0f/s  webhook answered p50 %v  p99 %v  max %v\n", i+1, perSecond, r.p50, r.p99, r.max)
	}
	fmt.Fprintf(s.out, "median p99 at half load %v  (asked: 25ms)\n", time.Duration(median(p99s)))
	return st.await(ctx, time.Minute, func(m samples) bool {
		return m.sum("servicelink_ledger", `state="pending"`, `direction="in"`) == 0
	})
}

// profiled takes a CPU profile during one more run, if asked to.
func profiled(ctx context.Context, s *settings, st *stage, load *wrk) error {
	if s.profile == "" {
		return nil
	}
	taken := s.startProfile(ctx, st)
	_, err := load.run(ctx, st.webhook, "fresh")
	return errors.Join(err, taken())
}

// startProfile begins a CPU profile of the gateway, if one was asked for; what
// it returns waits for its end.
func (s *settings) startProfile(ctx context.Context, st *stage) func() error {
	if s.profile == "" {
		return func() error { return nil }
	}
	taken := make(chan error, 1)
	go func() {
		body, err := get(ctx, fmt.Sprintf("%s?seconds=%d", st.pprof, int(s.duration.Seconds())))
		if err == nil {
			err = os.WriteFile(s.profile, body, 0o644)
		}
		taken <- err
	}()
	return func() error { return <-taken }
}
