package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot/refcore"
)

// TestFileOnly: an agent's file that cannot be had concerns its own sentence. What
// would pause or slow down the channel is never said.
func TestFileOnly(t *testing.T) {
	const no, rejected, unknown = connectors.NotSent, connectors.Rejected, connectors.Unknown
	for name, tc := range map[string]struct {
		outcome connectors.Outcome
		reason  connectors.Reason
		tries   int
		want    connectors.Outcome
		because connectors.Reason
	}{
		"gone":               {rejected, connectors.ReasonNotFound, 1, rejected, connectors.ReasonFile},
		"too big":            {rejected, connectors.ReasonContent, 1, rejected, connectors.ReasonFile},
		"guarded":            {no, connectors.ReasonForbidden, 1, rejected, connectors.ReasonForbidden},
		"no connection":      {no, connectors.ReasonConnect, 1, no, connectors.ReasonConnect},
		"cut":                {no, connectors.ReasonCut, 2, no, connectors.ReasonCut},
		"failing":            {no, connectors.ReasonServer, fileTries - 1, no, connectors.ReasonServer},
		"failing for long":   {no, connectors.ReasonServer, fileTries, rejected, connectors.ReasonFile},
		"patience":           {no, connectors.ReasonRate, 1, no, connectors.ReasonServer},
		"credentials":        {no, connectors.ReasonAuth, 1, rejected, connectors.ReasonFile},
		"its own connector":  {unknown, connectors.ReasonBug, 1, rejected, connectors.ReasonFile},
		"a lost answer":      {unknown, connectors.ReasonTimeout, 1, no, connectors.ReasonTimeout},
		"the gateway stops":  {no, connectors.ReasonCanceled, 9, no, connectors.ReasonCanceled},
		"somebody else's":    {no, connectors.ReasonConflict, 1, no, connectors.ReasonServer},
		"an unreadable file": {unknown, connectors.ReasonAnswer, 1, no, connectors.ReasonAnswer},
	} {
		got := fileOnly(&connectors.SendError{Outcome: tc.outcome, Reason: tc.reason, RetryAfter: time.Hour, Scope: connectors.ScopeRecipient}, tc.tries)
		if got.Outcome != tc.want || got.Reason != tc.because || got.RetryAfter != 0 || got.Scope != connectors.ScopeAccount || got.Hint == "" {
			t.Errorf("%s: %+v, want %s: %s", name, got, tc.want, tc.because)
		}
	}
}

func TestAgentsFiles(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.png":
			_, _ = io.WriteString(w, onePNG)
		case "/big":
			_, _ = io.WriteString(w, strings.Repeat("x", maxTestFile+1))
		case "/piece":
			w.Header().Set("Content-Range", "bytes 0-0/9")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "x")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(files.Close)
	r := newMediaRig(t, nil)
	r.open = func(context.Context, connectors.File, string) (*connectors.Media, error) {
		return nil, &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonAuth}
	}
	expired := r.media.links.make(fileRef{Channel: "tele", ID: "f", Name: "cat.png"}, time.Now().Add(-2*time.Hour))
	for name, tc := range map[string]struct {
		url     string
		outcome connectors.Outcome
		reason  connectors.Reason // empty = read
		end     mediaEnd
	}{
		"a picture":              {files.URL + "/a.png", 0, "", mediaOK},
		"not there":              {files.URL + "/none", connectors.Rejected, connectors.ReasonFile, mediaGone},
		"too big":                {files.URL + "/big", connectors.Rejected, connectors.ReasonFile, mediaTooBig},
		"a piece":                {files.URL + "/piece", connectors.Rejected, connectors.ReasonFile, mediaTooBig},
		"inside":                 {"http://10.0.0.1/x", connectors.Rejected, connectors.ReasonForbidden, mediaRefused},
		"a customer's, refused":  {r.link("tele", connectors.File{ID: "f"}), connectors.Rejected, connectors.ReasonFile, mediaNetwork},
		"a customer's, too late": {expired, connectors.Rejected, connectors.ReasonFile, mediaGone},
		"a customer's, cut":      {expired[:len(expired)-8], connectors.Rejected, connectors.ReasonFile, mediaGone},
		"of no channel of today": {r.link("old", connectors.File{ID: "f"}), connectors.Rejected, connectors.ReasonFile, mediaGone},
	} {
		t.Run(name, func(t *testing.T) {
			parts := []connectors.Part{{File: &connectors.OutFile{URL: tc.url}}}
			before := r.counted("omni", journal.Out, tc.end)
			r.media.prepare(r.gw.channel("omni"), parts)
			m, err := parts[0].File.Open(t.Context())
			if err == nil {
				_, err = io.ReadAll(m.Body)
				_ = m.Body.Close()
			}
			se, _ := errors.AsType[*connectors.SendError](err)
			if tc.reason == "" && err != nil || tc.reason != "" && (se == nil || se.Outcome != tc.outcome || se.Reason != tc.reason) {
				t.Errorf("%v, want %s: %s", err, tc.outcome, tc.reason)
			}
			if tc.url != files.URL+"/big" && r.counted("omni", journal.Out, tc.end) != before+1 {
				t.Errorf("not counted as %s", tc.end)
			}
			want := "" // the network makes one of the address
			if _, own := r.media.links.own(tc.url); own {
				want = "file"
			}
			if tc.url == expired {
				want = "cat.png"
			}
			if got := parts[0].File.Name; got != want {
				t.Errorf("called %q, want %q", got, want)
			}
		})
	}
}

