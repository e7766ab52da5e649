package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const vectorFolder = "../../simprot/testdata/vectors"

// vector is what the tests need of the protocol's vectors.
type vector struct {
	Name    string          `json:"name"`
	Fields  json.RawMessage `json:"fields"`
	Msgpack string          `json:"msgpack"`
	JSON    string          `json:"json"`
	Frame   string          `json:"frame"`
}

// vectors reads one file of the protocol's test vectors.
func vectors(t testing.TB, name string) []vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(text, &list); err != nil || len(list) == 0 {
		t.Fatalf("%s: %d vectors, %v", name, len(list), err)
	}
	return list
}

// frames joins vectors of a file, those named or all.
func frames(t testing.TB, file string, names ...string) []byte {
	t.Helper()
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	var stream []byte
	for _, v := range vectors(t, file) {
		if len(names) > 0 && !wanted[v.Name] {
			continue
		}
		delete(wanted, v.Name)
		stream = append(stream, unhex(t, v.Msgpack+v.Frame)...)
	}
	if len(wanted) > 0 {
		t.Fatalf("%s lacks %v", file, wanted)
	}
	return stream
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dump runs the command on an input and returns its exit code and what it wrote.
func dump(t testing.TB, input []byte, flags ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(t.Context(), append([]string{"dump", "-"}, flags...), bytes.NewReader(input), &out, &errs)
	return code, out.String(), errs.String()
}

// dumpFine is dump of something that must go well.
func dumpFine(t testing.TB, input []byte, flags ...string) string {
	t.Helper()
	code, stdout, stderr := dump(t, input, flags...)
	if code != exitFine {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	return stdout
}

// What a conversation says that must not be seen.
const (
	secret    = "marked-secret-5e1f"
	tracking  = "telegram:4712345"
	hello     = "marked hello of a customer"
	reply     = "marked reply of an agent"
	partyName = "Marked Name"
	port      = "shop"
)

// startCore runs a reference core on a port of its own.
func startCore(t *testing.T, o refcore.Options) (*refcore.Core, string) {
	t.Helper()
	o.Account, o.Secret = "gw", secret
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	core := refcore.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- core.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("core: %v", err)
		}
		core.Close()
	})
	return core, listener.Addr().String()
}

// converse makes a whole conversation through a client and ends it. It returns
// when both sides have closed.
func converse(t *testing.T, core *refcore.Core, cfg simprot.ClientConfig) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	up, got := make(chan *simprot.Session, 1), make(chan simprot.Packet, 16)
	cfg.Account, cfg.Secret, cfg.Peer, cfg.Instance, cfg.Login = "gw", secret, "@servicelink", "gw-1", true
	cfg.OnUp = func(s *simprot.Session) { up <- s }
	cfg.OnPacket = func(_ *simprot.Session, p simprot.Packet) {
		if p.Code == simprot.CodeChatSentence {
			got <- p
		}
	}
	client, err := simprot.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		if err := client.Run(running); err != nil {
			t.Error(err)
		}
	})
	defer done.Wait()
	defer stop()

	var session *simprot.Session
	select {
	case session = <-up:
	case <-ctx.Done():
		t.Fatal("no session")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = session.Resync(ctx, port, nil)
	must(err)
	info := simprot.ChatServiceInfo{Port: port, TrackingId: tracking, PartyName: partyName}
	request := info
	_, err = session.Request(ctx, &request)
	must(err)
	status, err := session.Start(ctx, &info)
	must(err)
	must(session.Send(simprot.CodeChatSentenceIn, &simprot.ChatSentenceInfo{
		Port: port, TrackingId: tracking, ID: "m:1", PartyName: partyName, Text: hello, TimeSent: time.Now(),
	}, nil))
	wait := func() simprot.Packet {
		select {
		case p := <-got:
			return p
		case <-ctx.Done():
			t.Fatal("no sentence from the core")
			panic("unreachable")
		}
	}
	wait() // the echo
	id, err := core.Say(status.ChatId, reply)
	must(err)
	wait()
	must(session.Send(simprot.CodeChatConfirmIn, &simprot.ChatCommandInfo{Port: port, TrackingId: tracking, ID: id}, nil))
}

// conversation is what every dump of converse must show, in order.
var conversation = []string{
	"-> SP_LOGIN", "<- SP_WELCOME",
	"-> ES_CHAT_RESYNC port=shop", "<- SE_CHAT_LIST",
	"-> ES_CHAT_REQUEST port=shop conversation=" + simprot.LogID(tracking), "<- SE_CHAT_RESPONSE port=shop",
	"-> ES_CHAT_START port=shop", "<- SE_CHAT_STATUS port=shop",
	"-> ES_CHAT_SENTENCE port=shop conversation=" + simprot.LogID(tracking) + " id=m:1", "<- SE_CHAT_SENTENCE port=shop",
	"<- SE_CHAT_SENTENCE port=shop", "-> ES_CHAT_CONFIRM port=shop",
	"-> SP_BYE",
}

// checkConversation fails unless out shows the whole conversation and nothing
// that is to be masked.
func checkConversation(t *testing.T, out string) {
	t.Helper()
	rest := out
	for _, want := range conversation {
		_, behind, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("no %q in order in:\n%s", want, out)
		}
		rest = behind
	}
	for _, marked := range []string{secret, tracking, hello, reply, partyName} {
		if strings.Contains(out, marked) {
			t.Errorf("shows %q", marked)
		}
	}
	if strings.Contains(out, "fault") {
		t.Errorf("shows faults:\n%s", out)
	}
}

// lines is a writer for one goroutine that others wait on.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	grew chan struct{}
}

func newLines() *lines { return &lines{grew: make(chan struct{}, 1)} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	select {
	case l.grew <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until what was written holds a text, and returns all of it.
func (l *lines) await(t *testing.T, text string) string {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.grew:
		case <-deadline.C:
			t.Fatalf("no %q in:\n%s", text, l)
		}
	}
	return l.String()
}
