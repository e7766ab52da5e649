package email

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

const (
	// tokenMargin is how long before its end a token is not used any more.
	tokenMargin = 2 * time.Minute
	// tokenLife is that of a token of which nothing is told; most live an hour.
	tokenLife = 10 * time.Minute
)

// tokens gives access tokens for one account and keeps the latest.
type tokens struct {
	client   *httpx.Client
	endpoint *url.URL
	id       string
	secret   config.Secret
	scope    string

	mu      sync.Mutex // held while the endpoint is asked: nobody needs two
	refresh config.Secret
	access  config.Secret
	ends    time.Time
}

// newTokens connects to nothing.
func newTokens(s oauthSettings, deps connectors.Dependencies) (*tokens, error) {
	endpoint, _ := httpx.Address(s.TokenURL)
	client, err := httpx.New(deps, httpx.Options{Trusted: true})
	return &tokens{
		client: client, endpoint: endpoint, id: s.ClientID, secret: s.ClientSecret, scope: s.Scope, refresh: s.RefreshToken,
	}, err
}

// get gives a token. fresh: it has just been made, so that a refusal of it is not for
// its age.
func (t *tokens) get(ctx context.Context) (token config.Secret, fresh bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.access.IsZero() && time.Now().Before(t.ends) {
		return t.access, false, nil
	}
	if err := t.renew(ctx); err != nil {
		return config.Secret{}, false, err
	}
	return t.access, true, nil
}

// refused forgets a token that the mail server did not take.
func (t *tokens) refused(token config.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.access.Equal(token.Reveal()) {
		t.access = config.Secret{}
	}
}

// tokenAnswer is what the endpoint says (RFC 6749, 5.1 and 5.2).
type tokenAnswer struct {
	AccessToken  string          `json:"access_token"`
	ExpiresIn    json.RawMessage `json:"expires_in"` // a number; some write a string
	RefreshToken string          `json:"refresh_token"`
	Error        string          `json:"error"`
}

func (t *tokens) renew(ctx context.Context) error {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.refresh.Reveal()}, "client_id": {t.id}}
	if !t.secret.IsZero() {
		form.Set("client_secret", t.secret.Reveal())
	}
	if t.scope != "" {
		form.Set("scope", t.scope)
	}
	asked := time.Now()
	r, err := t.client.Do(ctx, httpx.Request{
		Method: http.MethodPost, URL: t.endpoint, Body: []byte(form.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}},
	})
	if err != nil {
		return tokenFailure(err)
	}
	if r.BodyErr != nil {
		return tokenFailure(r.BodyErr)
	}
	var answer tokenAnswer
	decoded := json.Unmarshal(r.Body, &answer) == nil
	switch {
	case r.Status == http.StatusOK && decoded && answer.AccessToken != "":
	case answer.Error != "" && r.Status < http.StatusInternalServerError:
		return refusedRefresh(answer.Error)
	case r.Status == http.StatusOK:
		return failed(connectors.ReasonAnswer, "the token endpoint's answer holds no token", hintEndpoint)
	default:
		return tokenFailure(httpx.Statuses().Check(r))
	}
	t.access, t.ends = config.NewSecret(answer.AccessToken), asked.Add(lifeOf(answer.ExpiresIn)-tokenMargin)
	if answer.RefreshToken != "" {
		// The old one may end with it; the settings still have it after a restart,
		// which the usual providers take.
		t.refresh = config.NewSecret(answer.RefreshToken)
	}
	return nil
}

func lifeOf(expires json.RawMessage) time.Duration {
	seconds, err := time.ParseDuration(strings.Trim(string(expires), `"`) + "s")
	if err != nil || seconds <= 0 || seconds > 30*24*time.Hour {
		return tokenLife
	}
	return seconds
}

const hintEndpoint = "See whether the provider gives access tokens at the address in OAuth.TokenURL."

// tokenFailure says of an error of the endpoint's that it is that one's. A refusal by
// status counts as one of the credentials.
func tokenFailure(err error) error {
	se := *connectors.AsSendError(err)
	words := string(se.Reason)
	if se.Err != nil {
		words = se.Err.Error()
	}
	out := failed(se.Reason, "no access token: "+words, se.Hint)
	out.Code, out.RetryAfter = se.Code, se.RetryAfter
	return out
}

// refusedRefresh is the error of an answer; its words are RFC 6749's.
func refusedRefresh(code string) error {
	hints := map[string]string{
		"invalid_grant":       "The refresh token has ended or was taken back: give the gateway its consent anew, and put the new one into OAuth.RefreshToken.",
		"invalid_client":      "The provider does not know OAuth.ClientID, or OAuth.ClientSecret is wrong or has ended.",
		"unauthorized_client": "The provider does not let this ClientID use refresh tokens.",
		"invalid_scope":       "The provider does not know OAuth.Scope, or the consent does not cover it.",
		"invalid_request":     hintEndpoint,
	}
	hint, known := hints[code]
	if !known {
		code, hint = "refused", "The provider refuses to give an access token: look at the settings below OAuth."
	}
	se := failed(connectors.ReasonAuth, "no access token: "+code, hint)
	se.Code = code
	return se
}

// xoauth2 is the mechanism XOAUTH2 of Google and Microsoft, as a SASL client.
type xoauth2 struct {
	user  string
	token config.Secret
}

// Start implements sasl.Client.
func (x xoauth2) Start() (mechanism string, initial []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token.Reveal() + "\x01\x01"), nil
}

// Next implements sasl.Client: the only challenge is the reason of a refusal, and an
// empty answer to it ends the dialogue.
func (x xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }
