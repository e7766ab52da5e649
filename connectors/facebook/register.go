package facebook

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"servicelink/connectors"
)

// fields are what the app and the page are subscribed to.
var fields = []string{
	"messages", "messaging_postbacks", "message_reactions", "message_reads", "message_deliveries", "message_echoes", "message_edits",
	"messaging_referrals", "messaging_optins", "messaging_policy_enforcement", "messaging_handovers", "standby",
}

func (c *Connector) callback() string { return c.public + webhookPath }

// appToken is the app's own access token.
func (c *Connector) appToken() string { return c.cfg.AppID + "|" + c.cfg.AppSecret.Reveal() }

// Hooks implements connectors.HookLister.
func (c *Connector) Hooks() []connectors.Hook {
	if c.public == "" {
		return nil
	}
	return []connectors.Hook{{
		Where:  "App dashboard > Messenger > Settings > Webhooks > Callback URL (Verify token: verify_token)",
		Method: http.MethodPost, URL: c.callback(),
	}}
}

// subscription is what the network calls the app with.
type subscription struct {
	Object   string     `json:"object"`
	Callback string     `json:"callback_url"`
	Active   bool       `json:"active"`
	Fields   []appField `json:"fields"`
}

// appField is a field, which older versions write as a string.
type appField struct{ Name string }

// UnmarshalJSON implements json.Unmarshaler.
func (f *appField) UnmarshalJSON(b []byte) error {
	if f.Name = string(decode[word](b)); f.Name == "" {
		f.Name = string(decode[word](object(b)["name"]))
	}
	return nil
}

func (s subscription) names() []string {
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return names
}

// ofApp asks what the app is called with for pages; the zero value = nothing.
func (c *Connector) ofApp(ctx context.Context) (subscription, error) {
	var list struct {
		Data []subscription `json:"data"`
	}
	_, err := c.call(ctx, request{method: http.MethodGet, path: c.cfg.AppID + "/subscriptions", token: c.appToken()}, &list)
	for _, s := range list.Data {
		if s.Object == "page" {
			return s, err
		}
	}
	return subscription{}, err
}

// ofPage asks which fields the page is subscribed to for this app.
func (c *Connector) ofPage(ctx context.Context) ([]string, error) {
	var list struct {
		Data []struct {
			ID     word     `json:"id"`
			Fields []string `json:"subscribed_fields"`
		} `json:"data"`
	}
	_, err := c.call(ctx, request{method: http.MethodGet, path: c.cfg.PageID + "/subscribed_apps", token: c.cfg.PageToken.Reveal()}, &list)
	for _, app := range list.Data {
		if string(app.ID) == c.cfg.AppID {
			return app.Fields, err
		}
	}
	return nil, err
}

// missing are the fields that are not in have.
func missing(have []string) []string {
	return slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return slices.Contains(have, f) })
}

// union keeps what others subscribed to.
func union(have []string) string {
	return strings.Join(append(slices.Clone(have), missing(have)...), ",")
}

// Register implements connectors.Registrar: the app's callback, then the page's
// fields. Fields that are there stay.
func (c *Connector) Register(ctx context.Context) (done []string, err error) {
	if done, err = c.compareToken(ctx); err != nil {
		return nil, err
	}
	app, err := c.ofApp(ctx)
	if err != nil {
		return done, err
	}
	if app.Callback == c.callback() && app.Active && len(missing(app.names())) == 0 {
		done = append(done, "the app calls "+c.callback()+" already")
	} else {
		if _, err := c.call(ctx, request{method: http.MethodPost, path: c.cfg.AppID + "/subscriptions", token: c.appToken(), body: map[string]string{
			"object": "page", "callback_url": c.callback(), "verify_token": c.cfg.VerifyToken.Reveal(), "fields": union(app.names()),
		}}, nil); err != nil {
			return done, err
		}
		done = append(done, "the app now calls "+c.callback())
	}
	page, err := c.ofPage(ctx)
	if err != nil {
		return done, err
	}
	if len(missing(page)) == 0 {
		return append(done, "the page is subscribed already"), nil
	}
	if _, err := c.call(ctx, request{method: http.MethodPost, path: c.cfg.PageID + "/subscribed_apps", token: c.cfg.PageToken.Reveal(), body: map[string]string{
		"subscribed_fields": union(page),
	}}, nil); err != nil {
		return done, err
	}
	return append(done, "the page is now subscribed to "+strings.Join(missing(page), ", ")), nil
}

// compareToken takes the page's own token by the user's: taken from a long-lived one,
// it does not expire.
func (c *Connector) compareToken(ctx context.Context) (done []string, err error) {
	if c.cfg.UserToken.IsZero() {
		return nil, nil
	}
	var long struct {
		Token string `json:"access_token"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "oauth/access_token", query: query{
		"grant_type": "fb_exchange_token", "client_id": c.cfg.AppID, "client_secret": c.cfg.AppSecret.Reveal(),
		"fb_exchange_token": c.cfg.UserToken.Reveal(),
	}}, &long); err != nil {
		return nil, err
	}
	var list struct {
		Data []struct {
			ID    word   `json:"id"`
			Token string `json:"access_token"`
		} `json:"data"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "me/accounts", token: long.Token, query: query{"limit": "100"}}, &list); err != nil {
		return nil, err
	}
	for _, page := range list.Data {
		switch {
		case string(page.ID) != c.cfg.PageID:
		case c.cfg.PageToken.Equal(page.Token):
			return []string{"page_token is the page's own, which does not expire"}, nil
		default:
			return []string{"page_token is another than the page's own by user_token; that one does not expire: get it from me/accounts with a long-lived user token"}, nil
		}
	}
	return []string{"user_token leads to no such page: its user needs a role on the page"}, nil
}
