package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// mark is something that must not be seen, by what it is. Every value is made
// for this test and occurs nowhere else.
var mark = map[string]string{
	"core secret":          "MARKcoresecretQ7",
	"webhook token":        "MARKhooktokenW3kk",
	"disabled token":       "MARKdisabledtokenP4",
	"locked token":         "MARKlockedtokenL5v",
	"guessed token":        "MARKguessedtokenZ2",
	"token in webhook_url": "MARKurltokenR9",
	"webhook_token":        "MARKouttokenT1",
	"private token":        "MARKprivatetokenY6",
	"guessed private":      "MARKguessedprivateU",
	"bot token":            "990011:MARKbottokenAAbbCCddEEffGGhhIIjjK5",
	"media key":            "MARKmediakeyV8aaaa",
	"new token":            "MARKnewtokenX1aaaa",
	"collector's token":    "MARKcollectorY2aaaa",
	"auth token":           "MARKauthtokenE8",
	"other auth token":     "MARKothertokenF8",
	"api secret":           "MARKapisecretG8",
	"page token":           "MARKpagetokenH8",
	"app secret":           "MARKappsecretI8",
	"other app secret":     "MARKotherappJ8",
	"verify token":         "MARKverifyK8aa",
	"user token":           "MARKpersontokenL8",
	"mail password":        "MARKmailpassM8",
	"mail secret file":     "MARKmailfileN8",
	"mail environment":     "MARKmailenvO8",

	"customer text":   "MARKcustomertextA",
	"caption":         "MARKcaptionB",
	"file url":        "MARKfileurlC",
	"button text":     "MARKbuttonD",
	"name":            "MARKnameE",
	"login":           "MARKloginF",
	"email":           "markemailg@customer.example",
	"phone":           "+420601777888",
	"visitor id":      "MARKvisitorH",
	"site":            "MARKsiteI",
	"agent text":      "MARKagenttextJ",
	"closed text":     "MARKclosedtextK",
	"malformed body":  "MARKmalformedL",
	"panicking text":  "MARKpanickingM",
	"network's words": "MARKnetworkwordsN",
	"chat id":         "660044002288",

	"bot's customer":  "770055113399",
	"first name":      "MARKfirstO",
	"last name":       "MARKlastP",
	"user name":       "MARKuserQ",
	"file name":       "MARKfilenameR",
	"file content":    "MARKfilecontentS",
	"agent's address": "MARKagenturlT",
	"agent's name":    "MARKagentfileU",
	"agent's content": "MARKagentcontentV",
	"journal filler":  "MARKfillerW",
	"phone user":      "+420602888999",
	"page's customer": "880066224400",
	"mail user":       "markmailuserp@mail.example",
	"broken device":   "MARKbrokenX",
}

// secretMarks are no content: they stand in no frame but the login's, and in no
// file but the configuration.
var secretMarks = []string{
	"core secret", "webhook token", "disabled token", "locked token", "guessed token", "token in webhook_url", "webhook_token",
	"private token", "guessed private", "bot token", "media key", "new token", "collector's token",
	"auth token", "other auth token", "api secret", "page token", "app secret", "other app secret", "verify token", "user token",
	"mail password", "mail secret file", "mail environment",
}

// leak is one mark that was seen.
type leak struct{ what, where, around string }

// leaks finds marks in what was seen somewhere, plain, in another case, in
// hexadecimal or base64, or escaped for a URL.
func leaks(where string, seen []byte) (found []leak) {
	lower := lowered(seen)
	for _, what := range slices.Sorted(maps.Keys(mark)) {
		for _, form := range forms(mark[what]) {
			text, needle := seen, []byte(form)
			if form == mark[what] {
				text, needle = lower, lowered(needle)
			}
			if at := bytes.Index(text, needle); at >= 0 {
				line := seen[bytes.LastIndexByte(seen[:at], '\n')+1:]
				line, _, _ = bytes.Cut(line, []byte("\n"))
				found = append(found, leak{what, where, string(line[:min(len(line), 400)])})
				break
			}
		}
	}
	return found
}

