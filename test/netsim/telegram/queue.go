package telegram

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"servicelink/test/netsim/control"
)

// Limits of a bot's queue, as the public server has them.
const (
	maxQueue       = 1_000_000
	maxQueueBytes  = 256 << 20 // ours: the memory of a simulator ends somewhere
	maxUpdateBytes = 64 << 10  // a larger update is dropped
	maxAnswerBytes = 4 << 20   // of one getUpdates
	// An offset further than this beyond the last update, or this far behind the
	// first, is taken for a mistake and ignored.
	offsetAhead  = 10
	offsetBehind = 2_000_000
	// idleJump: after so long without an update the next id is chosen anew.
	idleJump = 7 * 24 * time.Hour
)

// lifetimes are how long an update waits to be fetched.
var lifetimes = map[string]time.Duration{
	"callback_query":       150 * time.Second,
	"inline_query":         30 * time.Second,
	"chosen_inline_result": 600 * time.Second,
}

const lifetime = 24 * time.Hour // of every other update

// askedFor are the kinds a bot gets only when it names them.
var askedFor = []string{"chat_member", "message_reaction", "message_reaction_count"}

// update is one entry of the queue.
type update struct {
	id      int64
	kind    string
	body    []byte // the whole Update
	expires time.Time
}

// queue holds what a bot has not confirmed, by ascending id. Its owner guards it.
type queue struct {
	list    []update
	bytes   int
	soonest time.Time // when the first one expires; zero = none does
	last    int64     // the latest update_id given
	latest  time.Time
	allowed []string // nil = the default
}

// allows says whether the bot wants updates of this kind.
func (q *queue) allows(kind string) bool {
	if q.allowed == nil {
		return !slices.Contains(askedFor, kind)
	}
	return slices.Contains(q.allowed, kind)
}

// allow sets the wanted kinds from a parameter: absent leaves them as they are,
// an empty list is the default, and so is one that cannot be read.
func (q *queue) allow(p params) {
	if !p.has("allowed_updates") {
		return
	}
	var kinds []string
	if p.decode("allowed_updates", &kinds) != nil {
		return
	}
	q.allowed = nil
	if len(kinds) > 0 {
		q.allowed = kinds
	}
}

// put appends an update and says whether the bot will get it.
func (q *queue) put(kind string, members map[string]json.RawMessage, now time.Time) bool {
	if !q.allows(kind) || len(q.list) >= maxQueue || q.bytes >= maxQueueBytes {
		return false
	}
	q.last++
	members["update_id"] = json.RawMessage(strconv.FormatInt(q.last, 10))
	body := encode(members)
	if len(body) > maxUpdateBytes {
		return false
	}
	life, ok := lifetimes[kind]
	if !ok {
		life = lifetime
	}
	q.list = append(q.list, update{q.last, kind, body, now.Add(life)})
	q.bytes += len(body)
	q.latest = now
	q.note(now.Add(life))
	return true
}

// jump makes the next update_id a lower one, unless what is queued forbids it.
func (q *queue) jump(random func(n int64) int64) {
	if len(q.list) == 0 {
		q.last = 1 + random(max(1, q.last-1))
	}
}

// rested says whether so much time passed that the ids begin anew.
func (q *queue) rested(now time.Time) bool {
	return !q.latest.IsZero() && now.Sub(q.latest) > idleJump
}

// expire drops what waited too long.
func (q *queue) expire(now time.Time) {
	if q.soonest.IsZero() || now.Before(q.soonest) {
		return
	}
	q.soonest, q.bytes = time.Time{}, 0
	q.list = slices.DeleteFunc(q.list, func(u update) bool { return !now.Before(u.expires) })
	for _, u := range q.list {
		q.bytes += len(u.body)
		q.note(u.expires)
	}
}

// note keeps the time when the next update expires.
func (q *queue) note(expires time.Time) {
	if q.soonest.IsZero() || expires.Before(q.soonest) {
		q.soonest = expires
	}
}

// drop deletes the first n.
func (q *queue) drop(n int) {
	for i := range n {
		q.bytes -= len(q.list[i].body)
		q.list[i] = update{}
	}
	q.list = q.list[n:]
}

// confirm deletes what offset says was received: everything below it, or with a
// negative one everything but the last -offset.
func (q *queue) confirm(offset int64, now time.Time) {
	q.expire(now)
	if len(q.list) == 0 || offset == 0 {
		return
	}
	if offset < 0 {
		q.drop(max(0, len(q.list)+int(offset)))
		return
	}
	head, tail := q.list[0].id, q.last+1
	if offset > tail+offsetAhead || offset < head-offsetBehind {
		return
	}
	n, _ := slices.BinarySearchFunc(q.list, offset, func(u update, id int64) int { return cmp.Compare(u.id, id) })
	q.drop(n)
}

