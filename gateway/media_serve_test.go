package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
)

const onePNG = "\x89PNG\r\n\x1a\n" + "the rest of the picture"

func TestMediaGivesAFile(t *testing.T) {
	r := newMediaRig(t, nil)
	var asked connectors.File
	r.open = func(ctx context.Context, f connectors.File, byteRange string) (*connectors.Media, error) {
		asked = f
		return gives(onePNG)(ctx, f, byteRange)
	}
	link := r.link("tele", connectors.File{ID: "id-secret", Type: "photo", Name: "../Plán č. 1\u202e\".png", Size: 31})
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := r.get(method, link)
		want := onePNG
		if method == http.MethodHead {
			want = ""
		}
		if got.StatusCode != 200 || got.err != nil || got.body != want || got.ContentLength != int64(len(onePNG)) {
			t.Errorf("%s: %d %q of %d bytes, %v", method, got.StatusCode, got.body, got.ContentLength, got.err)
		}
		for name, value := range map[string]string{
			"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Content-Security-Policy": "sandbox; default-src 'none'", "Referrer-Policy": "no-referrer",
			"Content-Disposition": "attachment; filename*=utf-8''_Pl%C3%A1n%20%C4%8D.%201%22.png",
		} {
			if got.Header.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", method, name, got.Header.Get(name), value)
			}
		}
	}
	if asked.ID != "id-secret" || asked.Type != "photo" || asked.Size != 31 {
		t.Errorf("the network was asked for %+v", asked)
	}
	if n := r.counted("tele", journal.In, mediaOK); n != 2 {
		t.Errorf("counted %v", n)
	}
	if got := r.get(http.MethodGet, "/elsewhere"); got.StatusCode != http.StatusTeapot {
		t.Errorf("another path: %d", got.StatusCode)
	}
}

func TestMediaRange(t *testing.T) {
	text := "<html>0123456789</html>"
	for name, tc := range map[string]struct {
		header []string
		ranges bool // the network can do them
		passed string
		status int
		body   string
	}{
		"a piece":             {[]string{"Range: bytes=6-15"}, true, "bytes=6-15", 206, "0123456789"},
		"network without":     {[]string{"Range: bytes=6-15"}, false, "bytes=6-15", 200, text},
		"the end":             {[]string{"Range: bytes=-3"}, true, "bytes=-3", 206, "0123456789"},
		"two pieces":          {[]string{"Range: bytes=0-1,3-4"}, true, "", 200, text},
		"another unit":        {[]string{"Range: lines=0-1"}, true, "", 200, text},
		"a line in it":        {[]string{"Range: bytes=0-1 x"}, true, "", 200, text},
		"of a version":        {[]string{"Range: bytes=6-15", "If-Range: \"v1\""}, true, "", 200, text},
		"without being asked": {nil, true, "", 200, text},
	} {
		t.Run(name, func(t *testing.T) {
			r := newMediaRig(t, nil)
			r.open = func(_ context.Context, _ connectors.File, byteRange string) (*connectors.Media, error) {
				if byteRange != tc.passed {
					t.Errorf("the network was asked for %q", byteRange)
				}
				if byteRange == "" || !tc.ranges {
					return &connectors.Media{Body: io.NopCloser(strings.NewReader(text)), Size: -1}, nil
				}
				return &connectors.Media{
					Body: io.NopCloser(strings.NewReader("0123456789")), Size: 10, Type: "video/mp4",
					ContentRange: fmt.Sprintf("bytes 6-15/%d", len(text)),
				}, nil
			}
			got := r.get(http.MethodGet, r.link("tele", connectors.File{ID: "f"}), tc.header...)
			if got.StatusCode != tc.status || got.body != tc.body || got.err != nil {
				t.Fatalf("%d %q, %v", got.StatusCode, got.body, got.err)
			}
			kind, contentRange := "application/octet-stream", ""
			if tc.status == 206 {
				kind, contentRange = "video/mp4", fmt.Sprintf("bytes 6-15/%d", len(text))
			}
			if got.Header.Get("Content-Type") != kind || got.Header.Get("Content-Range") != contentRange {
				t.Errorf("%q, %q", got.Header.Get("Content-Type"), got.Header.Get("Content-Range"))
			}
		})
	}
}

// body is a file that ends in an error.
type body struct {
	io.Reader
	err error
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) && b.err != nil {
		err = b.err
	}
	return n, err
}

