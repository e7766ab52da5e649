package gateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"servicelink/connectors"
)

// fileServer serves one file of an agent, prepared for a send.
func fileServer(t *testing.T, r *mediaRig, serve http.HandlerFunc) (url string, open func() error) {
	t.Helper()
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	parts := []connectors.Part{{File: &connectors.OutFile{Type: "text/plain", URL: s.URL + "/x.txt"}}}
	r.media.prepare(r.gw.channel("tele"), parts)
	return s.URL, func() error {
		f, err := parts[0].File.Open(t.Context())
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, f.Body)
		return errors.Join(err, f.Body.Close())
	}
}

// TestCutFileIsGivenUp: a file that always breaks off is given up like one that
// cannot be opened: what is behind it in the conversation waits.
func TestCutFileIsGivenUp(t *testing.T) {
	r := newMediaRig(t, nil)
	_, open := fileServer(t, r, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2000")
		_, _ = w.Write(make([]byte, 1000))
		panic(http.ErrAbortHandler)
	})
	for i := 1; i <= fileTries+1; i++ {
		rejected := connectors.AsSendError(open()).Outcome == connectors.Rejected
		if rejected != (i >= fileTries) {
			t.Errorf("try %d: rejected %v", i, rejected)
		}
	}
}

// TestOnlyFailuresCount: a file that was opened often, because the network asked
// for patience, has not used up its tries.
func TestOnlyFailuresCount(t *testing.T) {
	r := newMediaRig(t, nil)
	var bad atomic.Bool
	_, open := fileServer(t, r, func(w http.ResponseWriter, _ *http.Request) {
		if bad.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, "hello")
	})
	for range fileTries {
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
	bad.Store(true)
	if err := open(); connectors.AsSendError(err).Outcome == connectors.Rejected {
		t.Errorf("the first failure is final: %v", err)
	}
}

// TestPieceOfNothing: a partial answer that does not say which part it is, is
// not given out as the whole file.
func TestPieceOfNothing(t *testing.T) {
	r := newMediaRig(t, nil)
	url, open := fileServer(t, r, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "multipart/byteranges; boundary=x")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "piece")
	})
	link := r.link("omni", connectors.File{URL: url, Type: "text/plain", ID: "x"})
	if a := r.get(http.MethodGet, link, "Range: bytes=0-4"); a.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d: %s", a.StatusCode, a.body)
	}
	if open() == nil {
		t.Error("an agent's file was read in pieces")
	}
}
