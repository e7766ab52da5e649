package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// Rows are stranded while their channel is not served: it left the
// configuration, or is switched off. They stay pending and are taken up, in
// order, when the channel is back; until then an operator may discard them.

// Errors of discarding.
var (
	errServed    = errors.New("the row's channel is served")
	errNotWaits  = errors.New("the row is not pending")
	errReloading = errors.New("the configuration is being read")
)

// strandedLanes is what waits for one channel in one direction.
type strandedLanes struct {
	Channel   string    `json:"channel"`
	State     string    `json:"state"` // "removed", "disabled"
	Direction string    `json:"direction"`
	Pending   int64     `json:"pending"`
	Oldest    time.Time `json:"oldest"`
}

// strandedRows is the journal's stranded rows.
type strandedRows interface {
	// List sums them up by channel and direction.
	List(ctx context.Context) ([]strandedLanes, error)
	// Page lists a channel's, in order of sequence.
	Page(ctx context.Context, channel string, after int64, limit int) ([]journal.Row, error)
	// Discard gives up one row.
	Discard(ctx context.Context, seq int64) error
	// DiscardAll gives up a channel's, as many as ctx allows, and counts them.
	DiscardAll(ctx context.Context, channel string) (int, error)
}

// stranded implements strandedRows.
type stranded struct{ g *Gateway }

// stateOf tells why a channel is not served; empty = it is.
func (s stranded) stateOf(channel string) string {
	switch ch := s.g.channel(channel); {
	case ch == nil && s.g.awaited(channel):
		return stateAwaited
	case ch == nil:
		return "removed"
	case !ch.cfg.Enabled:
		return stateDisabled
	default:
		return ""
	}
}

func (s stranded) List(ctx context.Context) ([]strandedLanes, error) {
	ledger, err := s.g.journal.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	list := []strandedLanes{}
	for k, e := range ledger {
		if state := s.stateOf(k.Channel); e.Pending > 0 && state != "" {
			list = append(list, strandedLanes{k.Channel, state, k.Direction.String(), e.Pending, e.OldestPending})
		}
	}
	slices.SortFunc(list, func(a, b strandedLanes) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Direction, b.Direction))
	})
	return list, nil
}

func (s stranded) Page(ctx context.Context, channel string, after int64, limit int) ([]journal.Row, error) {
	if s.stateOf(channel) == "" {
		return nil, errServed
	}
	return s.g.journal.Pending(ctx, channel, after, limit)
}

func (s stranded) Discard(ctx context.Context, seq int64) error {
	if !s.hold() {
		return errReloading
	}
	defer s.release()
	row, err := s.g.journal.Row(ctx, seq)
	switch {
	case err != nil:
		return err
	case s.stateOf(row.Lane.Channel) == "":
		return errServed
	case !row.State.Pending():
		return errNotWaits
	}
	n, err := s.discard(ctx, unservedHint, row)
	if err == nil && n == 0 {
		err = errNotWaits
	}
	return err
}