func (body) Close() error { return nil }

func TestMediaFailures(t *testing.T) {
	fails := func(outcome connectors.Outcome, reason connectors.Reason, code string) func() (*connectors.Media, error) {
		return func() (*connectors.Media, error) {
			return nil, &connectors.SendError{Outcome: outcome, Reason: reason, Code: code, RetryAfter: 90 * time.Second, Err: errors.New("cause-secret")}
		}
	}
	file := func(length int, size int64, contentRange string, end error) func() (*connectors.Media, error) {
		return func() (*connectors.Media, error) {
			return &connectors.Media{Body: body{strings.NewReader(strings.Repeat("x", length)), end}, Size: size, ContentRange: contentRange}, nil
		}
	}
	for name, tc := range map[string]struct {
		open   func() (*connectors.Media, error)
		status int
		end    mediaEnd
	}{
		"gone":                   {fails(connectors.Rejected, connectors.ReasonNotFound, "404"), 404, mediaGone},
		"too big for it":         {fails(connectors.Rejected, connectors.ReasonContent, "400"), 413, mediaTooBig},
		"out of range":           {fails(connectors.Rejected, connectors.ReasonContent, "416"), 416, mediaRange},
		"patience":               {fails(connectors.NotSent, connectors.ReasonRate, "429"), 503, mediaBusy},
		"no connection":          {fails(connectors.NotSent, connectors.ReasonConnect, ""), 502, mediaNetwork},
		"bad token":              {fails(connectors.NotSent, connectors.ReasonAuth, "401"), 502, mediaNetwork},
		"cut before it":          {fails(connectors.Unknown, connectors.ReasonCut, ""), 502, mediaCut},
		"guarded":                {fails(connectors.NotSent, connectors.ReasonForbidden, ""), 502, mediaRefused},
		"an error of any type":   {func() (*connectors.Media, error) { return nil, errors.New("cause-secret") }, 500, mediaBug},
		"nothing":                {func() (*connectors.Media, error) { return nil, nil }, 500, mediaBug}, //nolint:nilnil // the mistake it tests
		"panic":                  {func() (*connectors.Media, error) { panic("value-secret") }, 500, mediaBug},
		"announced too big":      {file(0, maxTestFile+1, "", nil), 413, mediaTooBig},
		"a piece of too big":     {file(1, 1, fmt.Sprintf("bytes 0-0/%d", maxTestFile+1), nil), 413, mediaTooBig},
		"a piece that is none":   {file(1, 1, "bytes x", nil), 502, mediaNetwork},
		"a piece of another one": {file(1, 1, "bytes 0-9/20", nil), 502, mediaNetwork},
		"a piece nobody wanted":  {file(1, 1, "bytes 0-0/20", nil), 502, mediaNetwork},
		"cut early":              {file(10, 50, "", io.ErrUnexpectedEOF), 502, mediaCut},
		"cut on the way":         {file(3000, 3500, "", io.ErrUnexpectedEOF), 200, mediaCut},
		"shorter than told":      {file(3000, 3500, "", nil), 200, mediaCut},
		"too big on the way":     {file(maxTestFile+1, -1, "", nil), 200, mediaTooBig},
		"cut, length not told":   {file(3000, -1, "", io.ErrUnexpectedEOF), 200, mediaCut},
	} {
		t.Run(name, func(t *testing.T) {
			r := newMediaRig(t, nil)
			r.open = func(context.Context, connectors.File, string) (*connectors.Media, error) { return tc.open() }
			got := r.get(http.MethodGet, r.link("tele", connectors.File{ID: "f"}))
			if got.StatusCode != tc.status {
				t.Errorf("status %d, want %d", got.StatusCode, tc.status)
			}
			switch {
			case tc.status == 200 && got.err == nil:
				t.Error("the caller takes a part for the whole")
			case tc.status != 200 && got.body != strings.ToLower(http.StatusText(tc.status))+"\n":
				t.Errorf("answer %q", got.body)
			case tc.status == 503 && got.Header.Get("Retry-After") != "90":
				t.Errorf("Retry-After %q", got.Header.Get("Retry-After"))
			}
			if r.counted("tele", journal.In, tc.end) != 1 {
				t.Errorf("not counted as %s", tc.end)
			}
		})
	}
}

