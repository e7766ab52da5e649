package twilio

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	openapi "github.com/twilio/twilio-go/rest/api/v2010"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// maxAnswer is room for a page of a list, in bytes.
const maxAnswer = 8 << 20

// unavailableFor is what a call hears that cannot be taken now.
const unavailableFor = 5 * time.Second

// call is one request to Twilio as the library makes it: its BaseClient. The
// library's own client knows no context, follows redirects of a client it is given,
// hides the status and the header of an error, counts a success whose body it cannot
// read as a failure, and for newer APIs sends a request a second time. So nothing of
// it is used but the words of the request. The request is made once, and what came
// of it is kept.
type call struct {
	ctx    context.Context //nolint:containedctx // of the one request; the library passes none
	c      *Channel
	answer *httpx.Response // nil = none
	err    error           // a *connectors.SendError; nil = a success that can be read
	made   bool
}

var _ client.BaseClient = (*call)(nil)

// AccountSid implements client.BaseClient.
func (r *call) AccountSid() string { return r.c.account }

// SetTimeout implements client.BaseClient; the time is httpx's and the context's.
func (r *call) SetTimeout(time.Duration) {}

// SetOauth implements client.BaseClient; there is no OAuth here.
func (r *call) SetOauth(client.OAuth) {}

// OAuth implements client.BaseClient.
func (r *call) OAuth() client.OAuth { return nil }

// SendRequest implements client.BaseClient.
func (r *call) SendRequest(method, rawURL string, data url.Values, _ map[string]any, _ ...byte) (*http.Response, error) {
	target, ok := strings.CutPrefix(rawURL, DefaultAPI+"/")
	if r.made || !ok {
		r.err = &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonBug, Err: errors.New("a request that is not to be made")}
		return nil, r.err
	}
	r.made = true
	body := ""
	if method == http.MethodGet {
		target += "?" + data.Encode()
	} else {
		body = data.Encode()
	}
	r.answer, r.err = r.c.ask(r.ctx, method, r.c.api, "/"+target, formType, []byte(body))
	if r.err != nil {
		return nil, r.err
	}
	return &http.Response{
		StatusCode: r.answer.Status, Header: r.answer.Header, Body: io.NopCloser(bytes.NewReader(r.answer.Body)),
	}, nil
}

// service is the library's API for one request. NewRequestHandler would read
// TWILIO_EDGE and TWILIO_REGION and send the request elsewhere.
func (c *Channel) call(ctx context.Context) (*call, *openapi.ApiService) {
	r := &call{ctx: ctx, c: c}
	return r, openapi.NewApiService(&client.RequestHandler{Client: r})
}

// read decodes the answer into v, whatever the library thought of it: a success
// with a member of another type than it knows is a success.
func (r *call) read(v any) error {
	if r.err != nil {
		return r.err
	}
	return decode(r.answer, v)
}

// decode reads a success.
func decode(answer *httpx.Response, v any) error {
	if answer == nil || json.Unmarshal(answer.Body, v) != nil {
		return noAnswer()
	}
	return nil
}

// noAnswer is a success whose answer is not Twilio's: what became of the request is
// not known.
func noAnswer() error {
	return &connectors.SendError{
		Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer, Err: errors.New("answer is not Twilio's"),
	}
}

// Content types of requests.
const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// ask makes one request below base with the channel's credentials. Its error is a
// *connectors.SendError; without one there is a 2xx with its body.
func (c *Channel) ask(ctx context.Context, method string, base *url.URL, target, kind string, body []byte) (*httpx.Response, error) {
	answer, err := c.askAs(ctx, c.credentials(), method, base, target, kind, body)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// credentials are an account's or an API key's.
type credentials struct {
	user     string
	password config.Secret
}

func (c *Channel) credentials() credentials { return credentials{c.user, c.password} }

func (k credentials) authorization() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(k.user+":"+k.password.Reveal()))
}

// askAs is ask with credentials that need not be the channel's, and gives the answer
// of a refusal back too.
func (c *Channel) askAs(ctx context.Context, as credentials, method string, base *url.URL, target, kind string, body []byte) (*httpx.Response, error) {
	u, err := url.Parse(strings.TrimSuffix(base.String(), "/") + target)
	if err != nil {
		return nil, &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonBug, Err: errors.New("address cannot be built")}
	}
	header := http.Header{"Authorization": {as.authorization()}, "Accept": {"application/json"}}
	request := httpx.Request{Method: method, URL: u, Header: header}
	if method != http.MethodGet {
		header.Set("Content-Type", kind)
		request.Body = body
	}
	answer, err := c.client.Do(ctx, request)
	if err != nil {
		return nil, err
	}
	if answer.Status < 200 || answer.Status > 299 {
		return answer, classify(answer)
	}
	if answer.BodyErr != nil {
		return answer, answer.BodyErr
	}
	return answer, nil
}

// word is a member that is a string in Twilio's documentation, and a number there
// or in fact: either way it is read.
type word string

// UnmarshalJSON implements json.Unmarshaler; what is neither is left out.
func (w *word) UnmarshalJSON(raw []byte) error {
	var s string
	switch err := json.Unmarshal(raw, &s); {
	case err == nil:
		*w = word(s)
	case len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'):
		*w = word(raw)
	default:
		*w = ""
	}
	return nil
}

// number is a word as a number; 0 = none.
func (w word) number() int {
	n, err := strconv.Atoi(string(w))
	if err != nil {
		return 0
	}
	return n
}

// time reads a date as Twilio writes it in this API; zero = none.
func (w word) time() time.Time {
	for _, layout := range []string{time.RFC1123Z, time.RFC3339} {
		if t, err := time.Parse(layout, string(w)); err == nil {
			return t
		}
	}
	return time.Time{}
}

var errNoReason = errors.New("no reason is given by Twilio")

// failed makes the cause of an error: the code alone, as Twilio's words repeat what
// was sent.
func failed(status int, code int) error {
	if code != 0 {
		return fmt.Errorf("error %d of Twilio", code)
	}
	return fmt.Errorf("answer %d of Twilio", status)
}

// PostMessaging makes one call of the messaging API, whose answer says nothing that
// is needed. The error is a *connectors.SendError.
func (c *Channel) PostMessaging(ctx context.Context, path string, fields map[string]string) error {
	values := make(url.Values, len(fields))
	for name, value := range fields {
		values.Set(name, value)
	}
	_, err := c.ask(ctx, http.MethodPost, c.messaging, path, formType, []byte(values.Encode()))
	return err
}
