package memory

import (
	"context"
	"strings"

	"servicelink/gateway/journal"
)

// Arrivals is journal.Counter's. The writer waits for it, as for every look through
// all rows: some 100 ms for a million of them.
func (j *Journal) Arrivals(ctx context.Context, q journal.ArrivalsQuery) (map[string]journal.Arrivals, error) {
	all := make(map[string]journal.Arrivals)
	err := j.view(ctx, func(s *store) {
		for _, r := range s.rows {
			if r.Lane.Direction != journal.In || r.AcceptedAt.Before(q.Since) || !r.AcceptedAt.Before(q.Until) ||
				q.Except != "" && strings.HasPrefix(r.ID, q.Except) {
				continue
			}
			a := all[r.Lane.Channel]
			a.Add(1, r.AcceptedAt)
			all[r.Lane.Channel] = a
		}
	})
	return all, err
}
