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

// OpenSmall opens a journal whose ids go to disk after some hundred rows.
func OpenSmall(ctx context.Context, path string, o journal.Options) (*Journal, error) {
	return open(ctx, path, writer.WithDefaults(o), tuning{table: 100, part: 8, mask: 1<<hashBits - 1})
}
