package sqlite_test

import (
	"fmt"
	"testing"

	"servicelink/gateway/journal/journaltest"
)

// benchRows are the sizes the benchmarks run at: what is fast on an empty file
// proves little.
var benchRows = []int{0, 1_000_000}

func BenchmarkAccept(b *testing.B) {
	for _, rows := range benchRows {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) { journaltest.BenchAccept(b, driver(b), rows) })
	}
}

func BenchmarkAcceptDone(b *testing.B) {
	for _, rows := range benchRows {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) { journaltest.BenchAcceptDone(b, driver(b), rows) })
	}
}
