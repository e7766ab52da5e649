package sim

import (
	"slices"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// The times of SPEC.md 13.
const (
	startWithin = 45 * time.Second
	runWithin   = 80 * time.Second
	answerBy    = 85 * time.Second
	writeAgain  = 10 * time.Minute
	// stopPatience is how long a device that is stopped waits for answers.
	stopPatience = 5 * time.Second
	refusals     = 6 // "false" to the first writing and to five repeats
)

var refusalRests = []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour}

// The cases of messages that nobody can decide.
const (
	takesRepeats = "the core takes a message again for another one (it does not keep M6)"
	namesGone    = "the journal that told mails of one Message-ID apart was thrown away"
	recordGone   = "the journal that knew of the attempts was thrown away"
)

// hears looks at what a process writes, when it does.
func (m *messages) hears(x *wire, p simprot.Packet) {
	switch v := p.Payload.(type) {
	case *simprot.MessageContentInfo:
		if ml := m.mailOf(v); ml != nil {
			m.asks(x, ml, v)
		}
	case *simprot.CommandInfo:
		if l := m.letterOf(v); l != nil {
			m.answers(x, l, v)
		}
	}
}

// tells notes what a process is given to read.
func (m *messages) tells(x *wire, p simprot.Packet) {
	switch v := p.Payload.(type) {
	case *simprot.CommandInfo:
		for _, ml := range m.mails {
			if ml.request == v.Reference {
				ml.told = append(ml.told, telling{v.Data, x, time.Now()})
			}
		}
	case *simprot.MessageContentInfo:
		for _, l := range m.outs {
			if v.MessageId != nil && l.id == *v.MessageId {
				l.reads = append(l.reads, reading{wire: x, at: time.Now(), step: m.w.step()})
			}
		}
	}
}

// asks: a message has one name and one RequestId, is written again only when it may
// be, and of one writer only one is without an answer.
func (m *messages) asks(x *wire, ml *mail, v *simprot.MessageContentInfo) {
	gen, now := x.life.gen, time.Now()
	if ml.request != "" && ml.request != v.RequestId {
		m.w.violate("named: %s has RequestId %q and %q", ml.id, ml.request, v.RequestId)
	}
	ml.request = v.RequestId
	m.names(ml, gen, v.DeliverySystemId)
	m.early(x, ml)
	for _, other := range m.mails {
		if other != ml && other.box == ml.box && other.writer == ml.writer && other.awaits(x) {
			m.w.violate("in turn: %s is written while %s has no answer", ml.id, other.id)
		}
	}
	ml.asked = append(ml.asked, asking{x, now, gen})
}

// names: the same one in all repeats, and no other message's.
func (m *messages) names(ml *mail, gen int, name string) {
	if before, ok := ml.names[gen]; ok && before != name {
		m.w.violate("named: %s is %q and %q", ml.id, before, name)
	}
	for _, before := range ml.names {
		ml.renamed = ml.renamed || before != name
	}
	ml.names[gen] = name
	for _, other := range m.mails {
		if other != ml && other.box == ml.box && other.names[gen] == name {
			m.w.violate("named: %s and %s are both %q", ml.id, other.id, name)
		}
	}
}

// early: it is not written again without need, or too soon.
func (m *messages) early(x *wire, ml *mail) {
	now := time.Now()
	falses, last := 0, time.Time{}
	for _, t := range ml.told {
		if t.data == "true" && (t.wire.life == x.life || t.wire.life.gen == x.life.gen && t.wire.life.orderly && t.at.Before(t.wire.life.stopAt)) {
			m.w.violate("once: %s is written after the core has said true", ml.id)
		}
		if t.data == "false" && t.wire.life == x.life {
			falses, last = falses+1, t.at
		}
	}
	if n := len(ml.asked); n > 0 {
		before := ml.asked[n-1]
		switch {
		case before.wire == x && ml.awaits(x):
			m.w.violate("time: %s is written again after %v without an answer", ml.id, now.Sub(before.at))
		case before.wire != x && before.gen == x.life.gen && !m.w.core.rules.Fences && now.Sub(x.madeAt) < coreSettle:
			m.w.violate("settle: %s is written again %v after the connection was made", ml.id, now.Sub(x.madeAt))
		}
	}
	if falses > 0 && now.Sub(last) < refusalRests[min(falses, len(refusalRests))-1]-time.Millisecond { // journals keep microseconds
		m.w.violate("time: %s is written again %v after false, the %d. time", ml.id, now.Sub(last), falses)
	}
}

// awaits: its latest writing on a connection has no answer, and is not old. What a device
// that is set up anew finds without an answer it asks anew.
func (ml *mail) awaits(x *wire) bool {
	n := len(ml.asked)
	if n == 0 || ml.asked[n-1].wire != x || time.Since(ml.asked[n-1].at) >= writeAgain || ml.asked[n-1].at.Sub(ml.box.made) <= stopPatience {
		return false
	}
	for _, t := range ml.told {
		if (t.data == "true" || t.data == "false") && !t.at.Before(ml.asked[n-1].at) {
			return false
		}
	}
	return true
}

