package gateway

import (
	"context"
	"sync"
	"time"

	"servicelink/connectors"
	"servicelink/simprot"
)

const (
	// typingLapse ends a "true" that no "false" followed.
	typingLapse = 30 * time.Second
	// typingTimeout bounds one request to the network.
	typingTimeout = 5 * time.Second
)

// typing passes "is writing" on, both ways. It is never queued and never
// retried: a word that comes while the last is still being said is dropped.
type typing struct {
	g    *Gateway
	mu   sync.Mutex
	now  map[convKey]*time.Timer // agents who are writing, until they lapse
	busy map[convKey]bool        // requests under way
}

func newTyping(g *Gateway) *typing {
	return &typing{g: g, now: make(map[convKey]*time.Timer), busy: make(map[convKey]bool)}
}

// fromNetwork tells the core that the customer is writing, if a chat is open.
func (t *typing) fromNetwork(ch *channel, tracking string, on bool) {
	s := ch.port.current()
	c := t.g.convs.find(ch, tracking)
	if s == nil || c == nil {
		return
	}
	c.mu.Lock()
	open := c.openOn(s)
	c.mu.Unlock()
	if !open {
		return
	}
	cmd := ch.command(tracking)
	cmd.IsTyping = &on
	_ = s.Send(simprot.CodeChatTypingIn, cmd, nil) // lost with the link, as it should be
}

// fromCore shows the customer that the agent is writing.
func (t *typing) fromCore(ch *channel, cmd *simprot.ChatCommandInfo) {
	typer, ok := ch.conn.(connectors.Typer)
	if !ok || !ch.caps.Typing {
		return
	}
	on := cmd.IsTyping != nil && *cmd.IsTyping
	key := convKey{ch, cmd.TrackingId}
	t.mu.Lock()
	defer t.mu.Unlock()
	if timer := t.now[key]; timer != nil {
		timer.Stop()
		delete(t.now, key)
	}
	if on {
		t.now[key] = time.AfterFunc(typingLapse, func() { t.ends(typer, key) })
	}
	t.say(typer, key, on)
}

func (t *typing) ends(typer connectors.Typer, key convKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, on := t.now[key]; !on {
		return
	}
	delete(t.now, key)
	t.say(typer, key, false)
}

// lapse ends all typing, because the link is gone.
func (t *typing) lapse() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, timer := range t.now {
		timer.Stop()
		delete(t.now, key)
		if typer, ok := key.ch.conn.(connectors.Typer); ok {
			t.say(typer, key, false)
		}
	}
}

// forget ends what is shown of a channel that is retired; there is nobody left
// to say so.
func (t *typing) forget(ch *channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, timer := range t.now {
		if key.ch == ch {
			timer.Stop()
			delete(t.now, key)
		}
	}
}

// latestOf is the network's id of what the agent is answering, as far as known.
func (g *Gateway) latestOf(key convKey) string {
	c := g.convs.find(key.ch, key.tracking)
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

// say makes the request, unless one for the conversation is under way. t.mu
// is held.
func (t *typing) say(typer connectors.Typer, key convKey, on bool) {
	if t.busy[key] || key.ch.limits.isHeld() {
		return
	}
	t.busy[key] = key.ch.life.spawn(func() {
		ctx, cancel := context.WithTimeout(key.ch.life.lanes, typingTimeout)
		defer cancel()
		if err := typer.Typing(ctx, key.ch.address(key.tracking, ""), t.g.latestOf(key), on); err != nil {
			key.ch.log.Debug("typing was not shown", "reason", string(connectors.AsSendError(err).Reason))
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.busy, key)
	})
	if !t.busy[key] {
		delete(t.busy, key)
	}
}

// markRead sets the network's read mark: the agent's side has a message.
func (t *typing) markRead(ch *channel, cmd *simprot.ChatCommandInfo) {
	marker, ok := ch.conn.(connectors.ReadMarker)
	if !ok || !ch.caps.ReadMark || cmd.ID == "" || ch.limits.isHeld() {
		return
	}
	ch.life.spawn(func() {
		ctx, cancel := context.WithTimeout(ch.life.lanes, typingTimeout)
		defer cancel()
		id, _, err := t.g.networkID(ctx, ch, cmd.TrackingId, cmd.ID)
		if err != nil || id == "" {
			return // nobody reads of it: a mark is a courtesy
		}
		if err := marker.MarkRead(ctx, ch.address(cmd.TrackingId, ""), id); err != nil {
			ch.log.Debug("read mark was not set", "reason", string(connectors.AsSendError(err).Reason))
		}
	})
}
