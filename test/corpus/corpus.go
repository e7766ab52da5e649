// Package corpus lends mails to tests: collections that other people made of what
// goes wrong with mail, and any number of generated ones.
//
// The collections are not kept here. One comes with Debian's libpython3.11-testsuite,
// the other as a Go module that corpus.mod pins; nothing of it is compiled.
package corpus

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Mail is one mail of a collection.
type Mail struct {
	Name string // stable: collection and file
	Raw  []byte
}

// pythonData is where Debian puts the mails of Python's own tests.
const pythonData = "/usr/lib/python3.11/test/test_email/data"

// moduleWithMails is required in corpus.mod.
const moduleWithMails = "github.com/jhillyerd/enmime/v2"

// All gives every mail of both collections, the test's machine permitting: without
// them the test is skipped, and CI, which promises it, fails.
func All(t testing.TB) []Mail {
	t.Helper()
	return slices.Concat(Python(t), Module(t))
}

// Python gives the mails of Python's tests.
func Python(t testing.TB) []Mail {
	t.Helper()
	if _, err := os.Stat(pythonData); err != nil {
		t.Skip("needs Debian's libpython3.11-testsuite")
	}
	mails := load(t, pythonData, "python", ".txt")
	if len(mails) < 47 {
		t.Fatalf("%d mails in %s, not 47", len(mails), pythonData)
	}
	return mails
}

// Module gives the mails of the module, downloaded like any dependency: by the go
// command, checked against corpus.sum.
func Module(t testing.TB) []Mail {
	t.Helper()
	dir := moduleDir(t)
	mails := slices.Concat(load(t, filepath.Join(dir, "testdata"), "module", ".raw"), load(t, filepath.Join(dir, "dsn", "testdata"), "module/dsn", ".raw"))
	if len(mails) < 54 {
		t.Fatalf("%d mails in %s, not 54 or more", len(mails), moduleWithMails)
	}
	return mails
}

func moduleDir(t testing.TB) string {
	t.Helper()
	var out, complaint bytes.Buffer
	modfile := filepath.Join(root(t), "test", "corpus", "corpus.mod")
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-modfile="+modfile, "-json", moduleWithMails)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root(t), &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("go mod download: %v\n%s%s", err, &out, &complaint)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out.Bytes(), &module); err != nil || module.Dir == "" {
		t.Fatalf("go mod download told no folder: %v\n%s", err, &out)
	}
	return module.Dir
}

// root is the folder of go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// load reads the files below dir that end in suffix.
func load(t testing.TB, dir, collection, suffix string) []Mail {
	t.Helper()
	var mails []Mail
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, suffix) {
			return err
		}
		raw, err := os.ReadFile(path) //nolint:gosec // the folder is of a package
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		mails = append(mails, Mail{Name: collection + "/" + filepath.ToSlash(name), Raw: raw})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return mails
}
