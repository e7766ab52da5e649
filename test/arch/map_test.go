package arch

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestMap: README's "What is where" names every folder that is one of its rooms.
func TestMap(t *testing.T) {
	_, list, found := strings.Cut(read(t, "README.md"), "\n## What is where\n")
	if !found {
		t.Fatal("README.md has no list of what is where")
	}
	missing := map[string]bool{}
	walk(t, func(name string) {
		folder, rest, inside := strings.Cut(name, "/")
		if room, _, deeper := strings.Cut(rest, "/"); deeper && (folder == "test" || folder == "cmd") {
			folder = room
		}
		if inside && !regexp.MustCompile(`(?m)^ *(\S+/)?`+regexp.QuoteMeta(folder)+`\b`).MatchString(list) {
			missing[folder] = true
		}
	})
	for folder := range missing {
		t.Errorf("README.md does not say what %s is for", folder)
	}
}

var goName = regexp.MustCompile(`\b[a-z_]+\*?\.go\b`)

// TestRooms: the package comment of the engine says what is in each of its files.
func TestRooms(t *testing.T) {
	named := goName.FindAllString(read(t, "gateway/doc.go"), -1)
	if len(named) < 20 {
		t.Fatalf("gateway/doc.go names %d files: the test looks for the wrong thing", len(named))
	}
	files := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.dir() == "gateway" && !f.isTest() && f.name != "gateway/doc.go" {
			files[path.Base(f.name)] = false
		}
	}
	for _, pattern := range named {
		hit := false
		for file := range files {
			if ok, _ := path.Match(pattern, file); ok {
				hit, files[file] = true, true
			}
		}
		if !hit {
			t.Errorf("gateway/doc.go speaks of %s, which is not there", pattern)
		}
	}
	for file, isNamed := range files {
		if !isNamed {
			t.Errorf("gateway/doc.go does not say what is in %s", file)
		}
	}
}

var apiPath = regexp.MustCompile(`"(/api/v1/[a-z]+)`)

// TestPrivatePaths: README lists the calls of the private listener.
func TestPrivatePaths(t *testing.T) {
	readme := read(t, "README.md")
	found := 0
	for _, f := range goFiles(t) {
		if f.dir() != "gateway" || f.isTest() {
			continue
		}
		for _, m := range apiPath.FindAllStringSubmatch(f.text, -1) {
			if found++; !regexp.MustCompile(regexp.QuoteMeta(m[1]) + `\b`).MatchString(readme) {
				t.Errorf("README.md does not list %s of %s", m[1], f.name)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d calls found: the test looks for the wrong thing", found)
	}
}
