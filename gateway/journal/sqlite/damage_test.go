package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/sqlite"
)

// TestContradiction: a file whose index lost rows, as a spoilt page can make it,
// is refused; they would never be delivered, and nobody would know.
func TestContradiction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	b.mustAccept("1")
	b.mustAccept("2")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, "DELETE FROM message WHERE id = '2'")
	_, err := sqlite.Open(t.Context(), path, journal.Options{OnCommit: func([]journal.Row) {}})
	if err == nil || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), "2 rows are pending by the ledger and 1 by their index") {
		t.Errorf("opened with %v", err)
	}
}

// TestSpoiltPages overwrites every page of a file in turn. What is left is used
// as it is only when nothing is missing: else the start is refused, or the first
// refill says that the file is damaged, and from then on nothing is taken.
func TestSpoiltPages(t *testing.T) {
	const page, rows = 8192, 60
	path := filepath.Join(t.TempDir(), "j.db")
	b := openBox(t, path)
	for i := range rows {
		b.mustAccept(strconv.Itoa(i))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rubbish := make([]byte, page)
	for _, fill := range []string{"zeros", "noise", "empty leaf"} {
		for at := 0; at < len(whole); at += page {
			clear(rubbish)
			switch fill {
			case "noise":
				for i := range rubbish {
					rubbish[i] = byte(i*i + at)
				}
			case "empty leaf":
				rubbish[0], rubbish[5] = 0x0d, 0x20 // content begins at the end of the page
			}
			t.Run(fmt.Sprintf("%s at %d", fill, at), func(t *testing.T) {
				spoilt := filepath.Join(t.TempDir(), "j.db")
				text := slices.Concat(whole[:at], rubbish, whole[at+page:])
				if err := os.WriteFile(spoilt, text, 0o600); err != nil {
					t.Fatal(err)
				}
				testSpoilt(t, spoilt, rows)
			})
		}
	}
}

func testSpoilt(t *testing.T, path string, rows int) {
	j, err := sqlite.Open(t.Context(), path, journal.Options{OnCommit: func([]journal.Row) {}})
	if err != nil {
		if !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("refused without saying that it is damaged: %v", err)
		}
		return
	}
	defer func() { _ = j.Close() }()
	type answer struct {
		rows int
		err  error
	}
	heard := make(chan answer, 1)
	j.Refill(lane, rows, func(rows []journal.Row, _ bool, err error) { heard <- answer{len(rows), err} })
	got := <-heard
	if got.err == nil && got.rows == rows {
		return
	}
	if got.err == nil || !errors.Is(got.err, journal.ErrAway) || !strings.Contains(got.err.Error(), "damaged") {
		t.Errorf("%d of %d rows came, and the error is %v", got.rows, rows, got.err)
	}
	if err := j.Health(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("health is %v", err)
	}
}
