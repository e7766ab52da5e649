package simprot

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// maxListBytes is what the frames of one list may sum up to.
const maxListBytes = 64 << 20

// answers are the codes that ask, each with that of its answer.
var answers = map[Code]Code{
	CodeChatRequest:   CodeChatResponse,
	CodeChatStart:     CodeChatStatus,
	CodeChatStatusAsk: CodeChatStatus,
	CodeChatResync:    CodeChatList,

	CodeScenarioLoad: CodeScenarioModel,
	CodeRoutingAsk:   CodeRouting,
	CodeLiteralsAsk:  CodeLiterals,
	CodeGatewaysAsk:  CodeGateways,

	CodeAgentAnswer:    CodeAgentStatus,
	CodeAgentHangup:    CodeAgentStatus,
	CodeAgentStatusAsk: CodeAgentStatus,
	CodeAgentResync:    CodeAgentList,
}

// attempt is one time a question was asked.
type attempt struct {
	question Code   // ES_ or CS_...
	answer   Code   // SE_ or SC_...
	port     string // of the question
	about    string // the TrackingId, ChatId or ScenarioId in it
	token    string // with Asks
	n        uint64 // without Asks: the how-manieth question of its line
	asked    time.Time

	done    chan struct{} // closed at the end
	outcome string        // QuestionAnswered, QuestionNoAnswer or QuestionGone
	payload Payload       // the answer
	list    listAnswer    // with Asks: frames so far, where the answer is a list
	timer   *time.Timer
	orphan  func() // set when nobody waits any more: gives the place back
}

// line counts the answers that cannot be told apart by a token: the nth
// answer belongs to the nth question, whether somebody still waits or not.
type line struct {
	asked, answered uint64
	live            map[uint64]*attempt
}

// lineKey names a line. SE_CHAT_LIST has one line for each Port, other lists
// have one each.
type lineKey struct {
	answer Code
	port   string
	about  string
}

// listAnswer collects the frames of a long list.
type listAnswer struct {
	items Payload
	bytes int
}

// add takes one frame and reports whether the list still fits.
func (l *listAnswer) add(items Payload, size int) bool {
	if l.bytes += size; l.bytes > maxListBytes {
		l.items = nil
		return false
	}
	switch before := l.items.(type) {
	case ChatStatusList:
		l.items = append(before, items.(ChatStatusList)...)
	case WebSiteRoutingList:
		l.items = append(before, items.(WebSiteRoutingList)...)
	case LiteralLookupList:
		l.items = append(before, items.(LiteralLookupList)...)
	case GatewayList:
		l.items = append(before, items.(GatewayList)...)
	default:
		l.items = items
	}
	return true
}

// isList reports whether packets of a code are lists.
func isList(code Code) bool {
	c := classes[string(code)]
	return c != nil && c.list
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

	lines   map[lineKey]*line   // without Asks
	ports   []string            // Ports of the SE_CHAT_LISTs not answered yet, in order
	partial map[Code]listAnswer // lists that are arriving
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
func (a *attempt) line() lineKey { return lineKey{a.answer, a.port, a.about} }

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
	spoilt := listAnswer{bytes: maxListBytes + 1}
	for _, a := range b.live {
		a.list = spoilt
	}
	for key := range b.lines {
		if isList(key.answer) {
			b.partial[key.answer] = spoilt
		}
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
		b.tidy(a.line(), l)
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

// tidy forgets a line whose questions are all answered, and ended: the answer to one may
// not have counted. b.mu is held.
func (b *book) tidy(key lineKey, l *line) {
	if l.asked == l.answered && len(l.live) == 0 {
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
	if isList(p.Code) {
		switch {
		case !a.list.add(p.Payload, size):
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
	port, about := subject(p)
	return (port == "" || port == a.port) && (about == "" || about == a.about)
}

// subject returns what an answer says it is about.
func subject(p Packet) (port, about string) {
	switch v := p.Payload.(type) {
	case *ChatServiceInfo:
		return v.Port, v.TrackingId
	case *ChatStatusInfo:
		if p.Code == CodeAgentStatus {
			return "", name(v.ChatId)
		}
		return v.Port, v.TrackingId
	case *ScenarioInfo:
		return "", name(v.ScenarioId)
	case ChatStatusList:
		for _, item := range v {
			if item != nil && item.Port != "" {
				return item.Port, ""
			}
		}
	}
	return "", ""
}

// name is a GUID as text, "" for the empty one.
func name(u uuid.UUID) string {
	if u == uuid.Nil {
		return ""
	}
	return u.String()
}

// byCount matches the nth answer of a line to its nth question, and the list of message
// gateways to the latest one: a core that did not answer once is not misunderstood
// for good.
func (b *book) byCount(p Packet, size int) (func(), BadPacket) {
	key := lineKey{answer: p.Code}
	payload, whole := p.Payload, true
	if isList(p.Code) {
		if !b.awaits(p.Code) {
			return func() {}, BadUnaskedAnswer
		}
		list := b.partial[p.Code]
		whole = list.add(payload, size)
		b.partial[p.Code] = list
		if p.Extras.More {
			return func() {}, ""
		}
		payload = list.items
		if p.Code == CodeChatList {
			key.port = b.listPort(Packet{Code: p.Code, Payload: payload})
		}
		delete(b.partial, p.Code)
	} else {
		key.port, key.about = subject(p)
	}
	l := b.lines[key]
	if l == nil || l.answered == l.asked {
		return func() {}, BadUnaskedAnswer
	}
	if l.answered++; p.Code == CodeGateways {
		l.answered = l.asked // the whole list is the latest question's answer, whichever it was meant for
	}
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

// awaits reports whether a list of this code is due.
func (b *book) awaits(list Code) bool {
	if list == CodeChatList {
		return len(b.ports) > 0
	}
	return b.lines[lineKey{answer: list}] != nil
}

// listPort finds the Port of a whole list: the one its items name, else that
// of the oldest list not answered yet, which is then no longer waited for.
func (b *book) listPort(list Packet) string {
	port, _ := subject(list)
	for i, asked := range b.ports {
		if port == "" || port == asked {
			b.ports = append(b.ports[:i], b.ports[i+1:]...)
			return asked
		}
	}
	return port
}
