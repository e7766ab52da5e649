// Package sqlite keeps the reference core's chats and sentences in one SQLite
// file, so that they are still there when the core is started again: chats,
// sentences, what was confirmed and what is closed.
package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"modernc.org/sqlite" // and registers the driver
	codes "modernc.org/sqlite/lib"

	"servicelink/simprot/refcore"
)

var (
	//go:embed schema.sql
	schema string
	//go:embed messages.sql
	messages string
)

const (
	// applicationID marks the file as ours: "SLR1".
	applicationID = 0x534c5231
	// version of the schema; a file of another one is refused.
	version = 2
)

// Errors of Open.
var (
	ErrForeign = errors.New("refcore: the file is no store of this version")
	ErrInUse   = errors.New("refcore: another process has the store open")
)

// Store is a refcore.Store in a file. It is safe for concurrent use; one
// statement runs at a time.
type Store struct{ db *sql.DB }

var _ refcore.Store = (*Store)(nil)

// Open opens the store at path and makes it when there is none. What a method
// has returned for is on the disk, also after a loss of power. Close it after
// the Core. Errors: ErrForeign, ErrInUse, those of the file system.
func Open(ctx context.Context, path string) (*Store, error) {
	s, err := open(ctx, path)
	if failed, ok := errors.AsType[*sqlite.Error](err); ok && failed.Code()&0xff == codes.SQLITE_BUSY {
		err = ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("refcore: open %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// The file belongs to one process: who opens it a second time is told so.
	settings := url.Values{"_pragma": {
		"locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+settings.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	s := &Store{db: db}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// prepare makes the tables of a new file and looks at those of an old one.
func (s *Store) prepare(ctx context.Context) error {
	var app, is, tables int
	for pragma, to := range map[string]*int{
		"PRAGMA application_id":              &app,
		"PRAGMA user_version":                &is,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := s.db.QueryRowContext(ctx, pragma).Scan(to); err != nil {
			return err
		}
	}
	switch {
	case app == applicationID && is == version:
		return nil
	case app == applicationID && is == 1:
		return s.change(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA user_version=%d", messages, version))
			return err
		})
	case app != 0 || is != 0 || tables != 0:
		return ErrForeign
	}
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf("%s; %s; PRAGMA application_id=%d; PRAGMA user_version=%d", schema, messages, applicationID, version))
		return err
	})
}

// Close ends the work on the file.
func (s *Store) Close() error { return s.db.Close() }

// Reset implements refcore.Store.
func (s *Store) Reset() error {
	return s.change(background, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(background, "DELETE FROM sentence; DELETE FROM chat; DELETE FROM message")
		return err
	})
}

// change runs one transaction.
func (s *Store) change(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// background is the context of every statement: what a Store does is not to be
// interrupted.
var background = context.Background()
