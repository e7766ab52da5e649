package memory

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// What a row and a conversation cost beside their texts, in bytes: the structs,
// the map entries and the slices' slack.
const (
	rowCost  = 600
	convCost = 400
	sweepMax = 1000 // rows one Sweep touches
)

type convKey struct{ channel, trackingID string }

type rowKey struct {
	lane journal.Lane
	journal.IDHash
}

// ended is a row that finished, in the order of finishing.
type ended struct {
	seq   int64
	epoch int32
	at    time.Time
}

// store keeps everything in maps. The writer holds mu from Begin to Commit, so
// readers see whole transactions. No step fails half done: there is nothing to
// roll back.
type store struct {
	o    journal.Options
	born time.Time

	mu     sync.RWMutex
	closed bool
	seq    int64
	size   int64
	rows   map[int64]*journal.Row
	keys   map[rowKey]int64
	lanes  map[journal.Lane][]int64 // pending, ascending; none empty
	listed map[journal.Lane][]int64 // ascending; none empty
	convs  map[convKey]*journal.Conversation
	ledger map[journal.LedgerKey]*journal.Counts
	paused map[string]time.Time
	names  names
	// withContent and withID are done, and done or dead rows, waiting for
	// their times to be over.
	withContent, withID []ended
	remains             *writer.Remains
}

var _ writer.Store = (*store)(nil)

func newStore(o journal.Options) *store {
	return &store{
		o: o, born: o.Now(), remains: newRemains(o), paused: make(map[string]time.Time),
		rows: make(map[int64]*journal.Row), keys: make(map[rowKey]int64),
		lanes: make(map[journal.Lane][]int64), listed: make(map[journal.Lane][]int64), convs: make(map[convKey]*journal.Conversation),
		ledger: make(map[journal.LedgerKey]*journal.Counts),
	}
}

func (s *store) Begin() error     { s.mu.Lock(); return nil }
func (s *store) Commit() error    { s.remains.Committed(); s.mu.Unlock(); return nil }
func (s *store) Rollback()        { s.mu.Unlock() }
func (s *store) Probe() error     { return nil }
func (s *store) Away(error) error { return nil }

func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.rows, s.keys, s.lanes, s.listed, s.convs = nil, nil, nil, nil, nil
	return nil
}

// Full is called by the writer only, which is the only one that changes size.
func (s *store) Full() error {
	if s.o.MaxBytes > 0 && s.size >= s.o.MaxBytes {
		return fmt.Errorf("%w: %d of %d bytes are used", journal.ErrFull, s.size, s.o.MaxBytes)
	}
	return nil
}

func key(e *journal.Entry) rowKey {
	return rowKey{e.Lane, journal.IDHash{ID: e.ID, TextHash: e.TextHash}}
}

func cost(r *journal.Row) int64 {
	return int64(rowCost + len(r.ID) + len(r.Content) + len(r.ChatID) + len(r.Hint) + 64*len(r.Parts))
}

func (s *store) Known(e *journal.Entry, row *journal.Row) (bool, error) {
	seq, ok := s.keys[key(e)]
	if !ok {
		return s.remains.Knows(e), nil
	}
	if r := s.rows[seq]; r.State.Pending() {
		*row = *r
		row.Repeat = true
	}
	return true, nil
}

func (s *store) Accept(e *journal.Entry, row *journal.Row) (journal.Verdict, error) {
	if known, _ := s.Known(e, row); known {
		return journal.Repeat, nil
	}
	now := s.o.Now()
	c := s.conv(e.Lane.Channel, e.Lane.TrackingID)
	writer.MergeParty(&c.Party, e.Party)
	if c.Started.IsZero() {
		c.Started = now
	}
	c.LastSeen = now

	s.seq++
	r := &journal.Row{
		Seq: s.seq, Entry: *e, State: journal.Accepted,
		BaseChat: c.ChatID, BaseCounter: c.Counter, AcceptedAt: now,
	}
	r.Party = nil
	s.rows[r.Seq], s.keys[key(e)] = r, r.Seq
	s.size += cost(r)
	counts := s.counts(r)
	counts.Accepted++
	if e.DeadReason != "" {
		r.State, r.Reason, r.EndedAt = journal.Dead, e.DeadReason, now
		counts.Dead++
		s.withID = append(s.withID, ended{r.Seq, r.Epoch, now})
		return journal.Refused, nil
	}
	counts.Pending++
	s.lanes[e.Lane] = append(s.lanes[e.Lane], r.Seq)
	*row = *r
	return journal.New, nil
}

func (s *store) counts(r *journal.Row) *journal.Counts {
	k := journal.LedgerKey{Channel: r.Lane.Channel, Direction: r.Lane.Direction}
	c := s.ledger[k]
	if c == nil {
		c = new(journal.Counts)
		s.ledger[k] = c
	}
	return c
}

