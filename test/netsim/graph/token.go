package graph

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Permissions that Messenger needs.
const (
	scopeMessaging = "pages_messaging"
	scopeMetadata  = "pages_manage_metadata"
	scopeList      = "pages_show_list"
	scopeRead      = "pages_read_engagement"
)

var allScopes = []string{scopeList, scopeMessaging, scopeRead, scopeMetadata, "public_profile"}

// Kinds of tokens.
const (
	kindApp  = "APP"
	kindPage = "PAGE"
	kindUser = "USER"
)

// Lives of tokens.
const (
	shortUser = 2 * time.Hour
	longUser  = 60 * 24 * time.Hour
	dataLife  = 90 * 24 * time.Hour
)

// token is an access token. The server's mutex guards it.
type token struct {
	value   string
	kind    string
	app     *app
	page    *page // of kindPage
	issued  time.Time
	expires time.Time // zero = never
	data    time.Time // until when the app may use data
	long    bool      // a user's, exchanged: pages' tokens taken from it do not expire
	subcode int       // why it is no longer good; 0 = it is
}

// addTokens makes the page's tokens known, which are good again.
func (s *Server) addTokens(p *page) {
	now := time.Now()
	data := dataLife
	if p.DataSeconds > 0 {
		data = seconds(p.DataSeconds)
	}
	p.token = &token{value: p.Token, kind: kindPage, app: p.app, page: p, issued: now, data: now.Add(data)}
	if p.TokenSeconds > 0 {
		p.token.expires = now.Add(seconds(p.TokenSeconds))
	}
	s.tokens[p.Token] = p.token
	s.tokens[p.UserToken] = &token{
		value: p.UserToken, kind: kindUser, app: p.app, issued: now, expires: now.Add(shortUser), data: now.Add(dataLife),
	}
}

// mint makes a token that the API hands out; the oldest are forgotten.
func (s *Server) mint(t token) *token {
	t.value, t.issued = "EAA"+s.letters(40), time.Now()
	s.tokens[t.value] = &t
	if s.minted = append(s.minted, t.value); len(s.minted) > maxTokens {
		delete(s.tokens, s.minted[0])
		s.minted = slices.Delete(s.minted, 0, 1)
	}
	return &t
}

// fault says what is wrong with the token; nil = nothing.
func (t *token) fault(now time.Time) *apiError {
	subcode := t.subcode
	if subcode == 0 && !t.expires.IsZero() && !now.Before(t.expires) {
		subcode = 463
	}
	if subcode == 0 {
		return nil
	}
	return coded(190, subcode)
}

// scopes are the permissions that go with the token.
func (t *token) scopes() []string {
	if t.kind != kindPage {
		return allScopes
	}
	list := t.page.Scopes
	if list == nil {
		list = allScopes
	}
	return slices.DeleteFunc(slices.Clone(list), func(scope string) bool { return slices.Contains(t.page.missing, scope) })
}

// may fails unless the page gave a permission.
func (t *token) may(scope string) error {
	if slices.Contains(t.scopes(), scope) {
		return nil
	}
	return &apiError{status: http.StatusForbidden, code: 200, kind: oauthException, text: "Requires " + scope + " permission to manage the object"}
}

// appToken reads an app's own token, which is its id and its secret.
func (s *Server) appToken(value string) (*token, error) {
	id, secret, _ := strings.Cut(value, "|")
	one := s.apps[id]
	switch {
	case one == nil:
		return nil, &apiError{status: http.StatusBadRequest, code: 101, kind: oauthException, text: "Error validating application. Invalid application ID."}
	case !same(secret, one.secret):
		return nil, &apiError{status: http.StatusBadRequest, code: 190, kind: oauthException, text: "Invalid OAuth access token signature."}
	}
	return &token{value: value, kind: kindApp, app: one}, nil
}

// find looks a token up, good or not.
func (s *Server) find(value string) (*token, error) {
	if strings.Contains(value, "|") {
		return s.appToken(value)
	}
	if t := s.tokens[value]; t != nil {
		return t, nil
	}
	return nil, errToken
}

// identify finds whose the call is, and checks its proof.
func (c *call) identify() error {
	value := c.params.text("access_token")
	for _, scheme := range []string{"Bearer ", "OAuth "} {
		if given, ok := strings.CutPrefix(c.Header.Get("Authorization"), scheme); ok {
			value = strings.TrimSpace(given)
		}
	}
	if value == "" {
		return errNoToken
	}
	t, err := c.s.find(value)
	if err != nil {
		return err
	}
	c.token = t
	if wrong := t.fault(time.Now()); wrong != nil {
		return wrong
	}
	proof := c.params.text("appsecret_proof")
	switch {
	case proof == "" && c.s.settings.RequireProof && t.kind != kindApp:
		return &apiError{
			status: http.StatusBadRequest, code: 100, kind: methodException,
			text: "API calls from the server require an appsecret_proof argument",
		}
	case proof != "" && !same(proof, Proof(value, t.app.secret)):
		return &apiError{
			status: http.StatusBadRequest, code: 100, kind: methodException, text: "Invalid appsecret_proof provided in the API argument",
		}
	}
	return nil
}

// Proof is the appsecret_proof of a token: HMAC-SHA256 by the app's secret, in hex
// (https://developers.facebook.com/docs/graph-api/guides/secure-requests).
func Proof(token, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil))
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// pageOf is the page that the path names, for its own token only.
func (c *call) pageOf() (*page, error) {
	node := c.PathValue("node")
	switch {
	case c.token.kind != kindPage:
		return nil, &apiError{
			status: http.StatusBadRequest, code: 210, kind: oauthException, text: "A page access token is required to request this resource.",
		}
	case node != "me" && node != c.token.page.Account.Account:
		return nil, missing(c.Method, node)
	}
	return c.token.page, nil
}

// missing is the answer for an object that is not there for this token.
func missing(method, node string) *apiError {
	verb := map[string]string{http.MethodGet: "get", http.MethodPost: "post", http.MethodDelete: "delete"}[method]
	return &apiError{
		status: http.StatusBadRequest, code: 100, subcode: 33, kind: methodException,
		text: fmt.Sprintf("Unsupported %s request. Object with ID '%s' does not exist, cannot be loaded due to missing permissions, "+
			"or does not support this operation", verb, node),
	}
}
