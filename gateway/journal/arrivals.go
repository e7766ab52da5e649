package journal

import (
	"context"
	"time"
)

// Counter tells how much came, when.
type Counter interface {
	// Arrivals counts inbound rows by channel and hour, whatever became of them;
	// rows of forgotten conversations are not there any more. It walks through all
	// rows of that time, piece by piece and with rests, beside the writer.
	Arrivals(ctx context.Context, q ArrivalsQuery) (map[string]Arrivals, error)
}

// ArrivalsQuery selects inbound rows by when they were accepted.
type ArrivalsQuery struct {
	Since, Until time.Time // from Since on, before Until
	Except       string    // what an ID does not begin with; empty = all are counted
}

// Arrivals is what came for a channel.
type Arrivals struct {
	Hours map[int64]int64 // rows by HourOf their time
	Last  time.Time       // the latest row's
}

// HourOf numbers the hours since 1970.
func HourOf(t time.Time) int64 { return t.Unix() / int64(time.Hour/time.Second) }

// Add counts rows of one hour, the latest of which came then.
func (a *Arrivals) Add(rows int64, last time.Time) {
	if a.Hours == nil {
		a.Hours = make(map[int64]int64)
	}
	a.Hours[HourOf(last)] += rows
	if last.After(a.Last) {
		a.Last = last
	}
}
