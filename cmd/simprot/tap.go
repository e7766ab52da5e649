package main

import (
	"sync"
	"time"
)

// tapLimit bounds the bytes that wait to be shown.
const tapLimit = 16 << 20

// chunkCost is what a chunk takes beside its bytes.
const chunkCost = 128

// chunk is what a proxy's connection tells of itself.
type chunk struct {
	link *link
	way  direction
	at   time.Time
	data []byte
	// missed bytes before data could not be kept.
	missed int64
	note   string // what became of the connection; then there is no data
	over   bool   // the last of its connection
}

// tap is a queue between connections, which must never wait, and one printer,
// which may. What does not fit is counted and told with the next chunk of its
// direction.
type tap struct {
	limit int

	mu     sync.Mutex
	ready  sync.Cond
	queue  []chunk
	cost   int
	closed bool
	missed map[tapKey]int64
	lost   int64 // bytes and notes that were not kept, in all
}

type tapKey struct {
	link *link
	way  direction
}

func newTap(limit int) *tap {
	t := &tap{limit: limit, missed: map[tapKey]int64{}}
	t.ready.L = &t.mu
	return t
}

// offer takes a chunk, or counts it. It keeps its own copy and never waits.
func (t *tap) offer(c chunk) {
	n := len(c.data)
	key := tapKey{c.link, c.way}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.cost+n+chunkCost > t.limit {
		t.lost += int64(n)
		if n > 0 {
			t.missed[key] += int64(n)
		}
		return
	}
	if c.note == "" {
		c.missed = t.missed[key]
		delete(t.missed, key)
		if n == 0 && c.missed == 0 {
			return
		}
	}
	c.data = append([]byte(nil), c.data...)
	t.cost += n + chunkCost
	t.queue = append(t.queue, c)
	t.ready.Signal()
}

// finish tells what was missed at a connection's end, and its last chunk.
func (t *tap) finish(last chunk) {
	for _, way := range []direction{toCore, toGateway} {
		t.offer(chunk{link: last.link, way: way, at: last.at})
	}
	t.offer(last)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.missed, tapKey{last.link, toCore})
	delete(t.missed, tapKey{last.link, toGateway})
}

// next waits for chunks and takes all there are; false after the last.
func (t *tap) next() ([]chunk, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) == 0 && !t.closed {
		t.ready.Wait()
	}
	chunks := t.queue
	t.queue, t.cost = nil, 0
	return chunks, len(chunks) > 0
}

// close ends the queue: what is in it is still taken.
func (t *tap) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.ready.Signal()
}

// skipped is how many bytes were never shown.
func (t *tap) skipped() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}
