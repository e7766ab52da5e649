package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"servicelink/gateway/journal"
)

// A copy that takes the journal's place knows nothing of what happened since it
// was made, and must not think it does. So a copy is marked, and what opens it
// first makes it a journal that begins now: it does not know every id that may
// be repeated (Born), nor which chat is the latest, and of sends that were
// pending it is not known whether they have left.

// mark notes in a copy that it is one. It stays a single file: its log is
// switched on by whoever opens it as a journal.
func mark(ctx context.Context, path string, now time.Time) (err error) {
	db, err := sql.Open("sqlite", dsn(path, "rwc", []string{"synchronous(FULL)", "temp_store(MEMORY)"}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "INSERT OR REPLACE INTO meta (name, value) VALUES ('copied', ?)", now.UnixMicro())
	return err
}

// restored makes a journal of a copy.
func restored(ctx context.Context, db *sql.DB, now time.Time) (err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after the commit it does nothing
	cut, err := tx.ExecContext(ctx, "DELETE FROM meta WHERE name = 'copied'")
	if err != nil {
		return err
	}
	if n, err := cut.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE meta SET value = ? WHERE name = 'born'", now.UnixMicro()); err != nil {
		return err
	}
	// What it knew of the chats proves nothing about sentences it has no record of.
	if _, err := tx.ExecContext(ctx, "UPDATE progress SET chat_id = NULL, counter = 0, released = 0"); err != nil {
		return err
	}
	sends := make(map[int64][]journal.Part)
	err = each(ctx, tx, 2, func(v []driver.Value) error {
		parts, err := decodeParts(v[1])
		sends[asInt(v[0])] = parts
		return err
	}, "SELECT seq, parts FROM message INDEXED BY message_pending WHERE state < 3 AND lane & 1 = 1")
	if err != nil {
		return err
	}
	for seq, parts := range sends {
		text, err := encodeParts(begun(parts))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE message SET parts = ? WHERE seq = ?", text, seq); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// begun are parts that may have left since, all of which were not tried or
// failed: as after a crash in the middle of the attempt.
func begun(parts []journal.Part) []journal.Part {
	if len(parts) == 0 {
		parts = make([]journal.Part, 1)
	}
	for i := range parts {
		if parts[i].State == 0 {
			parts[i].State = journal.PartAttempting
		}
	}
	return parts
}