// filesNetwork is a fake network that takes files and replies and keeps files.
type filesNetwork struct {
	*fakeNetwork
	caps connectors.Capabilities
}

func (n filesNetwork) Capabilities() connectors.Capabilities { return n.caps }

func (n filesNetwork) Open(ctx context.Context, f connectors.File, byteRange string) (*connectors.Media, error) {
	return gives(onePNG)(ctx, f, byteRange)
}

func withFiles(caps connectors.Capabilities) houseOption {
	return func(h *house, _ *refcore.Options) {
		h.cfg.Public.URL = "https://gw.example.com"
		h.cfg.Media = config.Media{TTL: time.Hour, MaxBytes: 1 << 20}
		h.build = func(config.Channel) (connectors.Connector, error) { return filesNetwork{h.net, caps}, nil }
	}
}

// TestFileThereAndBack: the core gets a link, and an agent who sends the link on
// makes the network get the file, also after a crash in between.
func TestFileThereAndBack(t *testing.T) {
	inHouse(t, func(h *house) {
		ev := textEvent("ann", 1)
		ev.NetworkID = "Msg=1"
		ev.Kind, ev.File, ev.Text, ev.Quote = connectors.KindFile, &connectors.File{Type: "photo", ID: "AgAC", Name: "cat.png"}, "my cat", "which cat?"
		if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), []connectors.Event{ev}); err != nil {
			h.Fatal(err)
		}
		h.waits(time.Second)
		_, sentences, err := h.core.Chat(h.chat("ann").ID)
		if err != nil || len(sentences) != 1 {
			h.Fatalf("%+v, %v", sentences, err)
		}
		lines := strings.Split(sentences[0].Text, "\n")
		if len(lines) != 3 || lines[0] != "> which cat?" || !strings.HasPrefix(lines[1], "file:photo|AgAC|https://gw.example.com/media/") || lines[2] != "my cat" {
			h.Fatalf("the core got %q", lines)
		}
		var read []string
		h.net.fail = func(n int, p connectors.Part) error {
			if p.File == nil {
				return nil
			}
			m, err := p.File.Open(h.Context())
			if err != nil {
				return err
			}
			text, err := io.ReadAll(m.Body)
			_ = m.Body.Close()
			read = append(read, p.File.Name+" "+m.Type+" "+string(text))
			if n == 2 {
				return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer}
			}
			return err
		}
		h.says("ann", "[[reply:"+ev.ID+"]]\nis it this one?\n"+lines[1]+"\nlook")
		h.waits(time.Minute)
		want := "cat.png image/png " + onePNG
		if len(read) != 2 || read[0] != want || read[1] != want {
			h.Errorf("read %q", read)
		}
		h.net.mu.Lock()
		defer h.net.mu.Unlock()
		if len(h.net.sent) != 2 {
			h.Fatalf("sent %+v", h.net.sent)
		}
		first, second := h.net.sent[0], h.net.sent[1]
		if first.Text != "is it this one?" || first.ReplyTo != ev.NetworkID || second.Text != "look" || second.File == nil ||
			second.File.URL != strings.SplitN(lines[1], "|", 3)[2] || second.ReplyTo != "" {
			h.Errorf("sent %+v, %+v", first, second)
		}
	}, withFiles(connectors.Capabilities{Files: true, Caption: 100, Replies: true}))
}

// TestFileThatCannotBeHad: the agent reads a note, and the conversation goes on at
// once.
func TestFileThatCannotBeHad(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(time.Second)
		h.net.fail = func(_ int, p connectors.Part) error {
			if p.File == nil {
				return nil
			}
			_, err := p.File.Open(h.Context())
			return err
		}
		h.says("ann", "file:||http://10.0.0.1/x")
		h.says("ann", "and more")
		h.waits(time.Minute)
		if got := h.net.got(); len(got) != 1 || got[0] != "and more" {
			h.Errorf("sent %q", got)
		}
		if _, notes := h.shown("ann"); len(notes) != 1 || !strings.Contains(notes[0], "the target address is not allowed") {
			h.Errorf("notes %q", notes)
		}
		if state := h.gw.channel(testChannel).state(); state != stateOK {
			h.Errorf("the channel is %s", state)
		}
	}, withFiles(connectors.Capabilities{Files: true}))
}

// TestWhatANetworkCannotShowIsToldOnce: each kind of it.
func TestWhatANetworkCannotShowIsToldOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.writes("ann", 1)
		h.waits(time.Second)
		h.says("ann", "[[reply:1]]\nyes")
		h.waits(time.Second)
		h.says("ann", "[[reply:1]]\nlook\nfile:||https://x.example/a")
		h.waits(time.Second)
		h.says("ann", "file:||https://x.example/b\n[[Yes]]")
		h.waits(time.Second)
		want := []string{"yes", "look\nhttps://x.example/a", "https://x.example/b\n- Yes"}
		if got := h.net.got(); strings.Join(got, "~") != strings.Join(want, "~") {
			h.Errorf("sent %q", got)
		}
		_, notes := h.shown("ann")
		for i, kind := range []string{changedReply, changedFiles, changedButtons} {
			if len(notes) != 3 || notes[i] != "This channel cannot show everything: "+kind+"." {
				h.Fatalf("notes %q", notes)
			}
		}
	}, withFiles(connectors.Capabilities{}))
}
