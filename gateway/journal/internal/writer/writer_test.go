package writer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"servicelink/gateway/journal"
)

// book is a store that writes down what shares a transaction.
type book struct {
	Store // what is not called here

	open   []string
	pages  []string // the transactions, "a b"
	refuse bool     // the next commit
	seq    int64
	hold   chan struct{} // entries called "hold" wait for it
}

func (b *book) Begin() error { b.open = nil; return nil }

func (b *book) Accept(e *journal.Entry, row *journal.Row) (journal.Verdict, error) {
	if e.ID == "hold" {
		<-b.hold
	}
	b.seq++
	*row = journal.Row{Entry: *e, Seq: b.seq, State: journal.Accepted}
	b.open = append(b.open, e.ID)
	return journal.New, nil
}

func (b *book) Commit() error {
	if b.refuse {
		b.refuse = false
		return journal.ErrAway
	}
	b.pages = append(b.pages, strings.Join(b.open, " "))
	return nil
}

func (b *book) Rollback()                                              { b.open = nil }
func (b *book) Pending(journal.Lane, int) ([]journal.Row, bool, error) { return nil, false, nil }
func (b *book) Full() error                                            { return nil }
func (b *book) Away(err error) error                                   { return err }
func (b *book) Probe() error                                           { return nil }
func (b *book) Close() error                                           { return nil }

// desk is a writer on a book, and what it has told.
type desk struct {
	*Writer
	b *book

	mu   sync.Mutex
	told []string
}

// atDesk runs a test on a writer that has just written a crowd, so that its next
// group stays open.
func atDesk(t *testing.T, test func(d *desk)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		d := &desk{b: &book{hold: make(chan struct{})}}
		d.Writer = Start(d.b, func(rows []journal.Row) {
			for _, r := range rows {
				d.say("hand " + r.ID)
			}
		})
		d.submit("hold")
		for i := range crowd {
			d.submit(fmt.Sprint(i))
		}
		d.goesOn()
		d.b.pages, d.told = nil, nil
		test(d)
		_ = d.Close()
	})
}

func (d *desk) say(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, what)
}

func (d *desk) submit(id string) {
	d.Submit([]journal.Entry{{ID: id}}, func(_ []journal.Verdict, err error) {
		if err != nil {
			id += " failed"
		}
		d.say(id)
	})
	synctest.Wait() // it has its place in the queue, or the writer has it
}

// goesOn lets the writer pass what it holds, until nothing is left to do.
func (d *desk) goesOn() {
	d.b.hold <- struct{}{}
	synctest.Wait()
}

func (d *desk) want(t *testing.T, pages, told []string) {
	t.Helper()
	if !slices.Equal(d.b.pages, pages) || !slices.Equal(d.told, told) {
		t.Errorf("transactions %q, told %q; want %q and %q", d.b.pages, d.told, pages, told)
	}
}

// TestCompany: who comes while a group is written joins it.
func TestCompany(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.submit("hold")
		d.submit("a")
		d.submit("b")
		d.goesOn()
		d.want(t, []string{"hold a b"}, []string{"hand hold", "hand a", "hand b", "hold", "a", "b"})
		d.submit("hold") // three are no crowd
		d.submit("c")
		d.goesOn()
		d.want(t, []string{"hold a b", "hold", "c"}, []string{
			"hand hold", "hand a", "hand b", "hold", "a", "b", "hand hold", "hold", "hand c", "c",
		})
	})
}

// TestCompanyShares: what becomes of a group becomes of those who joined it.
func TestCompanyShares(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.b.refuse = true
		d.submit("hold")
		d.submit("a")
		d.goesOn()
		d.want(t, nil, []string{"hold failed", "a failed"})
		if err := d.Health(); !errors.Is(err, journal.ErrAway) {
			t.Errorf("health %v", err)
		}
	})
}

// TestCompanyEndsInOrder: what is no part of a transaction is not overtaken, and
// all is told in the order of the calls.
func TestCompanyEndsInOrder(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.submit("hold")
		d.submit("a")
		d.Refill(journal.Lane{}, 1, func([]journal.Row, bool, error) { d.say("refill") })
		d.submit("b")
		d.goesOn()
		d.want(t, []string{"hold a", "b"}, []string{"hand hold", "hand a", "hold", "a", "refill", "hand b", "b"})
	})
}

// TestCompanyHasBounds: a group takes no more than its room.
func TestCompanyHasBounds(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.submit("hold")
		for i := range groupLimit {
			d.submit(fmt.Sprint(i))
		}
		d.goesOn()
		if len(d.b.pages) != 2 || len(strings.Fields(d.b.pages[0])) != groupLimit {
			t.Errorf("%d transactions, %q", len(d.b.pages), d.b.pages)
		}
	})
}

// TestCloseTellsAll: what came before Close is written and told.
func TestCloseTellsAll(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.submit("hold")
		d.submit("a")
		closed := make(chan error, 1)
		go func() { closed <- d.Close() }()
		synctest.Wait()
		d.goesOn()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		d.want(t, []string{"hold a"}, []string{"hand hold", "hand a", "hold", "a"})
	})
}
