package security

import (
	"io/fs"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"servicelink/simprot/refcore"
)

// hostile are texts that would forge a log entry, steer a terminal or turn
// around what is read.
var hostile = []string{
	"\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\n", "\r\nforged", "\x1b[2J\x1b[31m", "\u009b31m", "\u202egnp.exe", "\u2028forged", "\x00\x07\x7f", "\ufeff\u200b",
}

// TestLogLines lets outside strings of every kind reach whatever is logged. That
// each line of the log is one entry of printable characters is checked when any
// gateway of these tests stops.
func TestLogLines(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for i, text := range hostile {
		in := jsonText(text)
		for _, body := range []string{
			strings.Replace(s.message(i, "visitor", "TEXT", ""), "TEXT", in, 1),
			strings.Replace(s.message(i, "visitor", "x", ""), `"m-`, `"m-`+in, 1),
			strings.Replace(s.message(i, "visitor", "x", ""), "Customer", in, 1),
			strings.Replace(s.message(i, "KIND", "x", ""), "KIND", in, 1),
			strings.Replace(s.message(i, "visitor", "x", ""), "new_message", in, 1),
			strings.Replace(s.message(i, "visitor", "x", ""), `"chat_id":`, `"chat_id":"`+in+`","x":`, 1),
			strings.Replace(s.message(i, "visitor", "x", ""), `"visitor"`, `"`+in+`"`, 1),
			s.message(i, "file_visitor", "", `,"data":{"state":"ready","url":"http://`+in+`/f","type":"`+in+`","name":"`+in+`"}`),
			in,
		} {
			s.hook(body)
		}
		s.raw(s.public, "GET /"+text+" HTTP/1.1\r\nHost: "+text+"\r\nConnection: close\r\nUser-Agent: "+text+"\r\n\r\n")
		s.raw(s.public, post(hookPath, "h", "X-Forwarded-For: "+text+"\r\nReferer: "+text+"\r\n", "{}"))
		s.raw(s.private, "GET /api/v1/dead?channel="+escaped(text)+" HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "+adminToken+"\r\nConnection: close\r\n\r\n")
		for _, a := range []refcore.Address{
			{Peer: peer, Port: "nobody" + text, TrackingID: "1|omnichannel"}, {Peer: peer, Port: "shop", TrackingID: text + "|omnichannel"},
		} {
			chat, err := s.core.Begin(a, text)
			if err == nil {
				_, err = s.core.SayAs(chat, refcore.Utterance{ID: "id" + text, Text: text})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	s.until("dead letters", func() bool { return strings.Count(s.log.String(), `"dead letter"`) >= len(hostile) })
	s.served(9_000, patience)
}

// jsonText escapes what JSON wants escaped, so that the text arrives.
func jsonText(s string) string {
	return strings.NewReplacer("\n", `\n`, "\r", `\r`, "\x1b", `\u001b`, "\x00", `\u0000`, "\x07", `\u0007`, `"`, `\"`).Replace(s)
}

func escaped(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteString("%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]))
	}
	return b.String()
}

// TestFileModes: nothing the gateway writes can be read by others, whatever the
// umask says; these gateways run with none.
func TestFileModes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.served(1, patience)
	seen := map[string]bool{}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		seen[filepath.Base(path)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data", "journal.db", "journal.db-wal", "journal.db.lock"} {
		if !seen[name] {
			t.Errorf("no %s among %v", name, seen)
		}
	}
}

// TestCloseToTheInternet: beyond this machine the private listener needs its
// token, or nothing starts.
func TestCloseToTheInternet(t *testing.T) {
	t.Parallel()
	s := prepare(t)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "gw.example.com:0"} {
		file := s.configure(`private: { listen: "` + listen + `" }`)
		out, err := exec.CommandContext(t.Context(), path, "run", "--config", file).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "private.token: is missing") {
			t.Errorf("%s: %v, %s", listen, err, out)
		}
	}
}

// TestConsoleDoor: the reference core's console asks for no password, so a name
// that a page elsewhere had point here, and what that page sends, are refused.
func TestConsoleDoor(t *testing.T) {
	t.Parallel()
	s := prepare(t)
	server := http.Server{Handler: s.core.Console()}
	address := s.listen("127.0.0.1:0")
	go func() { _ = server.Serve(address) }()
	t.Cleanup(func() { _ = server.Close() })
	base := "http://" + address.Addr().String()
	for name, header := range map[string]map[string]string{
		"another name": {"Host": "evil.example"}, "a name like ours": {"Host": "localhost.evil.example"}, "another site": {"Origin": "http://evil.example"},
		"a picture's site": {"Sec-Fetch-Site": "cross-site"},
	} {
		header["Content-Type"] = "application/json"
		if got, err := s.do(http.MethodPost, base+"/api/drop", "{}", header); err != nil || got.status != http.StatusForbidden {
			t.Errorf("%s: %d, %v", name, got.status, err)
		}
	}
	if got, err := s.do(http.MethodPost, base+"/api/drop", "{}", map[string]string{"Content-Type": "application/json"}); err != nil || got.status != http.StatusOK {
		t.Errorf("a program: %d, %v", got.status, err)
	}
	if got, err := s.do(http.MethodPost, base+"/api/drop", "{}", map[string]string{"Content-Type": "text/plain"}); err != nil || got.status != http.StatusUnsupportedMediaType {
		t.Errorf("a form: %d, %v", got.status, err)
	}
}