// hold keeps channels from coming back meanwhile.
func (s stranded) hold() bool {
	select {
	case s.g.reloading <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s stranded) release() { <-s.g.reloading }

const unservedHint = "given up while its channel was not served"

// discardAtOnce is how many rows one transaction gives up.
const discardAtOnce = 500

func (s stranded) DiscardAll(ctx context.Context, channel string) (n int, err error) {
	if !s.hold() {
		return 0, errReloading
	}
	defer s.release()
	for {
		rows, err := s.Page(ctx, channel, 0, discardAtOnce)
		if err != nil || len(rows) == 0 {
			return n, err
		}
		done, err := s.discard(ctx, unservedHint, rows...)
		n += done
		if err != nil {
			return n, err
		}
	}
}

// discard makes pending rows dead letters, takes them off that list and counts
// them: a crash in between leaves them on it. A row that ended meanwhile, by
// what was in flight when its channel stopped, stays as it is.
func (s stranded) discard(ctx context.Context, hint string, rows ...journal.Row) (int, error) {
	changes := make([]journal.Change, len(rows))
	for i, row := range rows {
		changes[i] = journal.Change{
			Seq: row.Seq, Epoch: row.Epoch, State: journal.Dead, Reason: string(connectors.ReasonNoChannel),
			Hint: hint, Attempts: row.Attempts,
		}
	}
	if err := s.g.journal.Commit(ctx, changes...); err != nil {
		return 0, err
	}
	var n atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(discardAtOnce) // the journal groups what waits
	for _, row := range rows {
		work.Go(func() error {
			err := s.g.journal.Discard(ctx, row.Seq)
			if errors.Is(err, journal.ErrNotDead) {
				return nil
			}
			if err == nil {
				n.Add(1)
				s.discarded(row)
			}
			return err
		})
	}
	err := work.Wait()
	return int(n.Load()), err
}

// discarded tells whoever counts or waits.
func (s stranded) discarded(row journal.Row) {
	m := s.g.metrics.unknown
	if ch := s.g.channel(row.Lane.Channel); ch != nil {
		m = ch.metrics
	}
	m.dead(row.Lane.Direction, string(connectors.ReasonDiscarded))
	s.g.settle(row.Lane, row.ID)
}

// strandedAPI is /api/v1/stranded.
type strandedAPI struct {
	rows   strandedRows
	log    *slog.Logger
	redact func(journal.Row) map[string]any
}

// list answers GET /api/v1/stranded with the channels, and with ?channel=NAME
// &after=&limit= with one channel's rows, oldest first. A page that may have a
// next one names it: next_after goes into after.
func (a *strandedAPI) list(w http.ResponseWriter, r *http.Request) {
	query, err := readQuery(r, "channel", "after", "limit")
	after, limit, ok := pageOf(query, "after")
	if err != nil || !ok || query["channel"] == "" && len(query) > 0 {
		writeError(w, http.StatusBadRequest, "bad query: channel, after (a seq), limit (1 to 1000)")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), adminTimeout)
	defer cancel()
	if query["channel"] == "" {
		list, err := a.rows.List(ctx)
		if err != nil {
			failAdmin(w, a.log, err)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"channels": list})
		return
	}
	rows, err := a.rows.Page(ctx, query["channel"], after, limit)
	if err != nil {
		failAdmin(w, a.log, err)
		return
	}
	page := struct {
		Stranded  []map[string]any `json:"stranded"`
		NextAfter int64            `json:"next_after,omitempty"`
	}{Stranded: make([]map[string]any, 0, len(rows))}
	for _, row := range rows {
		page.Stranded = append(page.Stranded, a.redact(row))
	}
	if len(rows) == limit {
		page.NextAfter = rows[len(rows)-1].Seq
	}
	writeJSON(w, http.StatusOK, page)
}

// discardAll answers POST /api/v1/stranded/discard?channel=NAME. It stops when
// the time for one call is up; done tells whether nothing is left.
func (a *strandedAPI) discardAll(w http.ResponseWriter, r *http.Request) {
	query, err := readQuery(r, "channel")
	if err != nil || query["channel"] == "" {
		writeError(w, http.StatusBadRequest, "bad query: channel")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), adminTimeout)
	defer cancel()
	n, done, err := discardAudited(ctx, a.log, a.rows, query["channel"], r.RemoteAddr)
	if err != nil {
		failAdmin(w, a.log, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"discarded": n, "done": done})
}

// discardAudited gives up what waits for a channel, as much as ctx allows, with a
// line in the log that says who did it. done: nothing is left.
func discardAudited(ctx context.Context, log *slog.Logger, rows strandedRows, channel, remote string) (n int, done bool, err error) {
	n, err = rows.DiscardAll(ctx, channel)
	done = err == nil
	if n > 0 && ctx.Err() != nil {
		err = nil // the rest by another call
	}
	log.LogAttrs(ctx, slog.LevelInfo, "admin action", slog.String("action", "discard stranded"),
		slog.String("channel", channel), slog.Int("rows", n),
		slog.String("remote", remote), slog.String("result", actionResult(err)))
	return n, done, err
}
