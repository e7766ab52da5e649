package graph

import (
	"encoding/json"
	"fmt"
	"time"

	"servicelink/test/netsim/control"
)

// Inject implements control.Network: event is a JSON object. With the member "entry"
// it is a whole body; with the one member "standby" or "changes" an item of that array
// of the page's entry; any other is an item of "messaging". It is brought whatever the
// page is subscribed to, and not shown; a customer it comes from may be written to.
func (s *Server) Inject(account string, raw []byte) error {
	p, err := s.page(account)
	if err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return fmt.Errorf("%w: an event is a JSON object", control.ErrAction)
	}
	e := &event{page: p, kind: kindInjected, array: "messaging", item: raw, done: make(chan struct{})}
	for _, array := range []string{"standby", "changes"} {
		if item, ok := members[array]; ok && len(members) == 1 {
			e.array, e.item = array, item
		}
	}
	if _, whole := members["entry"]; whole {
		e.array = ""
	}
	var item struct {
		Sender struct {
			ID control.ID `json:"id"`
		} `json:"sender"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if json.Unmarshal(e.item, &item) == nil && numeric.MatchString(string(item.Sender.ID)) && string(item.Sender.ID) != account {
		who, err := p.person(item.Sender.ID)
		if err != nil {
			return err
		}
		who.wrote = time.Now()
	}
	if p.app.callback == "" {
		return fmt.Errorf("%w: the app has no callback", control.ErrAction)
	}
	s.bringOut(e)
	return nil
}
