package refcore

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

const (
	// listedFor is how long a closed chat is listed while an outbound sentence
	// of it is not confirmed.
	listedFor = 24 * time.Hour
	// frameSlack is what a frame needs beside its list: the code, Ask, the
	// chat's own members.
	frameSlack = 4 << 10
	// mostSentences keeps an answer below the number of objects a reader decodes.
	mostSentences = simprot.MaxObjects - 16
)

// unknownChat answers for a conversation that never had a chat.
func (c *Core) unknownChat(a Address) *simprot.ChatStatusInfo {
	info := &simprot.ChatStatusInfo{Peer: a.Peer, Port: a.Port, TrackingId: a.TrackingID, Status: simprot.StatusClosed}
	if !c.broken[RuleEmptySentences] {
		info.Sentences = []*simprot.ChatSentenceInfo{}
	}
	return info
}

// news describes a chat without its Sentences.
func (c *Core) news(chat Chat) *simprot.ChatStatusInfo {
	info := &simprot.ChatStatusInfo{
		Peer: chat.Peer, Port: chat.Port, TrackingId: chat.TrackingID, ChatId: chat.ID,
		Status: chat.Status, AgentName: chat.AgentName,
	}
	if chat.AgentID != uuid.Nil {
		info.AgentId = &chat.AgentID
	}
	if c.broken[RuleOnlyAnswers] {
		info.Sentences = []*simprot.ChatSentenceInfo{}
	}
	return info
}

// answerStatus answers START or STATUS: the chat with its Sentences above after.
func (c *Core) answerStatus(r *request, chat Chat, after int32) error {
	sentences, err := c.store.Sentences(chat.ID, after)
	if err != nil {
		return err
	}
	info := c.news(chat)
	info.Sentences = sentences
	if err := cutSentences(info, r.conn.maxFrame, c.opts.Encoding, c.cutOrder()); err != nil {
		return err
	}
	info.Sentences = c.sentencesOf(r.code, info.Sentences)
	r.answer(simprot.CodeChatStatus, info, false)
	return nil
}

// cut says which Sentences an answer that is too long leaves out first. The
// zero value is what SPEC.md asks for.
type cut struct{ newest, outboundToo bool }

// cutSentences drops the oldest Sentences until the answer fits a frame, but
// never an outbound one without ConfirmedTime: the gateway could not know any
// more that it is to be sent.
func cutSentences(info *simprot.ChatStatusInfo, maxFrame int, enc simprot.Encoding, by cut) error {
	all := info.Sentences
	if len(all) <= mostSentences && surelyFits(all, maxFrame) {
		return nil
	}
	sizes := make([]int, len(all))
	total := frameSlack
	var scratch []byte
	for i, s := range all {
		var err error
		// A sentence's own frame is a little longer than its place in the list.
		scratch, err = simprot.AppendFrame(scratch[:0], simprot.Packet{Code: simprot.CodeChatSentence, Payload: s}, enc)
		if err != nil {
			return fmt.Errorf("refcore: measure a sentence: %w", err)
		}
		sizes[i] = len(scratch)
		total += sizes[i]
	}
	kept := make([]*simprot.ChatSentenceInfo, 0, len(all))
	left := len(all)
	if by.newest {
		slices.Reverse(all)
		slices.Reverse(sizes)
	}
	for i, s := range all {
		mayGo := !s.IsOutbound || s.ConfirmedTime != nil || by.outboundToo
		if (total > maxFrame || left > mostSentences) && mayGo {
			total -= sizes[i]
			left--
			continue
		}
		kept = append(kept, s)
	}
	if by.newest {
		slices.Reverse(kept)
	}
	info.Sentences = kept
	return nil
}

// surelyFits is a cheap check that needs no encoding: no byte takes more than
// six in either encoding, and names and numbers of a sentence less than 400.
func surelyFits(all []*simprot.ChatSentenceInfo, maxFrame int) bool {
	total := frameSlack
	for _, s := range all {
		total += 400 + 6*(len(s.Peer)+len(s.Port)+len(s.TrackingId)+len(s.ID)+len(s.PartyName)+len(s.Text))
		if total > maxFrame {
			return false
		}
	}
	return true
}

// resync claims the Port for the connection and lists its chats.
func (c *Core) resync(r *request, v *simprot.ChatCommandInfo) error {
	if last := r.port.claim; last != nil && last != r.conn && c.broken[RuleFenceBack] {
		last.fenced[r.addr.Port] = true
	}
	r.port.claim, r.port.manifest = r.conn, v.Manifest
	r.conn.claimed[r.addr.Port] = true
	chats, err := c.store.List(r.addr.Peer, r.addr.Port, false)
	if err != nil {
		return err
	}
	if n := len(chats); n > 0 && c.broken[RuleList] {
		chats = chats[:n-1]
	}
	now := c.opts.Clock()
	list, size := simprot.ChatStatusList{}, frameSlack
	for _, chat := range chats {
		if chat.TrackingID == "" || !c.listed(chat, now) {
			continue
		}
		item := c.news(chat)
		if !c.broken[RuleListCounter] {
			item.Counter = chat.Counter
		}
		itemSize := 400 + 6*(len(chat.Peer)+len(chat.Port)+len(chat.TrackingID)+len(chat.AgentName))
		if len(list) == c.opts.ListFrame || (len(list) > 0 && size+itemSize > r.conn.maxFrame) {
			r.answer(simprot.CodeChatList, list, !c.broken[RuleListMore])
			list, size = simprot.ChatStatusList{}, frameSlack
		}
		list, size = append(list, item), size+itemSize
	}
	r.answer(simprot.CodeChatList, list, false)
	return nil
}

// listed reports whether a chat belongs into SE_CHAT_LIST.
func (c *Core) listed(chat Chat, now time.Time) bool {
	if !chat.Status.Closed() {
		return true
	}
	return !c.broken[RuleListClosed] && chat.Unconfirmed > 0 && now.Sub(chat.Closed) < listedFor
}

// unasked sends a packet nobody asked for: to the connection that claimed the
// Port, else to the newest of the Peer, or to all of them. It is called under
// the Port's lock.
func (c *Core) unasked(p *port, trackingID string, packet simprot.Packet) {
	to := c.audience(p)
	if len(to) == 0 {
		return // the next RESYNC tells
	}
	fault := c.faults.pick(packet.Code, p.key.port, trackingID)
	for _, k := range to {
		switch fault.Kind {
		case FaultLose:
		case FaultDrop:
			k.abort(errDropped)
		default:
			k.deliver(fault, packet)
		}
	}
}

// audience returns the connections that get what nobody asked for.
func (c *Core) audience(p *port) []*conn {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var newest *conn
	var all []*conn
	for _, k := range c.conns {
		if k.peer != p.key.peer || k.gone.Load() {
			continue
		}
		all = append(all, k)
		if newest == nil || k.id > newest.id {
			newest = k
		}
	}
	switch {
	case c.opts.Unasked == UnaskedAll || newest == nil:
		return all
	case p.claim != nil && !p.claim.gone.Load():
		return []*conn{p.claim}
	default:
		return []*conn{newest}
	}
}
