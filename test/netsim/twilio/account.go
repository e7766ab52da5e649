package twilio

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// Account is one sender: a phone number that sends and receives SMS, or one that
// does WhatsApp.
type Account struct {
	Account    string `json:"account"`     // its number: "+420800123456"
	AccountSID string `json:"account_sid"` // of the Twilio account it belongs to: AC and 32 hex digits
	AuthToken  string `json:"auth_token"`  // of that account; the one given last counts
	APIKey     string `json:"api_key,omitempty"`
	APISecret  string `json:"api_secret,omitempty"`
	Service    string `json:"service,omitempty"`     // messaging service it belongs to: MG and 32 hex digits
	MessageURL string `json:"message_url,omitempty"` // where customers' messages go; empty = nowhere, until it is set by the API
	StatusURL  string `json:"status_url,omitempty"`  // where statuses go of messages without a StatusCallback
	// Window is the reply window in seconds; 0 = 24 hours.
	Window float64 `json:"window,omitempty"`
	// SenderStatus is a WhatsApp sender's: empty = ONLINE. OfflineCode is why it is
	// another one; 0 = not told.
	SenderStatus string `json:"sender_status,omitempty"`
	OfflineCode  int    `json:"offline_code,omitempty"`
	// AccountStatus is that of the Twilio account: active, suspended or closed; empty =
	// as it was. All calls of one that is not active but for the account's own are
	// refused.
	AccountStatus string `json:"account_status,omitempty"`
	// Templates are the content of the Twilio account; nil = DefaultTemplates.
	Templates []Template `json:"templates,omitempty"`
}

// tenant is a Twilio account and what belongs to it.
type tenant struct {
	sid, token string
	status     string            // "active", ...
	keys       map[string]string // secret by API key
	senders    []*sender
	templates  []Template
	made       time.Time
	messages   []*message // oldest first
	byID       map[string]*message
	rate       bucket
}

// sender is an Account at work. The server's mutex guards it.
type sender struct {
	Account
	net    *Network
	tenant *tenant
	made   time.Time

	numberSID, senderSID string
	hook                 hook // for customers' messages
	status               hook
	people               map[control.ID]*person
}

// statusActive is that of a Twilio account that works.
const statusActive = "active"

// hook is a webhook as it is configured.
type hook struct{ url, method string }

// service is a messaging service.
type service struct {
	sid       string
	tenant    *tenant
	inbound   hook // wins over its senders' when set
	status    hook
	useNumber bool // it does not
	made      time.Time
}

// person is what a sender knows of a customer.
type person struct {
	wrote    time.Time // last; zero = never, or the window is over
	name     string
	optedOut bool
	blocked  bool
}

var (
	accountSID = regexp.MustCompile(`^AC[0-9a-f]{32}$`)
	serviceSID = regexp.MustCompile(`^MG[0-9a-f]{32}$`)
	keySID     = regexp.MustCompile(`^SK[0-9a-f]{32}$`)
	// e164 takes one digit more than numbers may have: what is wrong with a number
	// Twilio finds out by asking carriers.
	e164 = regexp.MustCompile(`^\+[1-9][0-9]{4,15}$`)
	// scopedID is a WhatsApp user without a phone number.
	scopedID = regexp.MustCompile(`^[A-Z]{2}\.[0-9A-Za-z.]{1,120}$`)
	digits   = regexp.MustCompile(`^[0-9]+$`)
)

// number reads a number however it is written.
func number(s string) string {
	s = strings.TrimSpace(strings.TrimPrefix(s, "whatsapp:"))
	if digits.MatchString(s) {
		s = "+" + s
	}
	return s
}

// address is a customer's: "+420601234567", or "CZ.12ab" of one without a number.
func address(chat control.ID) control.ID { return control.ID(number(string(chat))) }

func (a *Account) check() error {
	a.Account = number(a.Account)
	if a.Window <= 0 {
		a.Window = windowLasts.Seconds()
	}
	switch {
	case !e164.MatchString(a.Account):
		return fmt.Errorf("%w: account is a number such as +420800123456", control.ErrAction)
	case !accountSID.MatchString(a.AccountSID):
		return fmt.Errorf("%w: account_sid is AC and 32 digits 0-9 a-f", control.ErrAction)
	case a.AuthToken == "":
		return fmt.Errorf("%w: auth_token is missing", control.ErrAction)
	case a.APIKey != "" && (!keySID.MatchString(a.APIKey) || a.APISecret == ""):
		return fmt.Errorf("%w: api_key is SK and 32 digits 0-9 a-f, and has an api_secret", control.ErrAction)
	case a.Service != "" && !serviceSID.MatchString(a.Service):
		return fmt.Errorf("%w: service is MG and 32 digits 0-9 a-f", control.ErrAction)
	case !slices.Contains([]string{"", statusActive, "suspended", "closed"}, a.AccountStatus):
		return fmt.Errorf("%w: account_status is active, suspended or closed", control.ErrAction)
	case !isURL(a.MessageURL) || !isURL(a.StatusURL):
		return fmt.Errorf("%w: message_url and status_url are http URLs", control.ErrAction)
	}
	return checkTemplates(a.Templates)
}

