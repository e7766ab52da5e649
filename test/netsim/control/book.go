package control

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Bounds of a Book.
const (
	maxChats    = 20_000 // of all accounts together
	maxMessages = 500    // of one chat; the oldest are forgotten
)

// typingLasts is how long most networks show that somebody is typing.
const typingLasts = 5 * time.Second

// Book keeps the conversations of one network as its customers see them. Its
// zero value is ready.
type Book struct {
	mu    sync.Mutex
	pages map[pageKey]*page
	order []pageKey
}

type pageKey struct {
	account string
	chat    ID
}

type page struct {
	info        ChatInfo
	conv        Conversation
	typingUntil time.Time
	changed     chan struct{} // closed at the next change; nil = nobody waits
}

// Open makes the conversation known; name and kind may change later.
func (b *Book) Open(account string, info ChatInfo) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.page(account, info.Chat)
	if err != nil {
		return err
	}
	p.info = info
	return nil
}

// Change lets fn change a conversation, gives it a new version and wakes those
// who wait for it.
func (b *Book) Change(account string, chat ID, fn func(c *Conversation)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.page(account, chat)
	if err != nil {
		return err
	}
	fn(&p.conv)
	if over := len(p.conv.Messages) - maxMessages; over > 0 {
		p.conv.Messages = slices.Delete(p.conv.Messages, 0, over)
	}
	p.bump()
	return nil
}

// Add appends a message. One of the agent's ends the typing.
func (b *Book) Add(account string, chat ID, m Message) error {
	if m.At.IsZero() {
		m.At = time.Now()
	}
	return b.Change(account, chat, func(c *Conversation) {
		if m.From == FromAgent {
			c.Typing = false
		}
		c.Messages = append(c.Messages, m)
	})
}

// ChangeMessage lets fn change one message; ErrUnknown when it is not there.
func (b *Book) ChangeMessage(account string, chat, id ID, fn func(m *Message)) error {
	found := false
	err := b.Change(account, chat, func(c *Conversation) {
		for i := range c.Messages {
			if c.Messages[i].ID == id {
				fn(&c.Messages[i])
				found = true
			}
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("message %s: %w", id, ErrUnknown)
	}
	return err
}

// Typing shows for five seconds that the agent is typing.
func (b *Book) Typing(account string, chat ID) error { return b.TypingFor(account, chat, typingLasts) }

// TypingFor shows for d, or until a message comes, that the agent is typing.
func (b *Book) TypingFor(account string, chat ID, d time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.page(account, chat)
	if err != nil {
		return err
	}
	p.typingUntil = time.Now().Add(d)
	p.conv.Typing = true
	p.bump()
	return nil
}

// Chat implements Network.Chat.
func (b *Book) Chat(ctx context.Context, account string, chat ID, after int64) (Conversation, error) {
	for {
		b.mu.Lock()
		p, err := b.page(account, chat)
		if err != nil {
			b.mu.Unlock()
			return Conversation{}, err
		}
		p.settle()
		if p.conv.Version > after || ctx.Err() != nil {
			defer b.mu.Unlock()
			return p.conv.clone(), nil
		}
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		var calm <-chan time.Time // the end of the typing is a change as well
		if p.conv.Typing {
			calm = time.After(time.Until(p.typingUntil))
		}
		b.mu.Unlock()
		select {
		case <-changed:
		case <-calm:
		case <-ctx.Done():
		}
	}
}

// Chats implements Network.Chats.
func (b *Book) Chats(account string) ([]ChatInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := []ChatInfo{}
	for _, key := range b.order {
		if key.account == account {
			info := b.pages[key].info
			info.Version = b.pages[key].conv.Version
			list = append(list, info)
		}
	}
	return list, nil
}

func (b *Book) page(account string, chat ID) (*page, error) {
	key := pageKey{account, chat}
	if p := b.pages[key]; p != nil {
		return p, nil
	}
	if len(b.pages) >= maxChats {
		return nil, fmt.Errorf("%w: %d chats", ErrFull, maxChats)
	}
	if b.pages == nil {
		b.pages = map[pageKey]*page{}
	}
	p := &page{info: ChatInfo{Chat: chat, Type: "private"}, conv: Conversation{Messages: []Message{}}}
	b.pages[key] = p
	b.order = append(b.order, key)
	return p, nil
}

// settle ends a typing that has run out.
func (p *page) settle() {
	if p.conv.Typing && !time.Now().Before(p.typingUntil) {
		p.conv.Typing = false
		p.bump()
	}
}

func (p *page) bump() {
	p.conv.Version++
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

func (c Conversation) clone() Conversation {
	c.Messages = slices.Clone(c.Messages)
	for i := range c.Messages {
		c.Messages[i].Reactions = slices.Clone(c.Messages[i].Reactions)
	}
	return c
}
