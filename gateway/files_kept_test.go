package gateway

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"servicelink/config"
)

// TestKeptFiles: a file of a message is given out by its link, whole or in pieces and
// larger than files of chats may be, also while its gateway is not registered; it ends
// with files.keep.
func TestKeptFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "files")
	r := newMediaRig(t, func(cfg *config.Config) {
		cfg.Files = config.Files{Path: dir, Keep: time.Hour}
		cfg.Journal.Driver = "memory"
	})
	lent := config.Channel{Name: inboxID.String(), Gateway: &config.Gateway{ID: inboxID.String()}}
	keeper := r.gw.keeperOf(lent, r.gw.config())
	if r.gw.keeperOf(config.Channel{Name: "tele"}, r.gw.config()) != nil {
		t.Error("a channel of chats is lent the folder")
	}
	text := strings.Repeat("0123456789", maxTestFile/5)
	f, err := keeper.Put(t.Context(), `in/voice "1".txt`, "text/plain", strings.NewReader(text))
	if err != nil || !strings.HasPrefix(f.URL, "https://gw.example.com/media/") {
		t.Fatalf("kept as %+v, %v", f, err)
	}
	whole := r.get(http.MethodGet, f.URL)
	if whole.StatusCode != http.StatusOK || whole.body != text || whole.Header.Get("Content-Length") != strconv.Itoa(len(text)) ||
		!strings.HasPrefix(whole.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("given out with %s, %d bytes, %v", whole.Status, len(whole.body), whole.Header)
	}
	for asked, want := range map[string]struct {
		status int
		body   string
	}{
		"bytes=0-4":         {http.StatusPartialContent, "01234"},
		"bytes=12-13":       {http.StatusPartialContent, "23"},
		"bytes=-3":          {http.StatusPartialContent, "789"},
		"bytes=7995-":       {http.StatusPartialContent, "56789"},
		"bytes=7998-99999":  {http.StatusPartialContent, "89"},
		"bytes=8000-":       {http.StatusRequestedRangeNotSatisfiable, ""},
		"bytes=5-4":         {http.StatusRequestedRangeNotSatisfiable, ""},
		"bytes=-0":          {http.StatusRequestedRangeNotSatisfiable, ""},
		"bytes=0-1,4-5":     {http.StatusOK, text},
		"pieces=0-1":        {http.StatusOK, text},
		"bytes=-9999999999": {http.StatusPartialContent, text},
	} {
		got := r.get(http.MethodGet, f.URL, "Range: "+asked)
		if got.StatusCode != want.status || want.body != "" && got.body != want.body {
			t.Errorf("%s: %s, %d bytes", asked, got.Status, len(got.body))
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if got := r.get(http.MethodGet, f.URL); got.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is gone: %s", got.Status)
	}
	none := newMediaRig(t, func(cfg *config.Config) { cfg.Journal.Driver = "memory" })
	if none.gw.keeperOf(lent, none.gw.config()) != nil {
		t.Error("a folder is lent where there is none")
	}
	if got := none.get(http.MethodGet, f.URL); got.StatusCode != http.StatusNotFound {
		t.Errorf("by a gateway that keeps none: %s", got.Status)
	}
}

// TestFilesFault: a folder that takes nothing is told until it does.
func TestFilesFault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "files")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newMediaRig(t, func(cfg *config.Config) {
		cfg.Files = config.Files{Path: dir, Keep: time.Hour, MaxBytes: 10}
		cfg.Journal.Driver = "memory"
	})
	keeper := r.gw.keeperOf(config.Channel{Name: "a", Gateway: &config.Gateway{}}, r.gw.config())
	put := func(text, want string) {
		t.Helper()
		_, _ = keeper.Put(t.Context(), "", "", strings.NewReader(text))
		what := ""
		for _, f := range r.gw.filesFault() {
			what = f.What
		}
		if what != want {
			t.Errorf("the fault is %q, not %q", what, want)
		}
	}
	put("x", "files_away")
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	put("x", "")
	put("more than ten bytes", "files_full")
	put("y", "")
	for name, want := range map[string]float64{
		"servicelink_files": 2, "servicelink_files_bytes": 2, "servicelink_files_max_bytes": 10, "servicelink_files_refused_total": 2,
	} {
		f := ours(t, r.gw.registry)[name]
		if f == nil {
			t.Errorf("there is no %s", name)
			continue
		}
		if m := f.GetMetric()[0]; m.GetGauge().GetValue()+m.GetCounter().GetValue() != want {
			t.Errorf("%s is %v, not %v", name, m, want)
		}
	}
}
