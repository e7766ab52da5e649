package telegram

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"servicelink/test/netsim/control"
)

// Inject implements control.Network: event is an Update; an update_id in it is
// replaced. It may be of a kind or shape that no documentation knows. A chat, a
// message or a press that can be made out in it is known from then on, so that
// the bot can answer.
func (n *Network) Inject(account string, event []byte) error {
	b, err := n.find(account)
	if err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(event, &members); err != nil || members == nil {
		return fmt.Errorf("%w: an Update is a JSON object", control.ErrAction)
	}
	delete(members, "update_id")
	kind := ""
	if kinds := slices.Sorted(maps.Keys(members)); len(kinds) > 0 {
		kind = kinds[0]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learn(kind, members[kind])
	b.deliverRaw(kind, members, time.Now())
	return nil
}

// learn takes from an injected event what the bot may refer to later.
func (b *bot) learn(kind string, raw json.RawMessage) {
	var press callbackQuery
	if kind == "callback_query" && json.Unmarshal(raw, &press) == nil {
		if press.Message != nil {
			b.learnMessage(press.Message)
		}
		b.addCallback(press.ID, 0)
		return
	}
	var m message
	if json.Unmarshal(raw, &m) == nil {
		b.learnMessage(&m)
	}
}

func (b *bot) learnMessage(m *message) {
	known := []string{private, group, supergroup, channel}
	if m.Chat.ID == 0 || !slices.Contains(known, m.Chat.Type) {
		return
	}
	c, err := b.open(m.Chat)
	if err != nil || m.MessageID <= 0 || c.find(m.MessageID) != nil {
		return
	}
	c.last = max(c.last, m.MessageID)
	if m.ThreadID != 0 {
		c.threads[m.ThreadID] = true
	}
	m.mine = m.From != nil && m.From.ID == b.self.ID
	c.add(m)
	b.show(c, m)
}