// head gives the first updates, at most limit.
func (q *queue) head(limit int64) []update {
	list := q.list[:min(limit, int64(len(q.list)))]
	size := 0
	for i, u := range list {
		if size += len(u.body) + 50; size > maxAnswerBytes {
			return list[:i]
		}
	}
	return list
}

// poll is one getUpdates that waits.
type poll struct {
	wake chan struct{} // closed when there is something
	end  chan error    // capacity 1: why it ends otherwise
}

// getUpdates answers with the first updates, waiting for one if it is told to.
func (c *call) getUpdates() (any, error) {
	b, now := c.bot, time.Now()
	b.mu.Lock()
	if b.hook.url != "" {
		defer b.mu.Unlock()
		return nil, b.conflict(textWebhookThere, now)
	}
	offset := c.integer("offset", 0, math.MinInt32, math.MaxInt32)
	limit := c.integer("limit", 100, 1, 100)
	timeout := c.integer("timeout", 0, 0, 50)
	b.queue.allow(c.params)
	if offset == b.lastOffset && !b.lastPoll.IsZero() { // it does not confirm: slow it down
		if timeout < 3 && now.Before(b.lastPoll.Add(3*time.Second)) {
			timeout = 3
		}
		if now.Before(b.lastPoll.Add(time.Second / 2)) {
			limit = 1
		}
	}
	b.lastOffset, b.lastPoll = offset, now
	b.queue.confirm(offset, now)
	if list := c.take(limit); len(list) > 0 || timeout == 0 {
		b.mu.Unlock()
		return list, nil
	}
	if b.poll != nil {
		b.endPoll(b.conflict(textOtherPoll, now))
	}
	waiting := &poll{wake: make(chan struct{}), end: make(chan error, 1)}
	b.poll = waiting
	if c.net.Has(control.Outage, b.token) { // it began since this request was let in
		b.endPoll(errGone)
	}
	b.mu.Unlock()
	err := c.waitFor(waiting, time.Duration(timeout)*time.Second)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.poll == waiting {
		b.poll = nil
	}
	if err != nil {
		return nil, err
	}
	b.queue.confirm(offset, time.Now())
	return c.take(limit), nil
}

func (c *call) waitFor(p *poll, timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.wake:
	case <-timer.C:
	case err := <-p.end:
		return err
	case <-c.ctx.Done():
		return errGone
	case <-c.net.stop:
		return errGone
	}
	return nil
}

// take gives the first updates as the faults want them: out of order, or with
// those of an earlier answer again, although they were confirmed.
func (c *call) take(limit int64) []json.RawMessage {
	b := c.bot
	list := slices.Clone(b.queue.head(limit))
	if len(b.again) > 0 {
		list, b.again = b.again, nil
		return bodies(list)
	}
	if len(list) > 1 && c.net.uses(control.Reorder, b) {
		c.net.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	if len(list) > 0 && c.net.uses(control.Duplicate, b) {
		b.again = list
	}
	return bodies(list)
}

func bodies(list []update) []json.RawMessage {
	out := make([]json.RawMessage, len(list))
	for i, u := range list {
		out[i] = u.body
	}
	return out
}

// conflict is a 409; those that follow within 3 s are held back as long.
func (b *bot) conflict(text string, now time.Time) error {
	e := *conflict(text)
	if now.Before(b.nextConflict) {
		e.delay = 3 * time.Second
		return &e
	}
	b.nextConflict = now.Add(3 * time.Second)
	return &e
}

// endPoll ends the getUpdates that waits, if one does, with err.
func (b *bot) endPoll(err error) {
	if b.poll != nil {
		b.poll.end <- err
		b.poll = nil
	}
}

func (b *bot) wakePoll() {
	if b.poll != nil {
		close(b.poll.wake)
		b.poll = nil
	}
}

// deliver queues one update for the bot and wakes who waits for it. body is
// the value of the member kind.
func (b *bot) deliver(kind string, body any, now time.Time) {
	b.deliverRaw(kind, map[string]json.RawMessage{kind: encode(body)}, now)
}

func (b *bot) deliverRaw(kind string, members map[string]json.RawMessage, now time.Time) {
	if b.queue.rested(now) {
		b.queue.jump(b.net.Int)
	}
	if b.queue.put(kind, members, now) {
		b.wakePoll()
		b.hook.wake()
	}
}
