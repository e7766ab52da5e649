package refcore

import (
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

const (
	// requestFresh is how long a REQUEST covers the opening of chats: the 30 s
	// its answer may be cached, and as much again for a START that waits.
	requestFresh = 60 * time.Second
	// typingLapse ends a typing mark that nobody took back.
	typingLapse = 30 * time.Second
)

// request is one packet being handled, under its Port's lock.
type request struct {
	*subject
	conn *conn
	port *port
	addr Address
	code simprot.Code
	ask  string // mirrored in the answers
	core *Core
}

func (r *request) offend(o Offence) { r.core.offend(r.conn, o, where(r.code, *r.subject)) }

// answer queues a packet for the asking connection; deliver sends it.
func (r *request) answer(code simprot.Code, p simprot.Payload, more bool) {
	r.conn.answers = append(r.conn.answers, simprot.Packet{
		Code: code, Payload: p, Extras: simprot.Extras{Ask: r.ask, More: more},
	})
}

// receive handles one packet of a gateway. It is called by the connection's
// reader, one packet at a time, unless RuleOrder is broken.
func (c *Core) receive(k *conn, p simprot.Packet) {
	if c.receiveMessage(k, p) {
		return
	}
	s, ok := subjectOf(p.Payload)
	if !fromGateway(p.Code) {
		c.offend(k, OffenceWrongDirection, where(p.Code, s))
		return
	}
	if !ok {
		c.offend(k, OffencePayloadMissing, where(p.Code, s))
		return
	}
	if !c.checkPeer(k, p.Code, &s) {
		return
	}
	po := c.portOf(portKey{s.peer, s.port})
	r := request{
		core: c, conn: k, port: po, subject: &s, code: p.Code,
		addr: Address{Peer: s.peer, Port: s.port, TrackingID: s.trackingID},
	}
	if c.opts.Asks && isQuestion(p.Code) && !c.broken[RuleAsks] {
		r.ask = p.Extras.Ask
	}

	k.handling.Lock()
	defer k.handling.Unlock()
	po.mu.Lock()
	defer po.mu.Unlock()
	if k.gone.Load() {
		return
	}
	fault := c.faults.pick(p.Code, s.port, s.trackingID)
	switch fault.Kind {
	case FaultDrop:
		k.abort(errDropped)
		return
	case FaultLose:
		return
	}
	k.answers = k.answers[:0]
	c.handle(&r, p)
	to := k
	if c.broken[RuleAsker] && isQuestion(p.Code) && po.claim != nil && !po.claim.gone.Load() {
		to = po.claim
	}
	to.deliver(fault, k.answers...)
}

// checkPeer settles which Peer a packet belongs to; false throws it away.
func (c *Core) checkPeer(k *conn, code simprot.Code, s *subject) bool {
	switch s.peer {
	case k.peer:
	case "":
		c.offend(k, OffencePeerMissing, where(code, *s))
		s.peer = k.peer
	default:
		c.offend(k, OffencePeerWrong, where(code, *s))
		return false
	}
	return true
}

// deliver queues packets as the fault says; the zero Fault queues them once.
func (k *conn) deliver(f Fault, packets ...simprot.Packet) {
	switch f.Kind {
	case FaultDropAfter:
		k.abort(errDropped)
	case FaultNever:
	case FaultLate:
		late := slices.Clone(packets)
		time.AfterFunc(f.Delay, func() { k.push(late...) }) // after the connection's end it does nothing
	case FaultTwice:
		k.push(packets...)
		k.push(packets...)
	default:
		k.push(packets...)
	}
}

// handle checks a packet against the rules all share and hands it on.
func (c *Core) handle(r *request, p simprot.Packet) {
	checkFields(p, *r.subject, r.offend)
	if !c.knownPort(r.subject.port) {
		r.offend(OffencePortUnknown)
	}
	if c.opts.Asks && isQuestion(p.Code) && p.Extras.Ask == "" {
		r.offend(OffenceAskMissing)
	}
	if !r.conn.claimed[r.addr.Port] && !unclaimedMay(p) && !r.isStrayNote(p) {
		r.offend(OffenceBeforeResync)
	}
	var err error
	switch v := p.Payload.(type) {
	case *simprot.ChatSentenceInfo:
		err = c.sentence(r, v)
	case *simprot.ChatServiceInfo:
		if p.Code == simprot.CodeChatRequest {
			c.request(r)
		} else {
			err = c.start(r, v)
		}
	case *simprot.ChatStatusInfo:
		err = c.status(r, v)
	case *simprot.ChatCommandInfo:
		err = c.command(r, v)
	}
	if err != nil {
		// What cannot be stored is not answered: the gateway keeps it.
		r.conn.answers = r.conn.answers[:0]
		c.log.Error("store", "code", string(r.code), "error", err)
	}
}

// unclaimedMay tells what any connection may send: only the owner of a Port
// sends RESYNC, and others may ask STATUS all the same.
func unclaimedMay(p simprot.Packet) bool {
	return p.Code == simprot.CodeChatResync || p.Code == simprot.CodeChatStatusAsk
}

// isStrayNote reports a note about a sentence for a Port that no gateway has:
// nobody could have claimed it.
func (r *request) isStrayNote(p simprot.Packet) bool {
	s, ok := p.Payload.(*simprot.ChatSentenceInfo)
	return ok && s.Model == simprot.ModelTechNote && (r.port.claim == nil || r.port.claim.gone.Load())
}

func (c *Core) command(r *request, v *simprot.ChatCommandInfo) error {
	switch r.code {
	case simprot.CodeChatResync:
		return c.resync(r, v)
	case simprot.CodeChatConfirmIn:
		return c.confirm(r, v)
	case simprot.CodeChatStop:
		return c.stop(r)
	case simprot.CodeChatTypingIn:
		return c.customerTypes(r, v)
	default:
		return nil
	}
}

// behindFence reports, and counts, that the packet is thrown away because
// another connection claimed the Port.
func (c *Core) behindFence(r *request) bool {
	inFront := r.port.claim == nil || r.port.claim == r.conn
	if !c.opts.Fences || c.broken[RuleFence] || (inFront && !r.conn.fenced[r.addr.Port]) {
		return false
	}
	c.fenced.Add(1)
	return true
}

func (c *Core) request(r *request) {
	signal := simprot.SignalHidden
	if c.knownPort(r.addr.Port) {
		signal = c.Signal(r.addr.Port)
	}
	r.port.requested, r.port.answered = c.opts.Clock(), signal
	r.answer(simprot.CodeChatResponse, &simprot.ChatServiceInfo{
		Peer: r.addr.Peer, Port: r.addr.Port, TrackingId: r.addr.TrackingID, Signal: signal,
	}, false)
}

func (c *Core) start(r *request, v *simprot.ChatServiceInfo) error {
	if c.behindFence(r) {
		return nil
	}
	chat, err := c.store.Latest(r.addr)
	if err != nil && !errors.Is(err, ErrNoChat) {
		return err
	}
	closed := err == nil && chat.Status.Closed() && !c.broken[RuleReopen]
	if err != nil || closed || c.broken[RuleOneChat] {
		if !c.knownPort(r.addr.Port) || r.addr.TrackingID == "" {
			r.answer(simprot.CodeChatStatus, c.unknownChat(r.addr), false)
			return nil
		}
		if chat, err = c.open(r, v); err != nil {
			return err
		}
	}
	return c.answerStatus(r, chat, 0)
}

// open takes over the chat an agent prepared, or makes a new one.
func (c *Core) open(r *request, v *simprot.ChatServiceInfo) (Chat, error) {
	now := c.opts.Clock()
	if r.port.requested.IsZero() || now.Sub(r.port.requested) > requestFresh {
		r.offend(OffenceStartWithoutRequest)
	} else if !r.port.answered.Accepts() {
		r.offend(OffenceStartWhileClosed)
	}
	fill := func(chat *Chat) {
		chat.TrackingID = r.addr.TrackingID
		chat.PartyName, chat.RemoteAddress = v.PartyName, v.RemoteAddress
		chat.UserToken, chat.Culture = v.UserToken, v.PreferredCulture
		chat.Updated = now
	}
	if v.ReturnChatId != nil {
		prepared, err := c.store.Chat(*v.ReturnChatId)
		if err == nil && prepared.Address == (Address{Peer: r.addr.Peer, Port: r.addr.Port}) && !prepared.Status.Closed() {
			chat, err := c.store.Update(prepared.ID, fill)
			c.hub.publish(Event{Kind: EventChat, Chat: prepared.ID})
			return chat, err
		}
	}
	chat := Chat{ID: uuid.New(), Address: r.addr, Status: simprot.StatusWaiting, Started: now}
	fill(&chat)
	if err := c.store.Create(chat); err != nil {
		return Chat{}, err
	}
	c.hub.publish(Event{Kind: EventChat, Chat: chat.ID})
	return chat, nil
}

func (c *Core) status(r *request, v *simprot.ChatStatusInfo) error {
	if v.AfterCounter != 0 && v.ChatId == uuid.Nil {
		r.offend(OffenceAfterWithoutChat)
	}
	chat, err := c.store.Latest(r.addr)
	if errors.Is(err, ErrNoChat) {
		if !c.broken[RuleUnknownChat] {
			r.answer(simprot.CodeChatStatus, c.unknownChat(r.addr), false)
		}
		return nil
	}
	if err != nil {
		return err
	}
	after := int32(0)
	if !c.broken[RuleAfterCounter] && (v.ChatId == chat.ID || c.broken[RuleAfterCounterChat]) {
		after = v.AfterCounter
	}
	return c.answerStatus(r, chat, after)
}

func (c *Core) sentence(r *request, s *simprot.ChatSentenceInfo) error {
	if c.behindFence(r) {
		return nil
	}
	chat, err := c.store.Latest(r.addr)
	if errors.Is(err, ErrNoChat) {
		r.offend(OffenceSentenceWithoutStart)
		unknown := c.unknownChat(r.addr)
		unknown.Sentences = nil
		r.answer(simprot.CodeChatStatus, unknown, false)
		return nil
	}
	if err != nil {
		return err
	}
	if chat.Status.Closed() && !c.broken[RuleClosedChat] {
		if !c.broken[RuleClosedNews] {
			r.answer(simprot.CodeChatStatus, c.news(chat), false)
		}
		return nil
	}
	s.Peer, s.Port = r.addr.Peer, r.addr.Port
	s.IsOutbound, s.ConfirmedTime = false, nil
	s.ChatId = chat.ID
	until := s.ReplyUntil // for the agent now, not part of the conversation
	s.ReplyUntil = nil
	c.spoil(s)
	if c.broken[RuleStored] {
		s.Counter = chat.Counter + 1
		r.answer(simprot.CodeChatSentence, s, false)
		return nil
	}
	if err := c.renamed(chat, s); err != nil {
		return err
	}
	_, before, err := c.store.Append(chat.ID, s, c.opts.Clock())
	if err != nil {
		return err
	}
	if before > 0 {
		r.offend(OffenceSentenceRepeated)
		if err := c.repeat(r, chat, s); err != nil {
			return err
		}
	}
	c.taken.Add(1)
	if s.Model == simprot.ModelTechNote {
		r.port.awaited.noted(r.addr.TrackingID, s.ID)
	}
	delete(r.port.typing, chat.ID)
	if until != nil {
		r.port.until[chat.ID] = *until
	}
	r.answer(simprot.CodeChatSentence, c.echo(s), false)
	c.hub.publish(Event{Kind: EventSentence, Chat: chat.ID, Sentence: s})
	return nil
}

// renamed has the chat go by the name of its customer's latest sentence: a gateway may
// learn it only after START. Who listens hears of it with the sentence.
func (c *Core) renamed(chat Chat, s *simprot.ChatSentenceInfo) error {
	if s.Model != simprot.ModelSentence || s.PartyName == "" || s.PartyName == chat.PartyName {
		return nil
	}
	_, err := c.store.Update(chat.ID, func(v *Chat) { v.PartyName = s.PartyName })
	return err
}

func (c *Core) confirm(r *request, v *simprot.ChatCommandInfo) error {
	at := c.opts.Clock()
	if v.TimeStamp != nil {
		at = *v.TimeStamp
	}
	chat, s, err := c.store.Confirm(r.addr, v.ID, at)
	switch {
	case errors.Is(err, ErrNoSentence):
		if !c.mayHaveForgotten(r.addr) {
			r.offend(OffenceConfirmUnknown)
		}
		return nil
	case errors.Is(err, ErrInbound):
		r.offend(OffenceConfirmInbound)
		return nil
	case err != nil:
		return err
	}
	r.port.awaited.settle(r.addr.TrackingID, v.ID)
	c.hub.publish(Event{Kind: EventConfirmed, Chat: chat.ID, Sentence: s})
	return nil
}

// mayHaveForgotten reports that a sentence which is not there may have been
// said before this core lost its data: it was restarted without them, or it has
// no chat at all of this conversation, as a core in a new process with an empty
// store.
func (c *Core) mayHaveForgotten(a Address) bool {
	if c.forgot.Load() {
		return true
	}
	_, err := c.store.Latest(a)
	return errors.Is(err, ErrNoChat)
}

func (c *Core) stop(r *request) error {
	chat, err := c.store.Latest(r.addr)
	if errors.Is(err, ErrNoChat) {
		r.offend(OffenceStopUnknown)
		return nil
	}
	if err != nil || chat.Status.Closed() {
		return err
	}
	return c.end(r.port, chat.ID, simprot.StatusClosedByExtApp)
}

func (c *Core) customerTypes(r *request, v *simprot.ChatCommandInfo) error {
	if v.IsTyping == nil {
		r.offend(OffenceTypingMissing)
		return nil
	}
	chat, err := c.store.Latest(r.addr)
	if errors.Is(err, ErrNoChat) || (err == nil && chat.Status.Closed()) {
		return nil
	}
	if err != nil {
		return err
	}
	if *v.IsTyping {
		r.port.typing[chat.ID] = c.opts.Clock().Add(typingLapse)
	} else {
		delete(r.port.typing, chat.ID)
	}
	c.hub.publish(Event{Kind: EventTyping, Chat: chat.ID})
	return nil
}
