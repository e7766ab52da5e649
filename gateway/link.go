package gateway

import (
	"github.com/google/uuid"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// onUp is called by the link for every new session, before any packet of it.
func (g *Gateway) onUp(s *simprot.Session) {
	g.metrics.linkUp(true)
	g.metrics.linkGeneration(s.Generation())
	g.log.Info("core link up", "generation", s.Generation(), "server", s.Welcome().Server,
		"fences", s.Welcome().Fences, "asks", s.Welcome().Asks)
	defer leaveWord(g.devices.linked)
	g.linking.Lock()
	defer g.linking.Unlock()
	g.session = s
	g.messages.up(s, g.config().Messages.Register)
	for _, ch := range g.now().ports {
		ch.port.up(s, false)
	}
}

// onDown is called once per session, after its last packet. The observer hears
// of its end with the same error, and logs it.
func (g *Gateway) onDown(s *simprot.Session, _ error) {
	g.metrics.linkUp(false)
	g.typing.lapse()
	g.linking.Lock()
	defer g.linking.Unlock()
	g.session = nil
	g.messages.down(s)
	for _, ch := range g.now().ports {
		ch.port.down(s)
	}
}

// onPacket takes what nobody asked for. It runs on the link's reader and only
// leaves a word where it belongs.
func (g *Gateway) onPacket(s *simprot.Session, p simprot.Packet) {
	switch payload := p.Payload.(type) {
	case *simprot.ChatSentenceInfo:
		if payload.IsOutbound {
			g.fromCore(payload)
		} else {
			g.echo(payload)
		}
	case *simprot.ChatStatusInfo:
		g.news(payload)
	case *simprot.ChatCommandInfo:
		g.command(p.Code, payload)
	case *simprot.CommandInfo:
		if p.Code == simprot.CodeMessageInDone {
			g.messageTaken(payload)
		}
	case *simprot.MessageContentInfo:
		g.messageToSend(s, payload)
	}
}

// lookUp finds the served channel and the known conversation of a packet.
func (g *Gateway) lookUp(port, tracking string) (*channel, *conversation) {
	ch := g.now().ports[port]
	if ch == nil {
		return nil, nil
	}
	return ch, g.convs.find(ch, tracking)
}

// echo settles the event that waits for it; any other echo is counted.
func (g *Gateway) echo(sn *simprot.ChatSentenceInfo) {
	_, c := g.lookUp(sn.Port, sn.TrackingId)
	if c == nil {
		g.metrics.strayEcho()
		return
	}
	c.mu.Lock()
	c.saw(idText(sn.ChatId), sn.Counter)
	it := c.waiting
	if len(c.out.rows) > 0 || len(c.missing) > 0 {
		g.freeOut(c) // it may have closed a gap, or shown one
	}
	c.mu.Unlock()
	if it == nil || it.row.ID != sn.ID {
		g.metrics.strayEcho()
		return
	}
	select {
	case it.echo <- sn.Counter:
	default:
		g.metrics.strayEcho()
	}
}

// idText is a GUID as text, empty for none.
func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

// news is a SE_CHAT_STATUS without Sentences: it proves nothing about
// sentences, but a closed chat takes none.
func (g *Gateway) news(st *simprot.ChatStatusInfo) {
	_, c := g.lookUp(st.Port, st.TrackingId)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	other := st.ChatId != uuid.Nil && c.chatID != "" && st.ChatId.String() != c.chatID
	switch {
	case !st.Status.Closed() && other:
		c.openGen, c.out.askedGen, c.answer = 0, 0, nil // the agent began it: STATUS tells of it
		return
	case !st.Status.Closed(), other: // other: an earlier chat of the conversation
		return
	}
	c.open = false
	c.answer = nil // it may lack what was said last
	if it := c.waiting; it != nil {
		select {
		case it.closed <- struct{}{}:
		default:
		}
	}
}

func (g *Gateway) command(code simprot.Code, cmd *simprot.ChatCommandInfo) {
	ch, c := g.lookUp(cmd.Port, cmd.TrackingId)
	if ch == nil {
		return
	}
	switch code {
	case simprot.CodeChatTyping:
		g.typing.fromCore(ch, cmd)
	case simprot.CodeChatConfirm:
		if c != nil {
			g.typing.markRead(ch, cmd)
		}
	}
}

// fromCore journals a sentence for the customer. Its place in the Counter
// order is judged here, as it arrives; its lane gets it after the commit.
func (g *Gateway) fromCore(sn *simprot.ChatSentenceInfo) {
	ch := g.now().ports[sn.Port]
	if ch == nil {
		g.foreign(sn)
		return
	}
	e := g.outEntry(ch, sn)
	c := g.convs.get(ch, e.Lane.TrackingID)
	if c.arrive(&e, sn) {
		ch.metrics.reusedID()
	}
	g.steps.tell(stepFromCore, e)
	g.journal.Submit([]journal.Entry{e}, func(v []journal.Verdict, err error) {
		g.landed(c, &e, err == nil)
		if err != nil {
			// Not taken: RESYNC until the journal takes what STATUS shows.
			ch.port.unjournaled.Store(true)
			ch.port.kick()
			return
		}
		ch.taken(journal.Out, []journal.Entry{e}, v)
		if v[0] == journal.Refused {
			ch.life.spawn(func() { g.tellUndeliverable(c, &e) })
		}
	})
}

// tellUndeliverable tells the agent of a sentence that was dead on arrival.
func (g *Gateway) tellUndeliverable(c *conversation, e *journal.Entry) {
	reason := connectors.Reason(e.DeadReason)
	if reason == "" {
		reason = connectors.ReasonRefused
	}
	_ = g.note(c.ch.life.hard, c, e.ID, failureNote(e.ID, reason)) // stopped: the dead letter tells of it
}