// checkSettled: nothing is marked at the source before the core has it, or has refused
// it as often as it is asked.
func (w *world) checkSettled(ml *mail, end connectors.Settlement) {
	trues, falses := 0, 0
	for _, t := range ml.told {
		switch t.data {
		case "true":
			trues++
		case "false":
			falses++
		}
	}
	switch {
	case end == connectors.SettledDone && trues == 0:
		w.violate("marked: %s, and the core has not said that it has it", ml.id)
	case end == connectors.SettledFailed && (falses < refusals || len(ml.asked) < refusals):
		w.violate("marked: %s is given up after it was refused %d times and written %d times", ml.id, falses, len(ml.asked))
	}
}

// mistaken: the core takes one mail for another.
func (m *messages) mistaken(first, ml *mail) {
	if ml.shared && (first.renamed || ml.renamed || len(m.w.lives) > 0 && m.w.disk.gen > 1) {
		ml.mistaken = m.w.excuse(namesGone)
		return
	}
	m.w.violate("named: the core takes %s for %s", ml.id, first.id)
}

// checkBegins: an attempt is one that may be made now.
func (w *world) checkBegins(l *letter, at *mailing) {
	flying := 0
	for _, a := range l.attempts[:len(l.attempts)-1] {
		if !a.over && a.life == at.life {
			flying++
		}
	}
	if flying >= 4 {
		w.violate("in turn: %s has %d attempts under way", l.name, flying+1)
	}
	latest, waits := uint64(0), false // waits: somebody has no answer yet
	for _, r := range l.reads {
		if at.at.Sub(r.at) <= startWithin {
			at.limit = r.at.Add(runWithin)
			waits = waits || !r.answered && r.wire.life == at.life && !r.wire.ended
		}
		latest = r.step
	}
	if at.limit.IsZero() {
		w.violate("time: an attempt for %s starts more than %v after it was read", l.name, startWithin)
	}
	if n := len(l.answers); n > 0 && l.answers[n-1].step > latest && !waits {
		w.violate("answered: %s is sent after the core was told %q", l.name, l.answers[n-1].data)
	}
	w.checkAgain(l, at)
}

// checkAgain: nobody gets it again who has it, or may have it against the policy.
func (w *world) checkAgain(l *letter, at *mailing) {
	var before *mailing
	for _, a := range l.attempts[:len(l.attempts)-1] {
		if a.part == at.part {
			before = a
		}
	}
	switch {
	case before == nil || before.told == "not_sent" || before.told == "rejected":
	case before.life.gen != at.life.gen:
		w.excuse(recordGone)
	case !before.unknown():
		w.violate("sent again: %s to %s after %q", l.name, l.parts[at.part], before.told)
	case l.host.unknown != config.Resend:
		w.violate("sent again: %s to %s, its fate unknown, against the policy", l.name, l.parts[at.part])
	}
}

// unknown: what became of it cannot be known to who asks the journal.
func (a *mailing) unknown() bool {
	return a.told == "unknown" || a.life.dead && (a.told == "" || a.told == "sent" && !a.durable && !a.life.orderly)
}

// answers: each time it was asked a gateway says once, in time, and truly what became
// of a letter.
func (m *messages) answers(x *wire, l *letter, v *simprot.CommandInfo) {
	now, fresh := time.Now(), false
	for i := range l.reads {
		if r := &l.reads[i]; r.wire == x && !r.answered && now.Sub(r.at) <= answerBy {
			r.answered, fresh = true, true
			break
		}
	}
	if !fresh {
		m.w.violate("answered: %s, which was not asked there in the last %v", l.name, answerBy)
	}
	if v.RefId == nil || *v.RefId != l.host.id {
		m.w.violate("answered: %s for the gateway %v", l.name, v.RefId)
	}
	l.answers = append(l.answers, sentAnswer{m.w.step(), v.Data})
	took, doubt, missing := l.count(x.life.gen)
	gone := slices.ContainsFunc(l.broken, func(b brokenPart) bool { return b.gen != x.life.gen })
	for _, a := range l.attempts {
		gone = gone || a.life.gen != x.life.gen
	}
	var wrong bool
	switch beginning(v.Data) {
	case "":
		wrong = !l.whole() || v.Reference != l.name
	case "not sent", "refused":
		wrong = took > 0 || doubt > 0
	case "partly sent":
		wrong = took == 0 || missing == 0 || m.misnames(l, v.Data)
	case "unknown":
		wrong = doubt == 0
	default:
		wrong = true
	}
	if wrong && (!gone || !m.w.excuse(recordGone)) {
		m.w.violate("answered: %s as %q (%q), and %d of %d have it, %d perhaps", l.name, v.Data, v.Reference, took, len(l.parts), doubt)
	}
}

// misnames: an answer does not name those who have no letter, or names others.
func (m *messages) misnames(l *letter, data string) bool {
	for i, name := range l.parts {
		if strings.Contains(data, "not to "+name) == l.has(i) {
			return true
		}
	}
	return false
}

