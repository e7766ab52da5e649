package memory

import (
	"context"
	"slices"

	"servicelink/gateway/journal"
)

// list has Listed find a row.
func (s *store) list(r *journal.Row) {
	seqs := s.listed[r.Lane]
	if i, there := slices.BinarySearch(seqs, r.Seq); !there {
		s.listed[r.Lane] = slices.Insert(seqs, i, r.Seq)
	}
}

// Listed is journal.Journal's.
func (j *Journal) Listed(ctx context.Context, q journal.ListedQuery) (rows []journal.Row, err error) {
	err = j.view(ctx, func(s *store) {
		seqs := s.listed[q.Lane]
		for _, seq := range seqs[max(0, len(seqs)-q.Recent):] {
			if r := s.rows[seq]; slices.ContainsFunc(r.Parts, func(p journal.Part) bool { return reportable(p, q) }) {
				rows = append(rows, *r)
			}
		}
	})
	return rows, err
}

func reportable(p journal.Part, q journal.ListedQuery) bool {
	if q.NetworkID != "" {
		return p.NetworkID == q.NetworkID
	}
	return p.State == journal.PartSent && !p.At.After(q.SentBy) && p.Status < q.Status
}
