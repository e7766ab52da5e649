package journaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func testPause(t *testing.T, d Driver) {
	h := open(t, d)
	want := func(want map[string]time.Time) {
		t.Helper()
		got, err := h.Paused(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v: %s", err, diff)
		}
	}
	pause := func(channel string, since time.Time) {
		t.Helper()
		if err := h.Pause(t.Context(), channel, since); err != nil {
			t.Fatal(err)
		}
	}
	want(map[string]time.Time{})
	first, second := time.Unix(100, 0).UTC(), time.Unix(200, 0).UTC()
	pause("shop", first)
	pause("other", first)
	pause("shop", second)
	want(map[string]time.Time{"shop": second, "other": first})
	pause("other", time.Time{})
	pause("nobody", time.Time{})
	want(map[string]time.Time{"shop": second})
	if !h.Volatile() {
		h.reopen()
		want(map[string]time.Time{"shop": second})
	}
}
