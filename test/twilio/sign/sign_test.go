//go:build twilio

package sign

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

var write = flag.Bool("write", false, "replace the kept files by what the library signs now")

// TestSignatures: every kept file is what Twilio's library makes of requests.mjs
// today, and there is no other.
func TestSignatures(t *testing.T) {
	dir := os.Getenv("TWILIO")
	if dir == "" {
		t.Fatal("TWILIO names no folder: use make twilio")
	}
	made := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "node", "sign.mjs", made)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	var said struct{ Signed int }
	if err != nil || json.Unmarshal(out, &said) != nil || said.Signed == 0 {
		t.Fatalf("the library signed nothing: %v %s", err, out)
	}
	if *write {
		replace(t, made)
	}
	want, kept := read(t, made), read(t, signed)
	if len(want) != said.Signed {
		t.Errorf("%d files of %d signed requests", len(want), said.Signed)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch got, there := kept[name]; {
		case !there:
			t.Errorf("%s is signed and not kept", name)
		case !bytes.Equal(got, want[name]):
			t.Errorf("%s is kept as\n%s\nthe library signs\n%s", name, got, want[name])
		}
	}
	for name := range kept {
		if _, there := want[name]; !there {
			t.Errorf("%s is kept, and nobody signs it", name)
		}
	}
}

// replace puts the files of made in the place of those that are kept.
func replace(t *testing.T, made string) {
	t.Helper()
	if err := os.RemoveAll(signed); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(signed, os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
}

// read gives every file of dir.
func read(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		if files[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
