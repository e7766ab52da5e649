package refcore

import (
	"slices"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// Stats are counts since the start of the Core.
type Stats struct {
	Taken       int64 `json:"taken"`       // sentences taken from gateways
	Said        int64 `json:"said"`        // sentences said by agents
	Fenced      int64 `json:"fenced"`      // START and SENTENCE thrown away behind the fence
	Connections int   `json:"connections"` // gateways connected now
}

// Shown is one inbound sentence as the agent saw it.
type Shown struct {
	ID      string
	Counter int32 // where it first appeared
	Times   int   // how often it is in the chat; 1 is the promise kept
	Model   simprot.Model
}

// Stats returns the counts.
func (c *Core) Stats() Stats {
	c.mu.RLock()
	n := len(c.conns)
	c.mu.RUnlock()
	return Stats{Taken: c.taken.Load(), Said: c.said.Load(), Fenced: c.fenced.Load(), Connections: n}
}

// Offences returns what gateways did wrong, what they owe included.
func (c *Core) Offences() OffenceReport {
	now := c.opts.Clock()
	for _, p := range c.allPorts() {
		p.mu.Lock()
		c.countOverdue(p, now)
		p.mu.Unlock()
	}
	return c.offences.report()
}

// Chats returns every chat, oldest first.
func (c *Core) Chats() ([]ChatState, error) {
	chats, err := c.store.List("", "", true)
	if err != nil {
		return nil, err
	}
	out := make([]ChatState, len(chats))
	for i, chat := range chats {
		out[i] = c.state(chat)
	}
	return out, nil
}

// Chat returns one chat with its sentences in order; ErrNoChat.
func (c *Core) Chat(id uuid.UUID) (ChatState, []*simprot.ChatSentenceInfo, error) {
	chat, err := c.store.Chat(id)
	if err != nil {
		return ChatState{}, nil, err
	}
	sentences, err := c.store.Sentences(id, 0)
	if err != nil {
		return ChatState{}, nil, err
	}
	return c.state(chat), sentences, nil
}

// Find returns the newest chat of a conversation, open or closed; ErrNoChat.
func (c *Core) Find(a Address) (ChatState, error) {
	chat, err := c.store.Latest(a)
	if err != nil {
		return ChatState{}, err
	}
	return c.state(chat), nil
}

// Shown lists the inbound sentences of a chat in the order in which the agent
// saw them first, and how often each was shown.
func (c *Core) Shown(id uuid.UUID) ([]Shown, error) {
	sentences, err := c.store.Sentences(id, 0)
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	var out []Shown
	for _, s := range sentences {
		if s.IsOutbound {
			continue
		}
		if i, seen := at[s.ID]; seen {
			out[i].Times++
			continue
		}
		at[s.ID] = len(out)
		out = append(out, Shown{ID: s.ID, Counter: s.Counter, Times: 1, Model: s.Model})
	}
	return out, nil
}

// Subscribe returns the events from now on. buffer is how many may wait
// unread; further ones are lost (Subscription.Lost), the Core never waits.
func (c *Core) Subscribe(buffer int) *Subscription { return c.hub.subscribe(buffer) }

// AddFault adds a scripted fault; ErrFault.
func (c *Core) AddFault(f Fault) error { return c.faults.add(f) }

// ClearFaults takes every fault back.
func (c *Core) ClearFaults() { c.faults.clear() }

// Faults returns the faults and how often each acted.
func (c *Core) Faults() []FaultState { return c.faults.states() }

// PortNames returns the names of all Ports known so far, sorted.
func (c *Core) PortNames() []string {
	names := slices.Clone(c.opts.Ports)
	for _, p := range c.allPorts() {
		names = append(names, p.key.port)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// state adds what only the Core knows to a stored chat.
func (c *Core) state(chat Chat) ChatState {
	p := c.portOf(portKey{chat.Peer, chat.Port})
	p.mu.Lock()
	defer p.mu.Unlock()
	state := ChatState{Chat: chat, ReplyUntil: p.until[chat.ID], Manifest: p.manifest}
	if until, typing := p.typing[chat.ID]; typing {
		state.CustomerTyping = max(0, until.Sub(c.opts.Clock()))
	}
	return state
}
