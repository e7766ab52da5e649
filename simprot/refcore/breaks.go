package refcore

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// What a Core does that is told to break rules about sentences; tamper.go
// breaks those about bytes, faults those about single packets.

const (
	// outOfOrder is by how much later a sentence is handled that is overtaken.
	outOfOrder  = 20 * time.Millisecond
	shownAtMost = 5  // sentences, with RuleComplete broken
	idsCutTo    = 32 // characters, with RuleLimits broken
)

// spoil changes what is about to be stored.
func (c *Core) spoil(s *simprot.ChatSentenceInfo) {
	if c.broken[RuleLimits] {
		s.ID = simprot.Truncate(s.ID, idsCutTo)
	}
	if c.broken[RuleText] {
		s.Text = strings.Map(func(r rune) rune {
			if r > 0x7e {
				return '?'
			}
			return r
		}, s.Text)
	}
}

// repeat takes a sentence once more.
func (c *Core) repeat(r *request, chat Chat, s *simprot.ChatSentenceInfo) error {
	if !c.broken[RuleDuplicates] {
		return nil
	}
	again := *s
	if _, _, err := c.store.Append(chat.ID, &again, c.opts.Clock()); err != nil {
		return err
	}
	r.answer(simprot.CodeChatSentence, c.echo(&again), false)
	return nil
}

// shown is a sentence as it is sent.
func (c *Core) shown(s *simprot.ChatSentenceInfo) *simprot.ChatSentenceInfo {
	if !c.broken[RuleChatID] && !c.broken[RuleCounter] && !c.broken[RuleAddress] {
		return s
	}
	changed := *s // the store's is shared
	if c.broken[RuleChatID] {
		changed.ChatId = uuid.Nil
	}
	if c.broken[RuleCounter] {
		changed.Counter = 0
	}
	if c.broken[RuleAddress] {
		changed.TrackingId = strings.ToUpper(s.TrackingId)
	}
	return &changed
}

// echo is a sentence as it is echoed.
func (c *Core) echo(s *simprot.ChatSentenceInfo) *simprot.ChatSentenceInfo {
	s = c.shown(s)
	if c.broken[RuleEcho] {
		changed := *s
		changed.ID = uuid.NewString()
		return &changed
	}
	return s
}

func (c *Core) cutOrder() cut {
	return cut{newest: c.broken[RuleCutOldest], outboundToo: c.broken[RuleCutOutbound]}
}

// sentencesOf is what the answer to START or STATUS carries of a chat's
// sentences, which are the caller's to change.
func (c *Core) sentencesOf(question simprot.Code, all []*simprot.ChatSentenceInfo) []*simprot.ChatSentenceInfo {
	left := RuleStatusSentences
	if question == simprot.CodeChatStart {
		left = RuleStartSentences
	}
	if c.broken[left] || (len(all) == 0 && c.broken[RuleEmptySentences]) {
		return nil
	}
	if c.broken[RuleComplete] {
		all = all[max(0, len(all)-shownAtMost):]
	}
	if c.broken[RuleSentenceOrder] {
		slices.Reverse(all)
	}
	for i, s := range all {
		all[i] = c.shown(s)
	}
	return all
}
