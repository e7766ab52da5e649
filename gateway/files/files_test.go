package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"servicelink/connectors"
	"servicelink/gateway/files"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder lists what is in a folder, the folders themselves left out.
func folder(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func put(t *testing.T, s *files.Store, text string) connectors.File {
	t.Helper()
	f, err := s.Put(t.Context(), "a.txt", "", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal.db.files")
	s := files.New(files.Options{Path: dir, Keep: time.Hour})
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder is there before its first file")
	}
	first := put(t, s, "hello")
	if first.Name != "a.txt" || first.Size != 5 || !strings.HasPrefix(first.Type, "text/plain") || len(first.ID) != 64 {
		t.Errorf("announced as %+v", first)
	}
	named, err := s.Put(t.Context(), "b.pdf", "application/pdf", strings.NewReader("hello"))
	if err != nil || named.ID != first.ID || named.Name != "b.pdf" || named.Type != "application/pdf" {
		t.Errorf("the same content: %+v, %v", named, err)
	}
	put(t, s, "")
	if all := folder(t, dir); len(all) != 2 {
		t.Errorf("the folder holds %v", all)
	} else if info, err := os.Stat(all[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if n, size, refused := s.Usage(); n != 2 || size != 5 || refused != 0 {
		t.Errorf("usage is %d files, %d bytes, %d refused", n, size, refused)
	}
	again := files.New(files.Options{Path: dir, Keep: time.Hour}) // another process
	put(t, again, "more")
	if n, size, _ := again.Usage(); n != 3 || size != 9 {
		t.Errorf("the next process counts %d files, %d bytes", n, size)
	}
	r, err := again.Open(first.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); string(text) != "hello" || err != nil {
		t.Errorf("it reads %q, %v", text, err)
	}
}

// TestOpenNothing: a name leads to no other file, and one that is not there is told
// as such.
func TestOpenNothing(t *testing.T) {
	dir := t.TempDir()
	s := files.New(files.Options{Path: dir})
	f := put(t, s, "hello")
	for _, id := range []string{"", "ab", "../../etc/passwd", strings.Repeat("0", 64), strings.ToUpper(f.ID), f.ID[:2] + "/../" + f.ID[2:]} {
		_, err := s.Open(id)
		if se, ok := errors.AsType[*connectors.SendError](err); !ok || se.Reason != connectors.ReasonNotFound {
			t.Errorf("%q opens with %v", id, err)
		}
	}
}

// TestFull: what does not fit is refused as a whole, and told until something fits.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	s := files.New(files.Options{Path: dir, MaxBytes: 1000})
	put(t, s, "small")
	_, err := s.Put(t.Context(), "", "", io.LimitReader(neverEnding('x'), 5000))
	if !errors.Is(err, connectors.ErrUnavailable) || !errors.Is(err, files.ErrFull) || s.Health() == nil {
		t.Errorf("a full folder says %v, and its health is %v", err, s.Health())
	}
	if all := folder(t, dir); len(all) != 1 {
		t.Errorf("the folder holds %v", all)
	}
	put(t, s, "another")
	if s.Health() != nil {
		t.Error("its health is that of before")
	}
	if _, _, refused := s.Usage(); refused != 1 {
		t.Errorf("%d refused", refused)
	}
}

// TestFullAtOnce: who writes at the same time shares the room.
func TestFullAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := files.New(files.Options{Path: dir, MaxBytes: 10_000})
	var work sync.WaitGroup
	for i := range 16 {
		work.Go(func() {
			_, err := s.Put(t.Context(), "", "", io.LimitReader(neverEnding('a'+i), 4000))
			if err != nil && !errors.Is(err, files.ErrFull) {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if n, size, _ := s.Usage(); n > 2 || size != 4000*n || len(folder(t, dir)) != int(n) {
		t.Errorf("%d files, %d bytes, in the folder %v", n, size, folder(t, dir))
	}
	for i := range 2 { // what nobody writes any more takes no room
		put(t, s, strings.Repeat(string(rune('A'+i)), 1000))
	}
}

// TestKeptAlready: what is there needs no room and no disk, and is kept for its time anew.
func TestKeptAlready(t *testing.T) {
	now := time.Now()
	broken := false
	dir := t.TempDir()
	s := files.New(files.Options{Path: dir, MaxBytes: 1000, Keep: time.Hour, Now: func() time.Time { return now }, Create: func(path string) (files.File, error) {
		if broken {
			return nil, syscall.ENOSPC
		}
		return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}})
	content := strings.Repeat("x", 900)
	first := put(t, s, content)
	for _, broken = range []bool{false, true} {
		now = now.Add(50 * time.Minute)
		if again := put(t, s, content); again.ID != first.ID || again.Size != first.Size {
			t.Errorf("it is %+v and %+v", first, again)
		}
		if removed, err := s.Sweep(t.Context()); removed != 0 || err != nil {
			t.Errorf("%d swept, %v", removed, err)
		}
	}
	if _, err := s.Put(t.Context(), "", "", strings.NewReader("new")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a new one: %v", err)
	}
	if n, size, _ := s.Usage(); n != 1 || size != 900 || len(folder(t, dir)) != 1 {
		t.Errorf("%d files, %d bytes, in the folder %v", n, size, folder(t, dir))
	}
}

// TestDisk: no error of the disk leaves anything behind, whatever fails.
func TestDisk(t *testing.T) {
	for _, fails := range []string{"create", "write", "sync", "close"} {
		t.Run(fails, func(t *testing.T) {
			dir := t.TempDir()
			s := files.New(files.Options{Path: dir, Create: func(path string) (files.File, error) {
				if fails == "create" {
					return nil, syscall.ENOSPC
				}
				f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
				return &failing{f, fails}, err
			}})
			_, err := s.Put(t.Context(), "", "", strings.NewReader("hello"))
			if !errors.Is(err, connectors.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("it says %v", err)
			}
			if all := folder(t, dir); len(all) != 0 {
				t.Errorf("left behind: %v", all)
			}
		})
	}
}

type failing struct {
	*os.File
	fails string
}

func (f *failing) Write(p []byte) (int, error) {
	if f.fails == "write" {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

func (f *failing) Sync() error {
	if f.fails == "sync" {
		return syscall.ENOSPC
	}
	return f.File.Sync()
}

func (f *failing) Close() error {
	err := f.File.Close()
	if f.fails == "close" {
		return syscall.ENOSPC
	}
	return err
}

// TestNamesOnDisk: while the names in a folder cannot be had on disk nothing is kept,
// however often it is tried, and then it is.
func TestNamesOnDisk(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "var", "files")
	broken, synced := "", map[string]int{}
	o := files.Options{Path: dir, SyncDir: func(path string) error {
		if path == broken {
			return syscall.EIO
		}
		synced[path]++
		return nil
	}}
	s := files.New(o)
	ab := filepath.Join(dir, put(t, files.New(files.Options{Path: t.TempDir()}), "hello").ID[:2])
	for _, broken = range []string{top, filepath.Dir(dir), dir, ab} {
		for range 2 {
			_, err := s.Put(t.Context(), "", "", strings.NewReader("hello"))
			if !errors.Is(err, syscall.EIO) || !errors.Is(err, connectors.ErrUnavailable) {
				t.Errorf("without %s: %v", broken, err)
			}
		}
		if all := folder(t, top); len(all) != 0 {
			t.Errorf("left behind: %v", all)
		}
	}
	broken = ""
	put(t, s, "hello")
	for _, path := range []string{top, filepath.Dir(dir), dir, ab} {
		if synced[path] == 0 {
			t.Errorf("the names in %s may not be on disk", path)
		}
	}
	if n, size, refused := s.Usage(); n != 1 || size != 5 || refused != 8 {
		t.Errorf("%d files, %d bytes, %d refused", n, size, refused)
	}
	// A process that was killed may have left a name that is not on disk.
	broken, s = ab, files.New(o)
	if _, err := s.Put(t.Context(), "", "", strings.NewReader("hello")); !errors.Is(err, syscall.EIO) {
		t.Errorf("after a start: %v", err)
	}
	broken = ""
	put(t, s, "hello")
}

// TestNameStays: a name that is neither on disk nor to be taken back is not trusted.
func TestNameStays(t *testing.T) {
	dir := t.TempDir()
	broken := false
	fails := func(do func(string) error) func(string) error {
		return func(path string) error {
			if broken {
				return syscall.EROFS
			}
			return do(path)
		}
	}
	s := files.New(files.Options{Path: dir, Remove: fails(os.Remove), SyncDir: fails(func(string) error { return nil })})
	put(t, s, "first")
	broken = true
	for range 2 {
		if _, err := s.Put(t.Context(), "", "", strings.NewReader("hello")); !errors.Is(err, syscall.EROFS) {
			t.Errorf("it says %v", err)
		}
	}
	broken = false
	put(t, s, "hello")
	if n, size, _ := s.Usage(); n != 2 || size != 10 {
		t.Errorf("%d files, %d bytes", n, size)
	}
}

// TestAnotherDisk: in the place of a folder that is gone there is a new one at once.
func TestAnotherDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "files")
	s := files.New(files.Options{Path: dir, MaxBytes: 10})
	first := put(t, s, "full to ten"[:10])
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	put(t, s, "hello")
	if n, size, refused := s.Usage(); n != 1 || size != 5 || refused != 0 {
		t.Errorf("%d files, %d bytes, %d refused", n, size, refused)
	}
	if _, err := s.Open(first.ID); err == nil {
		t.Error("the first is still there")
	}
}

// TestOfOthers: what is not ours is not read, not counted, and in nobody's way.
func TestOfOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o000); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "ab", "README")
	if err := os.Mkdir(filepath.Dir(foreign), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s := files.New(files.Options{Path: dir, Keep: time.Hour, Now: func() time.Time { return now }})
	put(t, s, "hello")
	now = now.Add(2 * time.Hour)
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	if n, size, _ := s.Usage(); n != 0 || size != 0 {
		t.Errorf("%d files, %d bytes", n, size)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
}

// TestStays: one file that cannot be removed keeps no other.
func TestStays(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	stuck := ""
	s := files.New(files.Options{Path: dir, Keep: time.Hour, Now: func() time.Time { return now }, Remove: func(path string) error {
		if path == stuck {
			return syscall.EPERM
		}
		return os.Remove(path)
	}})
	for i := range 20 {
		put(t, s, strings.Repeat("x", i))
	}
	stuck = folder(t, dir)[3]
	now = now.Add(2 * time.Hour)
	if n, err := s.Sweep(t.Context()); n != 19 || !errors.Is(err, syscall.EPERM) {
		t.Errorf("%d removed, %v", n, err)
	}
	if n, _, _ := s.Usage(); n != 1 {
		t.Errorf("%d files", n)
	}
}

// TestReader: an error of what is read is given back as it is, and says nothing of the
// folder; a call that is given up ends.
func TestReader(t *testing.T) {
	dir := t.TempDir()
	s := files.New(files.Options{Path: dir})
	broken := errors.New("the mail server has hung up")
	_, err := s.Put(t.Context(), "", "", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || errors.Is(err, connectors.ErrUnavailable) || s.Health() != nil {
		t.Errorf("it says %v, its health is %v", err, s.Health())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, "", "", neverEnding('x')); !errors.Is(err, context.Canceled) {
		t.Errorf("given up, it says %v", err)
	}
	if all := folder(t, dir); len(all) != 0 {
		t.Errorf("left behind: %v", all)
	}
}

// TestAtOnce: one content from many sides at once is kept once.
func TestAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := files.New(files.Options{Path: dir})
	content := bytes.Repeat([]byte("0123456789"), 10_000)
	var work sync.WaitGroup
	for range 16 {
		work.Go(func() {
			if _, err := s.Put(t.Context(), "", "", bytes.NewReader(content)); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if n, size, _ := s.Usage(); n != 1 || size != int64(len(content)) || len(folder(t, dir)) != 1 {
		t.Errorf("%d files, %d bytes, in the folder %v", n, size, folder(t, dir))
	}
}

// TestSweep: a file goes when its time is over, counted from when it came last; so do
// halves that a crash left, but not one that is being written.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	s := files.New(files.Options{Path: dir, Keep: 24 * time.Hour, Now: func() time.Time { return now }})
	old, again := put(t, s, "old"), put(t, s, "again")
	now = now.Add(23 * time.Hour)
	put(t, s, "again")
	for name, age := range map[string]time.Duration{"left": 2 * time.Hour, "written": time.Minute} {
		half := filepath.Join(dir, "tmp", name)
		if err := os.WriteFile(half, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := now.Add(2*time.Hour - age)
		if err := os.Chtimes(half, at, at); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(2 * time.Hour)
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	if _, err := s.Open(old.ID); err == nil {
		t.Error("what was kept for its time is still there")
	}
	r, err := s.Open(again.ID)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if n, size, _ := s.Usage(); n != 1 || size != 5 {
		t.Errorf("%d files, %d bytes", n, size)
	}
	for name, want := range map[string]bool{"left": false, "written": true} {
		if _, err := os.Stat(filepath.Join(dir, "tmp", name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The next process knows what is there, and takes files again when there is room.
	s = files.New(files.Options{Path: dir, MaxBytes: 6, Keep: 24 * time.Hour, Now: func() time.Time { return now }})
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if n, size, _ := s.Usage(); n != 1 || size != 5 {
		t.Errorf("after a start %d files, %d bytes", n, size)
	}
	if _, err := s.Put(t.Context(), "", "", strings.NewReader("too much")); !errors.Is(err, files.ErrFull) || s.Health() == nil {
		t.Errorf("%v, health %v", err, s.Health())
	}
	now = now.Add(24 * time.Hour)
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil || s.Health() != nil {
		t.Errorf("%d removed, %v, health %v", n, err, s.Health())
	}
}

// neverEnding gives one byte for ever.
type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}
