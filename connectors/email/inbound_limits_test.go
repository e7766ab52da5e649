package email

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
	"servicelink/test/corpus"
)

// countingReader counts the bytes that are read.
type countingReader struct {
	*bytes.Reader
	bytes int
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.bytes += n
	return n, err
}

// allocated is how many bytes f allocates, dead ones included: what is done again
// and again over the same text shows there.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// beyond is what is said of mails that are over a limit.
var beyond = map[string]string{
	"nested multiparts": "more parts within parts", "many parts": "more parts than", "many multiparts in a row": "more parts than", "many files": "more files than",
}

// TestHostile reads mails that are made to cost more than their length: each is an
// event, is read once, and costs in proportion to its length.
func TestHostile(t *testing.T) {
	const size = 64 << 10
	small, large := corpus.Hostile(size), corpus.Hostile(2*size)
	if len(small) < 50 {
		t.Fatal(len(small))
	}
	for i := range small {
		t.Run(small[i].Name, func(t *testing.T) {
			keeper := &memoryKeeper{discard: true}
			p := testParser(keeper)
			raw := &countingReader{Reader: bytes.NewReader(large[i].Raw)}
			var e connectors.Event
			parse := func(in incoming) {
				var err error
				if e, err = p.parse(t.Context(), in); err != nil {
					t.Fatal(err)
				}
			}
			twice := allocated(func() { parse(incoming{Raw: raw, Received: received, Original: original}) })
			checkEvent(t, e)
			if raw.bytes != len(large[i].Raw) {
				t.Errorf("read %d bytes of %d", raw.bytes, len(large[i].Raw))
			}
			if keeper.puts > maxFiles {
				t.Errorf("%d files kept", keeper.puts)
			}
			if want := beyond[small[i].Name]; want != "" && !strings.Contains(e.Message.Problem, want) {
				t.Errorf("problem %q does not say: %s", e.Message.Problem, want)
			}
			once := allocated(func() { parse(incoming{Raw: bytes.NewReader(small[i].Raw), Received: received, Original: original}) })
			if twice > 3*once+1<<18 {
				t.Errorf("%d bytes allocated, %d for a mail of half the size", twice, once)
			}
		})
	}
}

// endless gives text again and again until n bytes are given.
type endless struct {
	text string
	n    int
}

func (r *endless) Read(p []byte) (int, error) {
	if r.n <= 0 {
		return 0, io.EOF
	}
	k := 0
	for k < len(p) {
		k += copy(p[k:], r.text)
	}
	k = min(k, r.n)
	r.n -= k
	return k, nil
}

// bigRaw is a mail that is nowhere in memory. It can be read once.
type bigRaw struct{ io.Reader }

func (bigRaw) Seek(int64, int) (int64, error) { return 0, nil }

// TestMemory reads mails of 25 MB: what is live at any moment stays below 16 MiB.
func TestMemory(t *testing.T) {
	size := 25 << 20
	if raceDetector() {
		size = 5 << 20 // takes a minute otherwise; the suite with real mail servers has all of it
	}
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	for name, raw := range map[string]io.Reader{
		"file":       &endless{text: strings.Repeat("QUJD", 19) + "\r\n", n: size},
		"text":       &endless{text: "some words of a text\r\n", n: size},
		"html":       &endless{text: "<p>some <b>words</b> <a href=\"https://x.example/\">of</a> a text</p>\r\n", n: size},
		"html tag":   io.MultiReader(strings.NewReader("<img src=\"data:image/png;base64,"), &endless{text: "QUJD", n: size}),
		"utf-16":     &endless{text: "a\x00", n: size},
		"header":     &endless{text: "X: y\r\n", n: size},
		"long field": &endless{text: "x", n: size},
	} {
		t.Run(name, func(t *testing.T) {
			head := map[string]string{
				"file": "Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n", "text": "\r\n", "utf-16": "Content-Type: text/plain; charset=utf-16\r\n\r\n",
				"html": "Content-Type: text/html\r\n\r\n", "html tag": "Content-Type: text/html\r\n\r\n", "header": "", "long field": "Subject: ",
			}[name]
			in := incoming{Raw: bigRaw{io.MultiReader(strings.NewReader("From: a@x.example\r\n"+head), raw)}, Received: received, Original: original}
			p := testParser(&memoryKeeper{discard: true})
			runtime.GC()
			base := liveHeap()
			stop, peak := make(chan struct{}), make(chan uint64)
			go func() {
				most := uint64(0)
				tick := time.NewTicker(200 * time.Microsecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						peak <- most
						return
					case <-tick.C:
						most = max(most, liveHeap())
					}
				}
			}()
			e, err := p.parse(t.Context(), in)
			close(stop)
			used := int64(<-peak) - int64(base)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%.1f MiB at most", float64(used)/(1<<20))
			if used > 16<<20 {
				t.Errorf("%d bytes in use", used)
			}
			m := e.Message
			if name == "file" && (len(m.Files) != 2 || m.Files[0].Size < int64(size/78*57)) {
				t.Errorf("files %v", m.Files)
			}
			if strings.HasPrefix(name, "text") && (!strings.HasSuffix(m.Text, cutInText) || len(m.Text) < connectors.MaxBody-200 || !strings.Contains(m.Problem, cutSentence)) {
				t.Errorf("text of %d bytes ends %q, problem %q", len(m.Text), m.Text[len(m.Text)-100:], m.Problem)
			}
			if name == "html" && (!strings.HasSuffix(m.HTML, cutInHTML) || !strings.HasSuffix(m.Text, cutInText)) {
				t.Errorf("HTML ends %q, text %q", m.HTML[len(m.HTML)-100:], m.Text[len(m.Text)-100:])
			}
		})
	}
}

