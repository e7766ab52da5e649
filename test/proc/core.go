package proc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"servicelink/simprot/refcore"
)

// Core is the HTTP interface of a running reference core.
type Core struct {
	URL    string // without a slash at its end
	Client *http.Client
}

// Refused is an answer other than 200.
type Refused struct {
	Status int
	Text   string
}

func (r *Refused) Error() string { return fmt.Sprintf("%d: %s", r.Status, r.Text) }

// Call makes one request; in and out may be nil.
func (c *Core) Call(ctx context.Context, method, path string, in, out any) error {
	return call(ctx, c.Client, method, c.URL+path, in, out)
}

// call asks for JSON with JSON. What is not 2xx is a *Refused.
func call(ctx context.Context, client *http.Client, method, address string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %w", method, req.URL.Path, &Refused{resp.StatusCode, string(text)})
	}
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// Sentence is one row of the core's list.
type Sentence struct {
	Chat       string `json:"chat"`
	TrackingID string `json:"tracking_id"`
	ID         string `json:"id"`
	Counter    int    `json:"counter"`
	Outbound   bool   `json:"outbound"`
	Confirmed  bool   `json:"confirmed"`
	Model      int    `json:"model"`
}

// Sentences lists what the core has for a Port, chat by chat.
func (c *Core) Sentences(ctx context.Context, port string) (all []Sentence, err error) {
	return all, c.Call(ctx, http.MethodGet, "/api/sentences?port="+url.QueryEscape(port), nil, &all)
}

// Chat is one chat with its sentences, texts included.
type Chat struct {
	ID         string `json:"id"`
	Port       string `json:"port"`
	TrackingID string `json:"tracking_id"`
	Closed     bool   `json:"closed"`
	Sentences  []Line `json:"sentences"`
}

// Line is one sentence as the agent reads it.
type Line struct {
	ID        string  `json:"id"`
	Outbound  bool    `json:"outbound"`
	Model     int     `json:"model"`
	Text      string  `json:"text"`
	Confirmed *string `json:"confirmed"`
}

// Chats lists the chats, oldest first, without their sentences.
func (c *Core) Chats(ctx context.Context) (all []Chat, err error) {
	return all, c.Call(ctx, http.MethodGet, "/api/chats", nil, &all)
}

// Chat reads one chat.
func (c *Core) Chat(ctx context.Context, id string) (chat Chat, err error) {
	return chat, c.Call(ctx, http.MethodGet, "/api/chats/"+id, nil, &chat)
}

// Offences lists what the core holds against its gateways.
func (c *Core) Offences(ctx context.Context) (r refcore.OffenceReport, err error) {
	return r, c.Call(ctx, http.MethodGet, "/api/offences", nil, &r)
}
