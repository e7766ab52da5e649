package sim

import (
	"context"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// result is what a run showed.
type result struct {
	Verdicts []string
	Excuses  map[string]int
	Faults   map[string]int
	Events   int
	Said     int
	Line     *timeline
	Virtual  time.Duration
}

// play makes a run inside a synctest bubble. base is an empty folder of its own.
func play(p *plan, base string) *result {
	w := newWorld(p, base)
	w.mu.Lock()
	w.start()
	w.mu.Unlock()
	for _, o := range p.Ops {
		if d := o.At - time.Since(w.began); d > 0 {
			sleep(d)
		}
		w.do(o)
	}
	w.heal()
	w.bearPoison()
	w.settleDown()
	w.finish()
	return &result{
		Verdicts: w.verdicts, Excuses: w.excuses, Faults: w.faults, Line: &w.line, Virtual: time.Since(w.began),
		Events: w.countEvents(), Said: w.countSaid(),
	}
}

func newWorld(p *plan, base string) *world {
	s := &p.Settings
	w := &world{
		ctx: context.Background(), began: time.Now(), plan: p, dice: newDice(p.Seed), excuses: map[string]int{}, faults: map[string]int{},
		disk: &disk{base: base, volatile: s.Volatile, age: s.Age},
	}
	w.line.began = w.began
	w.core = newCore(w, s.Core)
	w.core.sick = true
	w.disk.fresh()
	if s.Messages.On {
		w.msgs = newMessages(w, s.Messages)
	}
	for i, ns := range s.Nets {
		n := &network{
			w: w, n: uint64(i), name: fmt.Sprintf("net%d", i), port: fmt.Sprintf("port%d", i),
			poll: ns.Poll, serial: ns.Serial, unknown: ns.Unknown, asks: ns.Asks, tells: ns.Tells, reports: ns.Reports, confirm: ns.Confirm, found: map[*attempt]foundOut{}, echoes: map[*event]*attempt{},
			closed: ns.Closed, came: make(chan struct{}),
		}
		w.nets = append(w.nets, n)
		for k := range s.Customers {
			name := string(rune('a' + i*s.Customers + k))
			w.convs = append(w.convs, &conv{n: len(w.convs), name: name, net: n, tracking: name + "|sim", notes: map[string][]take{}})
		}
	}
	return w
}

// do lets one thing happen.
func (w *world) do(o op) {
	if o.Kind == opRestart {
		w.stopOrderly()
		w.mu.Lock()
		w.faults[string(o.Kind)]++
		w.restartIn(o.D / 4)
		w.mu.Unlock()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line.lines = append(w.line.lines, lineEntry{at: time.Now(), format: "* %v", args: []any{o}})
	if o.isFault() {
		w.faults[string(o.Kind)]++
	}
	if w.msgs != nil && w.msgs.do(o) {
		return
	}
	c := w.convs[o.Conv]
	switch o.Kind {
	case opWrites, opBursts:
		for range o.N {
			w.writes(c, "text", false)
		}
	case opEdits:
		w.writes(c, "edit", false)
	case opStops:
		w.writes(c, "stop", false)
	case opPoison:
		w.writes(c, "text", true)
	case opRepeats:
		if o.Up {
			c.again = append(c.again, o.D)
			return
		}
		w.after(o.D, func() {
			if len(c.events) > 0 {
				c.net.repeats(c.events[o.N%len(c.events)])
			}
		})
	case opSays:
		for range o.N {
			w.says(c, 1, false, simprot.ModelSentence)
		}
	case opSaysLong:
		w.says(c, 12, false, simprot.ModelSentence)
	case opSaysReused:
		w.says(c, 1, true, simprot.ModelSentence)
	case opSaysNote:
		w.says(c, 1, false, simprot.ModelTechPanel)
	case opBegins:
		w.begins(c)
	case opCloses:
		if ch := w.core.latest[c.address()]; ch != nil && !ch.status.Closed() {
			w.core.close(ch, simprot.StatusClosedByAgent)
		}
	case opTurns:
		if ch := w.core.latest[c.address()]; ch != nil && !ch.status.Closed() {
			w.core.close(ch, simprot.StatusClosedByAgent)
		}
		w.begins(c)
		for range o.N {
			w.says(c, 1, false, simprot.ModelSentence)
		}
	default:
		w.doFault(o, c)
	}
}

func (w *world) doFault(o op, c *conv) {
	switch o.Kind {
	case opShuts:
		signal := []simprot.Signal{simprot.SignalClosed, simprot.SignalHidden}[o.N%2]
		w.core.signal[c.net.port] = signal
		w.after(o.D, func() { w.core.signal[c.net.port] = simprot.SignalFree })
		if o.Up {
			w.after(10*time.Second, func() { // whoever asks whether it is open again hears nothing
				w.core.faults = append(w.core.faults, &coreFault{kind: ignore, code: simprot.CodeChatRequest, count: 2})
			})
		}
	case opBreaks:
		for _, s := range append([]*seat(nil), w.core.seats...) {
			s.wire.cut()
			if o.N > 1 {
				w.core.leaves(s)
			}
		}
	case opStalls:
		if w.life != nil && len(w.life.wires) > 0 {
			w.life.wires[len(w.life.wires)-1].stall(o.Up, o.Down, o.D)
		}
	case opCoreFault:
		w.core.faults = append(w.core.faults, &coreFault{kind: o.Fault, code: o.Code, count: o.N, delay: o.D})
	case opCoreAway:
		w.core.away = true
		w.core.restart(false)
		w.after(o.D, func() { w.core.away = false })
	case opCoreRestart, opCoreForgets:
		w.core.restart(o.Kind == opCoreForgets)
	case opSendFault:
		c.net.faults = append(c.net.faults, &sendFault{how: o.How, count: o.N})
	case opMute:
		c.net.mute = o.N
	case opCrash, opWipe:
		w.crash(o.D, o.Kind == opWipe)
	case opCrashAt:
		w.armed = append(w.armed, armed{at: o.Point, after: o.N, down: o.D})
	case opFull, opAway:
		if w.life != nil && w.life.journal != nil {
			j := w.life.journal
			j.full, j.away = j.full || o.Kind == opFull, j.away || o.Kind == opAway
			w.after(o.D, func() { j.full, j.away, j.well = false, false, time.Now() })
		}
	}
}

// heal ends every fault: what is left must come to its end by itself.
func (w *world) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("* all is well again")
	w.armed = nil
	w.core.faults, w.core.away = nil, false
	clear(w.core.signal)
	for _, n := range w.nets {
		n.faults, n.mute = nil, 0
	}
	if w.msgs != nil {
		w.msgs.heal()
	}
	if l := w.life; l != nil && l.journal != nil {
		l.journal.full, l.journal.away, l.journal.well = false, false, time.Now()
	}
}

const (
	// poisonTime is how long the core goes on breaking connections for what it
	// cannot read, while all else is well.
	poisonTime = time.Hour
	// poisonBreaks is how often one sentence may do so in that time: five sends
	// with the strikes it had (simprot.md 3.14), then a lane that is parked for
	// longer and longer, up to 15 min.
	poisonBreaks = 20
)

// bearPoison leaves what customers wrote and the core cannot read at work for a
// while: the others must not wait for it. Then the core is mended.
func (w *world) bearPoison() {
	w.mu.Lock()
	poisoned := map[*conv]bool{}
	for _, c := range w.convs {
		for _, e := range c.events {
			if poisonous(e.text) && len(e.takes) == 0 {
				poisoned[c] = true
			}
		}
	}
	clear(w.core.broken)
	w.mu.Unlock()
	if len(poisoned) > 0 {
		for began := time.Now(); time.Since(began) < poisonTime && w.fewBreaks(); {
			sleep(time.Minute)
		}
		synctest.Wait()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(poisoned) > 0 && len(w.verdicts) == 0 && w.life != nil {
		w.collect(w.life, false)
		w.checkIsolated(poisoned)
	}
	w.core.sick = false
	w.note("* the core can read everything")
}

// checkIsolated: nobody waits for another conversation's poison. With a journal
// in memory a network waits for an answer until the event is done, and may bring
// nothing else meanwhile.
func (w *world) checkIsolated(poisoned map[*conv]bool) {
	waits := map[*network]bool{}
	for c := range poisoned {
		waits[c.net] = w.plan.Settings.Volatile
	}
	if w.core.deaf() {
		return
	}
	for _, c := range w.convs {
		for _, e := range c.events {
			pending := len(e.takes) == 0 && (e.acked == 0 || e.ended != nil && e.ended.State.Pending() && e.gen == w.life.gen)
			if !poisoned[c] && !waits[c.net] && pending {
				w.violate("poison: %s waits for another conversation's", e.id)
			}
		}
	}
}

// fewBreaks: no sentence has broken too many connections.
func (w *world) fewBreaks() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, n := range w.core.broken {
		if n > poisonBreaks {
			w.violate("poison: %s has broken %d connections", id, n)
			return false
		}
	}
	return true
}

const (
	// patience is how long everything may take to come to rest: longer than any
	// back-off (15 min), a renewed connection (1 h) and what they add up to.
	patience = 4 * time.Hour
	// afterRest is waited then, to see whether anything is said twice.
	afterRest = 3 * time.Minute
)

// settleDown waits until nothing is left to do.
func (w *world) settleDown() {
	healed := time.Now()
	for look := 20 * time.Second; time.Since(healed) < w.patience(); look = min(look*5/4, 10*time.Minute) {
		sleep(look)
		synctest.Wait()
		if w.atRest() {
			break
		}
	}
	sleep(afterRest)
	synctest.Wait()
	for !w.atRest() && time.Since(healed) < w.patience() { // what a network repeated a moment ago
		sleep(time.Second)
		synctest.Wait()
	}
}

func (w *world) patience() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.msgs != nil {
		return w.msgs.patience()
	}
	return patience
}

