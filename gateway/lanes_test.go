package gateway

import "testing"

// TestRoom: lanes get room in the order in which they came, and none for a
// handful of rows that is not worth a look at the journal.
func TestRoom(t *testing.T) {
	var r room
	r.limit.Store(100)
	a, b, c := new(conversation), new(conversation), new(conversation)
	for _, waits := range []*conversation{a, b, c} {
		r.join(waits)
	}
	if got, n := r.next(60); got != a || n != 60 {
		t.Errorf("first %v with room for %d", got == a, n)
	}
	if got, n := r.next(60); got != b || n != 40 {
		t.Errorf("second %v with room for %d, want what is left", got == b, n)
	}
	if got, n := r.next(60); got != nil || n != 0 {
		t.Errorf("given room for %d that there is not", n)
	}
	if !r.starved.Load() {
		t.Error("a lane waits and the room does not say so")
	}
	r.release(inLaneLimit - 1)
	if got, n := r.next(60); got != nil || n != 0 {
		t.Errorf("given room for %d, too few to ask for", n)
	}
	r.release(1)
	if got, n := r.next(60); got != c || n != inLaneLimit {
		t.Errorf("third %v with room for %d", got == c, n)
	}
	if got, _ := r.next(60); got != nil || len(r.line) != 0 {
		t.Error("somebody is left in the line")
	}
	r.again()
	if !r.starved.Load() {
		t.Error("a full room is not starved")
	}
	r.release(100)
	r.again()
	if r.starved.Load() || r.held.Load() != 0 {
		t.Errorf("starved %v with %d rows held", r.starved.Load(), r.held.Load())
	}
}
