//go:build chaos

package chaos

import (
	"crypto/rand"
	"errors"
	"fmt"
	dice "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// damage is what a loss of power leaves behind the last synced bytes of the log,
// in the way of a torn write, and in the index of the log, which is never synced.
func (w *world) damage(s strike) {
	if s.Kind != tornTail {
		return
	}
	w.must(appendTo(w.journal()+"-wal", rubbish(17*int(s.Pause/time.Millisecond))))
	w.must(overwriteIndex(w.journal()+"-shm", int64(s.Down/time.Millisecond)))
}

func rubbish(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func appendTo(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// overwriteIndex puts rubbish into the first half of a file, from a place that
// depends on n.
func overwriteIndex(path string, n int64) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() < 1024 {
		return err
	}
	return overwrite(path, n*31%(info.Size()/2), rubbish(64))
}

func overwrite(path string, at int64, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Sync(), f.Close())
}

const (
	taken   = 60 // messages the journal takes before it is damaged
	tears   = 8
	pages   = 4
	oneChat = "1|omnichannel"
)

// TestTornTail damages what a journal has synced, which no journal survives
// whole. Cut or spoilt at any place, its log still gives back every message that
// was taken before that place, in order and once; a damaged file is refused, or
// reported, with what to do about it. Nothing is passed over in silence.
func TestTornTail(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	t.Logf("seed %d", seed)
	d := newDice(seed, "torn")
	w := newWorld(t, variant{Fences: true, Asks: true}, newReport(seed, t.Logf))
	w.noCore() // what is taken stays in the journal
	w.must(w.startGateway())
	w.ready()
	ends := w.take()
	w.gateway.Kill()
	kept := w.keep("log")
	for range tears {
		w.tear(d, kept, ends)
	}
	w.restore(kept) // now everything into the file itself
	w.must(w.startGateway())
	w.ready()
	w.stopOrderly()
	kept = w.keep("file")
	w.spoil(kept, 0)
	for range pages {
		info, err := os.Stat(filepath.Join(kept, "journal.db"))
		w.must(err)
		w.spoil(kept, 8192*(1+d.Int64N(info.Size()/8192-1)))
	}
	w.panicked()
	for _, v := range w.log.Violations {
		t.Error(v)
	}
}

// take lets the gateway take messages one by one; ends is how long the log was
// once each was safe.
func (w *world) take() (ends []int64) {
	for n := 1; n <= taken; n++ {
		body := fmt.Sprintf(`{"event":"new_message","chat_id":1,"visitor":{"id":"v"},"message":{"id":"m%d","kind":"visitor","text":"c1-%d"}}`, n, n)
		url := "http://" + host + ":" + publicPort + "/connector/omnichannel/omnichannel_message/" + hookToken + "/bot_api_webhook"
		req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, url, strings.NewReader(body))
		w.must(err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := w.client.Do(req)
		w.must(err)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			w.t.Fatalf("the webhook answers %s", resp.Status)
		}
		info, err := os.Stat(w.journal() + "-wal")
		w.must(err)
		ends = append(ends, info.Size())
	}
	if !slices.IsSorted(ends) || ends[0] == ends[taken-1] {
		w.t.Fatalf("the log does not grow: %v", ends)
	}
	return ends
}

// keep copies the journal's files.
func (w *world) keep(name string) (dir string) {
	dir = filepath.Join(w.dir, "kept-"+name)
	w.must(os.Mkdir(dir, 0o700))
	for _, file := range []string{"journal.db", "journal.db-wal"} {
		text, err := os.ReadFile(filepath.Join(w.disk.at, file))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		w.must(err)
		w.must(os.WriteFile(filepath.Join(dir, file), text, 0o600))
	}
	return dir
}

// restore puts them back. The index of the log is not among them: SQLite makes
// it anew.
func (w *world) restore(kept string) {
	w.gateway.Kill()
	for _, file := range []string{"journal.db", "journal.db-wal", "journal.db-shm"} {
		w.must(os.RemoveAll(filepath.Join(w.disk.at, file)))
		text, err := os.ReadFile(filepath.Join(kept, file))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		w.must(err)
		w.must(os.WriteFile(filepath.Join(w.disk.at, file), text, 0o600))
	}
}

