package corecheck

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// conv is one conversation of this run.
type conv struct {
	tracking string
	party    string
	chat     uuid.UUID // of the answer to the last START
	status   *simprot.ChatStatusInfo
}

// newConv names a conversation that never was.
func (r *run) newConv() *conv {
	return &conv{tracking: fmt.Sprintf("corecheck:%s.%d", r.tag, r.number()), party: "core check"}
}

func (r *run) newID() string { return fmt.Sprintf("cc.%s.%d", r.tag, r.number()) }

// fresh is a new connection that has claimed the Port.
func (r *run) fresh(ctx context.Context, change func(*simprot.Login)) (*link, error) {
	l, err := r.connect(ctx, change)
	if err != nil {
		return nil, err
	}
	_, err = l.resync(ctx)
	return l, err
}

// freshChat is a new connection that has claimed the Port, and an open chat.
func (r *run) freshChat(ctx context.Context, change func(*simprot.Login)) (*link, *conv, error) {
	l, err := r.fresh(ctx, change)
	if err != nil {
		return nil, nil, err
	}
	c := r.newConv()
	return l, c, l.open(ctx, c)
}

// question is a packet that has an answer.
type question struct {
	code, answer simprot.Code
	tracking     string
	payload      simprot.Payload
	rule         string // that is broken by silence
}

// ask asks and returns the answer. Silence breaks the question's rule and is
// an error.
func (l *link) ask(ctx context.Context, q question) (*received, error) {
	token := fmt.Sprintf("%s-%d", l.r.tag, l.r.number())
	err := l.send(simprot.Packet{Code: q.code, Payload: q.payload, Extras: simprot.Extras{Ask: token}})
	var got *received
	if err == nil {
		got = l.answerTo(ctx, q, token)
	}
	if got == nil {
		l.r.book.judge(q.rule, false, "%s stayed unanswered: %s", q.code, l.state())
		return nil, fmt.Errorf("%s stayed unanswered", q.code)
	}
	if l.welcome.Asks {
		l.r.book.judge("asks", got.p.Extras.Ask == token, "%s with Ask %q", q.code, masked(got.p.Extras.Ask, token))
	}
	return got, nil
}

// answerTo waits for the answer. Where the core mirrors Ask, that decides;
// else the first packet that can be it, for STATUS one with Sentences.
func (l *link) answerTo(ctx context.Context, q question, token string) *received {
	fits := func(p *received) bool {
		if p.code != q.answer || p.p.Extras.Ask != "" {
			return false
		}
		tracking := q.tracking
		if s := p.status(); s != nil {
			tracking = s.TrackingId
		}
		return strings.EqualFold(tracking, q.tracking)
	}
	sure := func(p *received) bool { return fits(p) && (p.status() == nil || p.status().Sentences != nil) }
	if l.welcome.Asks && !l.r.book.is("asks", Broken) {
		sure = func(p *received) bool { return p.code == q.answer && p.p.Extras.Ask == token }
	}
	if got := l.wait(ctx, sure); got != nil {
		return got
	}
	got, _ := l.r.inbox.find(func(p *received) bool { return p.link == l && fits(p) })
	return got
}

// resync claims the Port and returns the list, all its frames together.
func (l *link) resync(ctx context.Context) (simprot.ChatStatusList, error) {
	got, err := l.ask(ctx, question{
		code: simprot.CodeChatResync, answer: simprot.CodeChatList, rule: "answers",
		payload: &simprot.ChatCommandInfo{Peer: l.r.cfg.Peer, Port: l.r.cfg.Port},
	})
	if err != nil {
		return nil, err
	}
	list := got.list()
	for got.p.Extras.More {
		token := got.p.Extras.Ask
		got = l.wait(ctx, func(p *received) bool { return p.code == simprot.CodeChatList && p.p.Extras.Ask == token })
		if got == nil {
			l.r.book.judge("list-more", false, "More, and no further frame: %s", l.state())
			return list, fmt.Errorf("%s did not end", simprot.CodeChatList)
		}
		list = append(list, got.list()...)
	}
	return list, nil
}

// request asks for the Signal.
func (l *link) request(ctx context.Context, c *conv) (*received, error) {
	return l.ask(ctx, question{
		code: simprot.CodeChatRequest, answer: simprot.CodeChatResponse, tracking: c.tracking, rule: "answers",
		payload: &simprot.ChatServiceInfo{Peer: l.r.cfg.Peer, Port: l.r.cfg.Port, TrackingId: c.tracking},
	})
}

// status asks for what the core has of a conversation.
func (l *link) status(ctx context.Context, c *conv) (*simprot.ChatStatusInfo, error) {
	return l.statusAfter(ctx, c, uuid.Nil, 0, "answers")
}

func (l *link) statusAfter(ctx context.Context, c *conv, chat uuid.UUID, after int32, rule string) (*simprot.ChatStatusInfo, error) {
	got, err := l.ask(ctx, question{
		code: simprot.CodeChatStatusAsk, answer: simprot.CodeChatStatus, tracking: c.tracking, rule: rule,
		payload: &simprot.ChatStatusInfo{
			Peer: l.r.cfg.Peer, Port: l.r.cfg.Port, TrackingId: c.tracking, ChatId: chat, AfterCounter: after,
		},
	})
	if err != nil {
		return nil, err
	}
	return got.status(), nil
}

