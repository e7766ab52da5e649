package sqlite

import (
	"context"
	"database/sql/driver"
	"time"
)

// Pause is writer.Store's.
func (s *store) Pause(channel string, since time.Time) error {
	if since.IsZero() {
		_, err := s.unpause.exec(channel)
		return err
	}
	_, err := s.pause.exec(channel, since.UnixMicro())
	return err
}

// Paused is journal.Journal's.
func (j *Journal) Paused(ctx context.Context) (map[string]time.Time, error) {
	paused := make(map[string]time.Time)
	err := each(ctx, j.db, 2, func(v []driver.Value) error {
		paused[asText(v[0])] = asTime(v[1])
		return nil
	}, "SELECT channel, since FROM paused")
	return paused, fail(ctx, err)
}
