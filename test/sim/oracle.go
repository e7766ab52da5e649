package sim

import (
	"cmp"
	"context"
	"hash/fnv"
	"runtime"
	"slices"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// checkAll is the promise: each property by its name.
func (w *world) checkAll() {
	w.mu.Lock()
	for _, c := range w.convs {
		for _, e := range c.events {
			w.checkTaken(e)
			w.checkOnceAtCore(e)
		}
		w.checkOrderIn(c)
		w.checkNotesOnce(c)
		for _, s := range c.said {
			w.checkDelivered(s)
			w.checkRepeats(s)
			w.checkDeadline(s)
			w.checkConfirmed(s)
		}
		w.checkOrderOut(c)
	}
	if w.msgs != nil {
		w.msgs.check()
	}
	l := w.life
	w.mu.Unlock()
	w.checkLedger(l.journal.Journal)
}

// checkTaken: nothing lost, towards the core. What the network was told is
// taken is at the core, was answered "closed", or is a dead letter that the
// agent was told of.
func (w *world) checkTaken(e *event) {
	switch {
	case e.acked == 0:
		w.violate("lane stuck: %s was never taken from the network", e.id)
	case len(e.takes) > 0:
	case e.ended == nil:
		w.violate("nothing lost: %s was taken and is not in the journal", e.id)
	case e.kind == "stop" && e.ended.State == journal.Done:
	case e.ended.State == journal.Done && e.ended.Reason == "closed":
		w.checkAnswered(e)
	case e.ended.State == journal.Dead:
		w.checkDeadIn(e)
	case e.lost != nil && w.excuseLostJournal(e):
	case e.ended.State.Pending() && e.lost == nil:
		w.violate("lane stuck: %s is %v", e.id, e.ended.State)
	default:
		w.violate("nothing lost: %s is %v (%s) and not at the core", e.id, e.ended.State, e.ended.Reason)
	}
}

// checkAnswered: an event ends as "closed" only where that is the policy, and
// its customer has read that the core is closed.
func (w *world) checkAnswered(e *event) {
	if e.conv.net.closed != "answer" {
		w.violate("nothing lost: %s was answered as closed against the policy", e.id)
	}
	if len(e.conv.closed) == 0 && !w.textLost(e.conv) {
		w.violate("nothing lost: %s ended as closed, and the customer was told nothing", e.id)
	}
}

// textLost: the closed text itself is dead (rejected, or of unknown fate), or
// went with its journal.
func (w *world) textLost(c *conv) bool {
	if w.plan.Settings.Volatile || w.faults[string(opWipe)] > 0 {
		return true
	}
	for _, r := range w.dead() {
		if r.Lane == c.lane(journal.Out) && strings.HasPrefix(r.ID, "closed:") {
			return true
		}
	}
	return false
}

// checkDeadIn: a dead letter has a reason that can be, and a note.
func (w *world) checkDeadIn(e *event) {
	if e.ended.Reason != "in_doubt" || w.cutAnswers == 0 {
		w.violate("nothing lost: %s is dead (%s) without a cause", e.id, e.ended.Reason)
	}
	w.checkNoted(e.conv, e.id, e.gen)
}

// checkNoted: the agent was told of a dead letter, or there was no chat to tell
// it in; then the journal has the note.
func (w *world) checkNoted(c *conv, id string, gen int) {
	for note := range c.notes {
		if note == "note:"+id || strings.HasPrefix(note, "note:lost:") {
			return
		}
	}
	keys := []journal.IDHash{{ID: "note:" + id}}
	for _, s := range c.said {
		keys = append(keys, journal.IDHash{ID: simprot.ShortenID("note:lost:"+s.sn.id, simprot.MaxID)})
	}
	rows, err := w.life.journal.Journal.Find(context.Background(), c.lane(journal.In), keys...)
	if err != nil {
		w.violate("the journal cannot be read: %v", err)
		return
	}
	told := slices.ContainsFunc(rows, func(r *journal.Row) bool {
		// Nothing tells of a note's own end; it is in the list of dead letters.
		return r != nil && (r.State == journal.Done || r.State == journal.Dead && r.Reason == "in_doubt" && w.cutAnswers > 0)
	})
	if !told && (gen == w.life.gen || !w.excuse(journalGone)) {
		w.violate("told: %s is dead and the agent does not know", id)
	}
}

// checkOnceAtCore: the agent sees each message once.
func (w *world) checkOnceAtCore(e *event) {
	for i := 1; i < len(e.takes); i++ {
		if !w.excuseTwice(e.conv, e.takes[i-1], e.takes[i]) {
			w.violate("once at the core: %s is in chat %d and again in chat %d", e.id, e.takes[i-1].chat.n, e.takes[i].chat.n)
		}
	}
}

// checkNotesOnce: so with the gateway's own notes.
func (w *world) checkNotesOnce(c *conv) {
	for id, takes := range c.notes {
		for i := 1; i < len(takes); i++ {
			if takes[i-1].life.gen == takes[i].life.gen && !w.excuseTwice(c, takes[i-1], takes[i]) {
				w.violate("once at the core: %s is told twice", id)
			}
		}
	}
}

// checkOrderIn: what was taken before another event was ever brought stands
// before it at the core. A network that brings one after the other has them all
// in order.
func (w *world) checkOrderIn(c *conv) {
	for i, a := range c.events {
		for _, b := range c.events[i+1:] {
			if !a.ordered() || !b.ordered() {
				continue
			}
			first, second := a, b
			if b.acked < a.posted {
				first, second = b, a
			}
			if (first.acked < second.posted || c.net.poll || c.net.serial) && first.takes[0].step > second.takes[0].step {
				w.violate("order to the core: %s stands before %s", second.id, first.id)
			}
		}
	}
}

// ordered: it came to the core by the journal it was taken into. One that went
// with its journal, or had ended there, may come again when it is repeated.
func (e *event) ordered() bool {
	return len(e.takes) > 0 && e.acked > 0 && e.lost == nil && e.takes[0].life.gen <= e.life.gen
}

// whole counts the words of a sentence that arrived, and all of them.
func (s *said) whole() (sent, all int) {
	got := map[int]bool{}
	words := 0
	for _, at := range s.attempts {
		if at.took && !got[at.part] {
			got[at.part] = true
			words += len(strings.Fields(at.words))
		}
	}
	return words, len(strings.Fields(s.sn.text))
}

// checkDelivered: nothing lost, towards the customer. What the agent said has
// arrived whole, or is a dead letter that the agent was told of.
func (w *world) checkDelivered(s *said) {
	if s.sn.model != simprot.ModelSentence {
		if len(s.attempts) > 0 {
			w.violate("delivered: %s is not for the customer", s.mark)
		}
		return
	}
	sent, all := s.whole()
	switch {
	case sent > all:
		w.violate("delivered: %s arrived with more words than it has", s.mark)
	case s.ended != nil && s.ended.State == journal.Dead:
		w.checkDeadOut(s)
	case sent == all: // a row that went with its journal is stuck nowhere
		if s.ended != nil && s.ended.State.Pending() && !slices.Contains(s.losses, s.gen) && s.ended.Seq > 0 && !w.excuseGone(s) {
			w.violate("lane stuck: %s is %v", s.mark, s.ended.State)
		}
	case w.excuseGone(s):
	case s.ended != nil && s.ended.State.Pending():
		w.violate("lane stuck: %s is %v", s.mark, s.ended.State)
	case s.ended != nil:
		w.violate("nothing lost: %s ended as %v, and %d of %d words arrived", s.mark, s.ended.State, sent, all)
	default:
		w.violate("nothing lost: %s was said and never delivered", s.mark)
	}
}

// checkDeadOut: a dead letter has a cause, and the agent was told.
func (w *world) checkDeadOut(s *said) {
	var ok bool
	switch s.ended.Reason {
	case "deadline":
		// It is given up when the next attempt would come too late: a pause after
		// refused credentials grows to 15 minutes.
		lived := s.ended.EndedAt.Sub(s.ended.AcceptedAt)
		ok = lived >= w.plan.Settings.Deadline || w.faults[string(opSendFault)] > 0 && lived >= w.plan.Settings.Deadline-16*time.Minute
	case "content":
		ok = slices.ContainsFunc(s.attempts, func(at *attempt) bool { return at.told == "rejected" || at.told == "" })
	case "unknown":
		ok = slices.ContainsFunc(s.attempts, func(at *attempt) bool { return at.told == "unknown" }) && s.conv.net.unknown == "report" ||
			s.broken && s.conv.net.unknown == "report" || w.excuseUnknown(s)
	default:
		ok = slices.ContainsFunc(s.attempts, func(at *attempt) bool { return at.told == "unknown" }) && s.conv.net.unknown == "report"
	}
	if !ok {
		w.violate("delivered: %s is dead (%s) without a cause", s.mark, s.ended.Reason)
	}
	w.checkNoted(s.conv, s.sn.id, s.gen)
}

// checkRepeats: a part is sent again only where it was certainly not sent, or
// its fate is unknown and the policy says so.
func (w *world) checkRepeats(s *said) {
	last := map[int]*attempt{}
	for _, at := range s.attempts {
		before := last[at.part]
		last[at.part] = at
		if found := s.conv.net.found[before]; found.fate == connectors.FateSent && found.by == at.life && at.at.Sub(found.at) > underWay {
			w.violate("sent again: part %d of %s, which the network has said it has", at.part, s.mark)
		} else if found.fate == connectors.FateNotSent {
			continue
		}
		if before == nil || before.told == "not_sent" || w.excuseSentAgain(s, before, at) {
			continue
		}
		unknown := before.told == "unknown" || before.told == "" && before.life.dead ||
			before.life != at.life && before.life.dead && !before.durable
		if !unknown {
			w.violate("sent again: part %d of %s after %q", at.part, s.mark, before.told)
		} else if s.conv.net.unknown != "resend" {
			w.violate("sent again: part %d of %s, its fate unknown, against the policy", at.part, s.mark)
		}
	}
}

// checkOrderOut: the customer reads what agents said in the order they said it.
func (w *world) checkOrderOut(c *conv) {
	type first struct {
		s    *said
		at   *attempt
		part int
	}
	var firsts []first
	for _, s := range c.said {
		seen := map[int]bool{}
		for _, at := range s.attempts {
			if at.took && !seen[at.part] {
				seen[at.part] = true
				firsts = append(firsts, first{s, at, at.part})
			}
		}
	}
	slices.SortFunc(firsts, func(a, b first) int { return cmp.Compare(a.at.step, b.at.step) })
	for i := 1; i < len(firsts); i++ {
		a, b := firsts[i-1], firsts[i]
		if a.s == b.s {
			if a.part > b.part {
				w.violate("order to the customer: part %d of %s before part %d", a.part, a.s.mark, b.part)
			}
			continue
		}
		if before(b.s, a.s) && !w.excuseOrder(b.s, b.at) {
			w.violate("order to the customer: %s before %s", a.s.mark, b.s.mark)
		}
	}
}

// before tells whether a was said before b.
func before(a, b *said) bool {
	if a.sn.chat != b.sn.chat {
		return a.sn.chat.n < b.sn.chat.n
	}
	return a.sn.counter < b.sn.counter
}

// checkDeadline: nothing is sent that should have been given up. The time counts
// from when the journal took it: what it could not take comes again.
func (w *world) checkDeadline(s *said) {
	for _, at := range s.attempts {
		if s.ended == nil || s.gen != at.life.gen {
			continue
		}
		if age := at.at.Sub(s.ended.AcceptedAt); age > w.plan.Settings.Deadline+time.Second {
			w.violate("deadline: %s is sent %v after it was taken", s.mark, age)
		}
	}
}

// checkConfirmed: the agent sees that the customer has a sentence, and never
// that it has one it has not.
func (w *world) checkConfirmed(s *said) {
	sent, all := s.whole()
	switch {
	case s.done() && s.mayConfirm() && w.unconfirmed(s) && !w.excuseUnconfirmed(s):
		w.violate("confirmed: %s is done, and its agent does not know", s.mark)
	case s.sn.confirmed != nil && s.sn.model == simprot.ModelSentence && sent < all && !w.sameID(s):
		w.violate("confirmed: %s is confirmed, and did not arrive", s.mark)
	case s.sn.confirmed != nil && s.sn.model == simprot.ModelSentence && s.early() && !w.sameID(s):
		w.violate("confirmed: %s is confirmed, and the network has not reported all of it delivered", s.mark)
	}
}

// mayConfirm: what has to come before a CONFIRM has come, for all that is known:
// in the journal that has the end there are reports of everything that arrived.
func (s *said) mayConfirm() bool {
	return s.conv.net.confirm != config.ConfirmDelivered || !slices.ContainsFunc(s.attempts, func(at *attempt) bool {
		return at.took && !slices.Contains(at.heard, s.gen)
	})
}

// early: of a part nothing was reported, where it should have been.
func (s *said) early() bool {
	if s.conv.net.confirm != config.ConfirmDelivered {
		return false
	}
	reported := map[int]bool{}
	for _, at := range s.attempts {
		reported[at.part] = reported[at.part] || at.reported
	}
	return slices.ContainsFunc(s.attempts, func(at *attempt) bool { return !reported[at.part] })
}

// unconfirmed: the core has it so, in whatever chat.
func (w *world) unconfirmed(s *said) bool {
	return s.sn.confirmed == nil && s.sn.chat.epoch == w.core.epoch
}

func (s *said) done() bool { return s.ended != nil && s.ended.State == journal.Done }

// sameID: a CONFIRM names an ID, which the core uses for several sentences.
func (w *world) sameID(s *said) bool {
	n := 0
	for _, other := range s.conv.said {
		if other.sn.id == s.sn.id {
			n++
		}
	}
	return n > 1
}

// checkLedger: it is in balance, and agrees with the rows.
func (w *world) checkLedger(j journal.Journal) {
	ledger, err := j.Ledger(context.Background())
	if err != nil {
		w.violate("the ledger cannot be read: %v", err)
		return
	}
	for k, e := range ledger {
		if e.Accepted+e.Requeued != e.Done+e.Dead+e.Pending {
			w.violate("ledger: %s %v is not in balance: %+v", k.Channel, k.Direction, e.Counts)
		}
	}
	rows := map[journal.LedgerKey]int64{}
	names := make([]string, 0, len(w.nets))
	for _, n := range w.nets {
		names = append(names, n.name)
	}
	if w.msgs != nil {
		names = append(names, w.msgs.channels()...)
	}
	for _, name := range names {
		pending, err := j.Pending(context.Background(), name, 0, 10_000)
		if err != nil {
			w.violate("the journal cannot be read: %v", err)
			return
		}
		for _, r := range pending {
			rows[journal.LedgerKey{Channel: name, Direction: r.Lane.Direction}]++
			w.violate("lane stuck: %v %s is pending", r.Lane.Direction, r.ID)
		}
	}
	for k, e := range ledger {
		if e.Pending != rows[k] {
			w.violate("ledger: %s %v says %d pending, there are %d", k.Channel, k.Direction, e.Pending, rows[k])
		}
	}
}

func (w *world) dead() []journal.Row {
	rows, err := w.life.journal.Journal.Dead(context.Background(), journal.DeadQuery{Limit: 1000})
	if err != nil {
		w.violate("dead letters cannot be read: %v", err)
	}
	return rows
}

// checkGoroutines: nothing that the gateway started is left. What is blocked for
// good fails the bubble, without telling which run it was; here it gets a name.
func (w *world) checkGoroutines() {
	buf := make([]byte, 1<<20)
	n := runtime.Stack(buf, true)
	for g := range strings.SplitSeq(string(buf[:n]), "\n\n") {
		if strings.Contains(g, "synctest bubble") && strings.Contains(g, "servicelink/gateway") && !strings.Contains(g, "sim.play") {
			w.cry("goroutine left: %s", g)
		}
	}
}

// hashOf is the text's hash in the key of a row.
func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return max(h.Sum64(), 1)
}
