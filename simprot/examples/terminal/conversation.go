package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"servicelink/simprot"
)

const (
	echoTime = 20 * time.Second // SPEC.md 7.3
	holdTime = 30 * time.Second // between two questions to a core that is closed (7.1)
	again    = 5 * time.Second  // after a question without answer
)

// conversation is one customer's. Its loop alone touches the fields; the
// client's callbacks only leave events.
type conversation struct {
	port, tracking, name string
	out                  io.Writer
	events               chan event

	session *simprot.Session // nil: no connection
	settled bool             // since this connection's RESYNC and STATUS nothing is in doubt
	open    bool             // there is a chat
	chat    uuid.UUID
	last    int32               // highest Counter seen in it
	there   map[string]bool     // our sentences that the core is known to have
	shown   map[string]struct{} // agents' sentences that were shown: ID and text

	outbox  []*simprot.ChatSentenceInfo // one is sent after the other's echo
	written bool                        // the first of them was sent, and may be there
	waiting bool                        // for its echo
	seen    int32                       // last, when it was written first
	pause   time.Time                   // nothing is done before
	timer   *time.Timer
	bye     bool // the chat is to be ended
}

// event is what a callback left: a packet, or the beginning or end of a session.
type event struct {
	session *simprot.Session
	packet  simprot.Packet
	ended   bool
}

func newConversation(out io.Writer) *conversation {
	c := &conversation{
		out: out, events: make(chan event, 1024), there: map[string]bool{}, shown: map[string]struct{}{},
		timer: time.NewTimer(time.Hour),
	}
	c.timer.Stop()
	return c
}

func (c *conversation) up(s *simprot.Session) { c.leave(event{session: s}) }
func (c *conversation) packet(s *simprot.Session, p simprot.Packet) {
	c.leave(event{session: s, packet: p})
}
func (c *conversation) down(s *simprot.Session, _ error) { c.leave(event{session: s, ended: true}) }

// leave must not block. What does not fit is not lost: the next connection
// begins with a question for all there is.
func (c *conversation) leave(e event) {
	select {
	case c.events <- e:
	default:
		e.session.Abort(errors.New("too much at a time"))
	}
}

// run is the loop. It ends when everything typed is said and no more can come.
func (c *conversation) run(ctx context.Context, typed <-chan string) {
	defer c.timer.Stop()
	for ctx.Err() == nil {
		c.step(ctx)
		if typed == nil && len(c.outbox) == 0 && !c.bye {
			return
		}
		select {
		case text, more := <-typed:
			switch {
			case !more:
				typed = nil
			case text == "/bye":
				typed, c.bye = nil, true
			default:
				c.outbox = append(c.outbox, c.sentence(text))
			}
		case e := <-c.events:
			c.take(ctx, e)
		case <-c.timer.C:
			if c.waiting { // for too long: in doubt
				c.waiting, c.settled = false, false
				c.session.Ping()
			}
		case <-ctx.Done():
		}
	}
}

func (c *conversation) say(format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' ' // nothing an agent writes steers a terminal
	}, fmt.Sprintf(format, args...))
	_, _ = fmt.Fprintln(c.out, text)
}

func (c *conversation) sentence(text string) *simprot.ChatSentenceInfo {
	return &simprot.ChatSentenceInfo{
		Port: c.port, TrackingId: c.tracking, ID: "terminal:" + uuid.NewString(),
		PartyName: simprot.Truncate(c.name, simprot.MaxPartyName), Text: text, TimeSent: time.Now(),
	}
}

// step does what can be done without waiting for more than answers.
func (c *conversation) step(ctx context.Context) {
	for c.session != nil && !c.waiting && !time.Now().Before(c.pause) && c.advance(ctx) {
	}
}

// advance does one thing; false: there is nothing to do now.
func (c *conversation) advance(ctx context.Context) bool {
	switch {
	case !c.settled:
		return c.settle(ctx) || c.later(again)
	case len(c.outbox) == 0:
		if c.bye && c.open {
			_ = c.session.Send(simprot.CodeChatStop, c.command(""), nil)
		}
		c.bye = false
		return false
	case c.there[c.outbox[0].ID]:
		c.next()
		return true
	case !c.open:
		return c.start(ctx)
	}
	if !c.written {
		c.written, c.seen = true, c.last
	}
	c.waiting = true
	c.timer.Reset(echoTime)
	_ = c.session.Send(simprot.CodeChatSentenceIn, c.outbox[0], nil) // an error is followed by down
	return false
}

// next turns to the next thing typed.
func (c *conversation) next() { c.outbox, c.written, c.waiting = c.outbox[1:], false, false }

// later puts everything off. It is false, as there is nothing to do now.
func (c *conversation) later(wait time.Duration) bool {
	c.pause = time.Now().Add(wait)
	c.timer.Reset(wait)
	return false
}

func (c *conversation) command(id string) *simprot.ChatCommandInfo {
	now := time.Now()
	return &simprot.ChatCommandInfo{Port: c.port, TrackingId: c.tracking, ID: id, TimeStamp: &now}
}

func (c *conversation) service() *simprot.ChatServiceInfo {
	return &simprot.ChatServiceInfo{Port: c.port, TrackingId: c.tracking, PartyName: simprot.Truncate(c.name, simprot.MaxPartyName)}
}
