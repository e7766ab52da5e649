package journaltest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"servicelink/gateway/journal"
)

const (
	benchAccepters     = 64
	benchConversations = 1000
	benchBody          = 500
)

// BenchAccept measures Accept: 64 callers, one 500-byte entry with a random
// 34-character id each, over 1,000 conversations, into a journal that holds
// rows finished rows. It reports the CPU time of the whole process.
func BenchAccept(b *testing.B, d Driver, rows int) {
	bench(b, d, rows, func(journal.Journal, []journal.Row) {})
}

// BenchAcceptDone is BenchAccept with every row finished as the engine does
// it: one change a row, with the conversation's counter, nobody waits.
func BenchAcceptDone(b *testing.B, d Driver, rows int) {
	bench(b, d, rows, finishRows)
}

func finishRows(j journal.Journal, rows []journal.Row) {
	for i := range rows {
		r := &rows[i]
		j.Apply(journal.Change{
			Seq: r.Seq, State: journal.Done, Attempts: 1,
			Conv: &journal.ConvChange{
				Channel: r.Lane.Channel, TrackingID: r.Lane.TrackingID, ChatID: benchChat, Counter: int32(r.Seq),
			},
		})
	}
}

const benchChat = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

func bench(b *testing.B, d Driver, rows int, onCommit func(journal.Journal, []journal.Row)) {
	var j journal.Journal
	opened := make(chan struct{})
	groups := 0 // the writer's until Close
	j, err := d.Open(journal.Options{OnCommit: func(rows []journal.Row) {
		<-opened
		groups++
		onCommit(j, rows)
	}})
	if err != nil {
		b.Fatal(err)
	}
	close(opened)
	prefilled := 0
	defer func() {
		if err := j.Close(); err != nil {
			b.Error(err)
		}
		b.ReportMetric(float64(b.N)/float64(groups-prefilled), "msg/group")
	}()
	prefilled = prefill(b, j, rows)
	body := make([]byte, benchBody)
	b.SetParallelism(benchAccepters / 2)
	b.ReportAllocs()
	start, written := cpuTime(), bytesWritten(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			v, err := j.Accept(b.Context(), benchEntry(body))
			if err != nil || v[0] != journal.New {
				b.Errorf("accept: %v, %v", v, err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-start).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(bytesWritten(b)-written)/1024/float64(b.N), "KB-written/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// prefill returns the number of groups it took.
func prefill(b *testing.B, j journal.Journal, rows int) (groups int) {
	body := make([]byte, benchBody)
	for rows > 0 {
		entries := make([]journal.Entry, min(rows, 250))
		for i := range entries {
			entries[i] = benchEntry(body)
		}
		if _, err := j.Accept(b.Context(), entries...); err != nil {
			b.Fatal(err)
		}
		rows -= len(entries)
		groups++
	}
	return groups
}

func benchEntry(body []byte) journal.Entry {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	var id [34]byte
	for i := range id {
		id[i] = digits[rand.IntN(len(digits))] //nolint:gosec // not a secret
	}
	conversation := rand.IntN(benchConversations) //nolint:gosec // not a secret
	return journal.Entry{
		Lane: laneIn(fmt.Sprintf("%d|omnichannel", conversation)),
		ID:   string(id[:]), Content: body, SentAt: time.Now(),
	}
}

// cpuTime is what the process has used so far, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bytesWritten is what the process has written to files so far.
func bytesWritten(b *testing.B) (n int64) {
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skipf("needs Linux: %v", err)
	}
	for line := range strings.Lines(string(data)) {
		if _, err := fmt.Sscanf(line, "wchar: %d", &n); err == nil {
			return n
		}
	}
	b.Fatal("/proc/self/io has no wchar")
	return 0
}
