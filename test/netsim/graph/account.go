package graph

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// Account is one page, as an app is connected to it. Pages with the same app are told
// at one callback; what of the app is given last counts.
type Account struct {
	Account string `json:"account"` // the page's id, digits
	Name    string `json:"name"`
	Token   string `json:"token"` // the page's access token
	// TokenSeconds is how long that is valid from now; 0 = for good.
	TokenSeconds float64 `json:"token_seconds,omitempty"`
	// DataSeconds is how long the app may use data from now; 0 = 90 days.
	DataSeconds float64 `json:"data_seconds,omitempty"`
	// Scopes are the permissions the page gave; nil = all that Messenger needs.
	Scopes []string `json:"scopes,omitempty"`
	// UserToken is the short-lived token of the page's administrator; empty = "user-"
	// and the app's id.
	UserToken string `json:"user_token,omitempty"`

	AppID       string `json:"app_id"`
	AppSecret   string `json:"app_secret"`
	VerifyToken string `json:"verify_token"`
	CallbackURL string `json:"callback_url"` // empty = none, until it is set by the API

	// Window is the reply window in seconds; 0 = 24 hours.
	Window     float64 `json:"window,omitempty"`
	HumanAgent bool    `json:"human_agent"` // the app may use the tag HUMAN_AGENT
	// Subscribed: the page tells the app all it can; nil = yes.
	Subscribed *bool `json:"subscribed,omitempty"`
}

// app is a Meta app. The server's mutex guards it, as all in this file.
type app struct {
	id, secret string
	verify     string
	callback   string
	fields     []string // of its subscription to pages; nil = none
	pages      []*page

	fresh   []*event // for the callback
	posts   int      // of fresh events, under way
	pending int      // events not answered for good, fresh ones among them
	held    *event   // by a fault: goes after the next one
}

// page is an Account at work.
type page struct {
	Account
	app      *app
	made     time.Time
	token    *token
	fields   []string // what it is subscribed to; nil = it is not
	missing  []string // permissions that were taken away
	failing  time.Time
	people   map[control.ID]*person
	messages []*message // oldest first
	byID     map[string]*message
	rate     bucket
}

// person is what a page knows of a customer.
type person struct {
	id          control.ID
	wrote       time.Time // last; zero = never, or the window is over
	first, last string
	language    string
	profile     string // one of profiles; empty = as the settings say
	blocked     bool
	waiting     []*message // the page's, not read yet; oldest first
	standby     bool       // another app has the thread
	refuses     bool       // and what we send is refused
}

var numeric = regexp.MustCompile(`^[0-9]{1,20}$`)

func (a *Account) check() error {
	if a.Window <= 0 {
		a.Window = windowLasts.Seconds()
	}
	if a.UserToken == "" {
		a.UserToken = "user-" + a.AppID
	}
	switch {
	case !numeric.MatchString(a.Account):
		return fmt.Errorf("%w: account is a page's id, digits", control.ErrAction)
	case !numeric.MatchString(a.AppID) || a.AppID == a.Account:
		return fmt.Errorf("%w: app_id is digits, and not the page's", control.ErrAction)
	case a.Token == "" || a.AppSecret == "" || a.Token == a.UserToken:
		return fmt.Errorf("%w: token and app_secret are missing, or token is the user's", control.ErrAction)
	case a.CallbackURL != "" && !isURL(a.CallbackURL):
		return fmt.Errorf("%w: callback_url is an http URL", control.ErrAction)
	case a.TokenSeconds < 0 || a.DataSeconds < 0:
		return fmt.Errorf("%w: a number is out of range", control.ErrAction)
	}
	if a.Name == "" {
		a.Name = "Page " + a.Account
	}
	return nil
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// AddAccount adds or changes a page and its app.
func (s *Server) AddAccount(a Account) error {
	if err := a.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pages[a.Account]
	if t := s.tokens[a.Token]; t != nil && (t.page == nil || t.page != p) {
		return fmt.Errorf("%w: the token is another one's", control.ErrAction)
	}
	if p == nil {
		if len(s.pages) >= maxPages {
			return fmt.Errorf("%w: %d pages", control.ErrFull, maxPages)
		}
		p = &page{made: time.Now(), people: map[control.ID]*person{}, byID: map[string]*message{}}
		s.pages[a.Account] = p
	}
	one := s.apps[a.AppID]
	if one == nil {
		one = &app{id: a.AppID}
		s.apps[a.AppID] = one
	}
	s.leave(p)
	p.Account, p.app, p.fields, p.missing = a, one, nil, nil
	one.pages = append(one.pages, p)
	one.secret, one.verify = a.AppSecret, a.VerifyToken
	if a.CallbackURL != "" {
		one.callback, one.fields = a.CallbackURL, slices.Clone(fields)
	}
	if a.Subscribed == nil || *a.Subscribed {
		p.fields = slices.Clone(fields)
	}
	s.addTokens(p)
	return nil
}

// leave takes a page from its app, and its token from it.
func (s *Server) leave(p *page) {
	if p.app == nil {
		return
	}
	delete(s.tokens, p.token.value)
	p.fields = nil
	p.app.pages = slices.DeleteFunc(p.app.pages, func(other *page) bool { return other == p })
}

// RemoveAccount takes a page away: its token is then unknown.
func (s *Server) RemoveAccount(account string) error {
	p, err := s.page(account)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(p)
	delete(s.pages, account)
	return nil
}

// person is what is known of a customer; a new one is made.
func (p *page) person(id control.ID) (*person, error) {
	if !numeric.MatchString(string(id)) {
		return nil, fmt.Errorf("%w: chat is a page-scoped id, digits", control.ErrAction)
	}
	one := p.people[id]
	if one == nil {
		if len(p.people) >= maxPeople {
			return nil, fmt.Errorf("%w: %d customers of a page", control.ErrFull, maxPeople)
		}
		one = &person{id: id, first: "Customer", last: string(id)}
		p.people[id] = one
	}
	return one, nil
}

// learn takes a customer's name over.
func (who *person) learn(u control.User) {
	if u.FirstName != "" || u.LastName != "" {
		who.first, who.last = u.FirstName, u.LastName
	}
	if u.LanguageCode != "" {
		who.language = u.LanguageCode
	}
}

// name is the customer's whole name.
func (who *person) name() string { return strings.TrimSpace(who.first + " " + who.last) }

// open says whether the page may write to a customer; human: under the tag
// HUMAN_AGENT.
func (s *Server) open(p *page, who *person, human bool, now time.Time) bool {
	switch s.settings.Window {
	case "open":
		return true
	case "closed": // a day has passed
		return human && !who.wrote.IsZero()
	}
	lasts := seconds(p.Window)
	if human {
		lasts = max(humanLasts, lasts)
	}
	return !who.wrote.IsZero() && now.Sub(who.wrote) < lasts
}

// bucket is a token bucket with a second's burst.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes a token, if there is one; a rate of 0 has no limit.
func (b *bucket) take(rate float64, now time.Time) bool {
	if rate <= 0 {
		return true
	}
	burst := max(rate, 1)
	if b.at.IsZero() {
		b.tokens = burst
	}
	b.tokens = min(burst, b.tokens+rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
