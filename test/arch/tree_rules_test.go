package arch

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
	"testing"
)

// maxLines is where a file stops: nobody reads the middle of a longer one. What
// a generator wrote nobody reads at all.
const maxLines = 500

func TestFileSizes(t *testing.T) {
	for _, f := range goFiles(t) {
		if n := strings.Count(f.text, "\n"); n > maxLines && !ast.IsGenerated(f.ast) {
			t.Errorf("%s has %d lines, more than %d", f.name, n, maxLines)
		}
	}
}

// TestNoSleep: nothing waits by sleeping. In a test the word is good only in
// a synctest bubble, where it moves the clock and takes no time; so only in a
// package whose tests use them. What stands below test/ and is run by such a
// test counts as one.
func TestNoSleep(t *testing.T) {
	sleep := "time." + "Sleep("
	files := goFiles(t)
	bubbles := map[string]bool{}
	for _, f := range files {
		if f.isTest() && strings.Contains(f.text, `"testing/synctest"`) {
			bubbles[f.dir()] = true
		}
	}
	for _, f := range files {
		if strings.Contains(f.text, sleep) && !(bubbles[f.dir()] && (f.isTest() || strings.HasPrefix(f.name, "test/"))) {
			t.Errorf("%s sleeps", f.name)
		}
	}
}

// TestPackageComments: every package says in exactly one place what it is.
func TestPackageComments(t *testing.T) {
	comments := map[string][]string{}
	names := map[string]string{}
	for _, f := range goFiles(t) {
		if f.isTest() {
			continue
		}
		names[f.dir()] = f.ast.Name.Name
		if f.ast.Doc == nil {
			continue
		}
		comments[f.dir()] = append(comments[f.dir()], f.name)
		start := "Package " + f.ast.Name.Name + " "
		if f.ast.Name.Name == "main" {
			start = "Command " + path.Base(f.dir()) + " "
		}
		if text := f.ast.Doc.Text(); !strings.HasPrefix(text, start) {
			t.Errorf("%s: the package comment must begin with %q", f.name, start)
		}
	}
	for dir := range names {
		if n := len(comments[dir]); n != 1 {
			t.Errorf("%s has %d package comments %v, want 1", dir, n, comments[dir])
		}
	}
}

// local matches what is true on one machine only: folders of the machine this
// was written on, and hosts that serve packages. Whoever builds the project
// chooses both. (Written so that this file does not match itself.)
var local = regexp.MustCompile(strings.Join([]string{
	`(^|[^\w.])/(work|root|home)/\w`,
	`\.\./shar` + `ed`,
	`/tmp` + `/`,
	`(proxy|sum)\.gol` + `ang\.org`,
	`registry\.npm` + `js\.org`,
	`(files\.pythonhosted|py` + `pi)\.org`,
	`(deb|security|snapshot)\.deb` + `ian\.org`,
}, "|"))

func TestNothingLocal(t *testing.T) {
	checked := 0
	walk(t, func(name string) {
		text := read(t, name)
		if strings.ContainsRune(text, 0) {
			return // a picture, a captured frame
		}
		checked++
		for i, line := range strings.Split(text, "\n") {
			if m := local.FindString(line); m != "" {
				t.Errorf("%s:%d: %q is true on one machine only", name, i+1, m)
			}
		}
	})
	if checked == 0 {
		t.Error("no file was looked at")
	}
}

func TestLocal(t *testing.T) {
	for _, s := range []string{
		"cd /wor" + "k/main", `"/roo` + `t/x"`, "see ../shar" + "ed/design.md", "/tm" + "p/x",
		"https://proxy.gol" + "ang.org",
	} {
		if !local.MatchString(s) {
			t.Errorf("%q is not found", s)
		}
	}
	for _, s := range []string{"https://example.com/work/list", "net/http", "file:/run/secrets/x"} {
		if m := local.FindString(s); m != "" {
			t.Errorf("%q: found %q", s, m)
		}
	}
}

// makeTarget finds "make run" in prose and in code blocks of documents.
var makeTarget = regexp.MustCompile("(?m)(?:`|^\\s*\\$? ?)make ([a-z][a-z-]*)")

// TestDocumentedTargets: a page that names a target of the Makefile names one
// that is there.
func TestDocumentedTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	found := 0
	walk(t, func(name string) {
		if path.Ext(name) != ".md" {
			return
		}
		for _, m := range makeTarget.FindAllStringSubmatch(read(t, name), -1) {
			found++
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names `make %s`; the Makefile has no such target", name, m[1])
			}
		}
	})
	if found == 0 {
		t.Error("no document names a target: the README should")
	}
}
