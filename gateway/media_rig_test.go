package gateway

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// opener is a network that keeps files under ids.
type opener struct {
	*fakeNetwork
	open func(ctx context.Context, f connectors.File, byteRange string) (*connectors.Media, error)
}

var _ connectors.AttachmentOpener = opener{}

func (o opener) Open(ctx context.Context, f connectors.File, byteRange string) (*connectors.Media, error) {
	return o.open(ctx, f, byteRange)
}

// gives is an opener's answer of one text.
func gives(text string) func(context.Context, connectors.File, string) (*connectors.Media, error) {
	return func(context.Context, connectors.File, string) (*connectors.Media, error) {
		return &connectors.Media{Body: io.NopCloser(strings.NewReader(text)), Size: int64(len(text))}, nil
	}
}

// mediaRig is the public listener's files: of channel "tele", which opens them by
// id, of "omni", which has addresses, and of "off", which is disabled.
type mediaRig struct {
	*testing.T
	media  *media
	open   func(ctx context.Context, f connectors.File, byteRange string) (*connectors.Media, error)
	server *httptest.Server
	logs   *logBook
	gw     *Gateway
}

const maxTestFile = 4000

func newMediaRig(t *testing.T, change func(*config.Config)) *mediaRig {
	t.Helper()
	r := &mediaRig{T: t, logs: new(logBook)}
	cfg := &config.Config{
		Core:   config.Core{Secret: config.NewSecret(testSecret), Peer: testPeer, Window: 16},
		Public: config.Public{URL: "https://gw.example.com"},
		Media:  config.Media{TTL: time.Hour, MaxBytes: maxTestFile},
		Egress: config.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	}
	for _, name := range []string{"tele", "omni", "off"} {
		cfg.Channels = append(cfg.Channels, config.Channel{Name: name, Network: name, Port: name, Enabled: name != "off"})
	}
	if change != nil {
		change(cfg)
	}
	hook := &fakeNetwork{}
	var defs []connectors.Definition
	for _, name := range []string{"tele", "omni", "off"} {
		defs = append(defs, connectors.Definition{Network: name, New: func(c config.Channel, deps connectors.Dependencies) (connectors.Connector, error) {
			if deps.MaxFile != int64(cfg.Media.MaxBytes) {
				t.Errorf("connectors hear of %d bytes", deps.MaxFile)
			}
			if c.Network == "omni" {
				return hook, nil
			}
			return opener{hook, func(ctx context.Context, f connectors.File, byteRange string) (*connectors.Media, error) {
				return r.open(ctx, f, byteRange)
			}}, nil
		}})
	}
	gw, err := New(cfg, Options{Definitions: defs, Log: slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	r.gw, r.media = gw, gw.media
	r.server = httptest.NewServer(r.media.front(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})))
	t.Cleanup(func() {
		r.server.Close()
		gw.media.close()
		gw.life.stopHard()
		if text := r.logs.String(); strings.Contains(text, "secret") || strings.Contains(text, mediaPath) {
			t.Errorf("the log gives something away:\n%s", text)
		}
	})
	return r
}

// link is how the core hears of a file.
func (r *mediaRig) link(channel string, f connectors.File) string {
	return r.media.announced(channel, &f, time.Now()).URL
}

// mediaAnswer is what somebody got who followed a link.
type mediaAnswer struct {
	*http.Response
	body string
	err  error // of reading the body
}

// get follows a link; header may be "Name: value".
func (r *mediaRig) get(method, link string, header ...string) mediaAnswer {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.server.URL+strings.TrimPrefix(link, "https://gw.example.com"), nil)
	if err != nil {
		r.Fatal(err)
	}
	for _, h := range header {
		if name, value, ok := strings.Cut(h, ": "); ok {
			req.Header.Set(name, value)
		}
	}
	resp, err := r.server.Client().Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	_, err = io.Copy(&body, resp.Body)
	return mediaAnswer{resp, body.String(), err}
}

// counted tells how often a channel's files ended so.
func (r *mediaRig) counted(channel string, d journal.Direction, end mediaEnd) float64 {
	return testutil.ToFloat64(r.media.count(channel).dir(d).files.children[string(end)])
}

// holdup holds whoever comes until it is opened.
type holdup struct {
	arrived chan struct{}
	free    chan struct{}
	once    sync.Once
}

func newHoldup() *holdup {
	return &holdup{arrived: make(chan struct{}, 100), free: make(chan struct{})}
}

func (h *holdup) release() { h.once.Do(func() { close(h.free) }) }

func (h *holdup) wait(ctx context.Context) {
	h.arrived <- struct{}{}
	select {
	case <-h.free:
	case <-ctx.Done():
	}
}
