package journaltest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/gateway/journal"
)

// name is one of a mailbox.
func (h *harness) name(key, owner string) journal.Name {
	return journal.Name{
		Channel: "mailbox", Key: key, Owner: owner, TrackingID: "mail|alice", Value: []byte("of " + owner),
		At: h.clock.Now().UTC().Truncate(time.Microsecond),
	}
}

func (h *harness) claim(n, want journal.Name) {
	h.t.Helper()
	got, err := h.Claim(h.t.Context(), n)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		h.t.Errorf("claiming %s: %v\n%s", n.Key, err, diff)
	}
}

func (h *harness) named(key string, want ...journal.Name) {
	h.t.Helper()
	got, err := h.Named(h.t.Context(), key)
	if diff := cmp.Diff(want, got); err != nil || diff != "" && len(want)+len(got) > 0 {
		h.t.Errorf("named %s: %v\n%s", key, err, diff)
	}
}

func testNames(t *testing.T, d Driver) {
	h := open(t, d)
	first := h.name("a@example.test", "one")
	h.claim(first, first)
	h.claim(first, first)
	h.clock.add(time.Hour)
	h.claim(h.name("a@example.test", "two"), first)
	again := h.name("a@example.test", "one")
	again.Value = []byte("changed")
	h.claim(again, first)
	elsewhere := h.name("a@example.test", "two")
	elsewhere.Channel = "other"
	h.claim(elsewhere, elsewhere)
	bare := journal.Name{Channel: "mailbox", Key: "b@example.test", Owner: "three", At: first.At}
	h.claim(bare, bare)
	check := func() {
		t.Helper()
		h.named("a@example.test", first, elsewhere)
		h.named("b@example.test", bare)
		h.named("c@example.test")
	}
	check()
	if !h.Volatile() {
		h.reopen()
		check()
		h.claim(h.name("a@example.test", "two"), first)
	}
}

func testNamesAtOnce(t *testing.T, d Driver) {
	h := open(t, d)
	const keys, each = 50, 4
	var mu sync.Mutex
	owners := make(map[string]map[string]bool)
	var work sync.WaitGroup
	for i := range keys * each {
		work.Go(func() {
			n := h.name(fmt.Sprintf("%d@example.test", i%keys), fmt.Sprint("owner ", i))
			kept, err := h.Claim(t.Context(), n)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if owners[n.Key] == nil {
				owners[n.Key] = make(map[string]bool)
			}
			owners[n.Key][kept.Owner] = true
		})
	}
	work.Wait()
	for key, all := range owners {
		if len(all) != 1 {
			t.Errorf("%s is had by %v", key, all)
		}
	}
}

func testNamesForgotten(t *testing.T, d Driver) {
	h := open(t, d)
	lane := journal.Lane{Channel: "mailbox", Direction: journal.In, TrackingID: "mail|alice"}
	if _, err := h.Accept(t.Context(), journal.Entry{Lane: lane, ID: "1", DeadReason: "x"}); err != nil {
		t.Fatal(err)
	}
	mine, other := h.name("a@example.test", "one"), h.name("b@example.test", "two")
	other.TrackingID = "mail|bob"
	h.claim(mine, mine)
	h.claim(other, other)
	if _, err := h.Forget(t.Context(), "mailbox", "mail|alice"); err != nil {
		t.Fatal(err)
	}
	h.named("a@example.test")
	h.named("b@example.test", other)
}

func testNamesSwept(t *testing.T, d Driver) {
	h := open(t, d, func(o *journal.Options) { o.KeepNames = time.Hour })
	first := h.name("a@example.test", "one")
	h.claim(first, first)
	h.clock.add(40 * time.Minute)
	second := h.name("b@example.test", "two")
	h.claim(second, second)
	for range 2 {
		h.clock.add(20 * time.Minute)
		for {
			n, err := h.Sweep(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
	}
	h.named("a@example.test")
	h.named("b@example.test", second)
	next := h.name("a@example.test", "three")
	h.claim(next, next)
}

// testNamesFull: a journal that takes no more entries takes no more names, but knows
// those it has.
func testNamesFull(t *testing.T, d Driver) {
	h := open(t, d, func(o *journal.Options) { o.MaxBytes = d.MaxBytes })
	first := h.name("a@example.test", "one")
	h.claim(first, first)
	var err error
	for i := 0; err == nil && i < 2000; i++ {
		n := h.name(fmt.Sprint(i), "one")
		n.Value = []byte(strings.Repeat("x", 1000))
		_, err = h.Claim(t.Context(), n)
	}
	if !errors.Is(err, journal.ErrFull) {
		t.Fatalf("a full journal says %v", err)
	}
	h.claim(h.name("a@example.test", "two"), first)
}