// tear cuts or spoils the log and looks what comes to an empty core.
func (w *world) tear(d *dice.Rand, kept string, ends []int64) {
	w.t.Helper()
	w.restore(kept)
	at, how := ends[0]+d.Int64N(ends[taken-1]-ends[0]), "cut"
	if d.IntN(2) == 0 {
		w.must(os.Truncate(w.journal()+"-wal", at))
	} else {
		how = "spoilt"
		w.must(overwrite(w.journal()+"-wal", at, rubbish(1+d.IntN(5000))))
	}
	atLeast := 0 // messages that were safe before the place of the damage
	for atLeast < taken && ends[atLeast] <= at {
		atLeast++
	}
	got, why := w.served()
	w.t.Logf("%s at %d of %d: %d of %d messages were before, %d came %s", how, at, ends[taken-1], atLeast, taken, len(got), why)
	if len(got) < atLeast || !slices.Equal(got, numbered(len(got))) {
		w.log.violate("the log was %s at %d: %d messages were before, %q came; %s", how, at, atLeast, got, why)
	}
}

// spoil overwrites one page of the file.
func (w *world) spoil(kept string, at int64) {
	w.t.Helper()
	w.restore(kept)
	w.must(overwrite(w.journal(), at, rubbish(8192)))
	got, why := w.served()
	w.t.Logf("the page at %d is spoilt: %d of %d messages came %s", at, len(got), taken, why)
	if len(got) < taken && why == "" {
		w.log.violate("the page at %d is spoilt: %d messages came, and nobody is told", at, len(got))
	}
}

// served starts the gateway on what there is, with an empty core, and gives what
// the core then has; why is what an operator is told when it is not all.
func (w *world) served() (got []string, why string) {
	w.t.Helper()
	for _, file := range []string{"core.db", "core.db-wal", "core.db-shm"} {
		w.must(os.RemoveAll(filepath.Join(w.dir, file)))
	}
	w.must(w.startCore())
	defer w.noCore()
	w.must(w.startGateway())
	defer w.gateway.Kill()
	for end := time.Now().Add(patience); ; w.pause(50 * time.Millisecond) {
		if !w.gateway.Alive() {
			words := w.lastWords(w.gatewayLog)
			if w.gateway.ProcessState.ExitCode() != 1 || !strings.Contains(words, "is damaged") || !strings.Contains(words, "restore it from a backup") {
				w.log.violate("on a damaged journal the gateway ends with %v and says\n%s", w.gateway.ProcessState, words)
			}
			return nil, "the start is refused: damaged, restore it from a backup"
		}
		if strings.Contains(w.text("/readyz"), "journal_away") {
			return w.atCore(), "readyz: journal_away"
		}
		l := w.ledgers()["omnichannel in"]
		if got = w.atCore(); l.Accepted > 0 && l.Pending == 0 && int64(len(got)) == l.Done {
			return got, ""
		}
		if time.Now().After(end) {
			w.keepState("torn")
			w.log.violate("on a damaged journal the gateway does not come to rest: %+v", l)
			return got, "not at rest"
		}
	}
}

func (w *world) noCore() {
	w.coreProcess.Kill()
	w.coreProcess = nil
}

// atCore is what the customer wrote, as the core has it.
func (w *world) atCore() (texts []string) {
	chats, err := w.core.Chats(w.ctx)
	w.must(err)
	for _, chat := range chats {
		if chat.TrackingID != oneChat {
			continue
		}
		full, err := w.core.Chat(w.ctx, chat.ID)
		w.must(err)
		for _, l := range full.Sentences {
			if !l.Outbound && l.Model == 0 {
				texts = append(texts, l.Text)
			}
		}
	}
	return texts
}

func numbered(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("c1-%d", i+1)
	}
	return texts
}
