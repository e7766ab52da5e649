package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	driverpkg "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"servicelink/gateway/journal"
)

// away wraps an error of the storage into journal.ErrFull or journal.ErrAway;
// nil means that it is the statement's own fault.
func away(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrFull), errors.Is(err, journal.ErrAway):
		return err
	case isDamage(err):
		return fmt.Errorf("%w: the file is damaged: %w", journal.ErrAway, err)
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", journal.ErrAway, err)
	}
	se, ok := errors.AsType[*driverpkg.Error](err)
	if !ok {
		return nil
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: no space on the device: %w", journal.ErrFull, err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY,
		sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL,
		sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH:
		return fmt.Errorf("%w: %w", journal.ErrAway, err)
	}
	return nil
}

// readError is what a reading call returns for err.
func readError(err error) error {
	if err == nil {
		return nil
	}
	if a := away(err); a != nil {
		return a
	}
	return fmt.Errorf("%w: %w", journal.ErrAway, err)
}

// openError says what an operator can do about a journal that does not open.
func openError(path string, err error) error {
	if isDamage(err) {
		return fmt.Errorf("journal %s is damaged: %w (restore it from a backup, or move it away together with "+
			"its -wal and -shm files to start with an empty one)", path, err)
	}
	if se, ok := errors.AsType[*driverpkg.Error](err); ok {
		switch se.Code() & 0xff {
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
			return fmt.Errorf("journal %s cannot be written: %w (check the owner and rights of the file and its directory)", path, err)
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("journal %s: no space on the device: %w", path, err)
		}
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("journal %s cannot be written: %w (check the owner and rights of the file and its directory)", path, err)
	}
	return fmt.Errorf("journal %s: %w", path, err)
}
