package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"servicelink/gateway/journal"
)

// sickJournal has nothing but its health.
type sickJournal struct {
	journal.Journal
	err error
}

func (j sickJournal) Health() error { return j.err }

// TestJournalHealthIsLogged: a line per change, with the cause.
func TestJournalHealthIsLogged(t *testing.T) {
	var logs bytes.Buffer
	g := &Gateway{log: slog.New(slog.NewTextHandler(&logs, nil))}
	full := fmt.Errorf("%w: no space on the device", journal.ErrFull)
	away := fmt.Errorf("%w: the file is damaged", journal.ErrAway)
	word := ""
	for i, step := range []struct {
		health error
		want   []string // in the one line of the step; nil = no line
	}{
		{nil, nil},
		{full, []string{"level=ERROR", "fault=journal_full", "no space on the device"}},
		{full, nil},
		{away, []string{"level=ERROR", "fault=journal_away", "the file is damaged"}},
		{nil, []string{"level=INFO", "takes messages again"}},
		{nil, nil},
	} {
		logs.Reset()
		g.journal = sickJournal{err: step.health}
		word = g.watchJournal(word)
		if n := strings.Count(logs.String(), "\n"); n != min(1, len(step.want)) {
			t.Errorf("step %d: %d lines: %s", i, n, &logs)
		}
		for _, part := range step.want {
			if !strings.Contains(logs.String(), part) {
				t.Errorf("step %d: no %q in %s", i, part, &logs)
			}
		}
	}
}

// TestTickWatchesTheJournal: the engine's timers look at it.
func TestTickWatchesTheJournal(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(time.Second)
		h.cut.sick.Store(&journal.ErrFull)
		h.waits(5 * time.Second)
		if n := h.logged("level=ERROR", "journal_full"); n != 1 {
			t.Errorf("%d lines about a full journal, want 1:\n%s", n, h.logs)
		}
	})
}

// TestNothingOvertakesWhatIsNotListed: as long as the journal cannot name the
// lanes an earlier process left, nothing new is taken.
func TestNothingOvertakesWhatIsNotListed(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("anna", 1)
		h.waits(time.Second)
		h.door.away.Store(true)
		h.door.breakAll()
		h.writes("anna", 2)
		h.waits(time.Second)
		h.crash()
		h.disk.unread.Store(4)
		h.start()
		h.writes("anna", 3)
		h.door.away.Store(false)
		h.waits(5 * time.Minute)
		h.wantShown("anna", 3)
	})
}
