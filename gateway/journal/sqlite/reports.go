package sqlite

import (
	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// reported are the pending rows of which something was reported, about 50 bytes
// each. Few rows get a report before they end, so a change of the others' parts
// need not read what is recorded of them. A row may be here in vain; one that is
// missing would lose its reports. So it is noted where it is reported and wherever
// it is handed out: who goes on with what an earlier process began makes parts anew.
type reported struct {
	rows map[int64]struct{}
	over []int64 // were taken out by this transaction
}

func newReported() reported { return reported{rows: make(map[int64]struct{})} }

// note takes a pending row in when something was reported of it.
func (p *reported) note(r *journal.Row) {
	if r.State.Pending() && writer.Reported(r.Parts) {
		p.rows[r.Seq] = struct{}{}
	}
}

// ends takes a row out that is pending no more.
func (p *reported) ends(seq int64) {
	if _, is := p.rows[seq]; is {
		delete(p.rows, seq)
		p.over = append(p.over, seq)
	}
}

func (p *reported) committed() { p.over = p.over[:0] }

func (p *reported) rolledBack() {
	for _, seq := range p.over {
		p.rows[seq] = struct{}{}
	}
	p.over = p.over[:0]
}

// keepReported gives the parts of a change with what was reported of them.
func (s *store) keepReported(c *journal.Change) ([]journal.Part, error) {
	if _, is := s.reported.rows[c.Seq]; !is {
		return c.Parts, nil
	}
	var row journal.Row
	v, err := s.bySeq.first(c.Seq)
	if v == nil || err != nil {
		return c.Parts, err
	}
	if err := decodeRow(v, &row); err != nil {
		return nil, err
	}
	return writer.KeepReported(c.Parts, row.Parts), nil
}

// Report is writer.Store's.
func (s *store) Report(r *journal.Report, row *journal.Row) (changed bool, err error) {
	if err := s.batch.flush(); err != nil {
		return false, err
	}
	v, err := s.bySeq.first(r.Seq)
	if err != nil {
		return false, err
	}
	if v == nil {
		return false, journal.ErrNotFound
	}
	if err := decodeRow(v, row); err != nil {
		return false, err
	}
	if !writer.ApplyReport(row, r) {
		return false, nil
	}
	parts, err := encodeParts(row.Parts)
	if err != nil {
		return false, err
	}
	s.reported.note(row)
	_, err = s.setParts.exec(parts, r.Seq)
	return true, err
}