// raceDetector reports whether the test was built with it.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// liveHeap is what lies on the heap, with little that is dead: the collector runs
// all the time.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestCut cuts bodies at the border of a character, and says so.
func TestCut(t *testing.T) {
	for shift, letter := range []string{"x", "ü", "日", "🎉"} {
		body := strings.Repeat("a", shift) + strings.Repeat(letter, connectors.MaxBody/len(letter)+10)
		for _, kind := range []string{"plain", "html"} {
			m := read(t, testParser(nil), []byte("From: a@x.example\r\nContent-Type: text/"+kind+"; charset=utf-8\r\n\r\n"+body)).Message
			rest, ok := strings.CutSuffix(m.Text, cutInText)
			if !ok || !strings.HasPrefix(body, rest) || len(m.Text) > connectors.MaxBody || len(m.Text) < connectors.MaxBody-10 || !strings.Contains(m.Problem, cutSentence) {
				t.Errorf("%s %s: %d bytes of text, problem %q", kind, letter, len(m.Text), m.Problem)
			}
		}
	}
	whole := strings.Repeat("x", connectors.MaxBody-200)
	if m := read(t, testParser(nil), []byte("From: a@x.example\r\n\r\n"+whole)).Message; m.Text != whole || m.Problem != "" {
		t.Errorf("%d bytes of a text that fits, problem %q", len(m.Text), m.Problem)
	}
}

// TestNoKeeper names what cannot be kept.
func TestNoKeeper(t *testing.T) {
	raw := "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--\r\n"
	e, err := testParser(nil).parse(t.Context(), incoming{Raw: strings.NewReader(raw), Received: received})
	if err != nil {
		t.Fatal(err)
	}
	if m := e.Message; m.Text != "text" || m.Problem != "Files that came with the message are not kept here: a.pdf, part-3.png." || len(m.Files) != 0 {
		t.Errorf("text %q, problem %q, files %v", m.Text, m.Problem, m.Files)
	}
}

