package facebook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// word is a string that the network may also write as a number. What is neither
// reads as empty.
type word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *word) UnmarshalJSON(b []byte) error {
	var s string
	if len(b) > 0 && b[0] == '"' && json.Unmarshal(b, &s) == nil {
		*w = word(s)
		return nil
	}
	*w = ""
	if len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9') {
		*w = word(b)
	}
	return nil
}

// moment reads milliseconds since 1970; the zero time where there is none.
func (w word) moment() time.Time {
	ms, err := strconv.ParseInt(string(w), 10, 64)
	const latest = 253402300799999 // of the year 9999
	if err != nil || ms <= 0 || ms > latest {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// payload is a webhook call.
type payload struct {
	Object string  `json:"object"`
	Entry  []entry `json:"entry"`
}

// entry is what happened to one page. Each item is read alone.
type entry struct {
	ID        word
	Messaging []json.RawMessage
	Standby   []json.RawMessage
	Changes   []json.RawMessage
	Broken    bool // a member is not what it should be
}

// UnmarshalJSON implements json.Unmarshaler: what is broken in it spoils no other.
func (e *entry) UnmarshalJSON(b []byte) error {
	m := object(b)
	*e = entry{Broken: m == nil, ID: decode[word](m["id"])}
	for name, into := range map[string]*[]json.RawMessage{"messaging": &e.Messaging, "standby": &e.Standby, "changes": &e.Changes} {
		if raw := m[name]; len(raw) > 0 && json.Unmarshal(raw, into) != nil {
			e.Broken = true
		}
	}
	return nil
}

func readPayload(body []byte) (p payload, ok bool) {
	if t := bytes.TrimLeft(body, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return p, false
	}
	return p, json.Unmarshal(body, &p) == nil
}

// object gives the members of an object; nil for anything else.
func object(raw json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

// decode reads what it can; what cannot be read is zero.
func decode[T any](raw json.RawMessage) T {
	var v T
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		var none T
		return none
	}
	return v
}

func has(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

// isPSID reports whether s can name a customer.
func isPSID(s string) bool {
	return s != "" && len(s) <= longestPSID && httpx.FitsHeader(s) && !strings.Contains(s, "|")
}

// isMid reports whether s can name a message.
func isMid(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= longestMid && httpx.FitsHeader(s)
}

// query are parameters of an address. Tokens are none of them, but where the network
// takes them nowhere else (debug_token, oauth/access_token).
type query map[string]string

// request is a call of the API.
type request struct {
	method string
	path   string // below the version
	token  string // empty = none
	query  query
	body   any // written as JSON; nil = none
	// form is sent instead of body.
	form     *form
	formType string
}

// call makes one call and reads its answer into result, unless that is nil. The
// error is a *connectors.SendError. The answer is given back also of a refusal.
func (c *Connector) call(ctx context.Context, r request, result any) (*httpx.Response, error) {
	values := url.Values{}
	for name, value := range r.query {
		values.Set(name, value)
	}
	header := http.Header{}
	if r.token != "" {
		header.Set("Authorization", "Bearer "+r.token)
		values.Set("appsecret_proof", proof(c.cfg.AppSecret.Reveal(), r.token))
	}
	where := c.api.JoinPath(strings.Split(r.path, "/")...)
	where.RawQuery = values.Encode()
	out := httpx.Request{Method: r.method, URL: where, Header: header}
	switch {
	case r.form != nil:
		header.Set("Content-Type", r.formType)
		out.Source, out.Size, out.Timeout = r.form, r.form.size, uploadTime
	case r.body != nil:
		b, err := json.Marshal(r.body)
		if err != nil {
			return nil, &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonBug, Err: errors.New("call cannot be written")}
		}
		header.Set("Content-Type", "application/json")
		out.Body = b
	}
	resp, err := c.client.Do(ctx, out)
	if err != nil {
		return nil, err
	}
	return resp, c.readAnswer(resp, result)
}

func (c *Connector) readAnswer(resp *httpx.Response, result any) error {
	success := resp.Status >= 200 && resp.Status < 300
	var envelope struct {
		Error *apiError `json:"error"`
	}
	unread := resp.BodyErr != nil || json.Unmarshal(resp.Body, &envelope) != nil
	switch {
	case !unread && envelope.Error != nil && envelope.Error.Code != 0:
		return c.classify(envelope.Error, resp)
	case !success:
		return statuses.Check(resp)
	case resp.BodyErr != nil:
		return resp.BodyErr
	case unread || result != nil && json.Unmarshal(resp.Body, result) != nil:
		return noAnswer(resp.Status)
	}
	return nil
}

// noAnswer is a success that is not the API's: what became of the call is not known.
func noAnswer(status int) *connectors.SendError {
	return &connectors.SendError{
		Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer, Code: strconv.Itoa(status),
		Err: errors.New("answer is not the Graph API's"),
	}
}
