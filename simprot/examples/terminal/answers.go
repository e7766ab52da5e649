package main

import (
	"context"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// settle asks what the core has: RESYNC, which fences off older connections,
// then STATUS (SPEC.md 7.4 to 7.6). After it nothing is in doubt.
func (c *conversation) settle(ctx context.Context) bool {
	if _, err := c.session.Resync(ctx, c.port, nil); err != nil {
		return false
	}
	c.settled = c.ask(ctx)
	return c.settled
}

// ask asks for the chat and shows what is new in it.
func (c *conversation) ask(ctx context.Context) bool {
	status, err := c.session.Status(ctx, &simprot.ChatStatusInfo{Port: c.port, TrackingId: c.tracking})
	if err != nil {
		return false
	}
	c.answer(status)
	return true
}

// start asks whether a chat can begin, and begins it.
func (c *conversation) start(ctx context.Context) bool {
	response, err := c.session.Request(ctx, c.service())
	if err != nil {
		return c.later(again)
	}
	if !response.Signal.Accepts() {
		c.say("-- closed; your message waits")
		return c.later(holdTime)
	}
	status, err := c.session.Start(ctx, c.service())
	if err != nil {
		c.settled = false // it may have begun
		return c.later(again)
	}
	c.answer(status)
	return c.open || c.later(again)
}

// answer takes a STATUS with its Sentences.
func (c *conversation) answer(status *simprot.ChatStatusInfo) {
	if status.ChatId != c.chat {
		c.chat, c.last, c.seen = status.ChatId, 0, 0
	}
	c.open = !status.Status.Closed()
	for _, s := range status.Sentences {
		c.last = max(c.last, s.Counter)
		if !s.IsOutbound {
			c.there[s.ID] = true
		} else if s.ConfirmedTime == nil {
			c.show(s)
		}
	}
	c.cut(status.Sentences)
}

// cut gives up a sentence that was sent and of which an answer that has lost
// its beginning cannot tell whether it is there.
func (c *conversation) cut(all []*simprot.ChatSentenceInfo) {
	if !c.written || c.there[c.outbox[0].ID] || len(all) == 0 || all[0].Counter <= c.seen+1 {
		return
	}
	c.say("-- it is not known whether this arrived: %s", c.outbox[0].Text)
	c.next()
}

// show shows an agent's sentence once, and confirms it each time.
func (c *conversation) show(s *simprot.ChatSentenceInfo) {
	key := s.ID + "\x00" + s.Text
	if _, was := c.shown[key]; !was {
		c.shown[key] = struct{}{}
		if s.Model == simprot.ModelSentence {
			c.say("%s: %s", s.PartyName, s.Text)
		}
	}
	_ = c.session.Send(simprot.CodeChatConfirmIn, c.command(s.ID), nil) // else it comes again unconfirmed
}

// take handles one event.
func (c *conversation) take(ctx context.Context, e event) {
	switch {
	case e.ended:
		c.session, c.waiting = nil, false
		c.say("-- the core is away")
		return
	case e.packet.Code == "":
		c.session, c.settled, c.waiting, c.pause = e.session, false, false, time.Time{}
		c.say("-- connected")
		return
	case e.session != c.session:
		return
	}
	switch p := e.packet.Payload.(type) {
	case *simprot.ChatSentenceInfo:
		if p.TrackingId == c.tracking && p.Port == c.port {
			c.heard(ctx, p)
		}
	case *simprot.ChatStatusInfo:
		if p.TrackingId == c.tracking && p.Port == c.port {
			c.news(p)
		}
	case *simprot.ChatCommandInfo:
		if e.packet.Code == simprot.CodeChatTyping && p.TrackingId == c.tracking && p.IsTyping != nil && *p.IsTyping {
			c.say("-- the agent is writing")
		}
	}
}

// heard takes a sentence: an echo of ours, or an agent's.
func (c *conversation) heard(ctx context.Context, s *simprot.ChatSentenceInfo) {
	if !s.IsOutbound {
		c.there[s.ID] = true
		c.last = max(c.last, s.Counter)
		if len(c.outbox) > 0 && c.outbox[0].ID == s.ID {
			c.timer.Stop()
			c.next()
		}
		return
	}
	known := c.settled && (s.ChatId == uuid.Nil || s.ChatId == c.chat)
	if known && (s.Counter == 0 || s.Counter == c.last+1) {
		c.last = max(c.last, s.Counter)
		c.show(s)
		return
	}
	if !c.ask(ctx) { // something is missing, or came twice (7.7)
		c.settled = false
	}
}

// news takes a STATUS without Sentences.
func (c *conversation) news(status *simprot.ChatStatusInfo) {
	if !status.Status.Closed() || !c.open {
		return
	}
	c.open = false
	c.say("-- the chat has ended")
	if c.waiting { // in place of the echo (7.8)
		c.waiting, c.settled = false, false
	}
}
