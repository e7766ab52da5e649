// Package files keeps what comes with messages - attachments, the messages as they
// came - in a folder beside the journal, each file named by its content. Nothing lists
// whose they are: they go when they have been kept for their time.
//
//	tmp, in the folder    what is being written; left behind only by a crash
//	ab/abcd...            a file by the SHA-256 of its content, hexadecimal
package files

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"servicelink/connectors"
)

// staleAfter is how old a half-written file is that nobody writes any more.
const staleAfter = time.Hour

// Options say where files are kept, and how many.
type Options struct {
	Path     string           // the folder; made with the first file
	MaxBytes int64            // of all files; 0 = unlimited
	Keep     time.Duration    // after the last Put of the same content
	Now      func() time.Time // nil = time.Now
	// Create makes a file to write to; nil = os.OpenFile. Tests.
	Create func(path string) (File, error)
}

// File is what is written to.
type File interface {
	io.WriteCloser
	Sync() error
}

// Store is the folder. It is safe for concurrent use.
type Store struct {
	o Options

	mu       sync.Mutex
	measured bool // count and bytes are known
	count    int64
	bytes    int64
	writing  int64 // bytes of what is being written
	failed   error // why the last Put failed; nil = it did not
	refused  int64
}

var _ connectors.FileKeeper = (*Store)(nil)

// New makes a Store and touches nothing.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Create == nil {
		o.Create = func(path string) (File, error) {
			return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // a name of our own
		}
	}
	return &Store{o: o}
}

// ErrFull: files.max_bytes is reached. It comes wrapped with ErrUnavailable.
var ErrFull = errors.New("the folder of files is full")

// Put is connectors.FileKeeper's.
func (s *Store) Put(ctx context.Context, name, mimeType string, r io.Reader) (connectors.File, error) {
	in := &source{ctx: ctx, r: r}
	id, size, err := s.put(in)
	switch {
	case in.err != nil:
		return connectors.File{}, in.err // the reader's: it says nothing of the folder
	case err != nil:
		err = fmt.Errorf("%w: files: %w", connectors.ErrUnavailable, err)
		s.note(err)
		return connectors.File{}, err
	}
	s.note(nil)
	if mimeType == "" {
		mimeType = http.DetectContentType(in.head)
	}
	return connectors.File{ID: id, Name: name, Type: mimeType, Size: size}, nil
}

// note keeps why nothing can be kept now.
func (s *Store) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
	if err != nil {
		s.refused++
	}
}

// put writes a file under a name of its own, and gives it its name when it is whole. A
// content that is there already needs neither room nor a disk that can be written.
func (s *Store) put(in *source) (id string, size int64, err error) {
	if err := s.measure(); err != nil {
		return "", 0, err
	}
	temp := filepath.Join(s.o.Path, "tmp", rand.Text())
	out := &sink{s: s, sum: sha256.New()}
	defer out.free()
	err = out.copy(temp, in)
	id = hex.EncodeToString(out.sum.Sum(nil))
	switch {
	case err == nil && out.failed == nil:
		return id, out.size, s.enter(temp, id, out)
	case err == nil && s.renew(id):
		err = nil
	default:
		err = errors.Join(err, out.failed)
	}
	_ = os.Remove(temp) // what cannot be removed is swept
	return id, out.size, err
}

// renew keeps a file that is there from now on; false: it is not.
func (s *Store) renew(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	return os.Chtimes(s.path(id), now, now) == nil
}

// buffers are what files are copied through.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 32<<10)
	return &b
}}

// sink is where a file goes: its sum is made to the end, also when nothing can be
// written any more.
type sink struct {
	s        *Store
	f        File
	sum      hash.Hash
	size     int64
	reserved int64 // of the folder's room
	failed   error // why it is not kept
}

