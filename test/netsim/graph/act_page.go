package graph

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"servicelink/test/netsim/control"
)

// inboxApp is the app that the page's inbox is to others.
const inboxApp = "263902037430900"

// stand gives the thread to another app, or back.
func (cu *customer) stand() (control.ID, error) {
	ours, inbox := map[string]any{"new_owner_app_id": cu.p.app.id, "metadata": ""}, map[string]any{"previous_owner_app_id": cu.p.app.id, "metadata": ""}
	member, v := "take_thread_control", inbox
	switch cu.Data {
	case "by", "refuse":
		cu.who.standby, cu.who.refuses = true, cu.Data == "refuse"
	case "main":
		cu.who.standby, cu.who.refuses = false, false
		member, v = "pass_thread_control", ours
	default:
		return "", fmt.Errorf("%w: data is by, refuse or main", control.ErrAction)
	}
	cu.s.emit(cu.p, cu.who, cu.news(kindHandover, "messaging_handovers", member, v))
	return "", nil
}

// inbox lets somebody answer in the page's own inbox, or another app by Data.
func (cu *customer) inbox() (control.ID, error) {
	app := cu.Data
	if app == "" {
		app = inboxApp
	}
	if !numeric.MatchString(app) {
		return "", fmt.Errorf("%w: data is an app's id", control.ErrAction)
	}
	m := &message{mid: cu.s.mid(), page: cu.p, chat: cu.who.id, mine: true, created: cu.now, text: cu.Text, app: app, state: stateSent}
	shown := m.shown()
	switch {
	case cu.File != nil && len(cu.File.Data) > 0:
		m.files = []*file{cu.s.keepFile(cu.p, *cu.File, false)}
		shown.Kind, shown.File, shown.Caption, shown.Text = kindOf(m.files[0].kind), m.files[0].shown(), cu.Text, ""
	default:
		if err := cu.worded(); err != nil {
			return "", err
		}
	}
	if err := cu.s.show(m, cu.who, shown); err != nil {
		return "", err
	}
	cu.p.keep(m)
	cu.s.goOn(m, cu.who)
	return control.ID(m.mid), nil
}

// profile says what may be known of the customer.
func (cu *customer) profile() (control.ID, error) {
	if !slices.Contains(profiles, cu.Data) {
		return "", fmt.Errorf("%w: data is one of %v", control.ErrAction, profiles)
	}
	cu.who.profile = cu.Data
	return "", nil
}

// pageActs are what the network does with a page. They run with the server's mutex.
var pageActs = map[string]func(*Server, *page, control.Action) error{
	"subscribe":   func(_ *Server, p *page, _ control.Action) error { p.fields = slices.Clone(fields); return nil },
	"unsubscribe": func(_ *Server, p *page, _ control.Action) error { p.fields = nil; return nil },
	"drop":        func(_ *Server, p *page, a control.Action) error { return p.drop(a.Data) },
	"token":       func(_ *Server, p *page, a control.Action) error { return p.token.spoil(a.Data) },
	"scope":       func(_ *Server, p *page, a control.Action) error { return p.withdraw(a.Data) },
	"policy":      (*Server).policy,
}

// drop takes one field from what the page is subscribed to.
func (p *page) drop(field string) error {
	at := slices.Index(p.fields, field)
	if at < 0 {
		return fmt.Errorf("%w: the page is not subscribed to %q", control.ErrAction, field)
	}
	p.fields = slices.Delete(p.fields, at, at+1)
	return nil
}

// spoil makes a token bad, or good again.
func (t *token) spoil(subcode string) error {
	n := 0
	if subcode != "" {
		var err error
		if n, err = strconv.Atoi(subcode); err != nil || texts[[2]int{190, n}] == "" || n == 0 {
			return fmt.Errorf("%w: data is 458, 459, 460, 463 or 467", control.ErrAction)
		}
	}
	if t.subcode = n; n == 0 {
		t.expires = time.Time{}
	}
	return nil
}

// withdraw takes a permission away, or gives all back.
func (p *page) withdraw(scope string) error {
	switch {
	case scope == "":
		p.missing = nil
	case slices.Contains(p.token.scopes(), scope):
		p.missing = append(p.missing, scope)
	default:
		return fmt.Errorf("%w: the page did not give %q", control.ErrAction, scope)
	}
	return nil
}

func (s *Server) policy(p *page, a control.Action) error {
	if !slices.Contains([]string{"warning", "block", "unblock"}, a.Data) {
		return fmt.Errorf("%w: data is warning, block or unblock", control.ErrAction)
	}
	s.emit(p, nil, news{kind: kindPolicy, field: "messaging_policy_enforcement", at: time.Now(), members: map[string]any{
		"policy_enforcement": map[string]string{"action": a.Data, "reason": a.Text},
	}})
	return nil
}
