package sim

import (
	"slices"
	"time"
)

// The cases nobody can decide, each by its name and no wider than it is. Every
// use is counted, and printed at the end of a series of runs.
const (
	hiddenChat   = "a later chat hides what an earlier one has (STATUS shows the latest only)"
	coreForgot   = "the core forgot what it had"
	journalGone  = "the journal was thrown away with what it held"
	passedOver   = "a poll was held up for a minute by a journal in memory, then passed over (DECISIONS 31)"
	sharedID     = "a CONFIRM names an ID, and the core used it for two sentences"
	maskedCut    = "a cut answer looked whole: no Counters, or an older sentence in it that may not be left out"
	cutAndGone   = "the answer was cut, and the journal that knew more is gone"
	unlistedChat = "the core lists no closed chats, and this one was closed while nobody looked"
	arrivalOrder = "sentences have no Counters, and came in another order (simprot.md 3.8)"
	unseenBegin  = "without ChatIds, the second sentence of a chat whose beginning got lost looks like the next of the one before (DECISIONS 24)"
	gapFilled    = "without ChatIds, a sentence of the next chat had the Counter of one that got lost, and was taken for it (DECISIONS 24)"
	lateTwin     = "without ChatIds, a late sentence of the chat before had the Counter of this one, and was taken for it (DECISIONS 24)"
	unplaced     = "journaled without its chat, and a crash after the chat's end (DECISIONS 24)"
	lateUnplaced = "without ChatIds, came behind later ones of its chat, which ended before STATUS could place it (DECISIONS 24)"
	reportedOnly = "no record of it, and the journal is too young to say that it was never sent (simprot.md 3.9)"
	tooOld       = "it was older than its deadline when the journal first heard of it (simprot.md 3.9)"
	sendPolicy   = "no record of it, and unknown_outbound is send"
)

func (w *world) excuse(name string) bool {
	w.excuses[name]++
	return true
}

// excuseLostJournal: a pending row went with its journal.
func (w *world) excuseLostJournal(e *event) bool {
	if e.lost.volatile {
		if e.conv.net.poll {
			return w.excuse(passedOver)
		}
		return false // a webhook is answered when its event is done
	}
	return w.excuse(journalGone)
}

// hidden: the first take is in a chat that another one hid: the agent began it,
// or the process that asked knew nothing of the earlier one any more.
func (w *world) hidden(c *conv, a, b take) bool {
	if a.chat == b.chat {
		return false
	}
	if a.life.gen != b.life.gen {
		return true
	}
	for _, ch := range w.core.chats {
		if ch.conv == c && ch.byAgent && ch.began > a.step && ch.began < b.step {
			return true
		}
	}
	return false
}

// excuseTwice: the core has it a second time, and nobody could know.
func (w *world) excuseTwice(c *conv, a, b take) bool {
	switch {
	case a.chat.epoch != b.chat.epoch:
		return w.excuse(coreForgot)
	case w.hidden(c, a, b):
		return w.excuse(hiddenChat)
	case a.life.gen != b.life.gen && w.cutAnswers > 0:
		return w.excuse(cutAndGone)
	case a.sn.masked:
		return w.excuse(maskedCut)
	}
	return false
}

// excuseGone: a sentence that neither arrived nor is a dead letter.
func (w *world) excuseGone(s *said) bool {
	ch := s.sn.chat
	latest := w.core.latest[s.conv.address()]
	known := s.ended != nil && len(s.losses) == 0
	switch {
	case s.sn.early:
		return w.excuse(sharedID)
	case known:
		return false // it was journaled, and that journal is still there
	case ch.epoch != w.core.epoch:
		return w.excuse(coreForgot)
	case ch != latest && len(s.losses) > 0:
		return w.excuse(journalGone) // and STATUS does not show it any more
	case ch != latest && w.next(ch).byAgent:
		return w.excuse(hiddenChat) // before a START of its own the gateway asks
	}
	return w.excuseUnlisted(s)
}

// next is the chat after one in its conversation.
func (w *world) next(ch *chat) *chat {
	for _, other := range w.core.chats[ch.n:] {
		if other.conv == ch.conv {
			return other
		}
	}
	return ch
}

// excuseUnlisted: STATUS would show it, and nothing made anybody ask.
func (w *world) excuseUnlisted(s *said) bool {
	ch := s.sn.chat
	if ch.status.Closed() && !w.core.rules.KeepClosed {
		return w.excuse(unlistedChat)
	}
	return false
}

// excuseUnconfirmed: the process that should have told is dead, and nothing tells
// another one.
func (w *world) excuseUnconfirmed(s *said) bool {
	switch latest := w.core.latest[s.conv.address()]; {
	case len(s.losses) > 0 && s.sn.chat != latest:
		return w.excuse(journalGone)
	case w.untold(s):
		return w.excuse(unlistedChat)
	}
	return false
}

// untold: the core does not list its chat, and who knew that it was sent is dead.
func (w *world) untold(s *said) bool {
	if !s.sn.chat.status.Closed() || w.core.rules.KeepClosed {
		return false
	}
	n := len(s.attempts)
	return len(w.lives) > 1 && (n == 0 || s.attempts[n-1].life != w.life)
}