// isURL takes an http URL, or nothing.
func isURL(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// AddAccount adds or changes a sender.
func (n *Network) AddAccount(a Account) error {
	if err := a.check(); err != nil {
		return err
	}
	s := n.server
	s.mu.Lock()
	defer s.mu.Unlock()
	one := n.senders[a.Account]
	if one == nil {
		if len(n.senders) >= maxSenders {
			return fmt.Errorf("%w: %d senders", control.ErrFull, maxSenders)
		}
		one = &sender{net: n, made: time.Now(), people: map[control.ID]*person{}, numberSID: s.sid("PN"), senderSID: s.sid("XE")}
		n.senders[a.Account] = one
	}
	t := s.tenants[a.AccountSID]
	if t == nil {
		t = &tenant{sid: a.AccountSID, status: statusActive, keys: map[string]string{}, made: time.Now(), byID: map[string]*message{}, templates: DefaultTemplates}
		s.tenants[a.AccountSID] = t
	}
	one.move(t)
	t.token = a.AuthToken
	if a.AccountStatus != "" {
		t.status = a.AccountStatus
	}
	if a.APIKey != "" {
		t.keys[a.APIKey] = a.APISecret
	}
	if a.Templates != nil {
		t.templates = a.Templates
	}
	if a.Service != "" && s.services[a.Service] == nil {
		s.services[a.Service] = &service{sid: a.Service, tenant: t, made: time.Now()}
	}
	one.set(a)
	return nil
}

// move makes the sender t's.
func (one *sender) move(t *tenant) {
	if one.tenant != nil {
		one.tenant.senders = slices.DeleteFunc(one.tenant.senders, func(other *sender) bool { return other == one })
	}
	one.tenant = t
	t.senders = append(t.senders, one)
}

// set takes a over; webhooks it does not name stay.
func (one *sender) set(a Account) {
	if a.MessageURL == "" {
		a.MessageURL = one.MessageURL
	}
	if a.StatusURL == "" {
		a.StatusURL = one.StatusURL
	}
	if a.MessageURL != one.hook.url {
		one.hook = hook{a.MessageURL, http.MethodPost}
	}
	if a.StatusURL != one.status.url {
		one.status = hook{a.StatusURL, http.MethodPost}
	}
	one.Account = a
}

// RemoveAccount takes a sender away: From it is then refused, and requests of its
// Twilio account are answered 401 when it was the last one.
func (n *Network) RemoveAccount(account string) error {
	one, err := n.sender(account)
	if err != nil {
		return err
	}
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	delete(n.senders, one.Account.Account)
	t := one.tenant
	t.senders = slices.DeleteFunc(t.senders, func(other *sender) bool { return other == one })
	if len(t.senders) == 0 {
		delete(n.server.tenants, t.sid)
	}
	return nil
}

// name is the sender as it stands in From and To.
func (one *sender) name() string { return one.net.prefix() + one.Account.Account }

// person is what is known of a customer.
func (one *sender) person(chat control.ID) (*person, error) {
	p := one.people[chat]
	if p == nil {
		if len(one.people) >= maxPeople {
			return nil, fmt.Errorf("%w: %d customers of a sender", control.ErrFull, maxPeople)
		}
		p = &person{}
		one.people[chat] = p
	}
	return p, nil
}

// open says whether the reply window of a customer is open.
func (one *sender) open(p *person, now time.Time) bool {
	switch one.net.settings.Window {
	case "open":
		return true
	case "closed":
		return false
	}
	return !p.wrote.IsZero() && now.Sub(p.wrote) < time.Duration(one.Window*float64(time.Second))
}

// inboundHook is where customers' messages go.
func (one *sender) inboundHook() hook {
	if sv := one.net.server.services[one.Service]; sv != nil && sv.inbound.url != "" && !sv.useNumber {
		return sv.inbound
	}
	return one.hook
}

// statusHook is where statuses go of messages that name no place.
func (one *sender) statusHook(service string) hook {
	if sv := one.net.server.services[service]; sv != nil && sv.status.url != "" {
		return sv.status
	}
	return one.status
}
