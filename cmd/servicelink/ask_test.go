package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asked runs a command and gives its exit code and what it prints.
func asked(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = execute(args, &out, &errs)
	return code, out.String(), errs.String()
}

// fixed is a private listener with answers by "METHOD path?query".
func fixed(t *testing.T, answers map[string]string) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, ok := answers[r.Method+" "+r.URL.RequestURI()]
		if !ok {
			w.WriteHeader(http.StatusConflict)
			body = `{"error":"not a dead letter"}`
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	statusAnswer = `{"version":"1.2.3","at":"2026-01-02T03:04:05Z","started":"2026-01-02T00:00:00Z","uptime_seconds":11045.5,"ready":true,
"core":"up","journal":{"state":"ok","bytes":2097152,"max_bytes":1073741824,"born":"2025-12-31T00:00:00Z","volatile":false},
"ledger_balanced":true,"suspects":1,"register":{"state":"answered","at":"2026-01-02T03:00:05Z","gateways":1,"broken":1},"checks":{"state":"unknown"},"channels":[{"name":"shop","network":"telegram","port":"shop","state":"paused",
"checks":{"state":"failed","check":"credentials","fault":"wrong_token","at":"2026-01-02T03:00:00Z"},
"in":{"accepted":5,"done":5},"out":{"accepted":4,"done":1,"dead":1,"pending":2,"oldest":"2026-01-02T03:02:00Z"},
"last_error":{"seq":9,"reason":"blocked","hint":"the customer has blocked\u001b[2J","at":"2026-01-02T01:00:00Z"}},
{"name":"page","network":"facebook","port":"page","state":"ok","checks":{"state":"ok","at":"2026-01-02T03:00:00Z","token_ends":"2026-01-14T03:04:04Z"},"in":{},"out":{}},
{"name":"6f9619ff-8b86-d011-b42d-000000000001","network":"email","state":"ok","gateway":{"name":"Support","device":"ImapHost","direction":"in","registered":true},"in":{},"out":{}},
{"name":"6f9619ff-8b86-d011-b42d-000000000002","state":"broken","gateway":{"name":"Fax\u001b[2J","registered":true},"in":{},"out":{}},
{"name":"gone","state":"removed","in":{},"out":{}}],
"faults":[{"channel":"shop","what":"paused","hint":"the network refuses the credentials"},{"channel":"6f9619ff-8b86-d011-b42d-000000000002","gateway":"Fax","what":"gateway_broken","hint":"no such type"},{"what":"lanes_parked","hint":"later"}]}`
	statusScreen = `gateway   1.2.3, up 3h4m5s, ready
core      up
journal   ok, 2048 KiB, at most 1GiB, since 2025-12-31 00:00:00.000
ledger    in balance
suspects  1
register  answered, last told 4m0s ago, 1 gateways, 1 broken
checks    not yet

CHANNEL                                                      NETWORK   STATE    CHECKS          IN  OLDEST  OUT  OLDEST  DEAD  LAST DEAD LETTER
shop                                                         telegram  paused   wrong_token     0   -       2    2m5s    1     2026-01-02 01:00:00.000 blocked: the customer has blocked�[2J
page                                                         facebook  ok       ok, token 11 d  0   -       0    -       0     -
6f9619ff-8b86-d011-b42d-000000000001 Support (ImapHost, in)  email     ok       -               0   -       0    -       0     -
6f9619ff-8b86-d011-b42d-000000000002 Fax�[2J                 -         broken   -               0   -       0    -       0     -
gone                                                         -         removed  -               0   -       0    -       0     -

channel shop: paused: the network refuses the credentials
channel 6f9619ff-8b86-d011-b42d-000000000002 Fax: gateway_broken: no such type
gateway: lanes_parked: later
`
	traceAnswer = `{"by":"id","conversations":[{"channel":"shop","conversation":"749d7cab","chat_id":"c1","counter":3,"started":"2026-01-02T01:00:00Z","window":{"open":true,"end":"2026-01-03T01:00:00Z","by":"customer","what":"the customer's message"}},
{"channel":"shop","conversation":"749d7cac","counter":0,"window":{"open":false,"end":"2026-01-02T02:00:00Z","by":"network","what":"the network\u001b said so"}}],
"messages":[{"seq":12,"channel":"shop","direction":"out","conversation":"749d7cab","id":"s1","chat_id":"c1","counter":3,"state":"done","bytes":12,"text":"hi\u001b[2J",
"steps":[{"at":"2026-01-02T01:00:00Z","what":"accepted into the journal"},{"what":"attempts to send: 1"},{"at":"2026-01-02T01:00:01Z","what":"part 1 of 1: sent"}]},
{"seq":13,"channel":"shop","direction":"out","conversation":"749d7cab","id":"s2","state":"delivering","bytes":9,
"now":{"waits":"waits: the network asks for patience","kind":"wait_network","hint":"write less\u001b[2J","since":"2026-01-02T01:00:00Z","seconds":72.5,"until":"2026-01-02T01:05:00Z"},
"steps":[{"at":"2026-01-02T01:00:02Z","what":"waits: the network asks for patience","until":"2026-01-02T01:05:00Z"}]}],
"notes":["not recorded: much"]}`
	traceScreen = `conversation 749d7cab in shop, chat c1, counter 3, since 2026-01-02 01:00:00.000
  reply window until 2026-01-03 01:00:00.000 (the customer's message)
conversation 749d7cac in shop, chat -, counter 0, since -
  reply window closed since 2026-01-02 02:00:00.000 (the network� said so)

12 out shop/749d7cab, id s1, counter 3, 12 bytes: done
  text: hi�[2J
  2026-01-02 01:00:00.000  accepted into the journal
  -                        attempts to send: 1
  2026-01-02 01:00:01.000  part 1 of 1: sent

13 out shop/749d7cab, id s2, 9 bytes: delivering
  NOW it waits: the network asks for patience, until 2026-01-02 01:05:00.000, for 1m12s
      write less�[2J
  2026-01-02 01:00:02.000  waits: the network asks for patience, until 2026-01-02 01:05:00.000

(not recorded: much)
`
	letter     = `{"seq":7,"channel":"shop","direction":"out","tracking":"749d7cab","id":"m7","reason":"blocked","hint":"","attempts":2,"bytes":12,"accepted":"2026-01-02T01:00:00Z","ended":"2026-01-02T01:00:01.5Z","parts":[{"state":"rejected","reason":"blocked","at":"2026-01-02T01:00:01Z"}]}`
	deadScreen = `SEQ  ENDED                    CHANNEL  DIRECTION  CONVERSATION  ATTEMPTS  REASON   HINT
7    2026-01-02 01:00:01.500  shop     out        749d7cab      2         blocked  -
there may be more: --before 7
`
	letterScreen = `seq           7
channel       shop, out
conversation  749d7cab
id            m7
accepted      2026-01-02 01:00:00.000
ended         2026-01-02 01:00:01.500
reason        blocked
hint          -
attempts      2
content       12 bytes
part 1        rejected 2026-01-02 01:00:01.000 blocked
`
)

