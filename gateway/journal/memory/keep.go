package memory

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

func newRemains(o journal.Options) *writer.Remains {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return writer.NewRemains(salt, o.KeepIDs)
}

// Forget is journal.Journal's. It is clean at once: there is no file.
func (j *Journal) Forget(ctx context.Context, channel, trackingID string) (journal.Forgotten, error) {
	f, err := j.Erase(ctx, writer.Erasure{Channel: channel, TrackingID: trackingID, Last: true})
	f.Clean = err == nil
	return f, err
}

// Forget is writer.Store's: all in one step.
func (s *store) Forget(e *writer.Erasure) (f journal.Forgotten, err error) {
	k := convKey{e.Channel, e.TrackingID}
	if s.convs[k] == nil {
		return f, journal.ErrNotFound
	}
	for _, d := range []journal.Direction{journal.In, journal.Out} {
		if len(s.lanes[journal.Lane{Channel: e.Channel, Direction: d, TrackingID: e.TrackingID}]) > 0 {
			return f, journal.ErrPending
		}
	}
	for seq, r := range s.rows {
		if r.Lane.Channel != e.Channel || r.Lane.TrackingID != e.TrackingID {
			continue
		}
		f.Messages++
		if r.State == journal.Dead && r.Reason != writer.Discarded {
			f.Dead++
		}
		id := key(&r.Entry)
		s.remains.Add(s.remains.Key(r.Lane, id.IDHash), writer.Remnant{State: r.State, Ended: r.EndedAt})
		s.size -= cost(r)
		delete(s.rows, seq)
		delete(s.keys, id)
		takeOut(s.listed, r)
	}
	s.forgetNames(e.Channel, e.TrackingID)
	delete(s.convs, k)
	s.size -= convCost
	return f, nil
}

// Wipe is writer.Store's: there is no file.
func (s *store) Wipe() (writer.Wiping, error) { return writer.Wiped, nil }

// Backup is journal.Journal's: there is nothing to copy.
func (j *Journal) Backup(context.Context, string) error { return journal.ErrNoFile }

// Verify is journal.Journal's.
func (j *Journal) Verify(ctx context.Context) (v journal.Verified, err error) {
	began := time.Now()
	err = j.view(ctx, func(s *store) {
		v.Rows, v.Conversations = int64(len(s.rows)), int64(len(s.convs))
		pending := make(map[journal.LedgerKey]int64)
		for _, r := range s.rows {
			if r.State.Pending() {
				v.Pending++
				pending[journal.LedgerKey{Channel: r.Lane.Channel, Direction: r.Lane.Direction}]++
			}
		}
		inLanes := 0
		for _, seqs := range s.lanes {
			inLanes += len(seqs)
		}
		if int64(inLanes) != v.Pending {
			v.Problems = append(v.Problems, fmt.Sprintf("%d rows are pending and %d stand in lanes", v.Pending, inLanes))
		}
		for k, c := range s.ledger {
			v.Problems = append(v.Problems, writer.Unbalanced(k, *c, pending[k])...)
		}
	})
	v.Took = time.Since(began)
	return v, err
}
