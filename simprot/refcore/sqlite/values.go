package sqlite

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// instant is a time in the file: RFC 3339 in UTC, NULL for the zero time.
type instant time.Time

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) {
	t := time.Time(i)
	if t.IsZero() {
		return nil, nil
	}
	return t.UTC().Format(time.RFC3339Nano), nil
}

// Scan implements sql.Scanner.
func (i *instant) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*i = instant{}
		return nil
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		*i = instant(t.UTC())
		return err
	default:
		return fmt.Errorf("refcore: a time is stored as %T", v)
	}
}
