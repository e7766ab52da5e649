package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	driverpkg "modernc.org/sqlite"

	"servicelink/gateway/journal"
)

const (
	// partPattern names a copy that is not whole.
	partPattern = ".servicelink-backup-*.part"
	// spareSpace is what a copy leaves free: the journal may be on the same disk.
	spareSpace = 64 << 20
)

// Backup is journal.Journal's. VACUUM INTO copies what is there, and nothing of
// what was erased, as of one moment, in a connection of its own: the writer goes
// on, its log grows until the copy is whole. One copy at a time.
func (j *Journal) Backup(ctx context.Context, path string) (err error) {
	j.backingUp.Lock()
	defer j.backingUp.Unlock()
	if _, err := os.Lstat(path); err == nil {
		return journal.ErrExists
	}
	dir := filepath.Dir(path)
	if err := j.roomIn(dir); err != nil {
		return err
	}
	part, err := newPart(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreMissing(os.Remove(part))) }()
	if err := j.copyTo(ctx, part); err != nil {
		return err
	}
	if err := syncFile(part); err != nil {
		return err
	}
	// A link, as a rename would take the place of a file that came meanwhile.
	if err := os.Link(part, path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return journal.ErrExists
		}
		return err
	}
	return errors.Join(os.Remove(part), syncDir(dir))
}

// newPart makes an empty file for its owner alone, and clears away what a crash
// has left.
func newPart(dir string) (string, error) {
	old, err := filepath.Glob(filepath.Join(dir, partPattern))
	if err != nil {
		return "", err
	}
	for _, o := range old {
		if err := ignoreMissing(os.Remove(o)); err != nil {
			return "", err
		}
	}
	f, err := os.CreateTemp(dir, partPattern)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // made by newPart
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// roomIn checks that the copy fits.
func (j *Journal) roomIn(dir string) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	free := int64(disk.Bavail) * int64(disk.Bsize) //nolint:unconvert // the types differ by system
	if need := j.Size() + spareSpace; free < need {
		return fmt.Errorf("%w: %d MiB are free, %d are needed", journal.ErrNoSpace, free>>20, need>>20)
	}
	return nil
}

func (j *Journal) copyTo(ctx context.Context, path string) (err error) {
	if err := j.db.PingContext(ctx); err != nil { // closed
		return fail(ctx, err)
	}
	db, err := openAside(j.s.path, "")
	if err != nil {
		return fail(ctx, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	if err == nil {
		err = mark(ctx, path, j.s.o.Now())
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// openAside gives one reading connection beside the pool's, which a long look
// would hold up.
func openAside(path, more string) (*sql.DB, error) {
	connector, err := driverpkg.NewConnector(dsn(path, "ro", []string{"busy_timeout(1000)", "temp_store(MEMORY)"}) + more)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db, nil
}
