package sim

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutationsApply: every mutation finds the text it changes. Whether each is
// noticed takes minutes and is `make mutants`.
func TestMutationsApply(t *testing.T) {
	for _, f := range mutations(t) {
		readMutation(t, f).source(t)
	}
}

func mutations(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("mutations/*.txt")
	if err != nil || len(files) < leastMutants {
		t.Fatalf("%d mutations: %v", len(files), err)
	}
	return files
}

// leastMutants is how many there are at least: a glob that finds nothing is no
// success.
const leastMutants = 48

// mutation is one rule switched off.
type mutation struct {
	rule, file, text, becomes string
	series                    string // the test that must notice
}

// root is the module's, seen from here.
const root = "../.."

// readMutation reads a file: the rule, "-- path", the text, "-- becomes", what
// stands there instead.
func readMutation(t *testing.T, name string) mutation {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rule, rest, ok1 := strings.Cut(string(b), "\n-- ")
	file, rest, ok2 := strings.Cut(rest, "\n")
	text, becomes, ok3 := strings.Cut(rest, "\n-- becomes\n")
	if !ok1 || !ok2 || !ok3 {
		t.Fatalf("%s is no mutation", name)
	}
	series := "TestSim"
	if strings.HasPrefix(filepath.Base(name), "message-") {
		series = "TestMessages"
	}
	return mutation{rule, file, text, strings.TrimSuffix(becomes, "\n"), series}
}

// source is the file before the mutation; the text stands in it once.
func (m mutation) source(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte(m.text)); n != 1 {
		t.Fatalf("%s has the text %d times, not once:\n%s", m.file, n, m.text)
	}
	return b
}
