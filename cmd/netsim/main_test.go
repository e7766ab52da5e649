package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlags(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		out  string
		err  string
	}{
		{[]string{"-h"}, 0, "", "-listen"},
		{[]string{"-version"}, 0, "netsim unknown\n", ""},
		{[]string{"-port", "1"}, 2, "", "not defined"},
		{[]string{"more"}, 2, "", `unexpected argument "more"`},
		{[]string{"-listen", "nowhere:x"}, 1, "", "netsim: "},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), tc.args, &stdout, &stderr)
		if code != tc.code || stdout.String() != tc.out || !strings.Contains(stderr.String(), tc.err) {
			t.Errorf("%v: %d, %q, %q", tc.args, code, stdout.String(), stderr.String())
		}
	}
}

// TestRun: it says where it is, serves, and ends at once although a poll waits.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"-listen", "127.0.0.1:0"}, in, io.Discard) }()
	var said struct{ URL string }
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ask := func(method, path, body string) int {
		r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), method, said.URL+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0
		}
		answer, err := client.Do(r)
		if err != nil {
			return 0
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode
	}
	if code := ask("POST", "/control/telegram/accounts", `{"token":"12:x"}`); code != http.StatusNoContent {
		t.Errorf("account: %d", code)
	}
	if code := ask("GET", "/phone/telegram", ""); code != http.StatusOK {
		t.Errorf("phone: %d", code)
	}
	polled := make(chan int, 1)
	go func() { polled <- ask("GET", "/telegram/bot12:x/getUpdates?timeout=50", "") }()
	if code := ask("GET", "/control/telegram/requests?wait=10", ""); code != http.StatusOK {
		t.Errorf("requests: %d", code)
	}
	stop()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	if code := <-polled; code != 0 {
		t.Errorf("the poll was answered %d", code)
	}
}
