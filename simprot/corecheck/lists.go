package corecheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"servicelink/simprot"
)

const (
	// smallFrame is the MaxFrame announced where answers shall not fit.
	smallFrame = 8 << 10
	// manyChats do not fit a small frame, whatever else the core tells of them.
	manyChats = 48
	// longTexts sentences of longText bytes are twice a small frame.
	longTexts = 16
	longText  = 1 << 10
)

func small(v *simprot.Login) { v.MaxFrame = smallFrame }

// needsLogin says why there is no small frame.
func (r *run) needsLogin() error {
	if r.cfg.NoLogin {
		return fmt.Errorf("MaxFrame cannot be told without SP_LOGIN")
	}
	return nil
}

// lists compares the list's Counter with the chat's last sentence.
func (r *run) lists(ctx context.Context) error {
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	for range 3 {
		if _, err := l.say(ctx, c, r.newID(), "listed"); err != nil {
			return err
		}
	}
	s, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	highest := int32(0)
	for _, v := range s.Sentences {
		highest = max(highest, v.Counter)
	}
	list, err := l.resync(ctx)
	if err != nil {
		return err
	}
	item := itemOf(list, c)
	switch {
	case item == nil:
		return fmt.Errorf("the chat is not listed")
	case highest == 0:
		return fmt.Errorf("sentences have no Counter, or are not shown")
	case item.Counter == 0:
		r.book.absent("list-counter", "no Counter")
	default:
		r.book.judge("list-counter", item.Counter == highest, "Counter %d; the last sentence has %d", item.Counter, highest)
	}
	return nil
}

// longList has more chats listed than fit a frame.
func (r *run) longList(ctx context.Context) error {
	if err := r.needsLogin(); err != nil {
		return err
	}
	l, first, err := r.freshChat(ctx, small)
	if err != nil {
		return err
	}
	defer l.close()
	chats := []*conv{first}
	for range manyChats - 1 {
		c := r.newConv()
		c.tracking = (c.tracking + "." + strings.Repeat("n", simprot.MaxTrackingID))[:simprot.MaxTrackingID]
		r.opened(c)
		if err := l.send(simprot.Packet{Code: simprot.CodeChatStart, Payload: l.startPacket(c)}); err != nil {
			return err
		}
		chats = append(chats, c)
	}
	if _, err := l.status(ctx, first); err != nil { // is answered after the last START
		return err
	}
	list, err := l.resync(ctx)
	if err != nil {
		return err
	}
	// What comes before the next answer belongs to the list, too.
	if _, err := l.status(ctx, first); err != nil {
		return err
	}
	extra := 0
	for {
		p, _ := r.inbox.find(func(p *received) bool { return p.link == l && p.code == simprot.CodeChatList })
		if p == nil {
			break
		}
		extra++
		list = append(list, p.list()...)
	}
	frames := r.inbox.count(func(p *received) bool { return p.link == l && p.code == simprot.CodeChatList })
	missing := 0
	for _, c := range chats {
		if itemOf(list, c) == nil {
			missing++
		}
	}
	for _, c := range chats { // or every later list would be as long
		if err := l.send(l.commandPacket(simprot.CodeChatStop, c, "")); err != nil {
			return err
		}
	}
	// The first RESYNC of the connection was answered as well.
	r.book.judge("list-more", extra == 0, "%d frames for two RESYNCs, %d of them after one without More", frames, extra)
	if r.book.is("list", Kept) && r.book.is("max-frame", Kept) {
		r.book.judge("list", missing == 0, "%d of %d chats missing in a long list", missing, len(chats))
	}
	return nil
}

// cut has more sentences than fit a frame.
func (r *run) cut(ctx context.Context) error {
	if err := r.needsLogin(); err != nil {
		return err
	}
	l, c, err := r.freshChat(ctx, small)
	if err != nil {
		return err
	}
	defer l.close()
	owed := ""
	if _, err := l.say(ctx, c, r.newID(), "first"); err != nil {
		return err
	}
	if r.cfg.Agent == nil {
		r.book.leave("cut-outbound", needsAgent)
	} else if owed, err = r.agentSays(ctx, l, c, "must not be left out"); err != nil {
		r.book.leave("cut-outbound", err.Error())
	}
	var ids []string
	for range longTexts {
		ids = append(ids, r.newID())
		if _, err := l.say(ctx, c, ids[len(ids)-1], strings.Repeat("long ", longText/5)); err != nil {
			return err
		}
	}
	s, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	if !r.book.is("max-frame", Broken) {
		r.book.judge("max-frame", true, "%s", about(s))
	}
	if !r.book.is("stored", Kept) {
		return fmt.Errorf("sentences are not stored, or not shown")
	}
	r.judgeCut(s, ids, owed)
	return nil
}

// judgeCut compares what was left of the sentences.
func (r *run) judgeCut(s *simprot.ChatStatusInfo, ids []string, owed string) {
	shown, gap := 0, false
	for _, id := range slices.Backward(ids) {
		if find(s.Sentences, id) == nil {
			break
		}
		shown++
	}
	for _, id := range ids[:len(ids)-shown] {
		gap = gap || find(s.Sentences, id) != nil
	}
	if shown == len(ids) {
		r.book.leave("cut-oldest", "nothing was left out")
		r.book.leave("cut-outbound", "nothing was left out")
		return
	}
	r.book.judge("cut-oldest", shown > 0 && !gap, "the newest %d of %d; older ones behind a gap: %t", shown, len(ids), gap)
	if owed != "" {
		there := find(s.Sentences, owed) != nil
		r.book.judge("cut-outbound", there, "the agent's sentence is there: %t", there)
	}
}
