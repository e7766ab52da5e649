package graph

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"servicelink/test/netsim/control"
)

var callbackParams = []string{"object", "callback_url", "verify_token", "fields", "include_values"}

// appOf is the app that the path names, for its own token only.
func (c *call) appOf() (*app, error) {
	switch {
	case c.token.kind != kindApp:
		return nil, &apiError{
			status: http.StatusBadRequest, code: 15, kind: oauthException, text: "(#15) This method must be called with an app access_token.",
		}
	case c.PathValue("node") != c.token.app.id:
		return nil, missing(c.Method, c.PathValue("node"))
	}
	return c.token.app, nil
}

// subscriptions tells where an app is told
// (https://developers.facebook.com/docs/graph-api/reference/app/subscriptions).
func (c *call) subscriptions() (control.Answer, error) {
	a, err := c.appOf()
	if err != nil {
		return control.Answer{}, err
	}
	data := []map[string]any{}
	if a.callback != "" {
		list := []map[string]string{}
		for _, field := range a.fields {
			list = append(list, map[string]string{"name": field, "version": c.PathValue("v")})
		}
		data = append(data, map[string]any{"object": "page", "callback_url": a.callback, "active": true, "fields": list})
	}
	return reply(http.StatusOK, map[string]any{"data": data}), nil
}

// shake asks a new callback whether it is meant: it has to repeat a challenge.
func (c *call) shake() error {
	if c.token.kind != kindApp { // setSubscription says so
		return nil
	}
	to, secret := c.params.text("callback_url"), c.params.text("verify_token")
	switch {
	case c.params.text("object") != "page":
		return fault100("Param object must be page - got %q.", c.params.text("object"))
	case !isURL(to):
		return fault100("Param callback_url must be a URL")
	case secret == "":
		return fault100("The parameter verify_token is required.")
	}
	c.s.mu.Lock()
	challenge := c.s.digits(10)
	c.s.mu.Unlock()
	status, said, err := c.s.challenge(to, url.Values{
		"hub.mode": {"subscribe"}, "hub.challenge": {challenge}, "hub.verify_token": {secret},
	})
	var why string
	switch {
	case err != nil:
		why = "The URL couldn't be validated. It does not answer."
	case status != http.StatusOK:
		why = fmt.Sprintf("HTTP Status Code = %d; HTTP Message = %s", status, http.StatusText(status))
	case said != challenge:
		why = "Response does not match challenge, expected value=" + fmt.Sprintf("%q, received=%q", challenge, clip(said))
	default:
		return nil
	}
	return &apiError{
		status: http.StatusBadRequest, code: 2200, kind: oauthException,
		text: "(#2200) Callback verification failed with the following errors: " + why,
	}
}

func clip(s string) string { return s[:min(len(s), 40)] }

// challenge asks the callback.
func (s *Server) challenge(to string, query url.Values) (int, string, error) {
	ctx, cancel := context.WithTimeout(s.life, hookPatience)
	defer cancel()
	join := "?"
	if strings.Contains(to, "?") {
		join = "&"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to+join+query.Encode(), nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("User-Agent", "facebookplatform/1.0 (+http://developers.facebook.com)")
	answer, err := s.hook.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	return answer.StatusCode, string(said), err
}

// setSubscription sets the callback, which has repeated the challenge.
func (c *call) setSubscription() (control.Answer, error) {
	a, err := c.appOf()
	if err != nil {
		return control.Answer{}, err
	}
	wanted := c.params.words("fields")
	if err := knownFields("fields", wanted); err != nil {
		return control.Answer{}, err
	}
	slices.Sort(wanted)
	a.callback, a.verify, a.fields = c.params.text("callback_url"), c.params.text("verify_token"), slices.Compact(wanted)
	return success(), nil
}

// deleteSubscription ends it, or takes fields from it.
func (c *call) deleteSubscription() (control.Answer, error) {
	a, err := c.appOf()
	if err != nil {
		return control.Answer{}, err
	}
	if object := c.params.text("object"); object != "" && object != "page" {
		return success(), nil
	}
	less := c.params.words("fields")
	a.fields = slices.DeleteFunc(slices.Clone(a.fields), func(field string) bool { return slices.Contains(less, field) })
	if len(less) == 0 || len(a.fields) == 0 {
		a.callback, a.fields = "", nil
	}
	return success(), nil
}
