package simprot

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxListBytes is what the frames of one SE_CHAT_LIST may sum up to.
const maxListBytes = 64 << 20

// attempt is one time a question was asked.
type attempt struct {
	question Code   // ES_...
	answer   Code   // SE_...
	port     string // of the question
	tracking string
	token    string // with Asks
	n        uint64 // without Asks: the how-manieth question of its line
	asked    time.Time

	done    chan struct{} // closed at the end
	outcome string        // QuestionAnswered, QuestionNoAnswer or QuestionGone
	payload Payload       // the answer
	list    listAnswer    // with Asks: frames so far
	timer   *time.Timer
	orphan  func() // set when nobody waits any more: gives the place back
}

// line counts the answers that cannot be told apart by a token: the nth
// answer belongs to the nth question, whether somebody still waits or not.
type line struct {
	asked, answered uint64
	live            map[uint64]*attempt
}

// lineKey names a line. Lists have one line for each Port.
type lineKey struct {
	answer   Code
	port     string
	tracking string
}

// listAnswer collects the frames of a long SE_CHAT_LIST.
type listAnswer struct {
	items ChatStatusList
	bytes int
}

// add takes one frame and reports whether the list still fits.
func (l *listAnswer) add(items ChatStatusList, size int) bool {
	if l.bytes += size; l.bytes > maxListBytes {
		l.items = nil
		return false
	}
	l.items = append(l.items, items...)
	return true
}

// book matches answers to the questions of one connection (SPEC.md,
// "Questions").
type book struct {
	timeout time.Duration
	observe Observer

	mu     sync.Mutex
	closed bool
	asks   bool   // the core mirrors tokens
	prefix string // of the tokens: random per connection
	issued uint64

	live map[string]*attempt // with Asks, by token

	lines   map[lineKey]*line // without Asks
	ports   []string          // Ports of the lists not answered yet, in order
	partial listAnswer        // the list that is arriving
}

// open enters an attempt before its frame is queued.
func (b *book) open(a *attempt) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	a.done = make(chan struct{})
	if b.asks {
		b.issued++
		a.token = b.prefix + strconv.FormatUint(b.issued, 10)
		b.live[a.token] = a
		return true
	}
	key := a.line()
	l := b.lines[key]
	if l == nil {
		l = &line{live: map[uint64]*attempt{}}
		b.lines[key] = l
	}
	l.asked++
	a.n = l.asked
	l.live[a.n] = a
	if a.answer == CodeChatList {
		b.ports = append(b.ports, a.port)
	}
	return true
}

// cancel takes back an attempt whose frame was not queued. It is the last one
// of its line: entering and queueing happen under one mutex.
func (b *book) cancel(a *attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end(a, QuestionGone)
	if b.asks {
		return
	}
	if l := b.lines[a.line()]; l != nil {
		l.asked--
		b.tidy(a.line(), l)
	}
	if a.answer == CodeChatList {
		b.ports = b.ports[:len(b.ports)-1]
	}
}

// line returns the line an attempt is counted in.
func (a *attempt) line() lineKey { return lineKey{a.answer, a.port, a.tracking} }

// written begins the time for the answer, which may have come already.
func (b *book) written(a *attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.outcome == "" && !b.closed {
		a.timer = time.AfterFunc(b.timeout, func() { b.expire(a) })
	}
}

// expire ends an attempt that nobody answered in time.
func (b *book) expire(a *attempt) {
	b.mu.Lock()
	free := b.end(a, QuestionNoAnswer)
	b.mu.Unlock()
	free()
}

// abandon leaves an attempt nobody waits for in the book, so that its place is
// taken until its answer comes or its time is over. It reports false when that
// has happened already.
func (b *book) abandon(a *attempt, free func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.outcome != "" {
		return false
	}
	a.orphan = free
	return true
}

// close ends every attempt: the connection is gone.
func (b *book) close() {
	var free []func()
	b.mu.Lock()
	b.closed = true
	for _, a := range b.live {
		free = append(free, b.end(a, QuestionGone))
	}
	for _, l := range b.lines {
		for _, a := range l.live {
			free = append(free, b.end(a, QuestionGone))
		}
	}
	b.mu.Unlock()
	for _, f := range free {
		f()
	}
}

// spoil is called when a frame was thrown away that may have been part of a
// list: the list counts as unanswered, since a part of it would look whole.
func (b *book) spoil() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.live {
		if a.answer == CodeChatList {
			a.list = listAnswer{bytes: maxListBytes + 1}
		}
	}
	if len(b.ports) > 0 {
		b.partial = listAnswer{bytes: maxListBytes + 1}
	}
}