// whole: every part was taken by the network.
func (l *letter) whole() bool {
	for i := range l.parts {
		if !l.has(i) {
			return false
		}
	}
	return true
}

// has: a part was taken by the network.
func (l *letter) has(part int) bool {
	for _, a := range l.attempts {
		if a.part == part && a.took {
			return true
		}
	}
	return false
}

// count counts the parts that the network has, those of which the gateway cannot know,
// and those that it does not have.
func (l *letter) count(gen int) (took, doubt, missing int) {
	for i := range l.parts {
		sure := false
		unsure := slices.Contains(l.broken, brokenPart{i, gen})
		for _, a := range l.attempts {
			if a.part == i {
				sure = sure || a.told == "sent" && !a.unknown()
				unsure = unsure || a.unknown()
			}
		}
		switch {
		case sure:
			took++
		case unsure:
			doubt++
		case l.has(i):
			took++
		default:
			missing++
		}
	}
	return took, doubt, missing
}

// collect reads what a process's journal says of every attempt.
func (m *messages) collect(l *life) {
	for _, lt := range m.outs {
		lane := journal.Lane{Channel: lt.host.id.String(), Direction: journal.Out, TrackingID: connectors.TrackingID("mail", lt.parts[0])}
		row := m.w.rows(l, lane, []journal.IDHash{{ID: lt.id.String()}})[0]
		for i := range lt.parts {
			if row != nil && i < len(row.Parts) && row.Parts[i].State == journal.PartAttempting {
				lt.broken = append(lt.broken, brokenPart{i, l.gen})
			}
		}
		for _, a := range lt.attempts {
			if row != nil && a.life == l && a.part < len(row.Parts) && row.Parts[a.part].State == journal.PartSent {
				a.durable = true
			}
		}
	}
}

// atRest: every mail is marked, every letter has its last word.
func (m *messages) atRest() bool {
	for _, ml := range m.mails {
		if !ml.marked && !ml.failed {
			return false
		}
	}
	for _, l := range m.outs {
		if !l.ended && !l.lost {
			return false
		}
	}
	return true
}

// patience is how long everything may take to come to rest: a mail that was refused
// rests for up to 15 hours.
func (m *messages) patience() time.Duration {
	for _, ml := range m.mails {
		if n := len(ml.told); n > 0 && !ml.marked && ml.told[n-1].data == "false" {
			return 30 * time.Hour
		}
	}
	return patience
}

// check is the promise for messages, at the end.
func (m *messages) check() {
	for i, ml := range m.mails {
		m.checkMail(ml)
		for _, later := range m.mails[i+1:] {
			m.checkMailOrder(ml, later)
		}
	}
	for _, l := range m.outs {
		if !l.ended && !l.lost {
			m.w.violate("lane stuck: %s has no answer", l.name)
		}
		m.checkOnce(l)
	}
}

// checkMail: it is at the core, once where that keeps M6, or was refused too often.
func (m *messages) checkMail(ml *mail) {
	switch {
	case !ml.marked && !ml.failed:
		m.w.violate("lane stuck: %s is not marked", ml.id)
	case ml.marked && len(ml.copies) == 0 && !ml.mistaken:
		m.w.violate("nothing lost: %s is marked, and not at the core", ml.id)
	}
	for _, t := range ml.told {
		if ml.failed && t.data == "true" && !t.wire.life.dead {
			m.w.violate("marked: %s as failed, and the core has it", ml.id)
		}
	}
	for i := 1; i < len(ml.copies); i++ {
		switch {
		case ml.copies[i].epoch != ml.copies[i-1].epoch:
			m.w.excuse(coreForgot)
		case !m.set.Keeps:
			m.w.excuse(takesRepeats)
		case ml.renamed:
			m.w.excuse(namesGone)
		default:
			m.w.violate("once at the core: %s is there twice", ml.id)
		}
	}
}

// checkMailOrder: of one writer a later mail is not at the core before an earlier one,
// unless the core refused that.
func (m *messages) checkMailOrder(a, b *mail) {
	if a.box != b.box || a.writer != b.writer || len(a.copies) == 0 || len(b.copies) == 0 || a.copies[0].step < b.copies[0].step {
		return
	}
	refused := false
	for _, t := range a.told {
		refused = refused || t.data == "false"
	}
	if a.copies[0].life.gen == b.copies[0].life.gen && !refused {
		m.w.violate("order to the core: %s stands before %s", b.id, a.id)
	}
}

// checkOnce: with the policy report nobody has a letter twice.
func (m *messages) checkOnce(l *letter) {
	for i := range l.parts {
		took := map[int]int{}
		for _, a := range l.attempts {
			if a.part == i && a.took {
				took[a.life.gen]++
			}
		}
		for _, n := range took {
			if n > 1 && l.host.unknown == config.Report {
				m.w.violate("once: %s has %s %d times", l.parts[i], l.name, n)
			}
		}
	}
}

// channels are the names of the gateways' channels.
func (m *messages) channels() (names []string) {
	for _, b := range m.boxes {
		names = append(names, b.id.String())
	}
	for _, h := range m.hosts {
		names = append(names, h.id.String())
	}
	return names
}
