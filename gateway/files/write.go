package files

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// put writes a file under a name of its own, and gives it its name when it is whole. A
// content that is there already needs neither room nor a disk that can be written.
func (s *Store) put(in *source) (id string, size int64, err error) {
	if err := s.measure(); err != nil {
		return "", 0, err
	}
	temp := filepath.Join(s.Temp(), rand.Text())
	out := &sink{s: s, sum: sha256.New()}
	defer out.free()
	err = out.copy(temp, in)
	id = hex.EncodeToString(out.sum.Sum(nil))
	switch {
	case err == nil && out.failed == nil:
		err = s.enter(temp, id, out)
	case err == nil && s.renew(id):
	default:
		err = errors.Join(err, out.failed)
	}
	_ = s.o.Remove(temp) // where it has no other name; what stays is swept
	return id, out.size, err
}

// renew keeps a file that is there from now on; false: it is not, or not surely.
func (s *Store) renew(id string) bool {
	s.names.Lock()
	defer s.names.Unlock()
	there, err := s.again(id)
	return there && err == nil
}

// again keeps a file from now on if it is there, with names held. Whoever gave it its
// name may have been killed before that was on disk.
func (s *Store) again(id string) (there bool, err error) {
	path := s.path(id)
	if _, err := os.Stat(path); err != nil {
		return false, nil //nolint:nilerr // whatever it is, a new file is tried
	}
	if dir := filepath.Dir(path); !s.sure[dir] {
		if err := s.o.SyncDir(dir); err != nil {
			return true, err
		}
		s.sure[dir] = true
	}
	now := s.o.Now()
	return true, os.Chtimes(path, now, now)
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
	if errors.Is(err, fs.ErrNotExist) { // an empty disk is in the place of the other one
		if err = k.s.anew(); err == nil {
			f, err = k.s.o.Create(temp)
		}
	}
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

// enter gives a whole file its name, and has the name on disk. One that is there
// already is as good, and kept from now on.
func (s *Store) enter(temp, id string, out *sink) error {
	path := s.path(id)
	s.names.Lock()
	defer s.names.Unlock()
	if there, err := s.again(id); there {
		return err
	}
	if err := s.makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	if err := s.o.SyncDir(filepath.Dir(path)); err != nil {
		return errors.Join(err, s.undo(path))
	}
	s.sure[filepath.Dir(path)] = true
	now := s.o.Now()
	_ = os.Chtimes(path, now, now) // the system's clock is as good
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.bytes += out.size
	out.release()
	return nil
}

// undo takes back a name that may not be on disk: who finds it would hold it to be. One
// that stays is counted and made sure of with the next Put.
func (s *Store) undo(path string) error {
	err := s.o.Remove(path)
	if err != nil {
		s.measured = false
		delete(s.sure, filepath.Dir(path))
	}
	return err
}
