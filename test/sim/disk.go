package sim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/memory"
	"servicelink/gateway/journal/sqlite"
)

// disk keeps a run's journal between processes. A crash of a process leaves
// what it had written to its files, synced or not: the kernel has it. So the
// files are copied as they stand at that moment, and the next process opens the
// copy; what the old one still does to its own is lost. Syncing changes nothing
// in this, which is why the files may lie in memory.
type disk struct {
	base     string
	volatile bool
	gen      int // journals begun so far
	copies   int
	dir      string // of the next process; "" = a new journal
	// age makes journals older than they are.
	age time.Duration
}

func (d *disk) path() string { return filepath.Join(d.dir, "journal.db") }

// fresh gives the next process an empty journal.
func (d *disk) fresh() {
	d.gen++
	d.next()
}

func (d *disk) next() {
	d.copies++
	d.dir = filepath.Join(d.base, fmt.Sprint(d.copies))
}

// crash copies the files. It is called while nobody writes, or by who does
// between two transactions.
func (d *disk) crash() error {
	from := d.dir
	d.next()
	if d.volatile {
		d.gen++
		return nil
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"journal.db", "journal.db-wal"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(d.dir, name), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *disk) open(ctx context.Context, o journal.Options) (journal.Journal, error) {
	if d.volatile {
		return memory.Open(o)
	}
	return sqlite.Open(ctx, d.path(), o)
}

// simJournal is one process's sight of the disk, until it dies.
type simJournal struct {
	journal.Journal
	w    *world
	life *life
	age  time.Duration
	// away and full say what the journal does now.
	away, full bool
	well       time.Time // when it last got well
	// ends are the rows whose end is written, or about to be.
	ends map[int64]journal.Change
}

var _ journal.Journal = (*simJournal)(nil)

// refuses tells why nothing is taken now.
func (j *simJournal) refuses(accept bool) error {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	switch {
	case j.life.dead, j.away:
		return journal.ErrAway
	case accept && j.full:
		return journal.ErrFull
	}
	return nil
}

func (j *simJournal) Born() time.Time { return j.Journal.Born().Add(-j.age) }

func (j *simJournal) Health() error {
	if err := j.refuses(true); err != nil {
		return err
	}
	return j.Journal.Health()
}

func (j *simJournal) Accept(ctx context.Context, e ...journal.Entry) ([]journal.Verdict, error) {
	if err := j.refuses(true); err != nil {
		return nil, err
	}
	v, err := j.Journal.Accept(ctx, e...)
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	if j.life.dead || j.w.point(atAccepted) {
		return nil, journal.ErrAway
	}
	return v, err
}

func (j *simJournal) Submit(e []journal.Entry, done func([]journal.Verdict, error)) {
	if err := j.refuses(true); err != nil {
		go done(nil, err)
		return
	}
	j.Journal.Submit(e, done)
}

func (j *simJournal) Apply(c ...journal.Change) {
	// While the journal is away changes wait in memory: here they just go on.
	j.w.mu.Lock()
	dead := j.life.dead
	j.notes("apply", c)
	j.w.mu.Unlock()
	if !dead {
		j.Journal.Apply(c...)
	}
}

func (j *simJournal) Commit(ctx context.Context, c ...journal.Change) error {
	for {
		j.w.mu.Lock()
		away, dead := j.away, j.life.dead
		j.w.mu.Unlock()
		if dead {
			return journal.ErrAway
		}
		if !away {
			break
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	err := j.Journal.Commit(ctx, c...)
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	j.notes("commit", c)
	if j.life.dead || j.w.point(atCommit) {
		return journal.ErrAway
	}
	return err
}

func (j *simJournal) Refill(l journal.Lane, n int, fn func([]journal.Row, bool, error)) {
	if err := j.refuses(false); err != nil {
		go fn(nil, false, err)
		return
	}
	j.Journal.Refill(l, n, fn)
}

func (j *simJournal) Find(ctx context.Context, l journal.Lane, k ...journal.IDHash) ([]*journal.Row, error) {
	if err := j.refuses(false); err != nil {
		return nil, err
	}
	return j.Journal.Find(ctx, l, k...)
}

func (j *simJournal) Lanes(ctx context.Context, channel string, dir journal.Direction) ([]journal.LaneInfo, error) {
	if err := j.refuses(false); err != nil {
		return nil, err
	}
	return j.Journal.Lanes(ctx, channel, dir)
}

func (j *simJournal) Conversation(ctx context.Context, channel, tracking string) (journal.Conversation, bool, error) {
	if err := j.refuses(false); err != nil {
		return journal.Conversation{}, false, err
	}
	return j.Journal.Conversation(ctx, channel, tracking)
}

func (j *simJournal) Claim(ctx context.Context, n journal.Name) (journal.Name, error) {
	if err := j.refuses(false); err != nil {
		return journal.Name{}, err
	}
	return j.Journal.Claim(ctx, n)
}

func (j *simJournal) Named(ctx context.Context, key string) ([]journal.Name, error) {
	if err := j.refuses(false); err != nil {
		return nil, err
	}
	return j.Journal.Named(ctx, key)
}

func (j *simJournal) Requeue(ctx context.Context, seq int64) error {
	if err := j.refuses(true); err != nil {
		return err
	}
	return j.Journal.Requeue(ctx, seq)
}

// notes leaves changes in the timeline.
func (j *simJournal) notes(how string, changes []journal.Change) {
	for i := range changes {
		if c := &changes[i]; c.Seq != 0 {
			if !c.State.Pending() {
				j.ends[c.Seq] = *c
			}
			j.w.note("journal %d: %s row %d %v %s", j.life.n, how, c.Seq, c.State, c.Reason)
		}
	}
}

// Close reads, before a journal in memory goes, what it says of every message.
func (j *simJournal) Close() error {
	j.w.mu.Lock()
	look := !j.life.dead && j.w.disk.volatile
	j.w.mu.Unlock()
	if look {
		_, _ = j.Sweep(context.Background()) // behind every change that is queued
		j.w.mu.Lock()
		j.w.collect(j.life, true)
		j.w.mu.Unlock()
	}
	return j.Journal.Close()
}

// onCommit stands between the writer and the engine.
func (j *simJournal) onCommit(to func([]journal.Row)) func([]journal.Row) {
	return func(rows []journal.Row) {
		j.w.mu.Lock()
		for i := range rows {
			j.w.note("journal %d: %v %s is row %d", j.life.n, rows[i].Lane.Direction, rows[i].ID, rows[i].Seq)
		}
		dead := j.life.dead || j.w.point(atCommitted)
		j.w.mu.Unlock()
		if dead {
			return
		}
		to(rows)
		j.w.mu.Lock()
		j.w.point(atHandedOver)
		j.w.mu.Unlock()
	}
}