// startPacket is START of a conversation.
func (l *link) startPacket(c *conv) *simprot.ChatServiceInfo {
	return &simprot.ChatServiceInfo{
		Peer: l.r.cfg.Peer, Port: l.r.cfg.Port, TrackingId: c.tracking, PartyName: c.party, RemoteAddress: "core check",
	}
}

// start opens the chat of a conversation, or finds it.
func (l *link) start(ctx context.Context, c *conv) error {
	got, err := l.ask(ctx, question{
		code: simprot.CodeChatStart, answer: simprot.CodeChatStatus, tracking: c.tracking, rule: "answers",
		payload: l.startPacket(c),
	})
	if err != nil {
		return err
	}
	l.r.opened(c)
	c.status = got.status()
	c.chat = c.status.ChatId
	if c.status.Status.Closed() {
		return fmt.Errorf("START was answered %s", c.status.Status)
	}
	return nil
}

// opened remembers what is to be ended.
func (r *run) opened(c *conv) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.convs = append(r.convs, c)
}

// open asks REQUEST, where it is answered, and opens the chat.
func (l *link) open(ctx context.Context, c *conv) error {
	if !l.r.book.is("answers", Broken) {
		if _, err := l.request(ctx, c); err != nil {
			return err
		}
	}
	return l.start(ctx, c)
}

// sentencePacket is a customer's sentence.
func (l *link) sentencePacket(c *conv, id, text string) simprot.Packet {
	return simprot.Packet{Code: simprot.CodeChatSentenceIn, Payload: &simprot.ChatSentenceInfo{
		Peer: l.r.cfg.Peer, Port: l.r.cfg.Port, TrackingId: c.tracking, ID: id, PartyName: c.party, Text: text,
		TimeSent: time.Now().UTC().Truncate(time.Millisecond),
	}}
}

// say sends a sentence and waits for its echo, which is nil when echoes are
// known to be broken. No echo breaks that rule and is an error.
func (l *link) say(ctx context.Context, c *conv, id, text string) (*received, error) {
	if err := l.send(l.sentencePacket(c, id, text)); err != nil {
		return nil, err
	}
	if l.r.book.is("echo", Broken) {
		_, err := l.status(ctx, c) // is answered after the sentence is handled
		return nil, err
	}
	if got := l.wait(ctx, isEcho(id)); got != nil {
		return got, nil
	}
	got, _ := l.r.inbox.find(func(p *received) bool {
		s := p.sentence()
		return p.link == l && s != nil && !s.IsOutbound && strings.EqualFold(s.TrackingId, c.tracking)
	})
	if got == nil {
		l.r.book.judge("echo", false, "no echo: %s", l.state())
		return nil, fmt.Errorf("a sentence got no echo")
	}
	return got, nil
}

func isEcho(id string) func(*received) bool {
	return func(p *received) bool {
		s := p.sentence()
		return p.code == simprot.CodeChatSentence && s != nil && !s.IsOutbound && s.ID == id
	}
}

// commandPacket is STOP or CONFIRM.
func (l *link) commandPacket(code simprot.Code, c *conv, id string) simprot.Packet {
	v := &simprot.ChatCommandInfo{Peer: l.r.cfg.Peer, Port: l.r.cfg.Port, TrackingId: c.tracking, ID: id}
	if id != "" {
		now := time.Now().UTC().Truncate(time.Millisecond)
		v.TimeStamp = &now
	}
	return simprot.Packet{Code: code, Payload: v}
}

// lives reports whether the core still answers on the connection: a ping, a
// question, whichever it answers.
func (l *link) lives(ctx context.Context, c *conv) bool {
	token := l.r.newID()
	ping := simprot.Packet{Code: simprot.CodePing, Payload: &simprot.Ping{Token: token}}
	status := simprot.Packet{
		Code: simprot.CodeChatStatusAsk, Extras: simprot.Extras{Ask: token},
		Payload: &simprot.ChatStatusInfo{Peer: l.r.cfg.Peer, Port: l.r.cfg.Port, TrackingId: c.tracking},
	}
	if l.r.cfg.NoLogin {
		ping = status
	}
	if l.send(ping, status) != nil {
		return false
	}
	return l.wait(ctx, func(p *received) bool {
		pong, ok := p.p.Payload.(*simprot.Ping)
		return (ok && p.code == simprot.CodePong && pong.Token == token) || p.code == simprot.CodeChatStatus
	}) != nil
}

// cleanUp ends the chats of this run.
func (r *run) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*r.cfg.Timeout)
	defer cancel()
	l, err := r.fresh(ctx, nil)
	if err != nil {
		return
	}
	for _, c := range r.convs {
		_ = l.send(l.commandPacket(simprot.CodeChatStop, c, "")) // as far as it goes
	}
	if len(r.convs) > 0 {
		l.lives(ctx, r.convs[0])
	}
}

// find returns the sentence of an ID.
func find(all []*simprot.ChatSentenceInfo, id string) *simprot.ChatSentenceInfo {
	for _, s := range all {
		if s.ID == id {
			return s
		}
	}
	return nil
}
