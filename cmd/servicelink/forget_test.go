package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"servicelink/gateway"
)

// TestForgetAsks: the TrackingId goes in the body, where no log of calls has it.
func TestForgetAsks(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = append(got, r.Method+" "+r.RequestURI+" "+r.PostForm.Encode())
		answer := gateway.Forgotten{Conversation: "749d7cab", Channels: []gateway.ForgottenIn{{Channel: "shop", Messages: 5, DeadLetters: 2, GivenUp: 1, Open: true}}}
		if r.PostFormValue("tracking") == "nobody" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error":"nothing is known of this TrackingId"}`))
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	at := func(args ...string) []string { return append(args, "--address", server.Listener.Addr().String()) }
	for _, test := range []struct {
		args           []string
		code           int
		stdout, stderr string
		call           string
	}{
		{
			at("forget", "+49 170|sms"), exitFine,
			"shop: conversation 749d7cab forgotten: 5 messages, 2 of them dead letters, 1 given up\n" +
				"  traces of it are being wiped from the journal's files; that goes on by itself\n" +
				"  the core held a chat open: what it tells of it makes the customer known again; end it and forget once more\n" +
				"copies of the journal that were made before still hold it\n", "",
			"POST /api/v1/forget tracking=%2B49+170%7Csms",
		},
		{at("forget", "nobody", "--channel", "shop", "--pending"), exitFailed, "", "nothing is known of this TrackingId", "POST /api/v1/forget channel=shop&pending=true&tracking=nobody"},
		{at("forget"), exitUsage, "", "accepts 1 arg", ""},
	} {
		got = nil
		code, stdout, stderr := asked(test.args...)
		if code != test.code || stdout != test.stdout || !strings.Contains(stderr, test.stderr) {
			t.Errorf("%v: exit code %d; it prints\n%s\nand\n%s", test.args, code, stdout, stderr)
		}
		if call := strings.Join(got, "\n"); call != test.call {
			t.Errorf("%v asks %q", test.args, call)
		}
	}
}

// TestJournalAsks: answers and exit codes.
func TestJournalAsks(t *testing.T) {
	whole := fixed(t, map[string]string{
		"POST /api/v1/journal/backup": `{"path":"/data/backups/a.db","bytes":12,"took_seconds":0.5}`,
		"POST /api/v1/journal/verify": `{"whole":true,"in_file":true,"rows":5,"pending":1,"conversations":2,"problems":[],"took_seconds":1.5}`,
	})
	broken := fixed(t, map[string]string{
		"POST /api/v1/journal/verify": `{"whole":false,"in_file":false,"rows":5,"pending":1,"conversations":2,"problems":["it is\u001b[2J bad"],"took_seconds":1}`,
	})
	token := tokenFile(t, "right")
	for _, test := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"journal", "backup", "--to", "a.db", "--address", whole}, exitFine, "/data/backups/a.db: 12 bytes, in 500ms\n", ""},
		{[]string{"journal", "verify", "--address", whole}, exitFine, "whole: 5 messages, 1 of them pending, 2 conversations; looked through in 1.5s\n", ""},
		{[]string{"journal", "verify", "--address", broken}, exitFailed, "NOT WHOLE: 5 messages, 1 of them pending, 2 conversations; looked through in 1s; it is in memory, not kept in a file\n  it is�[2J bad\n", "is not whole"},
		{[]string{"journal", "backup", "--to", "a.db", "--address", broken}, exitFailed, "", "409 Conflict"},
		{[]string{"journal", "backup", "--address", whole}, exitUsage, "", "required flag"},
		{[]string{"journal", "verify", "--file", token + ".none"}, exitFailed, "", "no such file"},
		{[]string{"journal"}, exitUsage, "", "backup or verify"},
	} {
		code, stdout, stderr := asked(append(test.args, "--token-file", token)[:len(test.args)+2*min(1, len(test.args)-1)]...)
		if code != test.code || stdout != test.stdout || !strings.Contains(stderr, test.stderr) {
			t.Errorf("%v: exit code %d; it prints\n%s\nand\n%s", test.args, code, stdout, stderr)
		}
	}
}

