package sqlite

import (
	"context"

	"servicelink/gateway/journal"
	"servicelink/gateway/journal/internal/writer"
)

// OpenTiny opens a journal whose memory tables and partitions hold a few ids
// and whose hashes collide all the time, so that small tests reach every path
// of the index.
func OpenTiny(ctx context.Context, path string, o journal.Options) (*Journal, error) {
	return open(ctx, path, writer.WithDefaults(o), tuning{table: 3, part: 3, mask: 3})
}