func (s *store) conv(channel, trackingID string) *journal.Conversation {
	k := convKey{channel, trackingID}
	c := s.convs[k]
	if c == nil {
		c = &journal.Conversation{Channel: channel, TrackingID: trackingID}
		s.convs[k] = c
		s.size += convCost
	}
	return c
}

func (s *store) Change(c *journal.Change) error {
	if c.Conv != nil {
		conv := s.conv(c.Conv.Channel, c.Conv.TrackingID)
		writer.MergeConv(conv, c.Conv)
		writer.MergeProfile(conv, c.Conv)
	}
	r := s.rows[c.Seq]
	if r == nil || r.Epoch != c.Epoch || !r.State.Pending() {
		return nil
	}
	if c.State < journal.Accepted || c.State > journal.Dead {
		return writer.ErrState
	}
	s.size -= cost(r)
	writer.Update(r, c, s.o.Now())
	s.size += cost(r)
	if c.Listed && c.Parts != nil {
		s.list(r)
	}
	if r.State.Pending() {
		return nil
	}
	s.leave(r)
	counts := s.counts(r)
	counts.Pending--
	e := ended{r.Seq, r.Epoch, r.EndedAt}
	s.withID = append(s.withID, e)
	if r.State == journal.Done {
		counts.Done++
		s.withContent = append(s.withContent, e)
	} else {
		counts.Dead++
	}
	return nil
}

// leave takes a row out of its lane's pending ones.
func (s *store) leave(r *journal.Row) { takeOut(s.lanes, r) }

// takeOut takes a row out of its lane's, where it is there.
func takeOut(lanes map[journal.Lane][]int64, r *journal.Row) {
	seqs := lanes[r.Lane]
	i, ok := slices.BinarySearch(seqs, r.Seq)
	switch {
	case !ok:
	case len(seqs) == 1:
		delete(lanes, r.Lane)
	case i == 0: // the usual case, without moving the rest
		lanes[r.Lane] = seqs[1:]
	default:
		lanes[r.Lane] = slices.Delete(seqs, i, i+1)
	}
}

func (s *store) Requeue(seq int64, row *journal.Row) error {
	r, err := s.dead(seq)
	if err != nil {
		return err
	}
	writer.Revive(r)
	seqs := s.lanes[r.Lane]
	i, _ := slices.BinarySearch(seqs, seq)
	s.lanes[r.Lane] = slices.Insert(seqs, i, seq)
	counts := s.counts(r)
	counts.Requeued++
	counts.Pending++
	*row = *r
	row.Loaded = true
	return nil
}

func (s *store) Discard(seq int64) error {
	r, err := s.dead(seq)
	if err != nil {
		return err
	}
	s.size -= cost(r)
	r.Reason, r.Hint, r.Content = writer.Discarded, "", nil
	s.size += cost(r)
	return nil
}

// Report is writer.Store's.
func (s *store) Report(report *journal.Report, row *journal.Row) (bool, error) {
	r := s.rows[report.Seq]
	if r == nil {
		return false, journal.ErrNotFound
	}
	changed := writer.ApplyReport(r, report)
	*row = *r
	return changed, nil
}

func (s *store) dead(seq int64) (*journal.Row, error) {
	r := s.rows[seq]
	switch {
	case r == nil:
		return nil, journal.ErrNotFound
	case r.State != journal.Dead || r.Reason == writer.Discarded:
		return nil, journal.ErrNotDead
	}
	return r, nil
}

// Sweep erases contents, then rows.
func (s *store) Sweep() (int, error) {
	now, touched := s.o.Now(), 0
	over := func(list *[]ended, keep time.Duration, erase func(*journal.Row)) {
		for touched < sweepMax && len(*list) > 0 && now.Sub((*list)[0].at) >= keep {
			e := (*list)[0]
			*list = (*list)[1:]
			if r := s.rows[e.seq]; r != nil && r.Epoch == e.epoch {
				erase(r)
				touched++
			}
		}
	}
	over(&s.withContent, s.o.KeepContent, func(r *journal.Row) {
		s.size -= int64(len(r.Content))
		r.Content = nil
	})
	over(&s.withID, s.o.KeepIDs, func(r *journal.Row) {
		s.size -= cost(r)
		delete(s.rows, r.Seq)
		delete(s.keys, key(&r.Entry))
		takeOut(s.listed, r)
	})
	touched += s.sweepNames(now, sweepMax-touched)
	for _, k := range s.remains.Over(now, sweepMax-touched) {
		s.remains.Drop(k)
		touched++
	}
	return touched, nil
}

func (s *store) Pending(lane journal.Lane, limit int) ([]journal.Row, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	seqs := s.lanes[lane]
	more := len(seqs) > limit
	seqs = seqs[:min(limit, len(seqs))]
	rows := make([]journal.Row, len(seqs))
	for i, seq := range seqs {
		rows[i] = *s.rows[seq]
		rows[i].Loaded = true
	}
	return rows, more, nil
}
