package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// staleAfter is how old a half-written file is that nobody writes any more.
const staleAfter = time.Hour

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
	var stays error // one that cannot be removed keeps no other
	err = s.each(func(path string, info fs.FileInfo) error {
		if now.Sub(info.ModTime()) < s.o.Keep {
			return ctx.Err()
		}
		gone, err := s.remove(path, now)
		if gone {
			removed++
		}
		if stays == nil {
			stays = err
		}
		return ctx.Err()
	})
	halves, _ := os.ReadDir(s.Temp())
	for _, half := range halves {
		if info, err := half.Info(); err == nil && now.Sub(info.ModTime()) >= staleAfter {
			_ = s.o.Remove(filepath.Join(s.Temp(), half.Name()))
		}
	}
	return removed, errors.Join(err, stays)
}

// remove takes a file away, unless it was put again meanwhile.
func (s *Store) remove(path string, now time.Time) (gone bool, err error) {
	s.names.Lock()
	defer s.names.Unlock()
	info, err := os.Stat(path)
	if err != nil || now.Sub(info.ModTime()) < s.o.Keep {
		return false, nil
	}
	if err := s.o.Remove(path); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
	s.bytes -= info.Size()
	if errors.Is(s.failed, ErrFull) {
		s.failed = nil // there is room again
	}
	return true, nil
}
