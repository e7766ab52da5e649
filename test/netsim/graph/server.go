package graph

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// call is one request of a client.
type call struct {
	*http.Request
	s      *Server
	method string // in the record and in faults
	params params
	files  []control.Upload
	token  *token
	out    *outgoing       // of a message, once it is read
	wait   <-chan struct{} // what has to happen before the answer; nil = nothing
}

// endpoint is one thing that can be asked. What do does, it does with the server's
// mutex; before does without, what takes time.
type endpoint struct {
	method string
	params []string // that it takes, beside the credentials
	before func(*call) error
	do     func(*call) (control.Answer, error)
	open   bool // without a token
}

// versions of the API that stand.
var version = regexp.MustCompile(`^v(1[89]|2[0-6])\.0$`)

// routes are what graph.facebook.com and the hosts of files answer.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	messaging := []string{
		"recipient", "message", "messaging_type", "tag", "sender_action", "notification_type", "reply_to", "persona_id", "filedata",
	}
	debug := []string{"input_token"}
	exchange := []string{"grant_type", "client_id", "client_secret", "fb_exchange_token"}
	list := []string{"fields", "limit", "after", "before"}
	for pattern, e := range map[string]endpoint{
		"POST /{v}/{node}/messages":            {method: "send", params: messaging, before: (*call).prepare, do: (*call).send},
		"POST /{v}/{node}/message_attachments": {method: "upload", params: []string{"message", "filedata"}, before: (*call).prepareUpload, do: (*call).upload},
		"GET /{v}/{node}/subscribed_apps":      {method: "get_subscribed_apps", params: list, do: (*call).subscribedApps},
		"POST /{v}/{node}/subscribed_apps":     {method: "subscribe", params: []string{"subscribed_fields"}, do: (*call).subscribe},
		"DELETE /{v}/{node}/subscribed_apps":   {method: "unsubscribe", do: (*call).unsubscribe},
		"GET /{v}/{node}/subscriptions":        {method: "get_subscriptions", params: list, do: (*call).subscriptions},
		"POST /{v}/{node}/subscriptions":       {method: "set_subscription", params: callbackParams, before: (*call).shake, do: (*call).setSubscription},
		"DELETE /{v}/{node}/subscriptions":     {method: "delete_subscription", params: []string{"object", "fields"}, do: (*call).deleteSubscription},
		"GET /{v}/{node}/accounts":             {method: "accounts", params: list, do: (*call).accounts},
		"GET /{v}/debug_token":                 {method: "debug_token", params: debug, do: (*call).debugToken},
		"GET /{v}/oauth/access_token":          {method: "exchange", params: exchange, do: (*call).exchange, open: true},
		"GET /{v}/{node}":                      {method: "get", params: []string{"fields", "metadata"}, do: (*call).node},
		"GET /cdn/v/{page}/{file}/{name}":      {method: "file", params: []string{"oe", "oh"}, do: (*call).link, open: true},
		"/":                                    {method: "unknown", do: (*call).unknown, open: true},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, e) })
	}
	return mux
}

func (c *call) unknown() (control.Answer, error) {
	return control.Answer{}, &apiError{
		status: http.StatusBadRequest, code: 2500, kind: oauthException, text: "Unknown path components: " + c.URL.Path,
	}
}

// serve answers one request and records it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	c := &call{Request: r, s: s, method: e.method}
	var unread error
	c.params, c.files, unread = readParams(r)
	if e.method == "send" && c.params.text("sender_action") != "" {
		c.method = c.params.text("sender_action")
	}
	var known error
	if !e.open {
		s.mu.Lock()
		known = c.identify()
		s.mu.Unlock()
	}
	page := c.pageID()
	seq := s.Begin(control.Request{
		Account: page, Method: c.method, Header: r.Header.Clone(), Params: c.params.recorded(), Files: slices.Clone(c.files),
	})
	fault, spoilt := s.Take(page, c.method)
	answer, refused := c.answer(e, fault, spoilt, errors.Join(known, unread))
	if e.method != "file" {
		usage(answer, page, refused, fault.RetryAfter)
	}
	status := answer.Status
	if fault.Kind == control.Swallow || fault.Kind == control.Outage {
		status = 0
	}
	s.End(seq, status, string(answer.Body), fault.Kind)
	control.Give(w, r, answer, fault, s.life.Done())
}

// pageID is the page a request is about, as far as that can be told.
func (c *call) pageID() string {
	switch {
	case c.PathValue("page") != "":
		return c.PathValue("page")
	case c.token != nil && c.token.page != nil:
		return c.token.page.Account.Account
	}
	return c.PathValue("node")
}

// answer does what is asked, unless a fault or something else speaks against it, and
// says as what it was refused.
func (c *call) answer(e endpoint, fault control.Fault, spoilt bool, against error) (control.Answer, *apiError) {
	if spoilt && fault.Kind == control.HTML {
		a := control.HTMLPage()
		return a, nil
	}
	refusal, refuses := told(fault)
	var a control.Answer
	err := against
	// The one error that is a lie: everything was sent.
	if lie := refuses && refusal.code == 1 && refusal.subcode == 1357046; !spoilt || !refuses || lie {
		if err == nil {
			a, err = c.do(e)
		}
		if err == nil && lie {
			err = refusal
		}
	} else {
		err = refusal
	}
	if err == nil {
		return a, nil
	}
	known, ok := errors.AsType[*apiError](err)
	if !ok {
		known = &apiError{status: http.StatusInternalServerError, code: 1, kind: oauthException, text: err.Error()}
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return known.answer("A" + c.s.letters(22)), known
}

// do checks the request and does it.
func (c *call) do(e endpoint) (control.Answer, error) {
	if v := c.PathValue("v"); v != "" && !version.MatchString(v) {
		return c.unknown()
	}
	if err := c.params.only(e.params); err != nil && e.method != "unknown" {
		return control.Answer{}, err
	}
	if e.before != nil {
		if err := e.before(c); err != nil {
			return control.Answer{}, err
		}
	}
	c.s.mu.Lock()
	a, err := e.do(c)
	c.s.mu.Unlock()
	if err == nil && c.wait != nil {
		timer := time.NewTimer(echoPatience)
		defer timer.Stop()
		select {
		case <-c.wait:
		case <-timer.C:
		case <-c.Context().Done():
		case <-c.s.life.Done():
		}
	}
	return a, err
}

// success is what Graph answers to what has no other answer.
func success() control.Answer { return reply(http.StatusOK, map[string]bool{"success": true}) }

// words splits a list of names with commas, as a string or as an array of JSON.
func (p params) words(name string) []string {
	var list []string
	if p.read(name, &list) != nil {
		return split(p.text(name))
	}
	return list
}

// split splits at commas.
func split(s string) []string {
	list := strings.Split(s, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}
