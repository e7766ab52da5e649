package telegram

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
)

// opened is a file of this size that ends as told.
func opened(size int64, body io.Reader) *connectors.OutFile {
	f := outFile("photo", "", "", "")
	f.Open = func(context.Context) (*connectors.Media, error) {
		return &connectors.Media{Body: io.NopCloser(body), Type: "image/png", Size: size}, nil
	}
	return f
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestUploadFails: what goes wrong with the file is said as what it is, and
// nothing has been sent.
func TestUploadFails(t *testing.T) {
	gone := &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Hint: "the shop's own"}
	noOpen := opened(0, nil)
	noOpen.Open = func(context.Context) (*connectors.Media, error) { return nil, gone }
	for name, tc := range map[string]struct {
		file    *connectors.OutFile
		outcome connectors.Outcome
		reason  connectors.Reason
		hint    string
	}{
		"cannot be opened":     {noOpen, connectors.Rejected, connectors.ReasonNotFound, "the shop's own"},
		"too big":              {opened(maxUpload+1, zeros{}), connectors.Rejected, connectors.ReasonContent, "50 MB"},
		"too big in the end":   {opened(-1, zeros{}), connectors.Rejected, connectors.ReasonContent, "50 MB"},
		"breaks off":           {opened(-1, io.MultiReader(strings.NewReader(png), failing{errors.New("x")})), connectors.NotSent, connectors.ReasonCut, ""},
		"is refused half-way":  {opened(100, io.MultiReader(strings.NewReader(png), failing{gone})), connectors.Rejected, connectors.ReasonNotFound, "the shop's own"},
		"shorter than it said": {opened(100, strings.NewReader(png)), connectors.NotSent, connectors.ReasonCut, ""},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(t, ok())
			_, err := sender(t, api.URL).Send(t.Context(), connectors.Part{To: to("77|telegram"), File: tc.file})
			se := connectors.AsSendError(err)
			if err == nil || se.Outcome != tc.outcome || se.Reason != tc.reason || !strings.Contains(se.Hint, tc.hint) {
				t.Errorf("Send: %v (%s), want %s: %s (%s)", err, se.Hint, tc.outcome, tc.reason, tc.hint)
			}
			if len(api.seen()) != 0 {
				t.Errorf("a whole call arrived: %s", api.methods())
			}
		})
	}
}

// TestUploadOfAnySize: with the length announced or not, and a photo too big for
// one as a document.
func TestUploadOfAnySize(t *testing.T) {
	for name, tc := range map[string]struct {
		size    int64
		read    int64
		methods string
	}{
		"known":                 {1 << 20, 1 << 20, "sendPhoto"},
		"not known":             {-1, 1 << 20, "sendPhoto"},
		"a photo of over 10 MB": {maxPhoto + 1, maxPhoto + 1, "sendDocument"},
		"empty":                 {0, 0, "sendPhoto"},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(t, ok())
			_, err := sender(t, api.URL).Send(t.Context(), connectors.Part{To: to("77|telegram"), File: opened(tc.size, io.LimitReader(zeros{}, tc.read))})
			if err != nil || api.methods() != tc.methods {
				t.Fatalf("Send: %v; %s", err, api.methods())
			}
			for _, p := range api.seen()[0].Form {
				if p.File != "" && int64(len(p.Value)) != tc.read {
					t.Errorf("%d bytes arrived, want %d", len(p.Value), tc.read)
				}
			}
		})
	}
}

// TestNoAddress: a Bot API server would take some for places at its own side.
func TestNoAddress(t *testing.T) {
	api := newAPI(t, ok())
	c := sender(t, api.URL)
	for _, address := range []string{"", "file:///etc/passwd", "attach://photo", "AgACAgIAAxkBAAI", "ftp://x/y", "https://", "http://[::1"} {
		f := outFile("photo", "", address, "")
		if address == "" {
			f.Open = nil
		}
		_, err := c.Send(t.Context(), connectors.Part{To: to("77|telegram"), File: f})
		if se := connectors.AsSendError(err); err == nil || se.Outcome != connectors.Rejected || se.Reason != connectors.ReasonContent {
			t.Errorf("%q: %v", address, err)
		}
	}
	if len(api.seen()) != 0 {
		t.Errorf("calls: %s", api.methods())
	}
}

func TestKindOf(t *testing.T) {
	for _, tc := range []struct {
		kind, name, url, found string
		want                   fileKind
	}{
		{"image/jpeg", "", "", "", photo},
		{" Photo ", "a.pdf", "", "", photo},
		{"IMAGE/PNG; x=y", "", "", "", photo},
		{"image/svg+xml", "a.png", "", "", document},
		{"video/quicktime", "", "", "", document},
		{"application/octet-stream", "a.jpg", "", "", photo},
		{"", "", "https://h/a/B.JPEG?x=.pdf", "", photo},
		{"", "a.docx", "https://h/a.jpg", "", document},
		{"", "", "https://h/", "image/gif", animation},
		{"", "", "https://h/x", "audio/ogg", voice},
		{"", "a.pdf", "", "application/pdf", document},
		{"nonsense", "", "https://h/x", "", document},
		{"document", "a.png", "", "image/png", document},
	} {
		f := &connectors.OutFile{Type: tc.kind, Name: tc.name, URL: tc.url}
		if got := kindOf(f, tc.found); got != tc.want {
			t.Errorf("%+v is a %s", tc, got)
		}
	}
}

// TestSendByAddressTakesItsTime: Telegram answers once it has fetched the file.
func TestSendByAddressTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.answer = func(ctx context.Context, _ call) (int, string, error) {
			select {
			case <-time.After(fetchTime - time.Second):
				return 200, `{"ok":true,"result":{"message_id":42}}`, nil
			case <-ctx.Done():
				return 0, "", ctx.Err()
			}
		}
		part := connectors.Part{To: to("77|telegram"), File: outFile("video", "", "https://files.example.com/v.mp4", "")}
		receipt, err := newTestBot(t, f, "", io.Discard).Send(t.Context(), part)
		if err != nil || receipt.NetworkID != "42" {
			t.Errorf("Send: %+v, %v", receipt, err)
		}
	})
}
