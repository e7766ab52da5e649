// Package files keeps what comes with messages - attachments, the messages as they
// came - in a folder beside the journal, each file named by its content. Nothing lists
// whose they are: they go when they have been kept for their time.
//
//	tmp, in the folder    what is being written; left behind only by a crash
//	ab/abcd...            a file by the SHA-256 of its content, hexadecimal
package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"servicelink/connectors"
)

// Options say where files are kept, and how many.
type Options struct {
	Path     string           // the folder; made with the first file
	MaxBytes int64            // of all files; 0 = unlimited
	Keep     time.Duration    // after the last Put of the same content
	Now      func() time.Time // nil = time.Now
	// Create makes a file to write to; nil = os.OpenFile. Tests.
	Create func(path string) (File, error)
	// SyncDir has the names in a folder on disk; nil = fsync. Tests.
	SyncDir func(path string) error
	// Remove removes a file or an empty folder; nil = os.Remove. Tests.
	Remove func(path string) error
}

// File is what is written to.
type File interface {
	io.WriteCloser
	Sync() error
}

// Store is the folder. It is safe for concurrent use.
type Store struct {
	o Options

	// names is held while names in the folder change, and taken before mu.
	names    sync.Mutex
	measured bool            // count and bytes are known
	sure     map[string]bool // folders whose names have been on disk in this process

	mu      sync.Mutex // never held while the disk works
	count   int64
	bytes   int64
	writing int64 // bytes of what is being written
	failed  error // why the last Put failed; nil = it did not
	refused int64
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
	if o.SyncDir == nil {
		o.SyncDir = syncDir
	}
	if o.Remove == nil {
		o.Remove = os.Remove
	}
	return &Store{o: o, sure: map[string]bool{}}
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

// MaxBytes is how many bytes are kept at most; 0 = unlimited.
func (s *Store) MaxBytes() int64 { return s.o.MaxBytes }

// Usage is what is there, as far as it is known, and how often a file was refused.
func (s *Store) Usage() (count, bytes, refused int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.bytes, s.refused
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
