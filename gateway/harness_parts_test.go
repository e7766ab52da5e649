package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/memory"
)

// pipeListener is a core's listener without a network.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	open   []net.Conn
	away   atomic.Bool
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	if !l.lists(ours, theirs) {
		return nil, errors.New("core is away")
	}
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lists has breakAll know a connection, unless the core is away: who makes it be
// away and then breaks all leaves none behind.
func (l *pipeListener) lists(ours, theirs net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away.Load() {
		return false
	}
	l.open = append(l.open, ours, theirs)
	return true
}

// breakAll cuts every connection.
func (l *pipeListener) breakAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// logBook keeps what is logged.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// disk is a journal that outlives gateways, without files.
type disk struct {
	mem      *memory.Journal
	volatile bool
	age      time.Duration
	// unread is how often the pending lanes cannot be read.
	unread atomic.Int64
	// seek is how long it takes to find a lane's rows.
	seek atomic.Int64
	mu   sync.Mutex
	sink func([]journal.Row)
}

func newDisk() *disk {
	d := &disk{}
	var err error
	d.mem, err = memory.Open(journal.Options{OnCommit: func(rows []journal.Row) {
		d.mu.Lock()
		sink := d.sink
		d.mu.Unlock()
		if sink != nil {
			sink(rows)
		}
	}})
	if err != nil {
		panic(err)
	}
	return d
}

func (d *disk) Close() { _ = d.mem.Close() }

// mount gives the disk to a gateway until it crashes.
func (d *disk) mount(o journal.Options) *cutJournal {
	c := &cutJournal{Journal: d.mem, d: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sink = func(rows []journal.Row) {
		if !c.dead.Load() {
			o.OnCommit(rows)
		}
	}
	return c
}

// cutJournal is one gateway's sight of the disk.
type cutJournal struct {
	journal.Journal
	d    *disk
	dead atomic.Bool
	// away makes the journal refuse to take anything.
	away atomic.Bool
	// blind makes it find nothing.
	blind atomic.Bool
	// immortal keeps it from burying anybody.
	immortal atomic.Bool
	// slow is how long it takes to commit, as if it were away meanwhile.
	slow atomic.Int64
	// sick is its Health, size its Size when they are set.
	sick    atomic.Pointer[error]
	size    atomic.Int64
	refills atomic.Int64
}

func (c *cutJournal) Health() error {
	if sick := c.sick.Load(); sick != nil {
		return *sick
	}
	return c.Journal.Health()
}

func (c *cutJournal) Lanes(ctx context.Context, channel string, dir journal.Direction) ([]journal.LaneInfo, error) {
	if c.d.unread.Add(-1) >= 0 {
		return nil, journal.ErrAway
	}
	return c.Journal.Lanes(ctx, channel, dir)
}

func (c *cutJournal) Size() int64 { return cmp.Or(c.size.Load(), c.Journal.Size()) }

func (c *cutJournal) Close() error    { return nil }
func (c *cutJournal) Volatile() bool  { return c.d.volatile }
func (c *cutJournal) Born() time.Time { return c.Journal.Born().Add(-c.d.age) }

func (c *cutJournal) Accept(ctx context.Context, e ...journal.Entry) ([]journal.Verdict, error) {
	if c.dead.Load() || c.away.Load() {
		return nil, journal.ErrAway
	}
	return c.Journal.Accept(ctx, e...)
}

func (c *cutJournal) Submit(e []journal.Entry, done func([]journal.Verdict, error)) {
	if c.dead.Load() || c.away.Load() {
		go done(nil, journal.ErrAway)
		return
	}
	c.Journal.Submit(e, done)
}

func (c *cutJournal) Find(ctx context.Context, l journal.Lane, k ...journal.IDHash) ([]*journal.Row, error) {
	if c.dead.Load() || c.blind.Load() {
		return nil, journal.ErrAway
	}
	return c.Journal.Find(ctx, l, k...)
}

func (c *cutJournal) Apply(ch ...journal.Change) {
	if !c.dead.Load() {
		c.Journal.Apply(ch...)
	}
}

func (c *cutJournal) Commit(ctx context.Context, ch ...journal.Change) error {
	if c.dead.Load() || c.immortal.Load() && ch[0].State == journal.Dead {
		<-ctx.Done()
		return journal.ErrAway
	}
	sleep(ctx, time.Duration(c.slow.Load()))
	return c.Journal.Commit(ctx, ch...)
}

func (c *cutJournal) Report(ctx context.Context, r journal.Report) (journal.Row, bool, error) {
	if c.dead.Load() || c.away.Load() {
		return journal.Row{}, false, journal.ErrAway
	}
	return c.Journal.Report(ctx, r)
}

func (c *cutJournal) Refill(l journal.Lane, n int, fn func([]journal.Row, bool, error)) {
	if c.refills.Add(1) > 10_000 {
		panic("a lane does nothing but ask the journal") // time would stand still
	}
	if c.dead.Load() {
		go fn(nil, false, journal.ErrAway)
		return
	}
	if d := time.Duration(c.d.seek.Load()); d > 0 {
		time.AfterFunc(d, func() { c.Journal.Refill(l, n, fn) })
		return
	}
	c.Journal.Refill(l, n, fn)
}
