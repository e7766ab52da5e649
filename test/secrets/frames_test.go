package secrets

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tap stands between gateway and core and keeps what passes.
type tap struct {
	address string
	mu      sync.Mutex
	streams []*strings.Builder // one for each connection and direction
}

func newTap(t *testing.T, core string) *tap {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{address: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			ours, err := l.Accept()
			if err != nil {
				return
			}
			theirs, err := new(net.Dialer).DialContext(t.Context(), "tcp", core)
			if err != nil {
				_ = ours.Close()
				continue
			}
			all.Go(func() { p.pass(theirs, ours) })
			all.Go(func() { p.pass(ours, theirs) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return p
}

// pass copies one direction until either side ends it, then ends both.
func (p *tap) pass(to, from net.Conn) {
	seen := new(strings.Builder)
	p.mu.Lock()
	p.streams = append(p.streams, seen)
	p.mu.Unlock()
	_, _ = io.Copy(io.MultiWriter(to, &keeping{p, seen}), from)
	for _, c := range []net.Conn{to, from} {
		_ = c.(*net.TCPConn).SetLinger(0) //nolint:forcetypeassert // the tap made them
		_ = c.Close()
	}
}

type keeping struct {
	p    *tap
	seen *strings.Builder
}

func (k *keeping) Write(b []byte) (int, error) {
	k.p.mu.Lock()
	defer k.p.mu.Unlock()
	return k.seen.Write(b)
}

// frame is one packet's code and the bytes around it.
type frame struct{ code, body string }

var codeForm = regexp.MustCompile(`[A-Z]{2}_[A-Z_]+`)

func (p *tap) frames() (all []frame, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.streams {
		rest := s.String()
		for len(rest) >= 4 {
			n := int(binary.BigEndian.Uint32([]byte(rest)))
			if len(rest) < 4+n { // the connection broke inside it
				n = len(rest) - 4
			}
			body := rest[4 : 4+n]
			rest = rest[4+n:]
			code := codeForm.FindString(body[:min(len(body), 60)])
			if code == "" {
				return nil, errors.New("a frame without a code")
			}
			all = append(all, frame{code, body})
		}
	}
	return all, nil
}

// talking are the packets that carry what people write and who they are.
var talking = []string{"ES_CHAT_REQUEST", "ES_CHAT_START", "ES_CHAT_SENTENCE", "SE_CHAT_SENTENCE", "SE_CHAT_STATUS"}

// framesAreClean: the core hears what it is meant to hear, where it is meant.
func (s *stage) framesAreClean() {
	s.Helper()
	all, err := s.tap.frames()
	if err != nil {
		s.Fatal(err)
	}
	codes := map[string]int{}
	for _, f := range all {
		codes[f.code]++
		for _, l := range leaks("a frame", []byte(f.body)) {
			switch {
			case l.what == "chat id", l.what == "bot's customer", l.what == "phone user", l.what == "page's customer": // the conversation's name
			case f.code == "SE_SL_MSGGATEWAYS" && slices.Contains(registerMarks, l.what): // the core's own words
			case f.code == "SP_LOGIN" && (l.what == "core secret" || l.what == "guessed token"):
			case slices.Contains(secretMarks, l.what), strings.HasSuffix(l.what, "content"), l.what == "file url", l.what == "network's words":
				s.Errorf("the %s stands in %s", l.what, f.code)
			case !slices.Contains(talking, f.code):
				s.Errorf("the %s stands in %s", l.what, f.code)
			}
		}
	}
	for _, code := range append(talking, "SP_LOGIN", "SE_SL_MSGGATEWAYS", "ES_CHAT_RESYNC", "ES_CHAT_CONFIRM") {
		if codes[code] == 0 {
			s.Errorf("no %s among the frames: %v", code, codes)
		}
	}
}

// filesAreClean: beside the journal lies nothing that tells, and in it no secret.
func (s *stage) filesAreClean() {
	s.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.Fatal(err)
	}
	journals := 0
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
		if err != nil {
			s.Fatal(err)
		}
		isJournal := strings.HasPrefix(e.Name(), "journal.db") && !strings.HasSuffix(e.Name(), ".lock")
		if isJournal {
			journals++
		}
		for _, l := range leaks(e.Name(), data) {
			secret := slices.Contains(secretMarks, l.what) || strings.HasSuffix(l.what, "content")
			if e.Name() != "gateway.yaml" && (!isJournal || secret) {
				s.Errorf("the %s stands in the file %s", l.what, e.Name())
			}
		}
	}
	if journals < 2 {
		s.Errorf("%d files of the journal in %v", journals, entries)
	}
}
