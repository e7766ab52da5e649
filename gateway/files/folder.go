package files

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

func (s *Store) path(id string) string { return filepath.Join(s.o.Path, id[:2], id) }

// Temp is the folder of what is being written.
func (s *Store) Temp() string { return filepath.Join(s.o.Path, "tmp") }

// makeFolder makes a folder, and those it is in, where they are not there, and has
// their names on disk.
func (s *Store) makeFolder(path string) error {
	err := os.Mkdir(path, 0o700)
	if parent := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && parent != path {
		if err := s.makeFolder(parent); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	if err := s.o.SyncDir(filepath.Dir(path)); err != nil {
		return errors.Join(err, s.o.Remove(path))
	}
	return nil
}

// syncDir has the names in a folder on disk. Some file systems of networks know no such
// thing, and say so with EINVAL: there nothing can be done.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // a folder of ours
	if err != nil {
		return err
	}
	if err = d.Sync(); errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// measure makes the folder and looks at what is in it, once.
func (s *Store) measure() error {
	s.names.Lock()
	defer s.names.Unlock()
	if s.measured {
		return nil
	}
	if err := s.makeFolder(s.Temp()); err != nil {
		return err
	}
	if err := s.o.SyncDir(s.o.Path); err != nil { // for the folders of a process that was killed
		return err
	}
	var count, bytes int64
	err := s.each(func(_ string, info fs.FileInfo) error {
		count++
		bytes += info.Size()
		return nil
	})
	if err != nil {
		return err
	}
	s.measured = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count, s.bytes = count, bytes
	return nil
}

// anew makes the folder once more, and looks at what is in it.
func (s *Store) anew() error {
	s.names.Lock()
	s.measured = false
	clear(s.sure)
	s.names.Unlock()
	return s.measure()
}

// each walks through all files that are whole, and through nothing that is not ours,
// such as the lost+found of a disk.
func (s *Store) each(do func(path string, info fs.FileInfo) error) error {
	for first := range 1 << 8 {
		dir := filepath.Join(s.o.Path, hex.EncodeToString([]byte{byte(first)}))
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, entry := range entries {
			if !entry.Type().IsRegular() || len(entry.Name()) != 2*sha256.Size {
				continue
			}
			info, err := entry.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // gone meanwhile
			}
			if err == nil {
				err = do(filepath.Join(dir, entry.Name()), info)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