// TestForgetInTheProcess: a customer writes to the real program, whose core is
// away, and is forgotten; a copy made before holds them, the journal does not.
func TestForgetInTheProcess(t *testing.T) {
	p := startProcess(t)
	for id, who := range map[int]string{4711: "planted", 4712: "other"} {
		p.brings(fmt.Sprintf(`{"event":"new_message","chat_id":%[2]d,"visitor":{"id":"v-%[1]s","fields":{"name":"Name %[1]s","phone":"+420-%[1]s"}},"message":{"id":"m-%[1]s","kind":"visitor","text":"text %[1]s"}}`, who, id))
	}
	wants := func(code int, says string, args ...string) {
		t.Helper()
		got, stdout, stderr := asked(append(args, "--address", p.private)...)
		if got != code || !strings.Contains(stdout+stderr, says) {
			t.Errorf("%v: exit code %d: %s%s", args, got, stdout, stderr)
		}
	}
	folder := filepath.Dir(p.journal)
	wants(exitFine, filepath.Join(folder, "backups", "before.db"), "journal", "backup", "--to", "before.db")
	wants(exitFailed, "a file of that name", "journal", "backup", "--to", filepath.Join(folder, "backups", "before.db"))
	for _, outside := range []string{"../x.db", filepath.Join(t.TempDir(), "x.db"), filepath.Join(folder, "x.db"), "a/b.db", ".x", ""} {
		wants(exitFailed, "its folder is backups", "journal", "backup", "--to", outside)
	}
	wants(exitFine, "whole: 2 messages, 2 of them pending, 2 conversations", "journal", "verify")

	const tracking = "4711|omnichannel"
	wants(exitFailed, "nothing is known", "forget", "4713|omnichannel")
	wants(exitFailed, "messages are pending", "forget", tracking)
	if len(p.filesWith("planted")) == 0 {
		t.Error("the journal has no planted text: the test shows nothing")
	}
	wants(exitFine, "one: conversation ", "forget", tracking, "--pending")
	p.log.until("admin action")
	for _, text := range []string{"planted", tracking} {
		if files := p.filesWith(text); len(files) > 0 {
			t.Errorf("after it is forgotten %q is in %v", text, files)
		}
	}
	if len(p.filesWith("other")) == 0 {
		t.Error("the other customer is gone, too")
	}
	wants(exitFailed, "nothing is known", "forget", tracking)
	wants(exitFine, "whole: 1 messages, 1 of them pending, 1 conversations", "journal", "verify")
	p.wantMetric(`servicelink_ledger{channel="one",direction="in",network="omnichannel",state="dead"} 1`)

	p.signal(syscall.SIGTERM)
	p.log.rest()
	if err := p.command.Wait(); err != nil {
		t.Errorf("%v\n%s", err, p.log.seen.String())
	}
	for _, text := range []string{"Name planted", "text planted", tracking, "+420-planted"} {
		if strings.Contains(p.log.seen.String(), text) {
			t.Errorf("the log has %q", text)
		}
	}
	before := filepath.Join(folder, "backups", "before.db")
	for _, path := range []string{p.journal, before} {
		if code, stdout, stderr := asked("journal", "verify", "--file", path); code != exitFine || !strings.HasPrefix(stdout, "whole: ") {
			t.Errorf("%s: exit code %d: %s%s", path, code, stdout, stderr)
		}
	}
	if data, err := os.ReadFile(before); err != nil || !bytes.Contains(data, []byte("text planted")) {
		t.Errorf("the copy of before: %v", err)
	}
}

// brings has the network call the webhook of channel one.
func (p *process) brings(body string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.public+"/connector/omnichannel/omnichannel_message/planted-0451-planted/bot_api_webhook", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		p.signal(syscall.SIGTERM)
		p.log.rest()
		p.t.Fatalf("the webhook answers %s\n%s", answer.Status, p.log.seen.String())
	}
}

// filesWith lists the files of the journal that hold a text; copies are not its.
func (p *process) filesWith(text string) (files []string) {
	p.t.Helper()
	all, err := filepath.Glob(p.journal + "*")
	if err != nil || len(all) < 3 {
		p.t.Fatalf("files of the journal: %v, %v", all, err)
	}
	for _, path := range all {
		data, err := os.ReadFile(path)
		if err != nil {
			p.t.Fatal(err)
		}
		if bytes.Contains(data, []byte(text)) {
			files = append(files, path)
		}
	}
	return files
}
