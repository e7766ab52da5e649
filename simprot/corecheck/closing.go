package corecheck

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// closing ends a chat, writes into it, and opens the next one.
func (r *run) closing(ctx context.Context) error {
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	if _, err := l.say(ctx, c, r.newID(), "before the end"); err != nil {
		return err
	}
	if err := l.send(l.commandPacket(simprot.CodeChatStop, c, "")); err != nil {
		return err
	}
	// News may come on any connection of the Peer.
	news := r.inbox.wait(ctx, r.cfg.Timeout, func(p *received) bool {
		s := p.status()
		return p.code == simprot.CodeChatStatus && s != nil && s.TrackingId == c.tracking && s.Status.Closed()
	}, nil)
	s, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	r.book.judge("stop", s.Status.Closed(), "%s", about(s))
	if !s.Status.Closed() {
		return fmt.Errorf("STOP did not end the chat")
	}
	r.book.judge("news", news != nil, "%s", describe(news))
	if news != nil {
		r.book.judge("only-answers", news.status().Sentences == nil, "news: %s", describe(news))
	}
	if err := r.toClosed(ctx, l, c); err != nil {
		return err
	}
	return r.reopened(ctx, l, c)
}

// toClosed writes into a chat that has ended.
func (r *run) toClosed(ctx context.Context, l *link, c *conv) error {
	id := r.newID()
	if err := l.send(l.sentencePacket(c, id, "after the end")); err != nil {
		return err
	}
	got := l.wait(ctx, func(p *received) bool {
		s := p.status()
		return isEcho(id)(p) || (p.code == simprot.CodeChatStatus && s != nil && s.TrackingId == c.tracking)
	})
	s, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	echoed := got != nil && got.status() == nil
	stored := find(s.Sentences, id) != nil
	r.book.judge("closed-chat", !echoed && !stored, "%s; among Sentences: %t", describe(got), stored)
	switch {
	case echoed || stored:
		r.book.leave("closed-news", "the sentence was taken")
	case got == nil:
		r.book.judge("closed-news", false, "%s", l.state())
	default:
		r.book.judge("closed-news", got.status().Status.Closed(), "%s", describe(got))
		r.book.judge("only-answers", got.status().Sentences == nil, "in the echo's place: %s", describe(got))
	}
	return nil
}

// reopened starts the conversation's next chat.
func (r *run) reopened(ctx context.Context, l *link, c *conv) error {
	before := c.chat
	err := l.start(ctx, c)
	if c.status == nil {
		return err
	}
	r.book.judge("reopen", err == nil && c.chat != before && c.chat != uuid.Nil, "%s, ChatId %s",
		about(c.status), masked(c.chat.String(), before.String()))
	return nil
}