// end settles an attempt once. The function it returns gives the place back
// if nobody waits; it is called without the mutex. b.mu is held.
func (b *book) end(a *attempt, outcome string) func() {
	if a.outcome != "" {
		return func() {}
	}
	a.outcome = outcome
	if a.timer != nil {
		a.timer.Stop()
	}
	delete(b.live, a.token)
	if l := b.lines[a.line()]; l != nil {
		delete(l.live, a.n)
	}
	close(a.done)
	if a.orphan == nil {
		return func() {}
	}
	return func() {
		b.observe.Question(a.question, outcome, time.Since(a.asked))
		a.orphan()
	}
}

// tidy forgets a line whose questions are all answered. b.mu is held.
func (b *book) tidy(key lineKey, l *line) {
	if l.asked == l.answered {
		delete(b.lines, key)
	}
}

// take matches an answer. It returns "" or what is wrong with it.
func (b *book) take(p Packet, size int) BadPacket {
	b.mu.Lock()
	var free func()
	var bad BadPacket
	if b.asks {
		free, bad = b.byToken(p, size)
	} else {
		free, bad = b.byCount(p, size)
	}
	b.mu.Unlock()
	free()
	return bad
}

// byToken matches by the mirrored token: only the last one asked is live.
func (b *book) byToken(p Packet, size int) (func(), BadPacket) {
	a := b.live[p.Extras.Ask]
	if a == nil {
		return func() {}, b.missed(p.Extras.Ask)
	}
	if !a.fits(p) {
		return func() {}, BadUnaskedAnswer
	}
	if items, ok := p.Payload.(ChatStatusList); ok {
		switch {
		case !a.list.add(items, size):
			return func() {}, BadOversize
		case p.Extras.More:
			return func() {}, ""
		}
		a.payload = a.list.items
	} else {
		a.payload = p.Payload
	}
	return b.end(a, QuestionAnswered), ""
}

// missed tells a token that is no longer live from one never issued here.
func (b *book) missed(token string) BadPacket {
	digits, ours := strings.CutPrefix(token, b.prefix)
	n, err := strconv.ParseUint(digits, 10, 64)
	if ours && err == nil && n >= 1 && n <= b.issued {
		return BadLateAnswer
	}
	return BadUnaskedAnswer
}

// fits reports whether an answer can be one to this attempt: a core that
// mixes up its tokens must not pass one conversation's sentences off as
// another's.
func (a *attempt) fits(p Packet) bool {
	if p.Code != a.answer {
		return false
	}
	port, tracking := conversation(p.Payload)
	return (port == "" || port == a.port) && (tracking == "" || tracking == a.tracking)
}

// conversation returns what an answer says it is about.
func conversation(p Payload) (port, tracking string) {
	switch v := p.(type) {
	case *ChatServiceInfo:
		return v.Port, v.TrackingId
	case *ChatStatusInfo:
		return v.Port, v.TrackingId
	case ChatStatusList:
		for _, item := range v {
			if item != nil && item.Port != "" {
				return item.Port, ""
			}
		}
	}
	return "", ""
}

// byCount matches the nth answer of a line to its nth question.
func (b *book) byCount(p Packet, size int) (func(), BadPacket) {
	key := lineKey{answer: p.Code}
	payload, whole := p.Payload, true
	if items, ok := payload.(ChatStatusList); ok {
		if len(b.ports) == 0 {
			return func() {}, BadUnaskedAnswer
		}
		whole = b.partial.add(items, size)
		if p.Extras.More {
			return func() {}, ""
		}
		payload = b.partial.items
		key.port = b.listPort(b.partial.items)
		b.partial = listAnswer{}
	} else {
		key.port, key.tracking = conversation(payload)
	}
	l := b.lines[key]
	if l == nil {
		return func() {}, BadUnaskedAnswer
	}
	l.answered++
	a := l.live[l.answered]
	b.tidy(key, l)
	switch {
	case !whole: // counted, and as good as unanswered
		return func() {}, BadOversize
	case a == nil:
		return func() {}, BadLateAnswer
	}
	a.payload = payload
	return b.end(a, QuestionAnswered), ""
}

// listPort finds the Port of a whole list: the one its items name, else that
// of the oldest list not answered yet, which is then no longer waited for.
func (b *book) listPort(items ChatStatusList) string {
	port, _ := conversation(items)
	for i, asked := range b.ports {
		if port == "" || port == asked {
			b.ports = append(b.ports[:i], b.ports[i+1:]...)
			return asked
		}
	}
	return port
}
