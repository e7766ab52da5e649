package refcore

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// gatewayView is a gateway of the register as /api/gateways shows it.
type gatewayView struct {
	simprot.GatewayInfo
	// AskedBy is the instance that last asked for its address and is connected.
	AskedBy string `json:"asked_by,omitempty"`
}

func (c *Core) gatewaysView() []gatewayView {
	d := c.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]gatewayView, len(d.gateways))
	for i, g := range d.gateways {
		out[i].GatewayInfo = *g
		if k := d.asked[g.PeerAddress]; k != nil && !k.gone.Load() {
			out[i].AskedBy = k.instance
		}
	}
	return out
}

func (c *Core) apiSetGateways(q struct {
	Gateways []gatewayView `json:"gateways"` // AskedBy is ignored
},
) (any, error) {
	list := make(simprot.GatewayList, len(q.Gateways))
	for i := range q.Gateways {
		list[i] = &q.Gateways[i].GatewayInfo
	}
	if err := c.SetGateways(list); err != nil {
		return nil, err
	}
	return c.gatewaysView(), nil
}

// apiMessages lists messages: of one gateway, of one thread, of those that came after
// a time; without their bodies unless full is asked for.
func (c *Core) apiMessages(r *http.Request) (any, error) {
	q := r.URL.Query()
	var gateway, thread uuid.UUID
	var since time.Time
	for name, to := range map[string]*uuid.UUID{"gateway": &gateway, "thread": &thread} {
		if text := q.Get(name); text != "" {
			if err := to.UnmarshalText([]byte(text)); err != nil {
				return nil, badRequest(name + " is a GUID")
			}
		}
	}
	if text := q.Get("since"); text != "" {
		if err := since.UnmarshalText([]byte(text)); err != nil {
			return nil, badRequest("since is a time, RFC 3339")
		}
	}
	out := []Message{}
	for _, m := range c.Messages() {
		if gateway != uuid.Nil && m.Content.GatewayId != gateway || thread != uuid.Nil && m.Thread != thread || m.At.Before(since) {
			continue
		}
		if !q.Has("full") {
			m.Content.BodyHtml, m.Content.BodyText = "", ""
		}
		out = append(out, m)
	}
	return out, nil
}

func (c *Core) apiMessage(r *http.Request) (any, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return nil, badRequest("the message's id is a GUID")
	}
	return c.Message(id)
}

func (c *Core) apiSend(m simprot.MessageContentInfo) (any, error) {
	id, err := c.SendMessage(m)
	return map[string]string{"id": id.String()}, err
}

func (c *Core) apiResend(w http.ResponseWriter, r *http.Request) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		reply(w, nil, badRequest("the message's id is a GUID"))
		return
	}
	post(func(struct{}) (any, error) { return done, c.ResendMessage(id) })(w, r)
}
