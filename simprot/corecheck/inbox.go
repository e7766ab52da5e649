package corecheck

import (
	"context"
	"sync"
	"time"

	"servicelink/simprot"
)

// received is one packet of the core.
type received struct {
	link *link
	code simprot.Code // also of packets nobody knows
	p    simprot.Packet
	size int // bytes of the body
	at   time.Time
	used bool
}

// status, sentence, service, command and list give the payload its type; nil
// when it is of another class.
func (r *received) status() *simprot.ChatStatusInfo {
	v, _ := r.p.Payload.(*simprot.ChatStatusInfo)
	return v
}

func (r *received) sentence() *simprot.ChatSentenceInfo {
	v, _ := r.p.Payload.(*simprot.ChatSentenceInfo)
	return v
}

func (r *received) service() *simprot.ChatServiceInfo {
	v, _ := r.p.Payload.(*simprot.ChatServiceInfo)
	return v
}

func (r *received) command() *simprot.ChatCommandInfo {
	v, _ := r.p.Payload.(*simprot.ChatCommandInfo)
	return v
}

func (r *received) list() simprot.ChatStatusList {
	v, _ := r.p.Payload.(simprot.ChatStatusList)
	return v
}

// inbox holds what came on all connections, in order of arrival. Safe for
// concurrent use.
type inbox struct {
	mu   sync.Mutex
	all  []*received
	news chan struct{} // closed at the next arrival
}

// put enters a packet, or with nil tells of the end of a connection.
func (b *inbox) put(r *received) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r != nil {
		b.all = append(b.all, r)
	}
	if b.news != nil {
		close(b.news)
		b.news = nil
	}
}

// find takes out the first packet that matches; nil without one. The channel
// is closed when there is something new.
func (b *inbox) find(match func(*received) bool) (*received, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.all {
		if !r.used && match(r) {
			r.used = true
			return r, nil
		}
	}
	if b.news == nil {
		b.news = make(chan struct{})
	}
	return nil, b.news
}

// wait takes out the first packet that matches, and waits for it as long as
// within and ctx last and over reports false.
func (b *inbox) wait(ctx context.Context, within time.Duration, match func(*received) bool, over func() bool) *received {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		ended := over != nil && over() // before the look: what came first is seen
		r, news := b.find(match)
		if r != nil || ended {
			return r
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil
		}
	}
}

// count tells how many packets match, used ones included.
func (b *inbox) count(match func(*received) bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, r := range b.all {
		if match(r) {
			n++
		}
	}
	return n
}