// copy copies the source into a file and has it on disk. The error is the reader's; the
// folder's is in failed.
func (k *sink) copy(temp string, in *source) error {
	f, err := k.s.o.Create(temp)
	if k.failed = err; err == nil {
		k.f = f
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	_, err = io.CopyBuffer(k, onlyReader{in}, *buffer)
	if k.f == nil {
		return err
	}
	if err == nil && k.failed == nil {
		k.failed = k.f.Sync()
	}
	k.failed = errors.Join(k.failed, k.f.Close())
	return err
}

func (k *sink) Write(p []byte) (int, error) {
	k.sum.Write(p)
	k.size += int64(len(p))
	if k.failed == nil {
		if k.failed = k.reserve(int64(len(p))); k.failed == nil {
			_, k.failed = k.f.Write(p)
		}
	}
	return len(p), nil
}

// reserve takes room for what is written next, so that all who write count.
func (k *sink) reserve(n int64) error {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if most := k.s.o.MaxBytes; most > 0 && k.s.bytes+k.s.writing+n > most {
		return ErrFull
	}
	k.s.writing += n
	k.reserved += n
	return nil
}

// free gives the room back: what is kept is counted by its file.
func (k *sink) free() {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.release()
}

// release is free with the folder's mutex held.
func (k *sink) release() {
	k.s.writing -= k.reserved
	k.reserved = 0
}

// enter gives a whole file its name. One that is there already is as good, and kept
// from now on.
func (s *Store) enter(temp, id string, out *sink) error {
	path := s.path(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Stat(path); err == nil {
		now := s.o.Now()
		return errors.Join(os.Chtimes(path, now, now), os.Remove(temp))
	}
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = syncDir(s.o.Path)
		if err != nil {
			return errors.Join(err, os.Remove(temp))
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	now := s.o.Now()
	_ = os.Chtimes(path, now, now) // the system's clock is as good
	s.count++
	s.bytes += out.size
	out.release()
	return syncDir(dir)
}

// syncDir has the names in a folder on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // a folder of ours
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s *Store) path(id string) string { return filepath.Join(s.o.Path, id[:2], id) }

// Open is connectors.FileKeeper's.
func (s *Store) Open(id string) (io.ReadSeekCloser, error) {
	if sum, err := hex.DecodeString(id); err != nil || len(sum) != sha256.Size || strings.ToLower(id) != id {
		return nil, gone(errors.New("not the name of a file"))
	}
	f, err := os.Open(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gone(errors.New("it was kept for its time"))
	}
	if err != nil {
		return nil, &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer, Err: errors.New("the folder of files cannot be read")}
	}
	return f, nil
}

func gone(err error) *connectors.SendError {
	return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Err: err}
}

// Health is nil, or why the last file could not be kept.
func (s *Store) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Usage is what is there, as far as it is known, and how often a file was refused.
func (s *Store) Usage() (count, bytes, refused int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.bytes, s.refused
}

// measure makes the folder and looks at what is in it, once.
func (s *Store) measure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.measured {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(s.o.Path, "tmp"), 0o700); err != nil {
		return err
	}
	s.count, s.bytes = 0, 0
	err := s.each(func(_ string, info fs.FileInfo) error {
		s.count++
		s.bytes += info.Size()
		return nil
	})
	s.measured = err == nil
	return err
}

// each walks through all files that are whole.
func (s *Store) each(do func(path string, info fs.FileInfo) error) error {
	err := filepath.WalkDir(s.o.Path, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "tmp" && filepath.Dir(path) == filepath.Clean(s.o.Path):
			return fs.SkipDir
		case !d.Type().IsRegular() || len(d.Name()) != 2*sha256.Size:
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return do(path, info)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no folder yet
	}
	return err
}

// Sweep removes what was kept for its time, and what a crash left half written. A
// folder that is there is counted.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	if _, err := os.Stat(s.o.Path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err := s.measure(); err != nil {
		return 0, err
	}
	now := s.o.Now()
	err = s.each(func(path string, info fs.FileInfo) error {
		if now.Sub(info.ModTime()) < s.o.Keep {
			return ctx.Err()
		}
		gone, err := s.remove(path, now)
		if gone {
			removed++
		}
		return errors.Join(err, ctx.Err())
	})
	halves, _ := os.ReadDir(filepath.Join(s.o.Path, "tmp"))
	for _, half := range halves {
		if info, err := half.Info(); err == nil && now.Sub(info.ModTime()) >= staleAfter {
			_ = os.Remove(filepath.Join(s.o.Path, "tmp", half.Name()))
		}
	}
	return removed, err
}

// remove takes a file away, unless it was put again meanwhile.
func (s *Store) remove(path string, now time.Time) (gone bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(path)
	if err != nil || now.Sub(info.ModTime()) < s.o.Keep {
		return false, nil
	}
	if err := os.Remove(path); err != nil {
		return false, err
	}
	s.count--
	s.bytes -= info.Size()
	if errors.Is(s.failed, ErrFull) {
		s.failed = nil // there is room again
	}
	return true, nil
}

// source reads for Put: it keeps its own errors apart from the folder's.
type source struct {
	ctx  context.Context //nolint:containedctx // of the one call
	r    io.Reader
	err  error
	head []byte // the first bytes, to tell the type
}

const headBytes = 512

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if room := headBytes - len(s.head); room > 0 {
		s.head = append(s.head, p[:min(n, room)]...)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// onlyReader keeps io.Copy from any other way than reading.
type onlyReader struct{ io.Reader }
