package twilio

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"time"

	"servicelink/test/netsim/control"
)

// Inject implements control.Network: event is a JSON object with fields of a
// webhook, each a string or a list of strings. With MessageStatus it is a status
// callback, posted to where those of its MessageSid go, or else to the account's
// status_url. Any other is a customer's message: what is usual is added, unless it
// is null, and it is shown and listed.
func (n *Network) Inject(account string, event []byte) error {
	one, err := n.sender(account)
	if err != nil {
		return err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(event, &raw); err != nil || raw == nil {
		return fmt.Errorf("%w: fields are a JSON object", control.ErrAction)
	}
	in := injected{fields: map[string][]string{}, without: map[string]bool{}}
	for name, value := range raw {
		if err := in.read(name, value); err != nil {
			return err
		}
	}
	if len(in.fields["MessageStatus"]) > 0 {
		return n.injectStatus(one, in)
	}
	return n.injectMessage(one, in)
}

// injected are the fields of a webhook that somebody made up.
type injected struct {
	fields  url.Values
	without map[string]bool // usual ones that are left out
}

func (in *injected) read(name string, raw json.RawMessage) error {
	var one string
	var list []string
	switch {
	case string(raw) == "null":
		in.without[name] = true
	case json.Unmarshal(raw, &one) == nil:
		in.fields[name] = []string{one}
	case json.Unmarshal(raw, &list) == nil:
		in.fields[name] = list
	default:
		return fmt.Errorf("%w: a field is a string or a list of strings", control.ErrAction)
	}
	return nil
}

// over lays the fields over what is usual.
func (in *injected) over(usual map[string]string) []byte {
	all := form(usual)
	for name := range in.without {
		all.Del(name)
	}
	maps.Copy(all, in.fields)
	return []byte(all.Encode())
}

func (n *Network) injectStatus(one *sender, in injected) error {
	sid := in.fields.Get("MessageSid")
	n.server.mu.Lock()
	to, usual := one.status, map[string]string{"AccountSid": one.tenant.sid, "ApiVersion": "2010-04-01"}
	if m := one.tenant.byID[sid]; m != nil {
		to, usual = m.callback, n.callback(m)
	}
	n.server.mu.Unlock()
	n.post(hookStatus, n.statuses, control.Call{
		Account: one.Account.Account, Chat: control.ID(sid), Body: in.over(usual),
	}, to)
	return nil
}

func (n *Network) injectMessage(one *sender, in injected) error {
	chat := address(control.ID(in.fields.Get("From")))
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	p, err := one.person(chat)
	if err != nil {
		return err
	}
	cu := &customer{
		n: n, one: one, person: p, now: time.Now(), fields: map[string]string{},
		Action: control.Action{Chat: chat, User: control.User{FirstName: in.fields.Get("ProfileName")}},
		shown:  control.Message{Kind: "text", Text: in.fields.Get("Body")},
	}
	cu.learn()
	if sid := in.fields.Get("MessageSid"); sid != "" {
		cu.fields["MessageSid"] = sid
	}
	cu.fields["Body"] = in.fields.Get("Body")
	cu.made = &in
	_, err = cu.say()
	return err
}
