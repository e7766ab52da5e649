package refcore

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

const (
	// gather is how long changes are collected before the browser hears of
	// them: a load test must not drown it.
	gather = 150 * time.Millisecond
	// keepOpen is how often an idle stream says something, for proxies.
	keepOpen = 15 * time.Second
	// writeLimit ends a stream nobody reads.
	writeLimit = 10 * time.Second
)

// update is one message of GET /events. All is set in the first one and
// whenever changes were lost: then Chats is every chat, otherwise those that
// changed.
type update struct {
	All      bool          `json:"all"`
	Chats    []summary     `json:"chats"`
	Signal   signalView    `json:"signal"`
	Stats    Stats         `json:"stats"`
	Offences OffenceReport `json:"offences"`
}

// stream sends updates as Server-Sent Events until the browser leaves or the
// Core is closed.
func (c *Core) stream(w http.ResponseWriter, r *http.Request) {
	sub := c.Subscribe(1024)
	defer sub.Cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	changed := map[uuid.UUID]bool{}
	all := true
	send := time.NewTimer(0)
	defer send.Stop()
	idle := time.NewTicker(keepOpen)
	defer idle.Stop()
	pending := true
	for {
		message := []byte(": open\n\n")
		select {
		case <-r.Context().Done():
			return
		case e, open := <-sub.C:
			if !open {
				return
			}
			all = all || e.Kind == EventReset
			changed[e.Chat] = true
			if !pending {
				send.Reset(gather)
				pending = true
			}
			continue
		case <-idle.C:
		case <-send.C:
			var err error
			if message, err = c.updateMessage(all || sub.Lost(), changed); err != nil {
				c.log.Error("console", "error", err)
				return
			}
			all, pending = false, false
			clear(changed)
		}
		_ = out.SetWriteDeadline(c.opts.Clock().Add(writeLimit)) // not every server has one
		if _, err := w.Write(message); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
	}
}

// updateMessage renders the changes as one event.
func (c *Core) updateMessage(all bool, changed map[uuid.UUID]bool) ([]byte, error) {
	u := update{All: all, Chats: []summary{}, Signal: c.signalView(), Stats: c.Stats(), Offences: c.Offences()}
	if all {
		var err error
		if u.Chats, err = c.summaries(); err != nil {
			return nil, err
		}
	} else {
		for id := range changed {
			if chat, err := c.store.Chat(id); err == nil { // zero and forgotten ones are not there
				u.Chats = append(u.Chats, c.summary(c.state(chat)))
			}
		}
	}
	data, err := json.Marshal(u)
	if err != nil {
		return nil, fmt.Errorf("refcore: console update: %w", err)
	}
	return fmt.Appendf(nil, "data: %s\n\n", data), nil
}
