package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// runMain makes the test binary the real command, for tests of the process.
const runMain = "SERVICELINK_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// file writes a configuration and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gw.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const wrong = `core: { address: "127.0.0.1:1", login: false, window: 0 }
log: { level: loud }
channels:
  - { name: one, network: pigeon }
  - { name: two, network: omnichannel, settings: { token: written-out-in-the-file, colour: blue } }
`

func TestExitCodes(t *testing.T) {
	good := file(t, `
core: { address: "127.0.0.1:1", login: false }
channels: [ { name: one, network: omnichannel, settings: { token: "0123456789abcdef", webhook_url: "https://a.example" } } ]
`)
	tests := []struct {
		args           []string
		code           int
		stdout, stderr string // what they hold
	}{
		{[]string{"version"}, 0, "servicelink unknown (go1.", ""},
		{[]string{"example"}, 0, "channels:", ""},
		{[]string{"--help"}, 0, "Available Commands", ""},
		{[]string{"run", "--help"}, 0, "SIGHUP", ""},
		{[]string{"check", "--config", good}, 0, "channel one", "warning: a secret is written out"},
		{[]string{"check", "--config", file(t, wrong)}, 2, "", "no such network (one of: "},
		{[]string{"run", "--config", file(t, wrong)}, 2, "", "no such network (one of: "},
		{[]string{"run", "--config", good + ".none"}, 2, "", "cannot be read: no such file"},
		{[]string{"check", "--config", file(t, "")}, 2, "", "the file is empty"},
		{nil, 2, "", "a command is missing"},
		{[]string{"fly"}, 2, "", `unknown command "fly"`},
		{[]string{"run"}, 2, "", `"config" not set`},
		{[]string{"run", "--confg", good}, 2, "", "unknown flag"},
		{[]string{"run", "--config"}, 2, "", "needs an argument"},
		{[]string{"check", "--config", good, "more"}, 2, "", "unknown command"},
		{[]string{"version", "more"}, 2, "", "unknown command"},
	}
	for _, test := range tests {
		var stdout, stderr bytes.Buffer
		code := execute(test.args, &stdout, &stderr)
		if code != test.code {
			t.Errorf("%v: exit code %d, want %d\n%s", test.args, code, test.code, stderr.String())
		}
		if !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
			t.Errorf("%v prints\n%s\nand\n%s", test.args, stdout.String(), stderr.String())
		}
		if test.code != exitFine && (stdout.Len() > 0 || stderr.Len() == 0) {
			t.Errorf("%v: a failure belongs on stderr: %q", test.args, stdout.String())
		}
	}
}

// Mistakes of the file and of the channels' settings come together, in order.
func TestCheckPrintsEverythingAtOnce(t *testing.T) {
	path := file(t, wrong)
	var stdout, stderr bytes.Buffer
	execute([]string{"check", "--config", path}, &stdout, &stderr)
	var found []string
	for line := range strings.Lines(strings.ReplaceAll(stderr.String(), path, "gw.yaml")) {
		place, _, _ := strings.Cut(strings.TrimPrefix(line, "gw.yaml:"), ": ")
		found = append(found, place)
	}
	want := "5:59 1:55 2:15 4:27 5:40 5:84" // the first is the warning
	if got := strings.Join(found, " "); got != want {
		t.Errorf("places %s, want %s\n%s", got, want, stderr.String())
	}
}

// The connectors are built on trial from files that are wrong otherwise, too.
func TestCheckSurvivesWrongFiles(t *testing.T) {
	files, err := filepath.Glob("../../config/testdata/wrong/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, path := range files {
		var stdout, stderr bytes.Buffer
		if code := execute([]string{"check", "--config", path}, &stdout, &stderr); code != exitUsage {
			t.Errorf("%s: exit code %d\n%s", path, code, stderr.String())
		}
		if strings.Count(stderr.String(), "egress.ca") > 1 {
			t.Errorf("%s: a wrong file is repeated for every channel:\n%s", path, stderr.String())
		}
	}
}

func TestCheckSaysOnceThatANetworkIsMissing(t *testing.T) {
	path := file(t, "core: { address: 'a:1', login: false }\nchannels: [ { name: one } ]\n")
	var stdout, stderr bytes.Buffer
	execute([]string{"check", "--config", path}, &stdout, &stderr)
	if want := path + ":2:13: channels[0].network: is missing (such as omnichannel)\n"; stderr.String() != want {
		t.Errorf("got %s, want %s", stderr.String(), want)
	}
}

func TestWatchSignals(t *testing.T) {
	var order []string
	received, end := make(chan os.Signal), make(chan struct{})
	done := make(chan struct{})
	note := func(what string) func() { return func() { order = append(order, what) } }
	go func() {
		defer close(done)
		watch(end, received, handlers{stop: note("stop"), abort: note("abort"), reload: note("reload")})
	}()
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		received <- s
	}
	close(end)
	<-done
	if got := strings.Join(order, " "); got != "reload stop reload abort" {
		t.Errorf("signals do: %s", got)
	}
}

// TestCheckLooksAtChannelsTogether: what is wrong between channels, what the
// egress guard would refuse, and what is merely doubtful.
func TestCheckLooksAtChannelsTogether(t *testing.T) {
	const head = `core: { address: "127.0.0.1:1", login: false }
`
	const channels = `channels:
  - { name: a, network: omnichannel, settings: { token: short, webhook_url: "http://10.0.0.1" } }
`
	for name, test := range map[string]struct {
		text      string
		code      int
		want, not string
	}{
		"one token twice": {
			head + `channels:
  - { name: a, network: omnichannel, settings: { token: planted-token-0123, webhook_url: "https://h" } }
  - { name: b, network: omnichannel, settings: { token: planted-token-0123, webhook_url: "https://h" } }
`, 2, `4:38: channels[1].settings: channel "b" takes the same calls as channel "a"`, "planted",
		},
		"a private target":    {head + channels, 2, "webhook_url: is an address that is not public", "core.window"},
		"a listed one":        {head + `egress: { allow: ["10.0.0.0/8"] }` + "\n" + channels, 0, "warning: is short enough to be guessed", "not public"},
		"listed, other fault": {head + `egress: { allow: ["10.0.0.0/8"] }` + "\nlog: { level: loud }\n" + channels, 2, "log.level", "not public"},
		"listed wrongly":      {head + `egress: { allow: ["10.0.0.0/80"] }` + "\n" + channels, 2, "egress.allow", "not public"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := execute([]string{"check", "--config", file(t, test.text)}, &stdout, &stderr)
			if text := stderr.String(); code != test.code || !strings.Contains(text, test.want) || strings.Contains(text, test.not) {
				t.Errorf("exit code %d, want %d, with %q and without %q:\n%s", code, test.code, test.want, test.not, text)
			}
		})
	}
}