// lowered is bytes.ToLower for ASCII, which keeps places where they are whatever
// bytes there are.
func lowered(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}

// forms are how a value may be written.
func forms(value string) []string {
	all := []string{value, url.QueryEscape(value), hex.EncodeToString([]byte(value))}
	for skip := range 3 { // where it begins within base64's groups of three bytes
		coded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + value))
		first := []int{0, 2, 3}[skip]
		coded = coded[first : len(coded)-1] // the edges also depend on the neighbours
		all = append(all, coded)
	}
	return all
}

// recorder keeps everything that was seen.
type recorder struct {
	mu   sync.Mutex
	seen map[string]*bytes.Buffer
}

func (r *recorder) add(where string, data ...[]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = make(map[string]*bytes.Buffer)
	}
	if r.seen[where] == nil {
		r.seen[where] = &bytes.Buffer{}
	}
	for _, d := range data {
		r.seen[where].Write(d)
	}
	r.seen[where].WriteByte('\n')
}

// writer records what is written to it.
func (r *recorder) writer(where string) recordWriter { return recordWriter{r, where} }

type recordWriter struct {
	r     *recorder
	where string
}

func (w recordWriter) Write(p []byte) (int, error) {
	w.r.add(w.where, bytes.TrimSuffix(p, []byte("\n")))
	return len(p), nil
}

// text is what was seen in one place.
func (r *recorder) text(where string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[where] == nil {
		return ""
	}
	return r.seen[where].String()
}

// found lists the marks that were seen anywhere.
func (r *recorder) found() (all []leak) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, where := range slices.Sorted(maps.Keys(r.seen)) {
		all = append(all, leaks(where, r.seen[where].Bytes())...)
	}
	return all
}

// clean fails the test for every mark that was seen anywhere.
func (r *recorder) clean(t *testing.T) {
	t.Helper()
	for _, l := range r.found() {
		t.Errorf("the %s stands in %s: %s", l.what, l.where, l.around)
	}
}

// TestRecorderFindsALeak leaks on purpose, the way the gateway would.
func TestRecorderFindsALeak(t *testing.T) {
	var r recorder
	logger := slog.New(slog.NewTextHandler(r.writer("the log"), nil))
	logger.Info("nothing to see", "error", errors.New("harmless"))
	if found := r.found(); len(found) != 0 {
		t.Errorf("found %v", found)
	}
	logger.Warn("send failed", "error", fmt.Errorf("post %s: refused", mark["token in webhook_url"]))
	r.add("an answer", []byte("200 OK"), []byte(`{"text":"`+mark["customer text"]+`"}`))
	found := r.found()
	if len(found) != 2 || found[0].where != "an answer" || found[0].what != "customer text" ||
		found[1].where != "the log" || found[1].what != "token in webhook_url" || !strings.Contains(found[1].around, "send failed") {
		t.Errorf("found %+v", found)
	}
}

// TestMarksAreFound: a search that finds nothing proves nothing.
func TestMarksAreFound(t *testing.T) {
	for what, value := range mark {
		for _, seen := range []string{
			"first\nlevel=INFO msg=" + value + " more", strings.ToLower(value), strings.ToUpper(value),
			"/path?q=" + url.QueryEscape(value), hex.EncodeToString([]byte("a" + value)),
			base64.StdEncoding.EncodeToString([]byte(value)), base64.StdEncoding.EncodeToString([]byte("u:" + value)),
			base64.StdEncoding.EncodeToString([]byte("Basic " + value + "!")), base64.RawStdEncoding.EncodeToString([]byte("abcd" + value + "yz")),
		} {
			found := leaks("here", []byte(seen))
			if len(found) != 1 || found[0].what != what {
				t.Errorf("the %s in %q: found %v", what, seen, found)
			}
		}
	}
	if found := leaks("here", []byte("nothing to see; 66004400228 8, MARK")); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}
