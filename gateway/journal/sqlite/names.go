package sqlite

import (
	"context"
	"database/sql/driver"
	"hash/fnv"
	"time"

	"servicelink/gateway/journal"
)

// naming is the writer's side of names.
type naming struct {
	find, add, over, cut, forget *stmt
}

const selectName = "SELECT channel, key, owner, tracking_id, value, at FROM name WHERE k = ? AND key = ?"

func (n *naming) prepare(c *conn) {
	n.find = c.prepare(selectName + " AND channel = ? ORDER BY seq LIMIT 1")
	n.add = c.prepare("INSERT INTO name (k, c, channel, key, owner, tracking_id, value, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
	// Those claimed first, as far as their time is over. At is close to their order.
	n.over = c.prepare("SELECT seq, at FROM name ORDER BY seq LIMIT ?")
	n.cut = c.prepare("DELETE FROM name WHERE seq <= ?")
	n.forget = c.prepare("DELETE FROM name WHERE c = ? AND channel = ? AND tracking_id = ?")
}

// hashOf gives texts as one integer; none runs into the next.
func hashOf(texts ...string) int64 {
	h := fnv.New64a()
	for _, text := range texts {
		_, _ = h.Write([]byte(text))
		_, _ = h.Write([]byte{0xff}) // in no UTF-8
	}
	return int64(h.Sum64())
}

// asName reads selectName's columns.
func asName(v []driver.Value) journal.Name {
	return journal.Name{
		Channel: asText(v[0]), Key: asText(v[1]), Owner: asText(v[2]), TrackingID: asText(v[3]), Value: asBytes(v[4]), At: asTime(v[5]),
	}
}

// Claim is writer.Store's.
func (s *store) Claim(n *journal.Name, known bool) (journal.Name, error) {
	v, err := s.naming.find.first(hashOf(n.Key), n.Key, n.Channel)
	switch {
	case err != nil:
		return journal.Name{}, err
	case v != nil:
		return asName(v), nil
	case known:
		return journal.Name{}, journal.ErrNotFound
	}
	s.written += int64(rowCost + len(n.Key) + len(n.Value))
	_, err = s.naming.add.exec(hashOf(n.Key), hashOf(n.Channel, n.TrackingID), n.Channel, n.Key, n.Owner, n.TrackingID, n.Value, n.At.UnixMicro())
	return *n, err
}

// Named is journal.Journal's.
func (j *Journal) Named(ctx context.Context, key string) (found []journal.Name, err error) {
	err = each(ctx, j.db, 6, func(v []driver.Value) error {
		found = append(found, asName(v))
		return nil
	}, selectName+" ORDER BY seq", hashOf(key), key)
	return found, fail(ctx, err)
}

// sweepNames erases the oldest names whose time is over.
func (s *store) sweepNames(now time.Time) (n int, err error) {
	cut, last := now.Add(-s.o.KeepNames).UnixMicro(), int64(0)
	older := true
	err = s.naming.over.each(func(v []driver.Value) error {
		if older = older && asInt(v[1]) <= cut; older {
			last = asInt(v[0])
			n++
		}
		return nil
	}, int64(sweepRows))
	if err != nil || n == 0 {
		return 0, err
	}
	_, err = s.naming.cut.exec(last)
	return n, err
}
