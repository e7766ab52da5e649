package memory

import (
	"context"
	"maps"
	"time"
)

// Pause is writer.Store's.
func (s *store) Pause(channel string, since time.Time) error {
	if since.IsZero() {
		delete(s.paused, channel)
	} else {
		s.paused[channel] = since.UTC()
	}
	return nil
}

// Paused is journal.Journal's.
func (j *Journal) Paused(ctx context.Context) (paused map[string]time.Time, err error) {
	err = j.view(ctx, func(s *store) { paused = maps.Clone(s.paused) })
	return paused, err
}
