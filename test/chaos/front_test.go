//go:build chaos

package chaos

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"
)

// lifeHeader tells netsim's record which life of the gateway asked.
const lifeHeader = "X-Gateway-Life"

// front stands before netsim and takes the number of the gateway's life out of
// the path.
type front struct{ server *http.Server }

func newFront(t *testing.T) *front {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	silent := slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // what breaks here is broken on purpose
	proxy := &httputil.ReverseProxy{
		Transport: transport, ErrorLog: silent,
		Rewrite: func(r *httputil.ProxyRequest) {
			life, path, _ := strings.Cut(strings.TrimPrefix(r.In.URL.Path, "/"), "/")
			r.Out.Header.Set(lifeHeader, life)
			r.Out.URL.Path, r.Out.URL.RawPath = "/"+path, ""
			r.SetURL(&url.URL{Scheme: "http", Host: netsimHTTP})
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // as netsim would
	}
	f := &front{&http.Server{Addr: host + ":" + networkPort, Handler: proxy, ReadHeaderTimeout: time.Minute, ErrorLog: silent}}
	failed := make(chan error, 1)
	go func() { failed <- f.server.ListenAndServe() }()
	t.Cleanup(func() {
		_ = f.server.Close()
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	return f
}
