package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStoreOutlivesTheProcess: what an agent said is there when the core is
// started again.
func TestStoreOutlivesTheProcess(t *testing.T) {
	t.Setenv(secretVariable, "s")
	store := filepath.Join(t.TempDir(), "core.db")
	const say = `{"peer": "@servicelink", "port": "shop", "tracking_id": "42", "text": "hello", "open": true}`
	if got := withCore(t, store, http.MethodPost, "api/say", say); !strings.Contains(got, `"chat"`) {
		t.Fatalf("say: %s", got)
	}
	if got := withCore(t, store, http.MethodGet, "api/chats", ""); !strings.Contains(got, `"text":"hello"`) {
		t.Errorf("after the restart: %s", got)
	}
}

// TestGatewaysOfAFile: the register is that of the file, and outlives the process.
func TestGatewaysOfAFile(t *testing.T) {
	t.Setenv(secretVariable, "s")
	dir := t.TempDir()
	store, file := filepath.Join(dir, "core.db"), filepath.Join(dir, "gateways.json")
	const id = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`[{"Id": "` + id + `", "PeerAddress": "@servicelink", "Direction": "I", "Device": "DropFolder {}"}]`)
	for _, more := range [][]string{{"-gateways", file}, nil} {
		if got := withCore(t, store, http.MethodGet, "api/gateways", "", more...); !strings.Contains(got, id) {
			t.Errorf("%q: %s", more, got)
		}
	}
	for _, bad := range []string{`{}`, `[{"Id": "` + id + `", "Way": "in"}]`, `[{"Id": "` + id + `", "Direction": "in"}]`} {
		write(bad)
		var told strings.Builder
		if code := run(t.Context(), []string{"-listen", "127.0.0.1:0", "-http", "127.0.0.1:0", "-gateways", file}, io.Discard, &told); code != 1 {
			t.Errorf("%s: exit code %d, %s", bad, code, told.String())
		}
	}
}

// withCore starts a core, asks it one thing over HTTP, and ends it.
func withCore(t *testing.T, store, method, path, body string, more ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	code := make(chan int, 1)
	var said strings.Builder
	go func() {
		args := append([]string{"-listen", "127.0.0.1:0", "-http", "127.0.0.1:0", "-log", "error", "-store", store}, more...)
		code <- run(ctx, args, write, &said)
		_ = write.Close() // a core that does not start tells nothing
	}()
	var told struct{ Console string }
	if err := json.NewDecoder(read).Decode(&told); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(ctx, method, told.Console+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d, want 0: %s", got, said.String())
	}
	return string(text)
}
