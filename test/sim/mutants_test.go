//go:build mutants

package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	// mutantRuns is within how many runs a rule that is switched off must show.
	mutantRuns = 1000
	// mutantTime bounds them; a mutant that hangs is caught, too.
	mutantTime = 5 * time.Minute
)

// TestMutants switches off one rule after the other, in a copy of one source
// file that only its own build sees, and demands that the simulation notices. A
// mutation whose text is not found any more, or which does not compile, fails.
func TestMutants(t *testing.T) {
	for _, f := range mutations(t) {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			m := readMutation(t, f)
			binary := m.build(t)
			caught, output := m.simulate(t, binary)
			if caught == "" {
				t.Fatalf("not caught in %d runs: %s\n%s", mutantRuns, m.rule, output)
			}
			t.Logf("%s: caught: %s", m.rule, caught)
		})
	}
}

// build compiles the simulation with the mutated file.
func (m mutation) build(t *testing.T) string {
	t.Helper()
	source, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	b := m.source(t)
	dir := t.TempDir()
	mutated, overlay, binary := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	write(t, mutated, bytes.Replace(b, []byte(m.text), []byte(m.becomes), 1))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, overlay, replace)
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-c", "-o", binary, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the mutated tree does not compile: %v\n%s", err, out)
	}
	return binary
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// verdictLine is how a broken property is reported.
var verdictLine = regexp.MustCompile(`seed \d+: .*`)

// simulate runs the mutant; caught is what gave it away.
func (m mutation) simulate(t *testing.T, binary string) (caught, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), mutantTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.run=^"+m.series+"$", "-test.timeout=0", "-runs", fmt.Sprint(mutantRuns), "-quick")
	cmd.Dir = "."
	out, err := cmd.CombinedOutput()
	output = string(out[max(0, len(out)-2000):])
	switch {
	case ctx.Err() != nil:
		return "it hangs", output
	case err == nil:
		return "", output
	}
	if line := verdictLine.Find(out); line != nil && bytes.Contains(out, []byte("--- FAIL: "+m.series)) {
		return string(line), output
	}
	if bytes.Contains(out, []byte("panic: ")) {
		return "it panics", output
	}
	return "", output
}
