package sqlite

import (
	"context"
	"database/sql/driver"
	"sort"
	"time"

	"servicelink/gateway/journal"
)

// arrivalsPiece is how many rows one query of Arrivals reads: a few milliseconds'
// work, so that no snapshot keeps the log from being written back.
const arrivalsPiece = 1 << 14

// Arrivals is journal.Counter's. There is no index by time, which would be the
// writer's work with every message: the place where the time begins is looked for,
// as rows are in the order of their times but for steps of the clock.
func (j *Journal) Arrivals(ctx context.Context, q journal.ArrivalsQuery) (map[string]journal.Arrivals, error) {
	all := make(map[string]journal.Arrivals)
	last, err := j.integer(ctx, "SELECT max(seq) FROM message")
	if err != nil {
		return nil, fail(ctx, err)
	}
	first, err := j.firstSince(ctx, q.Since, last)
	if err != nil {
		return nil, fail(ctx, err)
	}
	for ; first <= last; first += arrivalsPiece {
		began := time.Now()
		err := each(ctx, j.db, 3, func(v []driver.Value) error {
			a := all[asText(v[0])]
			a.Add(asInt(v[1]), asTime(asInt(v[2])))
			all[asText(v[0])] = a
			return nil
		}, `SELECT c.channel, count(*), max(m.accepted_at) FROM message m NOT INDEXED JOIN conversation c ON c.id = m.lane >> 1
			WHERE m.seq >= ?1 AND m.seq < ?1 + ?2 AND m.lane & 1 = 0 AND m.accepted_at >= ?3 AND m.accepted_at < ?4
			AND (?5 = '' OR substr(m.id, 1, length(?5)) <> ?5)
			GROUP BY c.channel, m.accepted_at / 3600000000`,
			first, arrivalsPiece, q.Since.UnixMicro(), q.Until.UnixMicro(), q.Except)
		if err != nil {
			return nil, fail(ctx, err)
		}
		rest(ctx, time.Since(began)) // half of one core at most
	}
	return all, nil
}

// firstSince is the first row, or a free number before it, that was accepted then or
// later; last + 1 when none was.
func (j *Journal) firstSince(ctx context.Context, since time.Time, last int64) (int64, error) {
	first, err := j.integer(ctx, "SELECT min(seq) FROM message")
	if err != nil {
		return 0, err
	}
	at := sort.Search(int(last-first+1), func(i int) bool {
		var accepted int64
		if err == nil {
			accepted, err = j.integer(ctx, "SELECT accepted_at FROM message WHERE seq >= ? ORDER BY seq LIMIT 1", first+int64(i))
		}
		return accepted >= since.UnixMicro()
	})
	return first + int64(at), err
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
