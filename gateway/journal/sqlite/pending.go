package sqlite

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"slices"
	"sync"

	"servicelink/gateway/journal"
)

// placesKept is how many rows' places are kept, in two generations of this size:
// of what was neither accepted nor handed out while one filled up, the row tells.
const placesKept = 1 << 15

// place is where a pending row belongs.
type place struct {
	account *account
	lane    int64
}

// pending knows the pending rows of every lane, 8 bytes a row and about 100 a
// lane. Whoever asks what waits, or where a lane goes on, would otherwise read
// the whole backlog again each time.
//
// The writer's goroutine changes it, and only when a transaction is committed;
// mu lets readers look, who so see the rows and the ledger's counters of one
// moment.
type pending struct {
	mu    sync.RWMutex
	lanes map[*account]map[int64][]int64 // Seqs of a lane, ascending

	moved      []pendingMove // by this transaction
	young, old map[int64]place
}

type pendingMove struct {
	place
	seq   int64
	ended bool
}

// load reads the index of pending rows, which holds all it takes.
func (p *pending) load(c *conn, l *ledger) error {
	p.lanes, p.young = make(map[*account]map[int64][]int64), make(map[int64]place)
	all := c.prepare("SELECT lane, seq FROM message INDEXED BY message_pending WHERE state < 3 ORDER BY seq >> 12, lane, seq")
	channel := c.prepare("SELECT channel FROM conversation WHERE id = ?")
	if c.err != nil {
		return c.err
	}
	for _, a := range l.accounts {
		p.of(a)
	}
	lanes := make(map[int64][]int64)
	err := all.each(func(v []driver.Value) error {
		lane := asInt(v[0])
		lanes[lane] = append(lanes[lane], asInt(v[1]))
		return nil
	})
	if err != nil {
		return err
	}
	for lane, seqs := range lanes {
		v, err := channel.first(lane >> 1)
		if err != nil {
			return err
		}
		if v != nil {
			p.of(l.get(asText(v[0]), direction(lane)))[lane] = slices.Clip(seqs)
		}
	}
	return p.agrees(l)
}

// agrees compares what was found with the ledger: a row that is not in the index
// would wait for good, and nobody would be told.
func (p *pending) agrees(l *ledger) error {
	for _, a := range l.accounts {
		found := 0
		for _, seqs := range p.lanes[a] {
			found += len(seqs)
		}
		if int64(found) != a.Pending {
			return fmt.Errorf("%w: %d rows are pending by the ledger and %d by their index", errDamaged, a.Pending, found)
		}
	}
	return nil
}

// of gives the lanes of an account.
func (p *pending) of(a *account) map[int64][]int64 {
	lanes := p.lanes[a]
	if lanes == nil {
		lanes = make(map[int64][]int64)
		p.lanes[a] = lanes
	}
	return lanes
}

// place gives where a row is known to be pending; its account is nil when that
// is not known.
func (p *pending) place(seq int64) place {
	if at, ok := p.young[seq]; ok {
		return at
	}
	return p.old[seq]
}

// keep remembers a row's place.
func (p *pending) keep(seq int64, at place) {
	if len(p.young) >= placesKept {
		p.young, p.old = make(map[int64]place, placesKept), p.young
	}
	p.young[seq] = at
}

func (p *pending) drop(seq int64) {
	delete(p.young, seq)
	delete(p.old, seq)
}

// begins notes that a row became pending.
func (p *pending) begins(seq int64, at place) {
	p.moved = append(p.moved, pendingMove{place: at, seq: seq})
}

// ends notes that a row is pending no more.
func (p *pending) ends(seq int64, at place) {
	p.drop(seq)
	p.moved = append(p.moved, pendingMove{place: at, seq: seq, ended: true})
}

// committed takes in what the transaction did, and the ledger's counters.
func (p *pending) committed(l *ledger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range l.dirty {
		p.of(a)
	}
	l.committed()
	for _, m := range p.moved {
		lanes := p.of(m.account)
		seqs := lanes[m.lane]
		i, found := slices.BinarySearch(seqs, m.seq)
		switch {
		case found != m.ended:
		case !m.ended:
			lanes[m.lane] = slices.Insert(seqs, i, m.seq)
		case len(seqs) == 1:
			delete(lanes, m.lane)
		default:
			// Rows end near the head, so that side is the one to move.
			copy(seqs[1:i+1], seqs[:i])
			lanes[m.lane] = seqs[1:]
		}
	}
	clear(p.moved)
	p.moved = p.moved[:0]
}

func (p *pending) rolledBack() {
	clear(p.moved)
	p.moved = p.moved[:0]
	clear(p.young) // a Seq may come again for another lane
	clear(p.old)
}

// first gives the first rows of a lane, limit at most, and whether there are
// more. Outside a transaction, by the writer's goroutine.
func (p *pending) first(a *account, lane int64, limit int) (seqs []int64, more bool) {
	all := p.lanes[a][lane]
	return all[:min(limit, len(all))], len(all) > limit
}

// laneCount is a lane with pending rows, as a reader sees it.
type laneCount struct{ number, first, rows int64 }

// list gives the lanes of a channel and direction that have pending rows, the
// one with the oldest row first.
func (p *pending) list(k journal.LedgerKey) []laneCount {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var list []laneCount
	for a, lanes := range p.lanes {
		if a.key != k {
			continue
		}
		list = make([]laneCount, 0, len(lanes))
		for number, seqs := range lanes {
			list = append(list, laneCount{number, seqs[0], int64(len(seqs))})
		}
	}
	slices.SortFunc(list, func(a, b laneCount) int { return cmp.Compare(a.first, b.first) })
	return list
}

// book is a line of the ledger, as a reader sees it.
type book struct {
	journal.Counts
	oldest int64 // the first pending row; 0 = none
}

// books gives the ledger: counters and oldest rows of one moment.
func (p *pending) books() map[journal.LedgerKey]book {
	p.mu.RLock()
	defer p.mu.RUnlock()
	books := make(map[journal.LedgerKey]book, len(p.lanes))
	for a, lanes := range p.lanes {
		b := book{Counts: a.saved}
		for _, seqs := range lanes {
			if b.oldest == 0 || seqs[0] < b.oldest {
				b.oldest = seqs[0]
			}
		}
		books[a.key] = b
	}
	return books
}
