package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	driverpkg "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errDamaged: pages can be spoilt so that SQLite reads them without an error.
var errDamaged = errors.New("its parts contradict each other")

func isDamage(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	se, ok := errors.AsType[*driverpkg.Error](err)
	return ok && (se.Code()&0xff == sqlite3.SQLITE_CORRUPT || se.Code()&0xff == sqlite3.SQLITE_NOTADB)
}

// checkTables reads the tables that everything else is found by, before anything
// is built on them: an entry lost there hides a whole conversation, or lets a
// message in twice, without an error. It takes about 0.2 us a row. The messages
// themselves are not read, there may be gigabytes of them; what pending.load and
// Pending find missing is told by these.
func checkTables(ctx context.Context, db *sql.DB) error {
	var tables []string
	err := each(ctx, db, 1, func(v []driver.Value) error {
		tables = append(tables, asText(v[0]))
		return nil
	}, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('message', 'seen_filter') AND name NOT LIKE 'sqlite_%'")
	if err != nil || len(tables) == 0 {
		return err
	}
	for _, t := range tables {
		check := "quick_check"
		if t == "conversation" {
			check = "integrity_check" // its names are an index
		}
		var says string
		if err := db.QueryRowContext(ctx, fmt.Sprintf("PRAGMA %s(%s)", check, t)).Scan(&says); err != nil {
			return err
		}
		if says != "ok" {
			return fmt.Errorf("%w: table %s: %s", errDamaged, t, says)
		}
	}
	if !slices.Contains(tables, "progress") {
		return nil // a start was interrupted before there was anything
	}
	for _, c := range contradictions {
		var n int64
		if err := db.QueryRowContext(ctx, c.count).Scan(&n); err != nil {
			return err
		}
		if n != 0 {
			return fmt.Errorf("%w: %s", errDamaged, c.says)
		}
	}
	return nil
}

// contradictions count what cannot be: pages that read as empty ones.
var contradictions = []struct{ says, count string }{
	{
		"there are conversations without a state, or the other way round",
		"SELECT (SELECT count(*) FROM conversation) - (SELECT count(*) FROM progress)",
	},
	{
		"there are conversations, and the salt of their ids is gone",
		"SELECT EXISTS (SELECT 1 FROM conversation) AND NOT EXISTS (SELECT 1 FROM meta WHERE name = 'salt')",
	},
	{
		"there are tables, and no version of them",
		"SELECT NOT EXISTS (SELECT 1 FROM goose_db_version)",
	},
}

// noteDamage remembers that the file turned out to be damaged while it is used:
// no time heals it, so the journal takes nothing more and says why.
func (s *store) noteDamage(err error) {
	if s.damage == nil && isDamage(err) {
		s.damage = away(err)
	}
}