func TestAsking(t *testing.T) {
	here := fixed(t, map[string]string{
		"POST /api/v1/channels/a%20b/pause":                      `{"channel":"a b"}`,
		"POST /api/v1/channels/shop/resume":                      `{"channel":"shop","volatile":true}`,
		"GET /api/v1/status":                                     statusAnswer,
		"GET /api/v1/dead?limit=100":                             `{"dead":[]}`,
		"GET /api/v1/dead?before=9&channel=shop&limit=1":         `{"dead":[` + letter + `],"next_before":7}`,
		"GET /api/v1/dead?limit=1&before=8":                      `{"dead":[` + letter + `]}`,
		"GET /api/v1/dead?limit=1&before=9":                      `{"dead":[` + letter + `]}`,
		"GET /api/v1/trace?q=s1":                                 traceAnswer,
		"GET /api/v1/trace?by=id&channel=shop&content=true&q=s1": traceAnswer,
		"POST /api/v1/dead/7/requeue":                            `{"seq":7,"action":"requeue"}`,
		"POST /api/v1/dead/7/discard":                            `{"seq":7,"action":"discard"}`,
	})
	sad := strings.Replace(statusAnswer, `"ready":true`, `"ready":false`, 1)
	skewed := strings.Replace(statusAnswer, `"ledger_balanced":true`, `"ledger_balanced":false`, 1)
	sadOne := fixed(t, map[string]string{"GET /api/v1/status": sad})
	skewedOne := fixed(t, map[string]string{"GET /api/v1/status": skewed})
	token := tokenFile(t, "right")
	at := func(address string, args ...string) []string {
		return append(args, "--address", address, "--token-file", token)
	}
	for _, test := range []struct {
		args           []string
		code           int
		stdout, stderr string // stdout whole, of stderr a part
	}{
		{at(here, "status"), exitFine, statusScreen, ""},
		{at(sadOne, "status"), exitFailed, strings.Replace(statusScreen, "ready", "not ready", 1), "the gateway is not ready"},
		{at(skewedOne, "status"), exitFailed, strings.Replace(statusScreen, "in balance", "NOT IN BALANCE", 1), "the ledger is not in balance"},
		{at(here, "status", "--json"), exitFine, statusAnswer, ""},
		{at(here, "dead", "list", "--channel", "shop", "--before", "9", "--limit", "1"), exitFine, deadScreen, ""},
		{at(here, "dead", "list", "--json"), exitFine, `{"dead":[]}`, ""},
		{at(here, "dead", "show", "7"), exitFine, letterScreen, ""},
		{at(here, "dead", "show", "7", "--json"), exitFine, letter + "\n", ""},
		{at(here, "dead", "show", "8"), exitFailed, "", "8 is not a dead letter"},
		{at(here, "dead", "show", "x"), exitUsage, "", `"x" is not a SEQ`},
		{at(here, "dead", "requeue", "7"), exitFine, "7: requeue: done\n", ""},
		{at(here, "dead", "discard", "7"), exitFine, "7: discard: done\n", ""},
		{at(here, "dead", "discard", "7", "x"), exitUsage, "", `"x" is not a SEQ`},
		{at(here, "dead", "requeue", "7", "9"), exitFailed, "7: requeue: done\n", "409 Conflict: not a dead letter"},
		{at(here, "dead", "requeue"), exitUsage, "", "requires at least 1 arg"},
		{at(here, "trace", "s1"), exitFine, traceScreen, ""},
		{at(here, "trace", "s1", "--by", "id", "--channel", "shop", "--content", "--json"), exitFine, traceAnswer, ""},
		{at(here, "pause", "a b"), exitFine, "a b: pause: done\n", ""},
		{at(here, "resume", "shop"), exitFine, "shop: resume: done; the journal is in memory: a restart forgets it\n", ""},
		{at(here, "pause", "none"), exitFailed, "", "409 Conflict"},
		{at(here, "pause"), exitUsage, "", "accepts 1 arg"},
		{at(here, "trace"), exitUsage, "", "accepts 1 arg"},
		{at(here, "dead"), exitUsage, "", "say what to do"},
		{at(fixed(t, map[string]string{"GET /api/v1/status": "<html>"}), "status"), exitFailed, "", "not that of a gateway"},
		{[]string{"status", "--address", here}, exitFailed, "", "asks for its token"},
		{[]string{"status"}, exitUsage, "", "--config or --address is missing"},
		{[]string{"status", "--address", here, "--token-file", token + ".none"}, exitUsage, "", "no such file"},
		{[]string{"status", "--config", token + ".none"}, exitUsage, "", "cannot be read"},
	} {
		code, stdout, stderr := asked(test.args...)
		if code != test.code || stdout != test.stdout || !strings.Contains(stderr, test.stderr) || (stderr == "") != (code == exitFine) {
			t.Errorf("%v: exit code %d, want %d; it prints\n%s\nand\n%s", test.args, code, test.code, stdout, stderr)
		}
	}
}

