package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/sqlite"
)

// backupFolder is where copies of the journal are made, beside it and nowhere
// else: who holds the token shall not write to any place the gateway can. It may
// be a link to another disk.
const backupFolder = "backups"

// backupName is what a copy may be called.
var backupName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$`)

var (
	errBackupName = errors.New("a copy is named by letters, digits and ._- alone; its folder is backups, beside the journal")
	errBusy       = errors.New("the same is under way")
)

// oneAtATime is for calls that cost much.
type oneAtATime struct{ busy atomic.Bool }

func (o *oneAtATime) do(f func() error) error {
	if !o.busy.CompareAndSwap(false, true) {
		return errBusy
	}
	defer o.busy.Store(false)
	return f()
}

// JournalCopy is what POST /api/v1/journal/backup answers.
type JournalCopy struct {
	Path  string  `json:"path"`
	Bytes int64   `json:"bytes"`
	Took  float64 `json:"took_seconds"`
}

// serveBackup answers POST /api/v1/journal/backup with to= as a form. A caller
// who hangs up ends it, and nothing is left.
func (g *Gateway) serveBackup(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r, "to")
	if err != nil {
		writeError(w, http.StatusBadRequest, "bad form: to")
		return
	}
	ctx, cancel := longCall(r.Context(), w)
	defer cancel()
	var done JournalCopy
	err = g.backups.do(func() (err error) {
		done, err = g.backup(ctx, form["to"])
		return err
	})
	g.answerLong(w, r, "backup", err, done)
}

func (g *Gateway) backup(ctx context.Context, to string) (c JournalCopy, err error) {
	if g.journal.Volatile() {
		return c, journal.ErrNoFile
	}
	began := time.Now()
	folder, err := filepath.Abs(filepath.Join(filepath.Dir(g.config().Journal.Path), backupFolder))
	if err != nil {
		return c, err
	}
	if dir, name := filepath.Split(to); filepath.Clean(dir) == folder {
		to = name
	}
	if !backupName.MatchString(to) {
		return c, errBackupName
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return c, err
	}
	c.Path = filepath.Join(folder, to)
	if err := g.journal.Backup(ctx, c.Path); err != nil {
		return c, err
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return c, err
	}
	c.Bytes, c.Took = info.Size(), time.Since(began).Seconds()
	return c, nil
}

// JournalState is what POST /api/v1/journal/verify answers.
type JournalState struct {
	Whole         bool     `json:"whole"`
	InFile        bool     `json:"in_file"` // false: it is in memory alone
	Rows          int64    `json:"rows"`
	Pending       int64    `json:"pending"`
	Conversations int64    `json:"conversations"`
	Problems      []string `json:"problems"`
	Took          float64  `json:"took_seconds"`
}

func stateOf(v journal.Verified, inFile bool) JournalState {
	return JournalState{
		Whole: len(v.Problems) == 0, InFile: inFile, Rows: v.Rows, Pending: v.Pending, Conversations: v.Conversations,
		Problems: append([]string{}, v.Problems...), Took: v.Took.Seconds(),
	}
}

// VerifyJournal looks through a journal's file that no gateway uses, a backup
// say, without changing it.
func VerifyJournal(ctx context.Context, path string) (JournalState, error) {
	v, err := sqlite.VerifyFile(ctx, path)
	return stateOf(v, true), err
}

// serveVerify answers POST /api/v1/journal/verify.
func (g *Gateway) serveVerify(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := longCall(r.Context(), w)
	defer cancel()
	var v journal.Verified
	err := g.verifies.do(func() (err error) {
		v, err = g.journal.Verify(ctx)
		return err
	})
	if len(v.Problems) > 0 {
		g.log.Error("the journal is not whole", "rows", v.Rows, "problems", v.Problems)
	}
	g.answerLong(w, r, "verify", err, stateOf(v, !g.journal.Volatile()))
}

// answerLong leaves a line in the log and answers.
func (g *Gateway) answerLong(w http.ResponseWriter, r *http.Request, action string, err error, answer any) {
	g.log.LogAttrs(r.Context(), slog.LevelInfo, "admin action", slog.String("action", action),
		slog.String("remote", r.RemoteAddr), slog.String("result", actionResult(err)))
	if err != nil {
		failAdmin(w, g.log, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}
