package main

import "testing"

// TestTap: what finds no room is counted, and told with what comes next in its
// direction, at the latest at the end.
func TestTap(t *testing.T) {
	tap, l := newTap(2*(10+chunkCost)), &link{}
	ten := make([]byte, 10)
	offer := func(way direction) { tap.offer(chunk{link: l, way: way, data: ten}) }
	offer(toCore)
	offer(toGateway)
	offer(toCore) // full
	offer(toGateway)
	offer(toGateway)
	first, ok := tap.next()
	if !ok || len(first) != 2 || first[0].missed+first[1].missed != 0 {
		t.Fatalf("first: %v, %v", first, ok)
	}
	offer(toCore)
	second, _ := tap.next()
	if len(second) != 1 || second[0].missed != 10 {
		t.Fatalf("second: %v", second)
	}
	tap.finish(chunk{link: l, note: "end"})
	tap.close()
	last, _ := tap.next()
	if len(last) != 2 || last[0].way != toGateway || last[0].missed != 20 || last[1].note != "end" {
		t.Fatalf("last: %v", last)
	}
	if _, ok := tap.next(); ok || len(tap.missed) != 0 || tap.skipped() != 30 {
		t.Errorf("left: %v, %d bytes skipped", tap.missed, tap.skipped())
	}
}
