package email

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/connectors"
)

// dropRig is a folder and a device that reads it.
type dropRig struct {
	dir    string
	device *dropFolder
	engine *testEngine
	files  *testFiles
}

func newDropRig(t testing.TB, dir, settings string) *dropRig {
	t.Helper()
	r := &dropRig{dir: dir, engine: newTestEngine(), files: &testFiles{kept: map[string][]byte{}}}
	device, err := newDropFolder(testChannel(t, fmt.Sprintf("{Path: %q%s}", dir, settings)), connectors.Dependencies{Log: testLog(), Files: r.files})
	if err != nil {
		t.Fatal(err)
	}
	r.device = device.(*dropFolder)
	return r
}

func dropBubble(t *testing.T, settings string, test func(t *testing.T, r *dropRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newDropRig(t, t.TempDir(), settings)) })
}

func put(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *dropRig) put(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		put(t, filepath.Join(r.dir, name), "To: support@mail.test\r\nSubject: "+name+"\r\n\r\nHello "+name+"\r\n")
	}
}

// tree lists every file below the folder.
func (r *dropRig) tree(t testing.TB) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(r.dir, func(name string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rest, _ := filepath.Rel(r.dir, name)
			all = append(all, rest)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestDrop: renamed while it is worked on, moved when it has ended.
func TestDrop(t *testing.T) {
	dropBubble(t, "", func(t *testing.T, r *dropRig) {
		r.put(t, "a.eml", "b.eml", "notes.txt", ".hidden.eml", "sub/c.eml")
		run := run(t, r.device, r.engine)
		after(time.Second)
		equal(t, "taken before a poll has passed", r.engine.subjects(), "")
		after(10 * time.Second)
		equal(t, "delivered", r.engine.subjects(), "a.eml b.eml")
		equal(t, "tree", r.tree(t), ".hidden.eml a.eml.6f9619ff.working b.eml.6f9619ff.working notes.txt sub/c.eml")
		r.engine.settle(connectors.SettledDone)
		after(time.Second)
		equal(t, "tree", r.tree(t), ".hidden.eml done/a.eml done/b.eml notes.txt sub/c.eml")
		r.put(t, "a.eml")
		put(t, filepath.Join(r.dir, "d.eml"), "Subject: other\r\n\r\nx\r\n")
		after(20 * time.Second)
		r.engine.settle(connectors.SettledFailed)
		after(10 * time.Second)
		// The same mail again is the same event, and was done.
		equal(t, "tree", r.tree(t), ".hidden.eml done/a-1.eml done/a.eml done/b.eml failed/d.eml notes.txt sub/c.eml")
		if n, repeats := r.engine.counts(); n != 3 || repeats != 1 {
			t.Errorf("%d events, %d repeats", n, repeats)
		}
		run.end()
	})
}

func TestDropSubfolders(t *testing.T) {
	dropBubble(t, ", Subfolders: true, Pattern: 'm*'", func(t *testing.T, r *dropRig) {
		r.engine.auto = true
		r.put(t, "m1", "x/m2", "x/y/m3", "done/m4", "failed/m5", "x/n")
		run := run(t, r.device, r.engine)
		after(30 * time.Second)
		equal(t, "tree", r.tree(t), "done/m1 done/m4 done/x/m2 done/x/y/m3 failed/m5 x/n")
		run.end()
	})
}

// TestDropGrowing: a file that is still written is left alone.
func TestDropGrowing(t *testing.T) {
	dropBubble(t, "", func(t *testing.T, r *dropRig) {
		run := run(t, r.device, r.engine)
		for n := range 10 {
			put(t, filepath.Join(r.dir, "a.eml"), "Subject: a\r\n\r\n"+strings.Repeat("line\r\n", n+1))
			after(4 * time.Second)
		}
		equal(t, "while it grows", r.engine.subjects(), "")
		after(11 * time.Second)
		equal(t, "when it is whole", r.engine.subjects(), "a")
		run.end()
	})
}

// TestDropCrash: what was begun is taken up again, as the same event.
func TestDropCrash(t *testing.T) {
	dropBubble(t, "", func(t *testing.T, r *dropRig) {
		r.put(t, "a.eml", "b.eml")
		first := run(t, r.device, r.engine)
		after(20 * time.Second)
		first.end()
		r.engine.settle(connectors.SettledDone) // of a process that is gone
		second := newDropRig(t, r.dir, "")
		again := run(t, second.device, r.engine)
		after(20 * time.Second)
		equal(t, "tree", r.tree(t), "done/a.eml done/b.eml")
		if n, repeats := r.engine.counts(); n != 2 || repeats != 2 {
			t.Errorf("%d events, %d repeats", n, repeats)
		}
		again.end()
	})
}

// TestDropRecipients: the envelope counts before what the sender wrote, and nobody's
// mail stays.
func TestDropRecipients(t *testing.T) {
	dropBubble(t, ", Recipients: [Support@mail.test, '@shop.test']", func(t *testing.T, r *dropRig) {
		r.engine.auto = true
		for name, head := range map[string]string{
			"to.eml":       "To: Support <support@MAIL.test>\r\n",
			"cc.eml":       "To: x@other.test\r\nCc: a@b.test, any@shop.test\r\n",
			"envelope.eml": "To: x@other.test\r\nX-RcptTo: support@mail.test\r\n",
			"original.eml": "To: x@other.test\r\nDelivered-To: y@other.test\r\nX-Original-To: z@shop.test\r\n",
			"list.eml":     "To: support@mail.test\r\nDelivered-To: other@mail.test\r\n",
			"nobody.eml":   "To: x@other.test\r\n",
			"none.eml":     "",
		} {
			put(t, filepath.Join(r.dir, name), head+"Subject: "+name+"\r\n\r\n\r\n")
		}
		warned := 0
		r.device.warn = func(string, ...any) { warned++ }
		run := run(t, r.device, r.engine)
		after(time.Minute)
		equal(t, "tree", r.tree(t), "done/cc.eml done/envelope.eml done/original.eml done/to.eml list.eml nobody.eml none.eml")
		after(time.Hour)
		if warned != 3 {
			t.Errorf("%d warnings of 3 mails that nobody takes", warned)
		}
		run.end()
	})
}

// TestDropShared: two gateways on one folder take each mail once.
func TestDropShared(t *testing.T) {
	dropBubble(t, ", Poll: 1s", func(t *testing.T, r *dropRig) {
		second := newDropRig(t, r.dir, ", Poll: 1s")
		second.device.working = ".22222222.working"
		r.engine.auto, second.engine.auto = true, true
		for n := range 100 {
			put(t, filepath.Join(r.dir, fmt.Sprintf("%d.eml", n)), string(testMail(n)))
		}
		run1, run2 := run(t, r.device, r.engine), run(t, second.device, second.engine)
		after(time.Minute)
		run1.end()
		run2.end()
		n1, repeats1 := r.engine.counts()
		n2, repeats2 := second.engine.counts()
		if n1+n2 != 100 || repeats1+repeats2 != 0 {
			t.Errorf("%d and %d events, %d repeats", n1, n2, repeats1+repeats2)
		}
		if n := len(filesIn(t, filepath.Join(r.dir, "done"))); n != 100 {
			t.Errorf("%d files are done", n)
		}
	})
}

// TestDropLinks: no link is followed, neither a file's nor a folder's, and none leads
// out of the folder that the core was lent.
func TestDropLinks(t *testing.T) {
	dropBubble(t, ", Subfolders: true", func(t *testing.T, r *dropRig) {
		r.engine.auto = true
		secret := t.TempDir()
		put(t, filepath.Join(secret, "s.eml"), "Subject: secret\r\n\r\n")
		for from, to := range map[string]string{filepath.Join(secret, "s.eml"): "link.eml", secret: "folder"} {
			if err := os.Symlink(from, filepath.Join(r.dir, to)); err != nil {
				t.Fatal(err)
			}
		}
		run := run(t, r.device, r.engine)
		after(time.Minute)
		equal(t, "delivered", r.engine.subjects(), "")
		run.end()
		if err := os.Symlink(secret, filepath.Join(r.dir, "lent")); err != nil {
			t.Fatal(err)
		}
		r.device.below, r.device.s.Path = r.dir, filepath.Join(r.dir, "lent")
		if se := connectors.AsSendError(r.device.Run(t.Context(), r.engine)); se.Reason == connectors.ReasonCanceled || r.engine.subjects() != "" {
			t.Errorf("a link out of the folder: %v, delivered %q", se, r.engine.subjects())
		}
	})
}

func TestDropUnavailable(t *testing.T) {
	dropBubble(t, "", func(t *testing.T, r *dropRig) {
		r.engine.auto = true
		r.engine.fail(connectors.ErrUnavailable)
		r.put(t, "a.eml")
		run := run(t, r.device, r.engine)
		after(time.Minute)
		equal(t, "tree", r.tree(t), "a.eml.6f9619ff.working")
		r.engine.fail(nil)
		after(time.Minute)
		equal(t, "tree", r.tree(t), "done/a.eml")
		run.end()
	})
}

func TestDropBackpressure(t *testing.T) {
	dropBubble(t, "", func(t *testing.T, r *dropRig) {
		for n := range 400 {
			put(t, filepath.Join(r.dir, fmt.Sprintf("%d.eml", n)), string(testMail(n)))
		}
		run := run(t, r.device, r.engine)
		after(time.Minute)
		if n, _ := r.engine.counts(); n != maxWaiting {
			t.Errorf("%d files are under way", n)
		}
		r.engine.settle(connectors.SettledDone)
		after(time.Minute)
		if n, _ := r.engine.counts(); n != 400 {
			t.Errorf("%d files were taken", n)
		}
		run.end()
	})
}

// TestDropFailures: what Run says when the folder is not as it must be.
func TestDropFailures(t *testing.T) {
	r := newDropRig(t, filepath.Join(t.TempDir(), "missing"), "")
	se := connectors.AsSendError(r.device.Run(context.Background(), r.engine))
	if se.Reason != connectors.ReasonNotFound || se.Hint == "" || strings.Contains(se.Error(), "missing") {
		t.Errorf("no folder: %v", se)
	}
	checks := r.device.Examine(t.Context(), connectors.Examination{})
	if len(checks) != 3 || checks[0].State != connectors.CheckFailed {
		t.Errorf("no folder: %+v", checks)
	}
	r = newDropRig(t, t.TempDir(), ", Recipients: [a@b.test]")
	r.put(t, "x.eml")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(r.dir, "x.eml"), old, old); err != nil {
		t.Fatal(err)
	}
	checks = r.device.Examine(t.Context(), connectors.Examination{})
	if len(checks) != 3 || checks[1].State != connectors.CheckOK || checks[2].State != connectors.CheckWarning || !strings.Contains(checks[2].Found, ": 1") {
		t.Errorf("nobody's mail: %+v", checks)
	}
	if r.tree(t) != "x.eml" {
		t.Error("an examination has changed the folder")
	}
}
