package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// TestMediaByAddress: a connector that names addresses gives links all the same,
// and what lies behind them is fetched through the guard.
func TestMediaByAddress(t *testing.T) {
	mux := http.NewServeMux()
	files := httptest.NewServer(mux)
	t.Cleanup(files.Close)
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "<!DOCTYPE html><script>alert(1)</script>")
	})
	mux.HandleFunc("/picture", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "" {
			t.Errorf("the caller's headers went along: %v", r.Header)
		}
		http.ServeContent(w, r, "x.txt", time.Time{}, strings.NewReader(onePNG))
	})
	mux.Handle("/moved", http.RedirectHandler("/picture", http.StatusFound))
	mux.Handle("/inside", http.RedirectHandler("http://127.0.0.2:1/x", http.StatusFound))
	mux.Handle("/metadata", http.RedirectHandler("http://169.254.169.254/latest", http.StatusFound))
	mux.HandleFunc("/around", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/around", http.StatusFound) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/over", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/down", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	closed := httptest.NewServer(nil)
	closed.Close()

	for name, tc := range map[string]struct {
		url    string
		header string
		status int
		kind   string
		end    mediaEnd
	}{
		"a picture, whatever it is called": {files.URL + "/picture", "", 200, "image/png", mediaOK},
		"a piece":                          {files.URL + "/picture", "Range: bytes=2-4", 206, "text/plain", mediaOK},
		"no such piece":                    {files.URL + "/picture", "Range: bytes=900-", 416, "", mediaRange},
		"a page":                           {files.URL + "/page", "", 200, "application/octet-stream", mediaOK},
		"a redirect":                       {files.URL + "/moved", "", 200, "image/png", mediaOK},
		"a redirect inside":                {files.URL + "/inside", "", 502, "", mediaRefused},
		"a redirect to the metadata":       {files.URL + "/metadata", "", 502, "", mediaRefused},
		"redirects without end":            {files.URL + "/around", "", 502, "", mediaNetwork},
		"inside":                           {"http://127.0.0.3/x", "", 502, "", mediaRefused},
		"not there":                        {files.URL + "/none", "", 404, "", mediaGone},
		"its address has expired":          {files.URL + "/over", "", 404, "", mediaGone},
		"failing":                          {files.URL + "/down", "", 502, "", mediaNetwork},
		"nobody there":                     {closed.URL, "", 502, "", mediaNetwork},
		"endless":                          {files.URL + "/endless", "", 200, "text/plain; charset=utf-8", mediaTooBig},
		"a file of this machine":           {"file:///etc/passwd", "", 404, "", mediaGone},
		"with a password":                  {strings.Replace(files.URL, "//", "//u:p-secret@", 1) + "/picture", "", 404, "", mediaGone},
	} {
		t.Run(name, func(t *testing.T) {
			r := newMediaRig(t, nil)
			got := r.get("GET", r.link("omni", connectors.File{ID: "7", URL: tc.url}), tc.header, "Cookie: a=b", "Authorization: Bearer x", "Referer: https://x")
			if got.StatusCode != tc.status || tc.kind != "" && got.Header.Get("Content-Type") != tc.kind {
				t.Errorf("%d %q", got.StatusCode, got.Header.Get("Content-Type"))
			}
			if r.counted("omni", journal.In, tc.end) != 1 {
				t.Errorf("not counted as %s", tc.end)
			}
			if got.Header.Get("Location") != "" || strings.Contains(got.body, files.URL) {
				t.Errorf("the caller is told where it lies: %v", got.Header)
			}
		})
	}
}

// slowFile gives a byte after each pause, which the request's end cuts short.
type slowFile struct {
	ctx   context.Context //nolint:containedctx // as a request's body has it
	pause time.Duration
}

func (s slowFile) Read(p []byte) (int, error) {
	select {
	case <-time.After(s.pause):
		p[0] = 'x'
		return 1, nil
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
}

func (slowFile) Close() error { return nil }

// TestMediaSilence: a network that stops in the middle is not waited for, one that
// is slow is.
func TestMediaSilence(t *testing.T) {
	for pause, want := range map[time.Duration]connectors.Reason{
		mediaIdle - time.Second: connectors.ReasonContent, // slow, until it is too much
		mediaIdle + time.Second: connectors.ReasonTimeout,
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &media{limit: 1000, channel: func(string) *channel {
				return &channel{conn: opener{&fakeNetwork{}, func(ctx context.Context, _ connectors.File, _ string) (*connectors.Media, error) {
					return &connectors.Media{Body: slowFile{ctx, pause}, Size: -1}, nil
				}}}
			}}
			file, err := m.open(t.Context(), fileRef{Channel: "tele", ID: "f"}, "")
			if err == nil {
				_, err = io.ReadAll(file.Body)
				_ = file.Body.Close()
			}
			if se := connectors.AsSendError(err); se.Reason != want {
				t.Errorf("a byte every %v: %v", pause, err)
			}
		})
	}
}

