package journaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/gateway/journal"
)

// testProfile: what a network told when it was asked stands beside what messages
// bring, until it is told anew.
func testProfile(t *testing.T, d Driver) {
	h := open(t, d)
	fallback := &journal.Party{RemoteAddress: "1", PartyName: "New contact", Culture: "en"}
	comes := func(id string) {
		e := entry(laneIn("a"), id)
		e.Party = fallback
		h.acceptOne(e)
	}
	tells := func(p *journal.Profile) {
		t.Helper()
		h.commit(journal.Change{Conv: &journal.ConvChange{Channel: "shop", TrackingID: "a", Counter: 3, Profile: p}})
	}
	wants := func(want journal.Profile) {
		t.Helper()
		for range 2 {
			got, ok, err := h.Conversation(t.Context(), "shop", "a")
			if diff := cmp.Diff(want, got.Profile); diff != "" || !ok || err != nil {
				t.Errorf("known %v, %v: %s", ok, err, diff)
			}
			if diff := cmp.Diff(*fallback, got.Party); diff != "" {
				t.Errorf("party: %s", diff)
			}
			all, err := h.Conversations(t.Context(), "shop", time.Time{})
			if err != nil || len(all) != 1 || all[0].Profile != want {
				t.Errorf("conversations %+v, %v", all, err)
			}
			if !h.Volatile() {
				h.reopen()
			}
		}
	}
	comes("1")
	wants(journal.Profile{})
	anna := journal.Profile{Name: "Anna", Culture: "cs", At: h.clock.Now()}
	tells(&journal.Profile{Name: "Anna", Culture: "cs", At: h.clock.Now().Add(789)}) // finer than is kept
	wants(anna)
	comes("2")
	tells(nil)
	wants(anna)
	next := journal.Profile{Name: "Anna B.", At: h.clock.Now().Add(time.Hour)}
	tells(&next)
	wants(next)
	for _, id := range []string{"1", "2"} {
		rows, err := h.Find(t.Context(), laneIn("a"), journal.IDHash{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		h.finish(*rows[0], journal.Done, "")
	}
	h.forget(laneIn("a"))
	comes("3")
	wants(journal.Profile{})
}
