package contributing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the source tree, seen from this package's folder.
const root = "../.."

// block is a piece of CONTRIBUTING.md that somebody carries out.
type block struct {
	kind string // sh or diff
	file string // that a diff changes
	only string // the connector whose copies need it; empty = the copies of any other
	text string
}

// The connectors to begin with. firstCopy is the one that is written down.
const (
	firstCopy  = "omnichannel"
	polledCopy = "telegram"
)

var fence = regexp.MustCompile("(?ms)^```(sh|diff)(?: (\\S+))?(?: (\\S+))?\n(.*?)^```$")

// blocks are those of the section on connectors, for who begins with a copy of old.
func blocks(t *testing.T, old string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Adding a connector\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var list []block
	for _, m := range fence.FindAllStringSubmatch(section, -1) {
		list = append(list, block{kind: m[1], file: m[2], only: m[3], text: m[4]})
	}
	if !found || len(list) < 8 || !strings.Contains(list[0].text, "old="+firstCopy+" ") {
		t.Fatalf("CONTRIBUTING.md has %d steps to follow: the test looks for the wrong thing", len(list))
	}
	list[0].text = strings.Replace(list[0].text, "old="+firstCopy+" ", "old="+old+" ", 1)
	return slices.DeleteFunc(list, func(b block) bool { return !b.concerns(old, list) })
}

// concerns reports whether who copied old carries b out: b is meant for old, or for
// all, and nothing that is meant for old changes the same file.
func (b block) concerns(old string, list []block) bool {
	if b.only != "" || b.kind != "diff" {
		return b.only == "" || b.only == old
	}
	return !slices.ContainsFunc(list, func(other block) bool { return other.only == old && other.file == b.file })
}

// do carries the block out in the tree at dir.
func (b block) do(ctx context.Context, dir string) error {
	if b.kind == "diff" {
		return b.change(dir)
	}
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", b.text)
	cmd.Dir = dir
	// Without the folder's name in what is compiled, what others compiled serves.
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -trimpath", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// change replaces the lines with a space or a minus by those with a space or a
// plus. They must stand in the file exactly once.
func (b block) change(dir string) error {
	var before, after strings.Builder
	for line := range strings.Lines(b.text) {
		if rest, added := strings.CutPrefix(line, "+"); added {
			after.WriteString(rest)
		} else if rest, removed := strings.CutPrefix(line, "-"); removed {
			before.WriteString(rest)
		} else {
			before.WriteString(line[1:])
			after.WriteString(line[1:])
		}
	}
	file := filepath.Join(dir, filepath.FromSlash(b.file))
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), before.String()); n != 1 {
		return fmt.Errorf("%s: the lines to be changed stand there %d times:\n%s", b.file, n, before.String())
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), before.String(), after.String(), 1)), 0o600)
}

// notCopied are folders that no build needs.
var notCopied = []string{".git", "bin", "data", "node_modules"}

// tree copies the source tree.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	from, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	err = fs.WalkDir(from.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		to := filepath.Join(dir, filepath.FromSlash(name))
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(notCopied, d.Name()):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := from.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an editor's
		}
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// follow carries every step out in a copy of the tree; the commands among them
// build the new connector and run the kit on it.
func follow(t *testing.T, old string) (dir string) {
	t.Helper()
	dir = tree(t)
	for i, b := range blocks(t, old) {
		if err := b.do(t.Context(), dir); err != nil {
			t.Fatalf("block %d of CONTRIBUTING.md: %s %s\n%v", i+1, b.kind, b.file, err)
		}
	}
	return dir
}

// TestAddingAPolledConnector begins with the other one.
func TestAddingAPolledConnector(t *testing.T) { follow(t, polledCopy) }

// TestAddingAConnector begins with the one that is written down.
func TestAddingAConnector(t *testing.T) {
	dir := follow(t, firstCopy)
	// The copy must be what the kit saw, and pass for no other reason.
	out := filepath.Join(dir, "connectors", "acme", "outbound.go")
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	const check = "return connectors.Receipt{}, statuses.Check(answer)"
	broken := strings.Replace(string(text), check, "_ = statuses.Check(answer)\n\treturn connectors.Receipt{}, nil", 1)
	if broken == string(text) {
		t.Fatal("the connector cannot be broken: its outbound.go no longer checks the status like this")
	}
	if err := os.WriteFile(out, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	err = block{kind: "sh", text: "go test ./test/conformance -run TestConformance/acme"}.do(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "send/refused") {
		t.Errorf("the kit does not find that the new connector ignores refusals: %v", err)
	}
}

// TestForgottenSteps: whoever leaves out one of the lines hears of it.
func TestForgottenSteps(t *testing.T) {
	list := blocks(t, firstCopy)
	for i, forgotten := range list {
		if forgotten.kind != "diff" || forgotten.file == "connectors/all/all.go" && !strings.Contains(forgotten.text, "acme\"") {
			continue // without its import alone it does not compile
		}
		t.Run(forgotten.file, func(t *testing.T) {
			dir := tree(t)
			for j, b := range list {
				if b.kind == "diff" && j != i && b.file != forgotten.file || j == 0 {
					if err := b.do(t.Context(), dir); err != nil {
						t.Fatal(err)
					}
				}
			}
			test := "go test ./test/arch -run TestConnector"
			if strings.HasPrefix(forgotten.file, "test/conformance/") {
				test = "go test ./test/conformance -run TestEveryConnector"
			}
			if err := (block{kind: "sh", text: test}).do(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "acme") {
				t.Errorf("nobody says that %s was forgotten: %v", forgotten.file, err)
			}
		})
	}
}