// atRest tells that nobody waits for anything.
func (w *world) atRest() bool {
	w.mu.Lock()
	l := w.life
	rest := l != nil && l.ready && (w.msgs == nil || w.msgs.atRest())
	for _, c := range w.convs {
		for _, e := range c.events {
			rest = rest && e.acked > 0
		}
	}
	w.mu.Unlock()
	if !rest {
		return false
	}
	ledger, err := l.journal.Ledger(context.Background())
	if err != nil {
		return false
	}
	for _, e := range ledger {
		if e.Pending > 0 {
			return false
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.collect(l, false)
	return !slices.ContainsFunc(w.convs, func(c *conv) bool { return slices.ContainsFunc(c.said, w.open) })
}

// open: somebody should still do something about a sentence.
func (w *world) open(s *said) bool {
	latest := w.core.latest[s.conv.address()] == s.sn.chat
	switch {
	case !w.unconfirmed(s) || w.untold(s) || !latest && len(s.losses) > 0:
		return false
	case s.done():
		return s.mayConfirm()
	}
	listed := !s.sn.chat.status.Closed() || w.core.rules.KeepClosed
	return latest && listed && (s.ended == nil || s.gen != w.life.gen)
}

// finish checks the promise, stops the gateway and waits for everything that
// ever ran.
func (w *world) finish() {
	w.mu.Lock()
	if w.life == nil || !w.life.ready {
		w.violate("the gateway does not run at the end")
		w.mu.Unlock()
	} else {
		w.collect(w.life, false)
		w.mu.Unlock()
		w.checkAll()
	}
	w.stopOrderly()
	w.mu.Lock()
	w.over = true
	lives := w.lives
	w.mu.Unlock()
	for _, l := range lives {
		if err := <-l.done; err != nil {
			w.note("gateway %d ended: %v", l.n, err)
		}
	}
	w.calls.Wait() // a repeat may be on its way
	synctest.Wait()
	w.checkGoroutines()
}

// collect reads what a process's journal says of every message: at the end, and
// before the journal is thrown away. w.mu is held.
func (w *world) collect(l *life, gone bool) {
	if l.journal == nil || l.journal.Journal == nil {
		return
	}
	for _, c := range w.convs {
		w.collectIn(l, c, gone)
		w.collectOut(l, c, gone)
	}
	if w.msgs != nil && l.dead {
		w.msgs.collect(l)
	}
}

func (w *world) collectIn(l *life, c *conv, gone bool) {
	keys := make([]journal.IDHash, len(c.events))
	for i, e := range c.events {
		keys[i].ID = e.id
	}
	for i, row := range w.rows(l, c.lane(journal.In), keys) {
		if row == nil {
			continue
		}
		e := c.events[i]
		if end, ok := l.journal.ends[row.Seq]; ok && gone {
			row.State, row.Reason = end.State, end.Reason // it had ended, and that was not written
		}
		if e.ended == nil || !row.State.Pending() {
			e.ended, e.gen = row, l.gen
		}
		if gone && row.State.Pending() {
			e.lost = &loss{l.gen, w.disk.volatile}
		}
	}
}

func (w *world) collectOut(l *life, c *conv, gone bool) {
	keys := make([]journal.IDHash, len(c.said))
	for i, s := range c.said {
		keys[i] = journal.IDHash{ID: s.sn.id, TextHash: hashOf(s.sn.text)}
	}
	for i, row := range w.rows(l, c.lane(journal.Out), keys) {
		if row == nil {
			continue
		}
		s := c.said[i]
		s.ended, s.gen = row, l.gen
		for _, part := range row.Parts {
			s.broken = s.broken || l.dead && part.State == journal.PartAttempting
		}
		for _, at := range s.attempts {
			if at.life == l && (row.State == journal.Done || at.part <= len(row.Parts) && row.Parts[at.part-1].State == journal.PartSent) {
				at.durable = true
			}
		}
		if gone {
			s.losses = append(s.losses, l.gen)
		}
	}
}

// rows reads a process's journal.
func (w *world) rows(l *life, lane journal.Lane, keys []journal.IDHash) []*journal.Row {
	if len(keys) == 0 {
		return nil
	}
	rows, err := l.journal.Journal.Find(w.ctx, lane, keys...)
	if err != nil {
		w.violate("the journal cannot be read: %v", err)
	}
	return rows
}

func (w *world) countEvents() (n int) {
	if w.msgs != nil {
		n = len(w.msgs.mails)
	}
	for _, c := range w.convs {
		n += len(c.events)
	}
	return n
}

func (w *world) countSaid() (n int) {
	if w.msgs != nil {
		n = len(w.msgs.outs)
	}
	for _, c := range w.convs {
		n += len(c.said)
	}
	return n
}
