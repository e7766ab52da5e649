package writer

import (
	"errors"
	"runtime"
	"slices"

	"servicelink/gateway/journal"
)

// group is one transaction: its steps, and the rows it hands over.
type group struct {
	steps   []*step
	rows    []journal.Row
	repeats int
	open    bool // others may join until it is committed
}

// doGroup writes steps in one transaction and tells who waits. What was kept is
// written before, in groups of its own; as long as it cannot be, nothing else
// is tried. When the steps are the last that wait, others may join them.
func (w *Writer) doGroup(steps []*step, last bool) {
	if err := w.writeKept(); err != nil {
		w.away(steps, err)
		return
	}
	if len(steps) == 0 {
		return
	}
	full := w.store.Full()
	// A copy: the space of steps is used anew while these are told.
	g := &group{steps: slices.Clone(steps), open: last && w.latest >= crowd}
	err := w.try(g, full)
	steps, w.latest = g.steps, len(g.steps)
	if err == nil {
		w.finish(g)
		return
	}
	if away := w.store.Away(err); away != nil {
		w.away(steps, away)
		// Without the accepts the changes may still fit.
		if len(w.kept) < len(steps) && errors.Is(away, journal.ErrFull) && w.writeKept() == nil {
			w.setHealth(away)
		}
		return
	}
	w.doSingly(steps, full)
}

// writeKept writes the changes that were kept, in order; it returns why the
// storage is still away.
func (w *Writer) writeKept() error {
	for len(w.kept) > 0 {
		n := fitting(w.kept, groupLimit)
		steps, rest := w.kept[:n:n], w.kept[n:]
		g := &group{steps: steps}
		err := w.try(g, nil)
		if err == nil {
			w.kept = rest
			w.finish(g)
			continue
		}
		if away := w.store.Away(err); away != nil {
			w.setHealth(away)
			return away
		}
		w.kept = nil
		w.doSingly(steps, nil)
		if len(w.kept) > 0 {
			w.kept = append(w.kept, rest...)
			return w.Health()
		}
		w.kept = rest
	}
	return nil
}

// try runs a group's transaction. A step that fails by its own fault without
// having written anything (not found, full) does not fail the group.
func (w *Writer) try(g *group, full error) error {
	g.rows, g.repeats = make([]journal.Row, 0, len(g.steps)), 0
	if err := w.store.Begin(); err != nil {
		return err
	}
	for done := 0; ; {
		for ; done < len(g.steps); done++ {
			if err := w.do(g, g.steps[done], full); err != nil {
				w.store.Rollback()
				return err
			}
		}
		if !g.open || !w.join(g) {
			break
		}
	}
	if err := w.store.Commit(); err != nil {
		w.store.Rollback()
		return err
	}
	return nil
}

// join lets company come to an open group and reports whether any came. The
// callers that the latest group set free return with their next entry a moment
// later: the more share a transaction, the less of its fixed cost each has to
// bear, and what they bring is written while others are still on their way.
func (w *Writer) join(g *group) bool {
	room := groupLimit
	for _, s := range g.steps {
		room -= s.weight()
	}
	before := len(g.steps)
	for range patience {
		// Who can run may be about to call. Nothing is waited for: a driver may
		// hold a lock from Begin to Commit.
		runtime.Gosched()
		var end bool
		if g.steps, end = w.queue.join(g.steps, room); len(g.steps) > before || end {
			break
		}
	}
	return len(g.steps) > before
}

func (w *Writer) do(g *group, s *step, full error) error {
	s.res = result{}
	var err error
	switch s.kind {
	case kindAccept:
		return w.doAccept(g, s, full)
	case kindChange:
		for i := range s.changes {
			switch err := w.store.Change(&s.changes[i]); {
			case errors.Is(err, ErrState):
				s.res.err = err
			case err != nil:
				return err
			}
		}
	case kindRequeue:
		var row journal.Row
		if err = w.store.Requeue(s.seq, &row); err == nil {
			g.rows = append(g.rows, row)
		}
	case kindDiscard:
		err = w.store.Discard(s.seq)
	case kindReport:
		s.report.changed, err = w.store.Report(&s.report.Report, &s.report.row)
	case kindPause:
		err = w.store.Pause(s.channel, s.since)
	case kindClaim:
		s.claim.kept, err = w.store.Claim(&s.claim.Name, full != nil)
		if errors.Is(err, journal.ErrNotFound) { // there is no room for a new one
			err, s.res.err = nil, full
		}
	case kindSweep:
		s.res.touched, err = w.store.Sweep()
	case kindForget:
		s.res.erased, err = w.store.Forget(s.erasure)
	}
	if errors.Is(err, journal.ErrNotFound) || errors.Is(err, journal.ErrNotDead) || errors.Is(err, journal.ErrPending) {
		s.res.err, err = err, nil
	}
	return err
}

func (w *Writer) doAccept(g *group, s *step, full error) error {
	if full != nil {
		return w.acceptFull(g, s, full)
	}
	s.res.verdicts = make([]journal.Verdict, len(s.entries))
	for i := range s.entries {
		var err error
		g.rows = append(g.rows, journal.Row{})
		row := &g.rows[len(g.rows)-1]
		s.res.verdicts[i], err = w.store.Accept(&s.entries[i], row)
		if err != nil {
			return err
		}
		g.settle(row)
	}
	return nil
}

// acceptFull answers repeats, which take no room, and refuses all else.
func (w *Writer) acceptFull(g *group, s *step, full error) error {
	rows := make([]journal.Row, len(s.entries))
	for i := range s.entries {
		known, err := w.store.Known(&s.entries[i], &rows[i])
		if err != nil {
			return err
		}
		if !known {
			s.res.err = full
			return nil
		}
	}
	s.res.verdicts = make([]journal.Verdict, len(s.entries))
	for i := range rows {
		s.res.verdicts[i] = journal.Repeat
		g.rows = append(g.rows, rows[i])
		g.settle(&g.rows[len(g.rows)-1])
	}
	return nil
}

// settle drops the group's last row when it is not to be handed over.
func (g *group) settle(row *journal.Row) {
	if row.Seq == 0 {
		g.rows = g.rows[:len(g.rows)-1]
		return
	}
	if row.Repeat {
		g.repeats++
	}
}

// finish tells everybody, after the commit: the lanes first.
func (w *Writer) finish(g *group) {
	if now := w.store.Full(); now != nil || w.Health() != nil {
		w.setHealth(now)
	}
	if g.repeats > 0 {
		g.dropFinished()
	}
	w.tell(func() {
		w.onCommitRows(g.rows)
		for _, s := range g.steps {
			s.finish()
		}
	})
}

// dropFinished takes out repeats of rows that a later step of the same group
// finished: they are not pending any more.
func (g *group) dropFinished() {
	finished := make(map[int64]bool)
	for _, s := range g.steps {
		for i := range s.changes {
			if c := &s.changes[i]; c.Seq != 0 && !c.State.Pending() {
				finished[c.Seq] = true
			}
		}
	}
	rows := g.rows[:0]
	for i := range g.rows {
		if !g.rows[i].Repeat || !finished[g.rows[i].Seq] {
			rows = append(rows, g.rows[i])
		}
	}
	g.rows = rows
}

// away fails steps because the storage cannot be written; changes are kept.
func (w *Writer) away(steps []*step, cause error) {
	w.setHealth(cause)
	for _, s := range steps {
		if s.kind == kindChange {
			w.kept = append(w.kept, s)
			continue
		}
		s.res = result{err: cause}
		w.tell(s.finish)
	}
}