// TestMediaFollowsTheConfiguration: the guard is the one in force now.
func TestMediaFollowsTheConfiguration(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "y") }))
	t.Cleanup(files.Close)
	r := newMediaRig(t, nil)
	allow := r.media.way.config()
	for _, now := range []struct {
		egress config.Egress
		fine   bool
	}{{allow, true}, {config.Egress{}, false}, {config.Egress{CA: "/nonexistent"}, false}, {allow, true}} {
		r.media.way.config = func() config.Egress { return now.egress }
		file, err := r.media.open(t.Context(), fileRef{URL: files.URL}, "")
		if now.fine != (err == nil) {
			t.Errorf("%+v: %v", now.egress, err)
		}
		if err == nil {
			_ = file.Body.Close()
		} else if _, ok := errors.AsType[*connectors.SendError](err); !ok {
			t.Errorf("an error of type %T", err)
		}
	}
}

func TestContentType(t *testing.T) {
	const docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	for name, tc := range map[string]struct{ head, told, want string }{
		"picture":               {onePNG, "", "image/png"},
		"picture, told text":    {onePNG, "text/html", "image/png"},
		"page":                  {"<html>", "text/html", "application/octet-stream"},
		"page, told picture":    {"<html>", "image/png", "application/octet-stream"},
		"page after blanks":     {"  \n <!doctype HTML>", "", "application/octet-stream"},
		"XML":                   {"<?xml version=\"1.0\"?><svg/>", "image/svg+xml", "application/octet-stream"},
		"SVG":                   {"<svg onload=alert(1)>", "image/svg+xml", "text/plain; charset=utf-8"},
		"script":                {"alert(1)", "text/javascript", "text/plain; charset=utf-8"},
		"text":                  {"hello", "", "text/plain; charset=utf-8"},
		"table":                 {"a,b\n", "text/csv", "text/csv"},
		"text, told picture":    {"hello", "image/heic", "text/plain; charset=utf-8"},
		"office":                {"PK\x03\x04....", docx, docx},
		"zip":                   {"PK\x03\x04....", "", "application/zip"},
		"bytes":                 {"\x00\x01\x02", "", "application/octet-stream"},
		"bytes with a name":     {"\x00\x01\x02", "audio/amr", "audio/amr"},
		"bytes, told a page":    {"\x00\x01\x02", "text/html; charset=x", "application/octet-stream"},
		"bytes, told a word":    {"\x00\x01\x02", "photo", "application/octet-stream"},
		"bytes, told two lines": {"\x00\x01\x02", "a/b\r\nSet-Cookie: x", "application/octet-stream"},
		"empty":                 {"", "", "text/plain; charset=utf-8"},
	} {
		if got := contentType([]byte(tc.head), tc.told); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestFileName(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, want := range map[string]string{
		"plan.png": "plan.png", "../../etc/passwd": "_.._etc_passwd", `c:\x.exe`: "c__x.exe", " . ": "", "": "",
		"a\r\nb": "ab", "gpj\u202eexe.": "gpjexe", "\x00": "", "\xff\xfe": "", long + ".jpeg": long[:115] + ".jpeg",
		"rodina " + family + ".png": "rodina 👨👩👧.png",
	} {
		if got := fileName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
	for _, tc := range [][3]string{
		{"x.bin", "image/png", "x.bin"},
		{"", "image/png; charset=x", "file.png"},
		{" ", "photo", "file"},
	} {
		if got := nameFor(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%q of type %q is saved as %q, want %q", tc[0], tc[1], got, tc[2])
		}
	}
	for _, tc := range [][3]string{
		{"invoice.pdf", "https://x.example/y.png", "invoice.pdf"},
		{"AgACAgIAAx", "https://x.example/a%20b.png?k=v", "a b.png"},
		{"AgACAgIAAx", "https://x.example/media/AgACAgIAAx", ""},
		{"", "https://x.example/", ""},
		{"version 1.2, the long one", "https://x.example/", ""},
	} {
		if got := outName(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%q at %q is called %q, want %q", tc[0], tc[1], got, tc[2])
		}
	}
}
