//go:build openapi

package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"servicelink/test/ports"
)

const formType = "application/x-www-form-urlencoded"

const patient = 60 * time.Second // for the proxy to start

// folder is where npm installed what is needed.
func folder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("OPENAPI")
	if dir == "" {
		t.Fatal("OPENAPI names no folder: use make openapi")
	}
	return dir
}

// cut writes the description and gives its file.
func cut(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "twilio.json")
	cmd := exec.CommandContext(t.Context(), "node", "cut.mjs", file)
	cmd.Dir, cmd.Stderr = folder(t), os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal("cut.mjs:", err)
	}
	return file
}

// startPrism starts the proxy in front of upstream; it ends with the test.
func startPrism(t *testing.T, file, upstream string) string {
	t.Helper()
	address := ports.For(t)
	_, port, _ := strings.Cut(address, ":")
	log, err := os.Create(filepath.Join(t.TempDir(), "prism.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "node_modules/@stoplight/prism-cli/dist/index.js", "proxy",
		file, upstream, "-h", "127.0.0.1", "-p", port)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder(t), log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { <-ended }) // t.Context has ended, so cmd was told to
	fail := func(why string) {
		t.Helper()
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("the proxy %s:\n%s", why, said)
	}
	for deadline := time.Now().Add(patient); ; {
		if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address); err == nil {
			_ = conn.Close()
			return "http://" + address
		}
		select {
		case <-ended:
			fail("ended")
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			fail("does not start")
		}
	}
}

// operation is one request that is described.
type operation struct {
	name  string // "POST /messaging/v1/Services/{Sid}"
	path  *regexp.Regexp
	query []string // names of its parameters
	form  []string // names of its form's fields
}

// operations reads those of the description.
func operations(t *testing.T, file string) []operation {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type described struct {
		Parameters  []struct{ Name, In string }
		RequestBody struct {
			Content map[string]struct {
				Schema struct{ Properties map[string]any }
			}
		}
	}
	var spec struct {
		Paths map[string]struct{ Get, Post *described }
	}
	if err := json.Unmarshal(raw, &spec); err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile(`\\\{[A-Za-z]+\\\}`)
	var list []operation
	for path, item := range spec.Paths {
		pattern := regexp.MustCompile("^" + place.ReplaceAllString(regexp.QuoteMeta(path), "[^/.]+") + "$")
		for method, d := range map[string]*described{http.MethodGet: item.Get, http.MethodPost: item.Post} {
			if d == nil {
				continue
			}
			o := operation{
				name: method + " " + path, path: pattern,
				form: slices.Collect(maps.Keys(d.RequestBody.Content[formType].Schema.Properties)),
			}
			for _, p := range d.Parameters {
				if p.In == "query" {
					o.query = append(o.query, p.Name)
				}
			}
			list = append(list, o)
		}
	}
	return list
}

// watch is the way to the proxy. It notes what was asked and what the proxy has
// against it.
type watch struct {
	known []operation
	way   *http.Transport

	mu         sync.Mutex
	seen       map[string]int // by operation
	violations []string
}

// RoundTrip implements http.RoundTripper.
func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	form, err := fields(r)
	if err != nil {
		return nil, err
	}
	answer, err := w.way.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.find(r)
	if o == nil {
		w.violations = append(w.violations, r.Method+" "+r.URL.Path+" is not described")
		return answer, nil
	}
	w.compare(o.name+": the query", r.URL.Query(), o.query)
	w.compare(o.name+": the form", form, o.form)
	if found := answer.Header.Get("Sl-Violations"); found != "" {
		w.violations = append(w.violations, o.name+": "+found)
	}
	if answer.StatusCode > 299 {
		w.violations = append(w.violations, fmt.Sprintf("%s is answered %d", o.name, answer.StatusCode))
	}
	w.seen[o.name]++
	return answer, nil
}

// fields reads the form that r is about to post.
func fields(r *http.Request) (url.Values, error) {
	if r.Body == nil || r.Header.Get("Content-Type") != formType {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return url.ParseQuery(string(body))
}

// compare notes names that are not described: the proxy passes over them.
func (w *watch) compare(what string, got url.Values, described []string) {
	for name := range got {
		if !slices.Contains(described, name) {
			w.violations = append(w.violations, what+" has "+name+", which is not described")
		}
	}
}

func (w *watch) find(r *http.Request) *operation {
	i := slices.IndexFunc(w.known, func(o operation) bool {
		return strings.HasPrefix(o.name, r.Method+" ") && o.path.MatchString(r.URL.Path)
	})
	if i < 0 {
		return nil
	}
	return &w.known[i]
}

// take gives the violations since the last call.
func (w *watch) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.violations
	w.violations = nil
	return list
}

// unseen lists what was described and never asked, but for what nobody here uses.
func (w *watch) unseen(unused ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]bool{}
	for _, o := range w.known {
		all[o.name] = true
	}
	maps.DeleteFunc(all, func(name string, _ bool) bool { return w.seen[name] > 0 || slices.Contains(unused, name) })
	return slices.Sorted(maps.Keys(all))
}

// do makes one request as a client of Twilio would.
func (w *watch) do(t *testing.T, method, address string, header http.Header, form url.Values) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	r.SetBasicAuth(account, token)
	if form != nil {
		r.Header.Set("Content-Type", formType)
	}
	answer, err := w.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
