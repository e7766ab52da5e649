package gateway

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"servicelink/gateway/journal"
)

// copies asks for a copy of the journal.
func (h *house) copies(to string, status int, says string) {
	h.Helper()
	r := httptest.NewRequestWithContext(h.Context(), http.MethodPost, "/api/v1/journal/backup", strings.NewReader("to="+to))
	r.Host = "localhost"
	w := httptest.NewRecorder()
	h.gw.privateHandler().ServeHTTP(w, r)
	if w.Code != status || !strings.Contains(w.Body.String(), says) {
		h.Errorf("a copy to %q answers %d %s, want %d %s", to, w.Code, w.Body, status, says)
	}
}

// TestBackupNames: a copy has a plain name, and is made in its folder alone.
func TestBackupNames(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	inHouse(t, func(h *house) {
		h.cfg.Journal.Path = filepath.Join(folder, "j.db")
		for _, bad := range []string{"", ".", "..", "../x", "a/b", "/etc/x", ".hidden", "-x", "a%00b", "a%0ab", "a b", strings.Repeat("a", 201), folder + "/x.db", folder + "/backups/../x.db", folder + "/backups/"} {
			h.copies(bad, http.StatusBadRequest, "its folder is backups")
		}
		h.copies("a&to=b", http.StatusBadRequest, "bad form")
		// The journal of this house has no file; the names are good.
		h.copies("a-1_B.db", http.StatusConflict, "in memory")
		h.copies(folder+"/backups/a.db", http.StatusConflict, "in memory")
	})
}

func TestBackupOfNoFile(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) { h.copies("a.db", http.StatusConflict, "in memory, it is not kept in a file") }, volatile)
}

// TestVerifyCall answers with what is there.
func TestVerifyCall(t *testing.T) {
	t.Parallel()
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(5 * time.Second)
		var s JournalState
		h.asks(http.MethodPost, "/api/v1/journal/verify", http.StatusOK, &s)
		if !s.Whole || !s.InFile || s.Rows != 1 || s.Pending != 0 || s.Conversations != 1 || s.Problems == nil || len(s.Problems) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	var o oneAtATime
	err := o.do(func() error { return o.do(func() error { return nil }) })
	if !errors.Is(err, errBusy) {
		t.Errorf("a second one: %v", err)
	}
	if err := o.do(func() error { return journal.ErrAway }); !errors.Is(err, journal.ErrAway) {
		t.Errorf("the next one: %v", err)
	}
}