// TestFailures: what is wrong with the disk or the mailbox is an error, and the same
// mail is the same event when it goes well.
func TestFailures(t *testing.T) {
	raw := []byte("From: a@x.example\r\nContent-Type: image/png\r\n\r\n" + strings.Repeat("x", 100_000))
	full := fmt.Errorf("%w: full", connectors.ErrUnavailable)
	if _, err := testParser(&memoryKeeper{fails: full}).parse(t.Context(), incoming{Raw: bytes.NewReader(raw)}); !errors.Is(err, connectors.ErrUnavailable) {
		t.Errorf("a full disk: %v", err)
	}
	broken := errors.New("broken")
	reader := bigRaw{io.MultiReader(bytes.NewReader(raw), errorReader{broken})}
	if _, err := testParser(&memoryKeeper{}).parse(t.Context(), incoming{Raw: reader}); !errors.Is(err, broken) {
		t.Errorf("a broken source: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := testParser(&memoryKeeper{}).parse(ctx, incoming{Raw: bytes.NewReader(raw)}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// panickingKeeper stands for a fault of a library.
type panickingKeeper struct{ memoryKeeper }

func (*panickingKeeper) Put(context.Context, string, string, io.Reader) (connectors.File, error) {
	panic("a fault")
}

// panickingReader panics at the first times it is read.
type panickingReader struct {
	*bytes.Reader
	times int
}

func (r *panickingReader) Read(p []byte) (int, error) {
	if r.times > 0 {
		r.times--
		panic("a fault")
	}
	return r.Reader.Read(p)
}

// TestUnreadable: a mail that cannot be read is an event that says so, with what its
// headers tell where they can be read, and the same one as if it could be read.
func TestUnreadable(t *testing.T) {
	raw := []byte("From: Anna <a@x.example>\r\nSubject: Hello\r\nMessage-ID: <1@x.example>\r\nContent-Type: image/png\r\n\r\nx\r\n")
	well := read(t, testParser(&memoryKeeper{}), raw)
	e := read(t, testParser(&panickingKeeper{}), raw)
	if m := e.Message; e.ID != well.ID || e.TrackingID != well.TrackingID || m.Subject != "Hello" || m.SystemID != "1@x.example" || m.Text != m.Problem || m.Problem != "The message could not be read." {
		t.Errorf("%+v %+v", e, m)
	}
	p := testParser(&memoryKeeper{})
	p.settings.KeepOriginal = false
	e, err := p.parse(t.Context(), incoming{Raw: &panickingReader{bytes.NewReader(raw), 2}, Received: received, Original: original})
	if err != nil {
		t.Fatal(err)
	}
	checkEvent(t, e)
	if m := e.Message; e.ID != well.ID || e.TrackingID != "mail|unknown" || m.Problem != "The message could not be read." {
		t.Errorf("%+v %+v", e, m)
	}
	if _, err = p.parse(t.Context(), incoming{Raw: &panickingReader{bytes.NewReader(raw), 3}}); !errors.Is(err, errUnreadable) {
		t.Errorf("nothing can be read: %v", err)
	}
}

// slowReader takes a second for every few lines.
type slowReader struct{ *bytes.Reader }

func (r slowReader) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return r.Reader.Read(p[:min(len(p), 1000)])
}

// slowKeeper is a disk that takes an hour.
type slowKeeper struct{ memoryKeeper }

func (k *slowKeeper) Put(ctx context.Context, name, mimeType string, r io.Reader) (connectors.File, error) {
	time.Sleep(time.Hour)
	return k.memoryKeeper.Put(ctx, name, mimeType, r)
}

// TestTime: what takes too long is given up, and still an event; the disk's time does
// not count.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := []byte("From: a@x.example\r\nSubject: Hello\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\n" +
			strings.Repeat("x\r\n", 500) + "--b\r\n\r\n" + strings.Repeat("x\r\n", 30_000))
		e := read(t, testParser(&slowKeeper{}), raw)
		if m := e.Message; m.Problem != "" || len(m.Files) != 2 || m.Text == "" {
			t.Errorf("a slow disk: problem %q, files %v", m.Problem, m.Files)
		}
		began := time.Now()
		slow, err := testParser(nil).parse(t.Context(), incoming{Raw: slowReader{bytes.NewReader(raw)}, Received: received, Original: original})
		if err != nil {
			t.Fatal(err)
		}
		checkEvent(t, slow)
		if m := slow.Message; slow.ID != e.ID || m.Subject != "Hello" || m.Problem != "The message could not be read." {
			t.Errorf("a slow mail: %+v", m)
		}
		if took := time.Since(began); took < parseTime || took > 3*parseTime {
			t.Errorf("took %v", took)
		}
	})
}

// TestIdentity: what servers change does not make another mail, what its writer
// wrote does.
func TestIdentity(t *testing.T) {
	id := func(raw string) string { return read(t, testParser(nil), []byte(raw)).ID }
	mail := "From: Anna <a@x.example>\r\nSubject: long\r\n subject\r\nMessage-ID: <1@x.example>\r\nDate: x\r\n\r\nline\r\n\r\nline\r\n"
	for name, same := range map[string]string{
		"other hops":          "Received: by y\r\nDelivered-To: other@example.org\r\n" + mail + "",
		"line endings":        strings.ReplaceAll(mail, "\r\n", "\n"),
		"other folds":         strings.Replace(mail, "long\r\n subject", "long subject", 1),
		"line breaks behind":  mail + "\r\n\r\n",
		"no line break":       strings.TrimSuffix(mail, "\r\n"),
		"other order of them": "X: y\r\nDate: x\r\n" + strings.Replace(mail, "Date: x\r\n", "", 1),
	} {
		if id(same) != id(mail) {
			t.Errorf("%s: another mail", name)
		}
	}
	for name, other := range map[string]string{
		"body": mail + "x", "subject": strings.Replace(mail, "long", "short", 1), "from": strings.Replace(mail, "Anna", "Bob", 1),
		"message-id": strings.Replace(mail, "<1@", "<2@", 1), "date": strings.Replace(mail, "Date: x", "Date: y", 1), "empty line": strings.Replace(mail, "line\r\n\r\nline", "line\r\nline", 1),
	} {
		if id(other) == id(mail) {
			t.Errorf("%s: the same mail", name)
		}
	}
}
