package corecheck

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// conversation opens one chat and looks at everything on the way.
func (r *run) conversation(ctx context.Context) error {
	l, err := r.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	if _, err := l.resync(ctx); err != nil {
		return err
	}
	c := r.newConv()
	unknown := r.unknownChat(ctx, l, c)
	if err := r.signal(ctx, l, c); err != nil {
		return err
	}
	if err := l.start(ctx, c); err != nil {
		return err
	}
	r.judgeAddress(simprot.CodeChatStatus, c, c.status.Peer, c.status.Port, c.status.TrackingId)
	newByStart := c.status.Sentences
	fresh, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	if err := r.listed(ctx, l, c); err != nil {
		return err
	}
	if err := r.firstSentence(ctx, l, c); err != nil {
		return err
	}
	r.book.judge("answers", true, "LIST, RESPONSE, STATUS, STATUS")
	// Whether [] is left out is another question than whether all is.
	if r.book.is("start-sentences", Kept) {
		r.book.judge("empty-sentences", newByStart != nil, "START of a new chat: %s", presence(newByStart))
	}
	if r.book.is("status-sentences", Kept) {
		r.book.judge("empty-sentences", fresh.Sentences != nil, "STATUS of a new chat: %s", presence(fresh.Sentences))
		if unknown != nil {
			r.book.judge("empty-sentences", unknown.Sentences != nil, "STATUS of an unknown one: %s", presence(unknown.Sentences))
		}
	}
	return nil
}

func presence(s []*simprot.ChatSentenceInfo) string {
	if s == nil {
		return "no Sentences"
	}
	return fmt.Sprintf("%d Sentences", len(s))
}

// unknownChat asks for what the core cannot know; nil without an answer.
func (r *run) unknownChat(ctx context.Context, l *link, c *conv) *simprot.ChatStatusInfo {
	s, err := l.statusAfter(ctx, c, uuid.Nil, 0, "unknown-chat")
	if err != nil {
		return nil // that is the verdict, and what follows does not need it
	}
	r.book.judge("unknown-chat", s.Status.Closed(), "%s", about(s))
	return s
}

// signal asks REQUEST. A core that takes no chats now cannot be tested.
func (r *run) signal(ctx context.Context, l *link, c *conv) error {
	got, err := l.request(ctx, c)
	if err != nil {
		return nil //nolint:nilerr // the rule is broken; START may work all the same
	}
	v := got.service()
	r.judgeAddress(got.code, c, v.Peer, v.Port, v.TrackingId)
	if v.Signal == "" {
		r.book.judge("answers", false, "%s without a Signal", got.code)
	}
	if v.ScenarioModel == nil {
		r.book.absent("chat-form", "no ScenarioModel")
	} else {
		r.book.judge("chat-form", true, "ScenarioModel")
	}
	if !v.Signal.Accepts() {
		return fmt.Errorf("the Signal is %s: the core takes no chats now", v.Signal)
	}
	return nil
}

func (r *run) judgeAddress(code simprot.Code, c *conv, peer, port, tracking string) {
	r.book.judge("address", peer == r.cfg.Peer && port == r.cfg.Port && tracking == c.tracking,
		"%s: Peer %s, Port %s, TrackingId %s", code, masked(peer, r.cfg.Peer), masked(port, r.cfg.Port), masked(tracking, c.tracking))
}

// listed looks for the open chat in the Port's list.
func (r *run) listed(ctx context.Context, l *link, c *conv) error {
	list, err := l.resync(ctx)
	if err != nil {
		return err
	}
	item := itemOf(list, c)
	if item == nil {
		r.book.judge("list", false, "%d chats, not that one", len(list))
		return nil
	}
	r.book.judge("list", !item.Status.Closed(), "%d chats, that one with Status %q", len(list), item.Status)
	r.judgeAddress(simprot.CodeChatList, c, item.Peer, item.Port, item.TrackingId)
	r.book.judge("only-answers", item.Sentences == nil, "%s: an item with %s", simprot.CodeChatList, presence(item.Sentences))
	return nil
}

func itemOf(list simprot.ChatStatusList, c *conv) *simprot.ChatStatusInfo {
	for _, item := range list {
		if item.TrackingId == c.tracking {
			return item
		}
	}
	return nil
}

// firstSentence sends one, and looks for it where it must be.
func (r *run) firstSentence(ctx context.Context, l *link, c *conv) error {
	id := r.newID()
	got, err := l.say(ctx, c, id, "one")
	if err != nil {
		return err
	}
	echo := got.sentence()
	r.book.judge("echo", echo.ID == id, "%s, ID %s", describe(got), masked(echo.ID, id))
	r.judgeAddress(got.code, c, echo.Peer, echo.Port, echo.TrackingId)
	if echo.ChatId == uuid.Nil {
		r.book.absent("chat-id", "no ChatId")
	} else {
		r.book.judge("chat-id", echo.ChatId == c.chat, "ChatId %s", masked(echo.ChatId.String(), c.chat.String()))
	}
	s, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	echoes := r.inbox.count(func(p *received) bool { return p.link == l && p.code == simprot.CodeChatSentence })
	r.book.judge("echo-once", echoes == 1, "%d echoes", echoes)
	if s.Sentences == nil {
		r.book.judge("status-sentences", false, "%s", about(s))
	} else {
		r.book.judge("status-sentences", true, "%s", about(s))
		kept := find(s.Sentences, id)
		r.book.judge("stored", kept != nil, "%d Sentences, that one among them: %t", len(s.Sentences), kept != nil)
		if kept != nil {
			r.counters(echo.Counter, kept.Counter)
		}
	}
	return r.startAgain(ctx, l, c, id)
}

// counters compares the Counter of the echo with the one in Sentences.
func (r *run) counters(echoed, kept int32) {
	if echoed == 0 && kept == 0 {
		r.book.absent("counter", "no Counter")
		return
	}
	r.book.judge("counter", echoed > 0 && echoed == kept, "Counter %d in the echo, %d among Sentences", echoed, kept)
}

// startAgain asks START of a chat that is open.
func (r *run) startAgain(ctx context.Context, l *link, c *conv, id string) error {
	before := c.chat
	if err := l.start(ctx, c); err != nil {
		return err
	}
	same := c.chat == before && before != uuid.Nil
	r.book.judge("one-chat", same, "ChatId %s", masked(c.chat.String(), before.String()))
	switch {
	case !same:
		r.book.leave("start-sentences", "START opened another chat")
	case !r.book.is("stored", Kept):
		r.book.leave("start-sentences", "the sentence is not stored, or not shown")
		if c.status.Sentences == nil {
			r.book.judge("start-sentences", false, "%s", about(c.status))
		}
	default:
		r.book.judge("start-sentences", find(c.status.Sentences, id) != nil, "%s", about(c.status))
	}
	return nil
}
