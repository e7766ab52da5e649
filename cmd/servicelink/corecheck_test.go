package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"servicelink/simprot/corecheck"
	"servicelink/simprot/refcore"
)

// startCore is a reference core and its agent's interface, by their addresses.
func startCore(t *testing.T, broken ...refcore.Rule) (address, agent string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	core := refcore.New(refcore.Options{Account: "servicelink", Secret: "right", Fences: true, Asks: true, Break: broken})
	end := make(chan error, 1)
	go func() { end <- core.Serve(context.WithoutCancel(t.Context()), l) }()
	site := httptest.NewServer(core.Console())
	t.Cleanup(func() {
		site.Close()
		if err := core.Close(); err != nil {
			t.Error(err)
		}
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), site.URL
}

func TestCoreCheck(t *testing.T) {
	good, agent := startCore(t)
	bad, _ := startCore(t, refcore.RuleStartSentences)
	none := filepath.Join(t.TempDir(), "none.pem")
	for name, tt := range map[string]struct {
		args           []string
		secret         string
		code           int
		stdout, stderr string // what they hold
	}{
		"kept":       {[]string{"--address", good, "--agent", agent, "--strict"}, "right", 0, "0 broken", ""},
		"everything": {[]string{"--address", good, "--agent", agent, "--verbose"}, "right", 0, "expected: ", ""},
		"no agent":   {[]string{"--address", good}, "right", 0, "needs an agent", ""},
		"broken":     {[]string{"--address", bad}, "right", 1, "expected: Sentences with its ID", "broken: start-sentences"},
		"refused":    {[]string{"--address", good}, "wrong", 1, `SP_REFUSED "credentials"`, "broken: welcome"},
		"no core":    {[]string{"--address", "127.0.0.1:1"}, "right", 1, "refused", "broken: welcome"},
		"tls":        {[]string{"--address", good, "--tls", "--timeout", "1s"}, "right", 1, "TLS handshake", "broken: welcome"},
		"help":       {[]string{"--help"}, "hidden", 0, "--port-name", ""},
		"address":    {nil, "right", 2, "", `"address" not set`},
		"no port":    {[]string{"--address", "core"}, "right", 2, "", "host:port"},
		"no secret":  {[]string{"--address", good}, "", 2, "", "CORE_SECRET"},
		"encoding":   {[]string{"--address", good, "--encoding", "xml"}, "right", 2, "", "xml"},
		"two agents": {[]string{"--address", good, "--agent", agent, "--ask-me"}, "right", 2, "", "exclude"},
		"no CA":      {[]string{"--address", good, "--tls-ca", none}, "right", 2, "", "none.pem"},
		"no key":     {[]string{"--address", good, "--tls-cert", none}, "right", 2, "", "none.pem"},
		"timeout":    {[]string{"--address", good, "--timeout", "0s"}, "right", 2, "", "--timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(coreSecretVariable, tt.secret)
			var stdout, stderr bytes.Buffer
			code := execute(append([]string{"core-check", "--quick"}, tt.args...), &stdout, &stderr)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("prints\n%s\nand\n%s", stdout.String(), stderr.String())
			}
			if tt.secret != "" && strings.Contains(stdout.String()+stderr.String(), "hidden") {
				t.Error("the secret is shown")
			}
		})
	}
}

func TestCoreCheckJSON(t *testing.T) {
	address, _ := startCore(t, refcore.RuleStored)
	t.Setenv(coreSecretVariable, "right")
	var stdout bytes.Buffer
	if code := execute([]string{"core-check", "--quick", "--json", "--address", address}, &stdout, io.Discard); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	var report struct {
		Results []struct{ Rule, Spec, Verdict, Did, Expected, Came string }
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, r := range report.Results {
		if r.Rule == "stored" {
			found = true
			if r.Verdict != string(corecheck.Broken) || r.Spec != "R5" || r.Did == "" || r.Expected == "" || r.Came == "" {
				t.Errorf("%+v", r)
			}
		}
	}
	if !found || len(report.Results) != len(corecheck.Rules()) {
		t.Errorf("%d results", len(report.Results))
	}
}

// TestOperator: a person may be the agent, and may not want to.
func TestOperator(t *testing.T) {
	var out strings.Builder
	o := &operator{in: bufio.NewReader(strings.NewReader("\n\ns\n")), out: &out}
	gateway := uuid.New()
	if err := o.SendMessage(t.Context(), gateway, "customer@shop.example", "text"); err != nil {
		t.Error(err)
	}
	if asked := out.String(); !strings.Contains(asked, gateway.String()) || !strings.Contains(asked, "customer@shop.example") {
		t.Errorf("asks %q", asked)
	}
	where := corecheck.Conversation{TrackingID: "corecheck:1"}
	for i, fails := range []bool{false, true, true} { // the third finds nobody
		if err := o.Say(t.Context(), where, "text"); (err != nil) != fails {
			t.Errorf("%d: %v", i, err)
		}
	}
	if strings.Count(out.String(), where.TrackingID) != 3 {
		t.Errorf("asks %q", out.String())
	}
}
