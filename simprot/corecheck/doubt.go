package corecheck

import (
	"context"
	"errors"
	"fmt"

	"servicelink/simprot"
)

// asker asks on a connection that has not claimed the Port.
func (r *run) asker(ctx context.Context) error {
	owner, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer owner.close()
	other, err := r.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer other.close()
	err = other.send(simprot.Packet{Code: simprot.CodeChatStatusAsk, Extras: simprot.Extras{Ask: r.newID()}, Payload: &simprot.ChatStatusInfo{
		Peer: r.cfg.Peer, Port: r.cfg.Port, TrackingId: c.tracking,
	}})
	if err != nil {
		return err
	}
	answers := func(p *received) bool { return p.code == simprot.CodeChatStatus }
	if got := other.wait(ctx, answers); got != nil {
		r.book.judge("asker", true, "%s", describe(got))
		return nil
	}
	elsewhere, _ := r.inbox.find(func(p *received) bool { return p.link == owner && answers(p) })
	r.book.judge("asker", false, "%s; on the other connection: %s", other.state(), describe(elsewhere))
	return nil
}

// fence writes on a connection whose Port another one has claimed.
func (r *run) fence(ctx context.Context) error {
	if !r.welcome.Fences {
		return nil
	}
	old, c, err := r.freshChat(ctx, nil)
	if err != nil {
		return err
	}
	defer old.close()
	next, err := r.fresh(ctx, nil)
	if err != nil {
		return err
	}
	defer next.close()
	behind, started := r.newID(), r.newConv()
	if err := old.send(old.sentencePacket(c, behind, "behind the fence"), simprot.Packet{
		Code: simprot.CodeChatStart, Payload: old.startPacket(started),
	}); err != nil {
		return err
	}
	r.opened(started)
	if !old.lives(ctx, c) { // whatever it answers now comes after the two
		return errors.New("no sign of life on the first connection")
	}
	echo, _ := r.inbox.find(func(p *received) bool { return p.link == old && isEcho(behind)(p) })
	kept, err := next.status(ctx, c)
	if err != nil {
		return err
	}
	shown := find(kept.Sentences, behind) != nil
	opened, err := r.isOpen(ctx, next, started)
	if err != nil {
		return err
	}
	r.book.judge("fence", echo == nil && !shown && !opened, "the sentence: %s, among Sentences: %t; START opened a chat: %t",
		describe(echo), shown, opened)
	if r.book.is("fence", Broken) {
		return errors.New("there is no fence")
	}
	return r.backAgain(ctx, old, c)
}

// isOpen looks for a chat in the Port's list: STATUS of the unknown is another
// rule.
func (r *run) isOpen(ctx context.Context, l *link, c *conv) (bool, error) {
	list, err := l.resync(ctx)
	if err != nil {
		return false, err
	}
	item := itemOf(list, c)
	return item != nil && !item.Status.Closed(), nil
}

// backAgain takes the Port back.
func (r *run) backAgain(ctx context.Context, l *link, c *conv) error {
	if _, err := l.resync(ctx); err != nil {
		return err
	}
	if r.book.is("echo", Broken) || r.book.is("stored", Broken) {
		return fmt.Errorf("sentences are not echoed, or not stored")
	}
	id := r.newID()
	if err := l.send(l.sentencePacket(c, id, "in front of it again")); err != nil {
		return err
	}
	got := l.wait(ctx, isEcho(id))
	if got == nil {
		r.book.judge("fence-back", false, "%s", l.state())
		return nil
	}
	r.book.judge("fence-back", true, "%s", describe(got))
	return nil
}