func TestMediaBadLinks(t *testing.T) {
	r := newMediaRig(t, nil)
	r.open = gives("x")
	good := r.link("tele", connectors.File{ID: "f"})
	opaque, _ := r.media.links.own(good)
	expired := r.media.links.make(fileRef{Channel: "tele", ID: "f"}, time.Now().Add(-2*time.Hour))
	foreign := linksOf(t, func(c *config.Config) { c.Core.Secret = config.NewSecret("another core's") }).make(fileRef{Channel: "tele", ID: "f"}, time.Now())
	for name, tc := range map[string]struct {
		method, link string
		status       int
		channel      string
		end          mediaEnd
	}{
		"cut":               {"GET", good[:len(good)-len(opaque)%4-4], 404, "-", mediaForged},
		"nothing":           {"GET", "/media/", 404, "-", mediaMalformed},
		"made up":           {"GET", "/media/../admin", 404, "-", mediaMalformed},
		"foreign":           {"GET", foreign, 404, "-", mediaForged},
		"expired":           {"GET", expired, 410, "tele", mediaExpired},
		"disabled channel":  {"GET", r.link("off", connectors.File{ID: "f"}), 410, "off", mediaNoChannel},
		"channel of before": {"GET", r.link("old", connectors.File{ID: "f"}), 410, "-", mediaNoChannel},
		"another method":    {"POST", good, 405, "-", mediaMethod},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.counted(tc.channel, journal.In, tc.end)
			got := r.get(tc.method, tc.link)
			if got.StatusCode != tc.status || got.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%d %v", got.StatusCode, got.Header)
			}
			if r.counted(tc.channel, journal.In, tc.end) != before+1 {
				t.Errorf("not counted as %s", tc.end)
			}
		})
	}
	if got := r.get("GET", good+"?download=1"); got.StatusCode != 200 {
		t.Errorf("with a query: %d", got.StatusCode)
	}
}

// TestMediaWithoutLinks: without public.url the path is not there at all.
func TestMediaWithoutLinks(t *testing.T) {
	r := newMediaRig(t, func(c *config.Config) { c.Public.URL = "" })
	if got := r.get("GET", "/media/x"); got.StatusCode != http.StatusTeapot {
		t.Errorf("%d", got.StatusCode)
	}
}

// TestMediaIsBounded: one channel's slow files do not take the room of another's.
func TestMediaIsBounded(t *testing.T) {
	r := newMediaRig(t, nil)
	slow := newHoldup()
	defer slow.release()
	r.open = func(ctx context.Context, f connectors.File, byteRange string) (*connectors.Media, error) {
		slow.wait(ctx)
		return gives("x")(ctx, f, byteRange)
	}
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "y") }))
	defer files.Close()
	link := r.link("tele", connectors.File{ID: "f"})
	done := make(chan mediaAnswer, mediaPerChannel)
	for range mediaPerChannel {
		go func() { done <- r.get("GET", link) }()
	}
	for range mediaPerChannel {
		<-slow.arrived
	}
	if got := r.get("GET", link); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %d", got.StatusCode)
	}
	if got := r.get("GET", r.link("omni", connectors.File{URL: files.URL})); got.StatusCode != 200 {
		t.Errorf("another channel's: %d", got.StatusCode)
	}
	slow.release()
	for range mediaPerChannel {
		if got := <-done; got.StatusCode != 200 {
			t.Errorf("%d", got.StatusCode)
		}
	}
	if got := r.get("GET", link); got.StatusCode != 200 {
		t.Errorf("afterwards: %d", got.StatusCode)
	}
}

// TestMediaEndsWithTheGateway: a file on its way does not hold a stop up.
func TestMediaEndsWithTheGateway(t *testing.T) {
	r := newMediaRig(t, nil)
	slow := newHoldup()
	defer slow.release()
	r.open = func(ctx context.Context, _ connectors.File, _ string) (*connectors.Media, error) {
		slow.wait(ctx)
		return nil, ctx.Err()
	}
	done := make(chan mediaAnswer, 1)
	go func() { done <- r.get("GET", r.link("tele", connectors.File{ID: "f"})) }()
	<-slow.arrived
	r.media.close()
	if got := <-done; got.StatusCode != 503 || r.counted("tele", journal.In, mediaStopped) != 1 {
		t.Errorf("%d", got.StatusCode)
	}
}