// excuseUnknown: a sentence reported as of unknown fate that was never tried:
// the journal had no record, and could not say that there never was one.
func (w *world) excuseUnknown(s *said) bool {
	if w.plan.Settings.UnknownOutbound == "send" {
		return false
	}
	if s.ended.AcceptedAt.Sub(s.sn.at) >= w.plan.Settings.Deadline {
		return w.excuse(tooOld)
	}
	if !w.core.rules.ChatIDs && s.hasLateTwin() {
		return w.excuse(lateTwin)
	}
	if first := slices.IndexFunc(s.handed, func(h handing) bool { return h.life.gen == s.gen }); first >= 0 && w.knew(s, s.handed[first].at) {
		return false
	}
	born := w.life.journal.Born()
	if s.sn.at.Sub(born) <= knownBefore || s.sn.chat.epoch != w.core.epoch {
		return w.excuse(reportedOnly)
	}
	return false
}

// hasLateTwin: a sentence of an earlier chat with the same or a higher Counter came
// when this chat had begun.
func (s *said) hasLateTwin() bool {
	return slices.ContainsFunc(s.conv.said, func(other *said) bool {
		return other.sn.chat.n < s.sn.chat.n && other.sn.counter >= s.sn.counter &&
			slices.ContainsFunc(other.handed, func(h handing) bool { return !h.answer && h.step > s.sn.chat.began })
	})
}

// knew: before it heard of the sentence, the journal knew its chat, or an earlier
// one of the conversation, so that this one is younger than the journal.
func (w *world) knew(s *said, heard time.Time) bool {
	return slices.ContainsFunc(w.core.chats[:s.sn.chat.n], func(ch *chat) bool {
		known := ch.known[s.gen]
		return ch.conv == s.conv && !known.IsZero() && known.Before(heard)
	})
}

// excuseSentAgain: another journal's process sent it, and the operator wants
// what has no record sent.
func (w *world) excuseSentAgain(_ *said, a, b *attempt) bool {
	if a.life.gen == b.life.gen {
		return false
	}
	if w.plan.Settings.UnknownOutbound == "send" {
		return w.excuse(sendPolicy)
	}
	return false
}

// excuseOrder: a later one arrived before a.
func (w *world) excuseOrder(a *said, at *attempt) bool {
	if at.life.gen != a.handed[0].life.gen && w.plan.Settings.UnknownOutbound == "send" {
		return w.excuse(sendPolicy)
	}
	if a.sn.early {
		return w.excuse(sharedID)
	}
	if next := w.next(a.sn.chat); next.byAgent && next.n > a.sn.chat.n && next.began < a.taken().step {
		return w.excuse(hiddenChat) // its packet was late, and STATUS no longer told that it is missing
	}
	if !w.core.rules.Counters {
		return w.excuse(arrivalOrder)
	}
	ended := a.sn.chat.closed > 0 || a.sn.chat.epoch != w.core.epoch // forgotten is as good as closed
	if !w.core.rules.ChatIDs && len(w.lives) > 1 && ended {
		return w.excuse(unplaced)
	}
	if !w.core.rules.ChatIDs && a.sn.chat.closed > 0 && a.sn.chat.closed < at.step && a.cameLate() {
		return w.excuse(lateUnplaced)
	}
	if !w.core.rules.ChatIDs && a.gapWasFilled(at) {
		return w.excuse(gapFilled)
	}
	if !w.core.rules.ChatIDs && a.handed[0].answer && !w.isFirst(a.sn.chat) {
		return w.excuse(unseenBegin)
	}
	return false
}

// gapWasFilled: a sentence below it in its chat had not come when it was sent, and
// one of a later chat with that Counter had.
func (s *said) gapWasFilled(at *attempt) bool {
	came := func(other *said) bool { return len(other.handed) > 0 && other.handed[0].step < at.step }
	return slices.ContainsFunc(s.conv.said, func(lost *said) bool {
		return lost.sn.chat == s.sn.chat && lost.sn.counter < s.sn.counter && !came(lost) &&
			slices.ContainsFunc(s.conv.said, func(other *said) bool {
				return other.sn.chat.n > s.sn.chat.n && other.sn.counter == lost.sn.counter && came(other)
			})
	})
}

// cameLate: a later sentence of its chat came before it.
func (s *said) cameLate() bool {
	return slices.ContainsFunc(s.conv.said, func(other *said) bool {
		return other.sn.chat == s.sn.chat && other.sn.counter > s.sn.counter &&
			len(other.handed) > 0 && other.handed[0].step < s.handed[0].step
	})
}

// taken is when the gateway was first handed it and could journal it.
func (s *said) taken() handing {
	if i := slices.IndexFunc(s.handed, func(h handing) bool { return !h.refused }); i >= 0 {
		return s.handed[i]
	}
	return s.handed[0]
}

// isFirst tells whether a conversation had no chat before this one.
func (w *world) isFirst(ch *chat) bool {
	return !slices.ContainsFunc(w.core.chats[:ch.n], func(other *chat) bool { return other.conv == ch.conv && other != ch })
}

// knownBefore is how long a journal must have lived (simprot.md 3.9).
const knownBefore = 5 * time.Minute
