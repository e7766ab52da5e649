package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// Limits of /api/v1/dead.
const (
	deadPage    = 100
	deadPageMax = 1000
	// adminTimeout bounds one call of the API.
	adminTimeout = 10 * time.Second
)

// deadLetters is the API of messages that were given up.
type deadLetters struct {
	journal journal.Journal
	log     *slog.Logger
	redact  func(journal.Row) map[string]any
}

// list answers GET /api/v1/dead?channel=&before=&limit=, newest first. A page
// that may have a next one names it: next_before goes into before.
func (d *deadLetters) list(w http.ResponseWriter, r *http.Request) {
	q, ok := deadQuery(r)
	if !ok {
		writeError(w, http.StatusBadRequest, "bad query: channel, before (a seq), limit (1 to 1000)")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), adminTimeout)
	defer cancel()
	rows, err := d.journal.Dead(ctx, q)
	if err != nil {
		failAdmin(w, d.log, err)
		return
	}
	page := struct {
		Dead       []map[string]any `json:"dead"`
		NextBefore int64            `json:"next_before,omitempty"`
	}{Dead: make([]map[string]any, 0, len(rows))}
	for _, row := range rows {
		page.Dead = append(page.Dead, d.redact(row))
	}
	if len(rows) == q.Limit {
		page.NextBefore = rows[len(rows)-1].Seq
	}
	writeJSON(w, http.StatusOK, page)
}

func deadQuery(r *http.Request) (journal.DeadQuery, bool) {
	query, err := readQuery(r, "channel", "before", "limit")
	if err != nil {
		return journal.DeadQuery{}, false
	}
	q := journal.DeadQuery{Channel: query["channel"]}
	var ok bool
	q.Before, q.Limit, ok = pageOf(query, "before")
	return q, ok
}

// pageOf reads where a page begins and how long it is.
func pageOf(query map[string]string, from string) (at int64, limit int, ok bool) {
	limit = deadPage
	var err error
	if s, given := query[from]; given {
		if at, err = strconv.ParseInt(s, 10, 64); err != nil || at < 1 {
			return 0, 0, false
		}
	}
	if s, given := query["limit"]; given {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > deadPageMax {
			return 0, 0, false
		}
	}
	return at, limit, true
}

// actOn answers POST .../{seq}/<name>.
func actOn(name string, log *slog.Logger, do func(context.Context, int64) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seq, err := strconv.ParseInt(r.PathValue("seq"), 10, 64)
		if err != nil || seq < 1 {
			writeError(w, http.StatusBadRequest, "seq must be a positive number")
			return
		}
		// Once begun it is finished: the caller's hanging up must not leave
		// the log line unsure of what happened.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), adminTimeout)
		defer cancel()
		if err := audited(ctx, log, name, seq, r.RemoteAddr, do); err != nil {
			failAdmin(w, log, err)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"seq": seq, "action": name})
	})
}

// audited does something to a row. Every call, refused ones too, leaves a line
// that says who did what to which row.
func audited(ctx context.Context, log *slog.Logger, name string, seq int64, remote string, do func(context.Context, int64) error) error {
	err := do(ctx, seq)
	log.LogAttrs(ctx, slog.LevelInfo, "admin action",
		slog.String("action", name), slog.Int64("seq", seq),
		slog.String("remote", remote), slog.String("result", actionResult(err)))
	return err
}

// refusals are the errors that callers can do something about: short, fixed,
// telling what. The first that fits.
var refusals = []struct {
	err    error
	status int
	text   string
}{
	{journal.ErrNotFound, http.StatusNotFound, "no such row"},
	{errNoChannel, http.StatusNotFound, "no such channel"},
	{errUnknownCustomer, http.StatusNotFound, errUnknownCustomer.Error()},
	{journal.ErrNotDead, http.StatusConflict, "not a dead letter"},
	{errNotServed, http.StatusConflict, "its channel is not configured"},
	{errServed, http.StatusConflict, "its channel is served"},
	{errNotWaits, http.StatusConflict, "not pending"},
	{errPaused, http.StatusConflict, "paused already"},
	{errNotPaused, http.StatusConflict, "not paused"},
	{errReloading, http.StatusConflict, "the configuration is being read, or another such call is under way: try again"},
	{journal.ErrPending, http.StatusConflict, "messages are pending: wait until they are done, or give them up with --pending"},
	{journal.ErrNoFile, http.StatusConflict, "the journal is in memory, it is not kept in a file"},
	{journal.ErrExists, http.StatusConflict, journal.ErrExists.Error()},
	{journal.ErrNoSpace, http.StatusConflict, journal.ErrNoSpace.Error()},
	{errBusy, http.StatusConflict, errBusy.Error()},
	{errBackupName, http.StatusBadRequest, errBackupName.Error()},
	{journal.ErrFull, http.StatusServiceUnavailable, "journal is full"},
	{journal.ErrAway, http.StatusServiceUnavailable, "journal is not available"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "journal is not available"},
}

// refused finds what a caller is told of err; of what is nobody's fault but ours
// that it failed.
func refused(err error) (status int, text string) {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return r.status, r.text
		}
	}
	return http.StatusInternalServerError, "failed"
}

// failAdmin answers a failed call.
func failAdmin(w http.ResponseWriter, log *slog.Logger, err error) {
	status, text := refused(err)
	if status == http.StatusInternalServerError {
		log.Error("admin call failed", slog.Any("error", err))
	}
	writeError(w, status, text)
}

func actionResult(err error) string {
	if err == nil {
		return "done"
	}
	_, text := refused(err)
	return text
}

// partNames says how far a part of a send got; no name = not tried.
var partNames = map[journal.PartState]string{
	journal.PartAttempting: "attempting", journal.PartSent: "sent",
	journal.PartRejected: "rejected", journal.PartUnknown: "unknown",
}

// redactRow is what the API and logs show of a row: ids, reasons, sizes and
// times. The TrackingId may be a telephone number and shows as its hash; the
// text and the address do not show at all, nor does the network's id of a part:
// some networks write the number into it.
func redactRow(row journal.Row) map[string]any {
	view := map[string]any{
		"seq":       row.Seq,
		"channel":   row.Lane.Channel,
		"direction": row.Lane.Direction.String(),
		"tracking":  simprot.LogID(row.Lane.TrackingID),
		"id":        simprot.LogEventID(row.Lane.TrackingID, row.ID),
		"state":     row.State.String(),
		"reason":    row.Reason,
		"hint":      row.Hint,
		"attempts":  row.Attempts,
		"bytes":     len(row.Content),
		"accepted":  row.AcceptedAt,
		"ended":     row.EndedAt,
	}
	if row.Counter != 0 {
		view["counter"] = row.Counter
	}
	if len(row.Parts) > 0 {
		parts := make([]map[string]any, len(row.Parts))
		for i, p := range row.Parts {
			parts[i] = map[string]any{"state": partNames[p.State], "reason": p.Reason, "at": p.At}
			if p.Status > 0 {
				parts[i]["status"], parts[i]["status_at"] = connectors.DeliveryStatus(p.Status).String(), p.StatusAt
			}
		}
		view["parts"] = parts
	}
	return view
}
