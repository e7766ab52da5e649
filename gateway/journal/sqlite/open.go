package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
	driverpkg "modernc.org/sqlite"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// applicationID marks the file as ours: "SLJ1".
	applicationID = 0x534c4a31
	pageSize      = 8192
	readerCount   = 4
)

// How the connections are set up. The log is checkpointed at walPages, which
// bounds how long the commit that does it takes; readers never wait for the
// writer, so the timeout is for checkpoints only.
var (
	writerPragmas = []string{
		"busy_timeout(100)", fmt.Sprintf("page_size(%d)", pageSize), "synchronous(FULL)", "secure_delete(ON)",
		"wal_autocheckpoint(1000)", "journal_size_limit(16777216)", "cache_size(-16384)", "temp_store(MEMORY)",
	}
	readerPragmas = []string{"busy_timeout(1000)", "query_only(1)", "cache_size(-2048)", "temp_store(MEMORY)"}
)

// dsn names a connection. The log is switched on by its own parameter, which
// the driver applies after the pragmas: it fixes the page size.
func dsn(path, mode string, pragmas []string) string {
	q := url.Values{"mode": {mode}, "_pragma": pragmas}
	if mode == "rw" {
		q.Set("_journal_mode", "WAL")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// open does what Open says. What it made is undone when a later step fails.
func open(ctx context.Context, path string, o journal.Options, tune tuning) (j *Journal, err error) {
	if o.OnCommit == nil {
		return nil, errors.New("OnCommit is required")
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	var made []io.Closer
	defer func() {
		if err != nil {
			for _, m := range slices.Backward(made) {
				err = errors.Join(err, m.Close())
			}
		}
	}()
	lock, err := makeFiles(path)
	if err != nil {
		return nil, err
	}
	made = append(made, lock)
	if err := migrate(ctx, path, o.Now()); err != nil {
		return nil, err
	}
	connector, err := driverpkg.NewConnector(dsn(path, "rw", writerPragmas))
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx, connector)
	if err != nil {
		return nil, err
	}
	made = append(made, c)
	db, err := openReaders(path)
	if err != nil {
		return nil, err
	}
	made = append(made, db)
	s := &store{o: o, path: path, c: c, readers: db, lock: lock, seen: seen{tuning: tune}, reported: newReported()}
	if s.file, err = os.Stat(path); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil { //nolint:contextcheck // the writer's statements are not to be interrupted
		return nil, err
	}
	return &Journal{Writer: writer.Start(s, o.OnCommit), s: s, db: db}, nil
}

func openReaders(path string) (*sql.DB, error) {
	connector, err := driverpkg.NewConnector(dsn(path, "ro", readerPragmas))
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(readerCount)
	db.SetMaxIdleConns(readerCount)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

// makeFiles makes directory, lock and file, for the owner's eyes only (the
// file's rights are passed on to the log), and takes the lock. The lock is not
// on the file itself: closing any descriptor of that would drop SQLite's locks.
func makeFiles(path string) (*os.File, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	if err := lockFile(lock); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names it
	if errors.Is(err, fs.ErrExist) {
		return lock, nil
	}
	if err == nil {
		err = errors.Join(file.Close(), syncDir(dir), syncDir(filepath.Dir(dir)))
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return journal.ErrLocked
	}
	return err
}

// syncDir makes a new directory entry survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// migrate brings the file to this program's schema.
func migrate(ctx context.Context, path string, now time.Time) (err error) {
	connector, err := driverpkg.NewConnector(dsn(path, "rw", writerPragmas))
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkOurs(ctx, db); err != nil {
		return err
	}
	if err := checkTables(ctx, db); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; version > newest {
		return fmt.Errorf("it was written by a newer program (schema %d, this one knows %d)", version, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	_, err = db.ExecContext(ctx, `INSERT OR IGNORE INTO meta (name, value) VALUES
		('born', ?), ('salt', ?), ('floor', 1), ('content_mark', 0), ('row_mark', 0), ('probe', 0)`,
		now.UnixMicro(), salt)
	if err != nil {
		return err
	}
	return restored(ctx, db, now)
}

// checkOurs refuses a SQLite file of somebody else, and marks a new one.
func checkOurs(ctx context.Context, db *sql.DB) error {
	var mark, tables int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&mark); err != nil {
		return err
	}
	if mark == applicationID {
		return nil
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if mark != 0 || tables > 0 {
		return errors.New("it is a SQLite file of another program")
	}
	_, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	return err
}
