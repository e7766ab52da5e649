package writer

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/gateway/journal"
)

// Remains are the ids of forgotten rows: keyed hashes from which neither the id
// nor the conversation can be read. Few customers are forgotten, so they are
// held in memory; a driver that has a disk keeps them there, too.
//
// The writer's goroutine changes them; what a transaction did it undoes with
// RolledBack.
type Remains struct {
	salt  []byte
	keep  time.Duration
	count atomic.Int64

	mu   sync.RWMutex
	ids  map[int64]Remnant
	undo []func() // by this transaction
}

// Remnant is what is kept of a forgotten row.
type Remnant struct {
	State journal.State // Done or Dead
	Ended time.Time
}

// NewRemains makes an empty set; keep is Options.KeepIDs.
func NewRemains(salt []byte, keep time.Duration) *Remains {
	return &Remains{salt: salt, keep: keep, ids: make(map[int64]Remnant)}
}

// Key is the hash of an id. With a million of them known, one new id in 10^13 is
// taken for one of them.
func (r *Remains) Key(lane journal.Lane, id journal.IDHash) int64 {
	h := sha256.New()
	var n [8]byte
	put := func(text string) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(text)))
		h.Write(n[:])
		h.Write([]byte(text))
	}
	h.Write(r.salt)
	put("forgotten")
	put(lane.Channel)
	put(lane.Direction.String())
	put(lane.TrackingID)
	put(id.ID)
	binary.LittleEndian.PutUint64(n[:], id.TextHash)
	h.Write(n[:])
	return int64(binary.LittleEndian.Uint64(h.Sum(nil)))
}

// Knows tells whether an entry repeats a forgotten row. While nobody was
// forgotten it costs nothing.
func (r *Remains) Knows(e *journal.Entry) bool {
	if r.count.Load() == 0 {
		return false
	}
	_, ok := r.get(e.Lane, journal.IDHash{ID: e.ID, TextHash: e.TextHash})
	return ok
}

func (r *Remains) get(lane journal.Lane, id journal.IDHash) (Remnant, bool) {
	k := r.Key(lane, id)
	r.mu.RLock()
	defer r.mu.RUnlock()
	one, ok := r.ids[k]
	return one, ok
}

// Fill puts forgotten rows where nothing was found, as they ended.
func (r *Remains) Fill(lane journal.Lane, keys []journal.IDHash, found []*journal.Row) {
	if r.count.Load() == 0 {
		return
	}
	for i, k := range keys {
		if one, ok := r.get(lane, k); ok && found[i] == nil {
			found[i] = &journal.Row{
				Entry: journal.Entry{Lane: lane, ID: k.ID, TextHash: k.TextHash}, State: one.State, EndedAt: one.Ended,
			}
		}
	}
}

// Add takes a row in.
func (r *Remains) Add(k int64, one Remnant) { r.set(k, &one) }

// Drop takes one out.
func (r *Remains) Drop(k int64) { r.set(k, nil) }

func (r *Remains) set(k int64, one *Remnant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, had := r.ids[k]
	r.undo = append(r.undo, func() {
		if delete(r.ids, k); had {
			r.ids[k] = old
		}
	})
	if delete(r.ids, k); one != nil {
		r.ids[k] = *one
	}
	r.count.Store(int64(len(r.ids)))
}

// Over lists those whose time is over, limit at most.
func (r *Remains) Over(now time.Time, limit int) (keys []int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for k, one := range r.ids {
		if len(keys) == limit {
			break
		}
		if now.Sub(one.Ended) >= r.keep {
			keys = append(keys, k)
		}
	}
	return keys
}

// Committed makes what the transaction did final.
func (r *Remains) Committed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.undo)
	r.undo = r.undo[:0]
}

// RolledBack undoes it.
func (r *Remains) RolledBack() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.undo) > 0 {
		last := len(r.undo) - 1
		r.undo[last]()
		r.undo = r.undo[:last]
	}
	r.count.Store(int64(len(r.ids)))
}
