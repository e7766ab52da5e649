package telegram

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
)

// fileServer answers getFile with this and has one file.
func fileServer(t *testing.T, getFile said, name, content string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/bot"+testToken+"/getFile", func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); string(body) != `{"file_id":"BQAD"}` {
			t.Errorf("getFile was asked %s", body)
		}
		w.WriteHeader(getFile.status)
		_, _ = io.WriteString(w, getFile.body)
	})
	mux.HandleFunc("GET /api/file/bot"+testToken+"/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/file/bot"+testToken+"/"+name {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func found(path string) said {
	return said{200, `{"ok":true,"result":{"file_id":"BQAD","file_unique_id":"u","file_size":10,"file_path":"` + path + `"}}`, nil}
}

func TestOpen(t *testing.T) {
	const name = "documents/file 7%2e?.pdf"
	server := fileServer(t, found(name), name, "0123456789")
	c := sender(t, server.URL)
	for _, tc := range []struct {
		byteRange, body, contentRange string
		size                          int64
	}{
		{"", "0123456789", "", 10},
		{"bytes=2-4", "234", "bytes 2-4/10", 3},
	} {
		media, err := c.Open(t.Context(), connectors.File{ID: "BQAD"}, tc.byteRange)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(media.Body)
		if err != nil || string(body) != tc.body || media.Size != tc.size || media.ContentRange != tc.contentRange {
			t.Errorf("range %q: %q, %v, size %d, %q", tc.byteRange, body, err, media.Size, media.ContentRange)
		}
		if err := media.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	for name, tc := range map[string]struct {
		getFile   said
		byteRange string
		outcome   connectors.Outcome
		reason    connectors.Reason
	}{
		"too big":               {refusal(400, "Bad Request: file is too big"), "", connectors.Rejected, connectors.ReasonContent},
		"gone":                  {refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable"), "", connectors.NotSent, connectors.ReasonNotFound},
		"no such id":            {refusal(400, "Bad Request: invalid file_id"), "", connectors.Rejected, connectors.ReasonNotFound},
		"wrong token":           {refusal(401, "Unauthorized"), "", connectors.NotSent, connectors.ReasonAuth},
		"another server's disk": {found("/var/lib/bot/file.pdf"), "", connectors.Rejected, connectors.ReasonNotFound},
		"out of the folder":     {found("../bot1/getMe"), "", connectors.Rejected, connectors.ReasonNotFound},
		"no path":               {found(""), "", connectors.Rejected, connectors.ReasonNotFound},
		"not there":             {found("documents/other.pdf"), "", connectors.Rejected, connectors.ReasonNotFound},
		"a range beyond it":     {found("documents/a.pdf"), "bytes=50-60", connectors.Rejected, connectors.ReasonContent},
		"not the Bot API":       {said{200, "<html>", nil}, "", connectors.Unknown, connectors.ReasonAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			server := fileServer(t, tc.getFile, "documents/a.pdf", "0123456789")
			media, err := sender(t, server.URL).Open(t.Context(), connectors.File{ID: "BQAD"}, tc.byteRange)
			se := connectors.AsSendError(err)
			if err == nil || media != nil || se.Outcome != tc.outcome || se.Reason != tc.reason {
				t.Errorf("Open = %v, %v; want %s: %s", media, err, tc.outcome, tc.reason)
			}
			if err != nil && strings.Contains(err.Error(), testToken) {
				t.Errorf("the error holds the token: %v", err)
			}
		})
	}
}