func TestAskingNobody(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	code, _, stderr := asked("status", "--address", server.Listener.Addr().String())
	if code != exitFailed || !strings.Contains(stderr, "is it running?") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestAskingByConfig takes listener and token from the file, whatever else is
// wrong in it.
func TestAskingByConfig(t *testing.T) {
	here := fixed(t, map[string]string{"GET /api/v1/status": statusAnswer})
	for name, text := range map[string]string{
		"right":           "log: { level: info }",
		"wrong elsewhere": "log: { level: loud }",
	} {
		path := file(t, `
core: { address: "127.0.0.1:1", login: false }
private: { listen: "`+here+`", token: "file:`+tokenFile(t, "right")+`" }
channels: [ { name: one, network: omnichannel, settings: { token: "0123456789abcdef", webhook_url: "https://a.example" } } ]
`+text+"\n")
		if code, stdout, stderr := asked("status", "--config", path); code != exitFine || stdout != statusScreen {
			t.Errorf("%s: exit code %d: %s%s", name, code, stdout, stderr)
		}
	}
}

// TestAskingTheProcess asks the real one.
func TestAskingTheProcess(t *testing.T) {
	p := startProcess(t)
	code, stdout, stderr := asked("status", "--json", "--address", p.private)
	var s struct {
		Ready    bool
		Channels []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || code != exitFine || !s.Ready || len(s.Channels) != 1 || s.Channels[0].Name != "one" {
		t.Errorf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	if code, stdout, stderr = asked("dead", "list", "--address", p.private); code != exitFine || !strings.HasPrefix(stdout, "SEQ ") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if code, _, stderr = asked("dead", "requeue", "12", "--address", p.private); code != exitFailed || !strings.Contains(stderr, "no such row") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
