package graph

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// debugToken tells an app what is to be known of a token of its own
// (https://developers.facebook.com/docs/graph-api/reference/debug_token).
func (c *call) debugToken() (control.Answer, error) {
	value := c.params.text("input_token")
	if value == "" {
		return control.Answer{}, fault100("The parameter input_token is required.")
	}
	if c.token.kind == kindPage && c.token.value != value {
		return control.Answer{}, fault100("You must provide an app access token, or a user access token that is an owner or developer of the app")
	}
	t, unknown := c.s.find(value)
	if unknown != nil {
		return reply(http.StatusOK, map[string]any{"data": map[string]any{ //nolint:nilerr // that it is unknown is the answer
			"error": map[string]any{"code": 190, "message": "Invalid OAuth access token."}, "is_valid": false, "scopes": []string{},
		}}), nil
	}
	if t.app != c.token.app {
		return control.Answer{}, fault100("The App_id in the input_token did not match the Viewing App")
	}
	data := map[string]any{
		"app_id": t.app.id, "type": t.kind, "application": "App " + t.app.id, "is_valid": true, "scopes": []string{},
	}
	if t.kind != kindApp {
		t.describe(data)
	}
	return reply(http.StatusOK, map[string]any{"data": data}), nil
}

// describe tells what is special to a page's or a user's token.
func (t *token) describe(data map[string]any) {
	data["expires_at"], data["data_access_expires_at"], data["issued_at"] = 0, t.data.Unix(), t.issued.Unix()
	if !t.expires.IsZero() {
		data["expires_at"] = t.expires.Unix()
	}
	data["user_id"] = "10" + t.app.id
	if t.kind == kindPage {
		data["profile_id"] = t.page.Account.Account
	}
	if wrong := t.fault(time.Now()); wrong != nil {
		data["is_valid"] = false
		data["error"] = map[string]any{"code": wrong.code, "message": wrong.text, "subcode": wrong.subcode}
		return
	}
	scopes := t.scopes()
	data["scopes"] = scopes
	granular := []map[string]any{}
	for _, scope := range scopes {
		if !strings.HasPrefix(scope, "pages_") {
			continue
		}
		one := map[string]any{"scope": scope}
		if t.page != nil {
			one["target_ids"] = []string{t.page.Account.Account}
		}
		granular = append(granular, one)
	}
	data["granular_scopes"] = granular
}

// exchange makes a user's token a long-lived one
// (https://developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived).
func (c *call) exchange() (control.Answer, error) {
	refuse := func(code int, text string) (control.Answer, error) {
		return control.Answer{}, &apiError{status: http.StatusBadRequest, code: code, kind: oauthException, text: text}
	}
	a := c.s.apps[c.params.text("client_id")]
	switch {
	case c.params.text("grant_type") != "fb_exchange_token":
		return refuse(100, "Unsupported grant_type: "+c.params.text("grant_type"))
	case a == nil:
		return refuse(101, "Error validating application. Cannot get application info due to a system error.")
	case !same(c.params.text("client_secret"), a.secret):
		return refuse(1, "Error validating client secret.")
	}
	t := c.s.tokens[c.params.text("fb_exchange_token")]
	if t == nil || t.app != a {
		return control.Answer{}, errToken
	}
	if wrong := t.fault(time.Now()); wrong != nil {
		return control.Answer{}, wrong
	}
	answer := map[string]any{"token_type": "bearer"}
	if t.kind == kindPage { // it stays as it is
		answer["access_token"] = t.value
		return reply(http.StatusOK, answer), nil
	}
	now := time.Now()
	made := c.s.mint(token{kind: kindUser, app: a, expires: now.Add(longUser), data: now.Add(dataLife), long: true})
	answer["access_token"], answer["expires_in"] = made.value, int(longUser.Seconds())
	return reply(http.StatusOK, answer), nil
}

// accounts lists a user's pages with their tokens. One taken by a short-lived token
// dies with it.
func (c *call) accounts() (control.Answer, error) {
	switch {
	case c.token.kind != kindUser:
		return control.Answer{}, fault100("Tried accessing nonexisting field (accounts) on node type (%s)", strings.ToLower(c.token.kind))
	case c.PathValue("node") != "me":
		return control.Answer{}, missing(c.Method, c.PathValue("node"))
	}
	list := slices.Clone(c.token.app.pages)
	slices.SortFunc(list, func(a, b *page) int { return strings.Compare(a.Account.Account, b.Account.Account) })
	data := []map[string]any{}
	for _, p := range list {
		one := map[string]any{
			"access_token": p.Token, "category": "Shopping & retail", "category_list": []map[string]string{{"id": "200600219953504", "name": "Shopping & retail"}},
			"name": p.Name, "id": p.Account.Account, "tasks": []string{"MODERATE", "MESSAGING", "ANALYZE", "MANAGE"},
		}
		if !c.token.long {
			one["access_token"] = c.s.mint(token{kind: kindPage, app: p.app, page: p, expires: c.token.expires, data: c.token.data}).value
		}
		data = append(data, one)
	}
	cursor := map[string]string{"before": "QVFI", "after": "QVFJ"}
	return reply(http.StatusOK, map[string]any{"data": data, "paging": map[string]any{"cursors": cursor}}), nil
}
