package email

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"servicelink/connectors"
	"servicelink/test/corpus"
)

var update = flag.Bool("update", false, "write the golden files anew")

// memoryKeeper keeps files in memory, or only their sizes.
type memoryKeeper struct {
	mu      sync.Mutex
	content map[string][]byte
	discard bool  // keeps nothing
	fails   error // what Put fails by
	puts    int
}

func (k *memoryKeeper) Put(_ context.Context, name, mimeType string, r io.Reader) (connectors.File, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.puts++
	if k.fails != nil {
		return connectors.File{}, k.fails
	}
	h := sha256.New()
	var kept bytes.Buffer
	to := io.Writer(h)
	if !k.discard {
		to = io.MultiWriter(h, &kept)
	}
	n, err := io.Copy(to, r)
	if err != nil {
		return connectors.File{}, err
	}
	id := hex.EncodeToString(h.Sum(nil))[:12]
	if k.content == nil {
		k.content = map[string][]byte{}
	}
	k.content[id] = kept.Bytes()
	return connectors.File{ID: id, Type: mimeType, Name: name, Size: n, URL: "https://files.example/" + id + "?a=1&b=2"}, nil
}

func (k *memoryKeeper) Open(id string) (io.ReadSeekCloser, error) {
	return nil, &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Err: errors.New(id)}
}

var received = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func testParser(files connectors.FileKeeper) *parser {
	return newParser(parserSettings{
		Addresses: []string{"support@example.org"}, TrustedAuthServ: []string{"mx.example.org"}, KeepOriginal: true,
	}, files, slog.New(slog.DiscardHandler))
}

var original = connectors.File{ID: "original", Name: "message.eml", Type: "message/rfc822"}

// read parses a mail that must be readable, and checks what holds for every event.
func read(t testing.TB, p *parser, raw []byte) connectors.Event {
	t.Helper()
	e, err := p.parse(t.Context(), incoming{Raw: bytes.NewReader(raw), Received: received, Original: original})
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	checkEvent(t, e)
	return e
}

// checkEvent holds what the core and the engine rely on, whatever the mail.
func checkEvent(t testing.TB, e connectors.Event) {
	t.Helper()
	m := e.Message
	if e.Kind != connectors.KindMessage || e.ID == "" || len(e.ID) > connectors.MaxEventID {
		t.Errorf("kind %q, ID %q", e.Kind, e.ID)
	}
	if e.TrackingID == "" || len(e.TrackingID) > connectors.MaxTrackingID {
		t.Errorf("TrackingID %q", e.TrackingID)
	}
	if m.RemoteAddress == "" || utf8.RuneCountInString(m.RemoteAddress) > connectors.MaxRemoteAddress || e.Customer.PartyName == "" || e.Customer.RemoteAddress != m.RemoteAddress {
		t.Errorf("RemoteAddress %q, customer %+v", m.RemoteAddress, e.Customer)
	}
	if len(m.Text) > connectors.MaxBody || len(m.HTML) > connectors.MaxBody {
		t.Errorf("bodies of %d and %d bytes", len(m.Text), len(m.HTML))
	}
	if m.Text == "" && strings.TrimSpace(m.HTML) != "" && textOfHTML(m.HTML) != "" {
		t.Error("HTML without text")
	}
	if n := len(m.Files); n == 0 || m.Files[n-1].ID != original.ID {
		t.Errorf("the original is not the last of %d files", n)
	}
	for _, f := range m.Files {
		if f.Name == "" || strings.ContainsAny(f.Name, "/\\\x00\n") || strings.HasPrefix(f.Name, ".") || len(f.Name) > maxFileName+12 || !isMediaType(f.Type) {
			t.Errorf("file %q of type %q", f.Name, f.Type)
		}
	}
	written, err := json.Marshal(m)
	if err != nil {
		t.Error(err)
	}
	for _, s := range append([]string{m.Text, m.HTML, m.Subject, m.From, m.To, m.Cc, m.ReplyTo, m.SystemID, m.InReplyTo, m.Problem, m.RemoteAddress, e.Customer.PartyName}, m.References...) {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("not UTF-8: %q in %.200s", s, written)
		}
	}
}

// golden compares value, as JSON, with a file.
func golden(t *testing.T, name string, value any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestMails reads small mails, one matter each.
func TestMails(t *testing.T) {
	names, err := filepath.Glob("testdata/in/*.eml")
	if err != nil || len(names) < 40 {
		t.Fatal(len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(name, ".eml")+".json", read(t, testParser(&memoryKeeper{}), raw))
		})
	}
}

// summary is what a golden file holds of a mail that somebody else owns.
type summary struct {
	Mail, TrackingID, Subject, From, SystemID, Auto, Problem string
	Text, HTML                                               string // length and the beginning of a hash
	Files                                                    []string
}

// TestCorpus reads every mail of both collections.
func TestCorpus(t *testing.T) {
	var all []summary
	ids := map[string]string{}
	for _, mail := range corpus.All(t) {
		e := read(t, testParser(&memoryKeeper{}), mail.Raw)
		if twin := ids[e.ID]; twin != "" && !bytes.Equal(mail.Raw, nil) {
			t.Logf("%s and %s are one mail", mail.Name, twin)
		}
		ids[e.ID] = mail.Name
		m := e.Message
		s := summary{
			Mail: mail.Name, TrackingID: e.TrackingID, Subject: m.Subject, From: m.From, SystemID: m.SystemID,
			Auto: m.Auto, Problem: m.Problem, Text: digest(m.Text), HTML: digest(m.HTML),
		}
		for _, f := range m.Files {
			s.Files = append(s.Files, fmt.Sprintf("%s %s %d", f.Name, f.Type, f.Size))
		}
		all = append(all, s)
	}
	golden(t, "testdata/corpus.json", all)
}

func digest(s string) string {
	if s == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s))
	return fmt.Sprintf("%d %x", len(s), sum[:4])
}

// TestGenerated finds in generated mails what was put into them.
func TestGenerated(t *testing.T) {
	ids := map[string]string{}
	for _, made := range corpus.Make(1, 1000) {
		e := read(t, testParser(&memoryKeeper{}), made.Raw)
		m := e.Message
		if m.Subject != made.Subject {
			t.Errorf("%s: subject %q, not %q", made.Name, m.Subject, made.Subject)
		}
		if !strings.Contains(m.Text, made.Text) {
			t.Errorf("%s: text %q, not %q", made.Name, m.Text, made.Text)
		}
		if (m.HTML != "") != made.HTML || strings.Contains(m.Text, "alert") {
			t.Errorf("%s: HTML %q, text %q", made.Name, m.HTML, m.Text)
		}
		if len(m.Files) != made.Files+1 {
			t.Errorf("%s: files %v, not %d", made.Name, m.Files, made.Files)
		}
		if m.SystemID != made.MessageID {
			t.Errorf("%s: Message-ID %q, not %q", made.Name, m.SystemID, made.MessageID)
		}
		if made.From == "" {
			made.From = unknownSender
		}
		if !strings.EqualFold(m.RemoteAddress, made.From) {
			t.Errorf("%s: from %q, not %q", made.Name, m.RemoteAddress, made.From)
		}
		if (m.Auto != "") != made.Auto {
			t.Errorf("%s: auto %q", made.Name, m.Auto)
		}
		if twin := ids[e.ID]; twin != "" {
			t.Errorf("%s and %s are one mail", made.Name, twin)
		}
		ids[e.ID] = made.Name
	}
}
