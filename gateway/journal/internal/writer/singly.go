package writer

import (
	"servicelink/gateway/journal"
)

// doSingly writes a group step by step, each in its own transaction, after the
// group failed for another reason than the storage being away (rule 6). What
// fails alone is the culprit.
func (w *Writer) doSingly(steps []*step, full error) {
	for i, s := range steps {
		g := &group{steps: []*step{s}}
		err := w.try(g, full)
		if err != nil && w.store.Away(err) == nil {
			err = w.doRefused(g, s, err)
		}
		if err != nil {
			if away := w.store.Away(err); away != nil {
				w.away(steps[i:], away)
				return
			}
			s.res = result{err: w.awayError(err)}
			g.rows, g.repeats = nil, 0
		}
		w.finish(g)
	}
}

// doRefused saves what can be saved of a step that was refused alone.
func (w *Writer) doRefused(g *group, s *step, cause error) error {
	switch s.kind {
	case kindAccept:
		return w.acceptSingly(g, s)
	case kindChange:
		return w.changeSingly(g, s)
	default:
		return cause
	}
}

// acceptSingly journals an accept entry by entry. An entry refused alone is
// kept as a dead letter, without content if that was the cause.
func (w *Writer) acceptSingly(g *group, s *step) error {
	verdicts := make([]journal.Verdict, 0, len(s.entries))
	var rows []journal.Row
	repeats := 0
	for _, e := range s.entries {
		one := &group{steps: []*step{{kind: kindAccept, entries: []journal.Entry{e}}}}
		err := w.try(one, nil)
		if err != nil && w.store.Away(err) == nil {
			one.steps[0].entries[0].DeadReason = Refused
			err = w.try(one, nil)
		}
		if err != nil && w.store.Away(err) == nil {
			one.steps[0].entries[0].Content = nil
			err = w.try(one, nil)
		}
		if err != nil {
			// Entries before this one are committed: their repeats are known.
			w.tell(func() { w.onCommitRows(rows) })
			return err
		}
		verdicts = append(verdicts, one.steps[0].res.verdicts...)
		rows = append(rows, one.rows...)
		repeats += one.repeats
	}
	s.res = result{verdicts: verdicts}
	g.rows, g.repeats = rows, repeats
	return nil
}

func (w *Writer) onCommitRows(rows []journal.Row) {
	if len(rows) > 0 {
		w.onCommit(rows)
	}
}

// changeSingly applies changes one by one, and one that is refused alone again
// without its parts and hint: the row's state matters most.
func (w *Writer) changeSingly(g *group, s *step) error {
	var refused error
	for _, c := range s.changes {
		one := &group{steps: []*step{{kind: kindChange, changes: []journal.Change{c}}}}
		err := w.try(one, nil)
		if err != nil && w.store.Away(err) == nil {
			one.steps[0].changes[0].Parts, one.steps[0].changes[0].Hint = nil, ""
			err = w.try(one, nil)
		}
		if err != nil {
			if w.store.Away(err) != nil {
				return err
			}
			refused = err
		}
	}
	g.rows = nil
	s.res = result{}
	if refused != nil {
		s.res.err = w.awayError(refused)
	}
	return nil
}
