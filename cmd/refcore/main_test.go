package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		secret string
		want   int
		says   string
	}{
		{name: "help", args: []string{"-help"}, secret: "hidden", want: 0, says: "-listen"},
		{name: "version", args: []string{"--version"}, want: 0},
		{name: "no secret", want: 2, says: secretVariable},
		{name: "unknown flag", args: []string{"-nonsense"}, secret: "s", want: 2, says: "nonsense"},
		{name: "a word too many", args: []string{"start"}, secret: "s", want: 2, says: "start"},
		{name: "encoding", args: []string{"-encoding", "xml"}, secret: "s", want: 2, says: "xml"},
		{name: "no login, no peer", args: []string{"-no-login"}, want: 2, says: "-peer"},
		{name: "help lists the rules", args: []string{"--help"}, want: 0, says: "after-counter-chat"},
		{name: "unknown rule", args: []string{"-break", "fence,nonsense"}, secret: "s", want: 2, says: "nonsense"},
		{name: "unasked", args: []string{"-unasked", "some"}, secret: "s", want: 2, says: "one or all"},
		{name: "two stores", args: []string{"-store", "x", "-keep-sentences", "5"}, secret: "s", want: 2, says: "-store"},
		{name: "no store", args: []string{"-store", "no/where/x.db"}, secret: "s", want: 1, says: "x.db"},
		{name: "no certificate", args: []string{"-tls-cert", "no/where.pem"}, secret: "s", want: 2, says: "where.pem"},
		{name: "no key", args: []string{"-tls-cert", "main.go"}, secret: "s", want: 2, says: "refcore:"},
		{name: "address", args: []string{"-listen", "nowhere"}, secret: "s", want: 1, says: "nowhere"},
		{name: "console's address", args: []string{"-listen", "127.0.0.1:0", "-http", "nowhere"}, secret: "s", want: 1, says: "nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(secretVariable, tt.secret)
			var stdout, stderr bytes.Buffer
			if got := run(t.Context(), tt.args, &stdout, &stderr); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
			if !strings.Contains(stderr.String(), tt.says) {
				t.Errorf("says %q, want something of %q", stderr.String(), tt.says)
			}
			if strings.Contains(stderr.String()+stdout.String(), "hidden") {
				t.Error("the secret is shown")
			}
		})
	}
}

// TestRun: the chosen addresses are told, both answer, and the end is orderly.
func TestRun(t *testing.T) {
	t.Setenv(secretVariable, "s")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"-listen", "127.0.0.1:0", "-http", "127.0.0.1:0", "-log", "error"}, write, io.Discard)
	}()
	var told struct{ Simprot, Console string }
	if err := json.NewDecoder(read).Decode(&told); err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", told.Simprot)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, told.Console+"api/stats", nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %s", answer.Status)
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d, want 0", got)
	}
}
