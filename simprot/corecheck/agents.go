package corecheck

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"servicelink/simprot"
)

const needsAgent = "needs an agent"

func (r *run) where(c *conv) Conversation {
	return Conversation{Peer: r.cfg.Peer, Port: r.cfg.Port, TrackingID: c.tracking}
}

// agentSays lets the agent write and returns the sentence's ID, as the live
// sentence or STATUS tells it.
func (r *run) agentSays(ctx context.Context, l *link, c *conv, text string) (string, error) {
	if err := r.cfg.Agent.Say(ctx, r.where(c), text); err != nil {
		return "", fmt.Errorf("the agent could not write: %w", err)
	}
	var id string
	if !r.book.is("outbound", Broken) {
		// It goes to one connection of the Peer or to all.
		got := r.inbox.wait(ctx, r.cfg.Timeout, func(p *received) bool {
			s := p.sentence()
			return p.code == simprot.CodeChatSentence && s != nil && s.IsOutbound && s.TrackingId != "" && strings.EqualFold(s.TrackingId, c.tracking)
		}, nil)
		r.book.judge("outbound", got != nil && got.sentence().ID != "", "%s", describe(got))
		if got != nil {
			s := got.sentence()
			r.judgeAddress(got.code, c, s.Peer, s.Port, s.TrackingId)
			id = s.ID
		}
	}
	s, err := l.status(ctx, c)
	if err != nil {
		return "", err
	}
	for _, v := range s.Sentences {
		if v.IsOutbound && (id == "" || v.ID == id) {
			return v.ID, nil
		}
	}
	return id, errors.New("STATUS does not show the agent's sentence")
}

// agentWrites follows a sentence of the agent until it is confirmed, and one
// of the customer until it is read.
func (r *run) agentWrites(ctx context.Context) error {
	if r.cfg.Agent == nil {
		// A core may tell it for its agents.
		if got, _ := r.inbox.find(func(p *received) bool { return p.code == simprot.CodeChatConfirm }); got != nil {
			r.book.judge("read-confirm", true, "%s of an earlier sentence, without an agent", got.code)
		}
		return errors.New(needsAgent)
	}
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	in := r.newID()
	if _, err := l.say(ctx, c, in, "is anybody there?"); err != nil {
		return err
	}
	if err := r.agentReads(ctx, c, in); err != nil {
		r.book.leave("read-confirm", err.Error())
	}
	id, err := r.agentSays(ctx, l, c, "yes")
	if err != nil {
		return err
	}
	if err := l.send(l.commandPacket(simprot.CodeChatConfirmIn, c, id)); err != nil {
		return err
	}
	s, err := l.status(ctx, c)
	if err != nil {
		return err
	}
	v := find(s.Sentences, id)
	if v == nil {
		return errors.New("STATUS does not show the agent's sentence")
	}
	r.book.judge("confirm", v.ConfirmedTime != nil, "ConfirmedTime: %t", v.ConfirmedTime != nil)
	return nil
}

// agentReads waits for the core to tell that the agent's side has a sentence.
func (r *run) agentReads(ctx context.Context, c *conv, id string) error {
	if err := r.cfg.Agent.Read(ctx, r.where(c)); err != nil {
		return fmt.Errorf("the agent could not read: %w", err)
	}
	if !r.book.is("stored", Kept) {
		return errors.New("sentences are not stored, or not shown")
	}
	got := r.inbox.wait(ctx, r.cfg.Timeout, func(p *received) bool {
		v := p.command()
		return p.code == simprot.CodeChatConfirm && v != nil && strings.EqualFold(v.TrackingId, c.tracking)
	}, nil)
	if got == nil {
		r.book.absent("read-confirm", "no SE_CHAT_CONFIRM")
		return nil
	}
	r.book.judge("read-confirm", got.command().ID == id, "SE_CHAT_CONFIRM, ID %s", masked(got.command().ID, id))
	return nil
}

// agentWasHere ends a chat in which a sentence of the agent is not confirmed.
func (r *run) agentWasHere(ctx context.Context) error {
	if r.cfg.Agent == nil {
		return errors.New(needsAgent)
	}
	if r.book.is("list", Broken) {
		return errors.New("not even open chats are listed")
	}
	l, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer l.close()
	if _, err := l.say(ctx, c, r.newID(), "bye"); err != nil {
		return err
	}
	id, err := r.agentSays(ctx, l, c, "bye")
	if err != nil {
		return err
	}
	if err := l.send(l.commandPacket(simprot.CodeChatStop, c, "")); err != nil {
		return err
	}
	s, err := l.statusAfter(ctx, c, uuid.Nil, 0, "answers")
	if err != nil {
		return err
	}
	if !s.Status.Closed() {
		return errors.New("STOP did not end the chat")
	}
	list, err := l.resync(ctx)
	if err != nil {
		return err
	}
	if item := itemOf(list, c); item == nil {
		r.book.absent("list-closed", fmt.Sprintf("%d chats, not that one", len(list)))
	} else {
		r.book.judge("list-closed", item.Status.Closed(), "that chat with Status %q", simprot.Truncate(string(item.Status), 32))
	}
	return l.send(l.commandPacket(simprot.CodeChatConfirmIn, c, id))
}
