package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// poster hands one webhook body to the gateway and gives its HTTP status.
type poster func(ctx context.Context, body []byte) (status int, err error)

// newPoster posts to the gateway's webhook at url.
func newPoster(url string) poster {
	client := &http.Client{Timeout: 10 * time.Second}
	return func(ctx context.Context, body []byte) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
		return resp.StatusCode, err
	}
}

// run posts what the customers write until ctx ends, one goroutine for each
// chat, so that one chat's order holds and none waits for another.
func (s *shop) run(ctx context.Context, post poster) {
	var posting sync.WaitGroup
	defer posting.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-s.newChats:
			posting.Go(func() { s.postAll(ctx, c, post) })
		}
	}
}

// postAll posts what the customer of c writes, in order, each until it is
// answered for good: a network that gives up loses messages.
func (s *shop) postAll(ctx context.Context, c *chat, post poster) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-c.outbox:
			s.postOne(ctx, c, m, post)
		}
	}
}

func (s *shop) postOne(ctx context.Context, c *chat, m *message, post poster) {
	body := webhookBody(c, m)
	for wait := time.Second; ; wait = min(2*wait, 10*time.Second) {
		start := time.Now()
		status, err := post(ctx, body)
		switch {
		case err == nil && status < 300:
			took := time.Since(start).Round(100 * time.Microsecond)
			s.setState(c, m, "taken", fmt.Sprintf("safe on the gateway's disk after %v", took))
			return
		case err == nil && status < 500:
			s.setState(c, m, "refused", fmt.Sprintf("the gateway refused it with %d", status))
			return
		case err == nil:
			s.setState(c, m, "waiting", fmt.Sprintf("the gateway answered %d; trying again", status))
		default:
			s.setState(c, m, "waiting", "the gateway does not answer; trying again")
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// webhookBody is what a client's server posts for a customer's message.
func webhookBody(c *chat, m *message) []byte {
	type fields struct {
		Name string `json:"name"`
	}
	type visitor struct {
		ID     string `json:"id"`
		Fields fields `json:"fields"`
	}
	type data struct {
		Button *button `json:"button"`
	}
	type content struct {
		ID   string `json:"id"`
		Kind string `json:"kind"`
		Text string `json:"text,omitempty"`
		Data *data  `json:"data,omitempty"`
	}
	msg := content{ID: m.ID, Kind: "visitor", Text: m.Text}
	if m.pressed != nil {
		msg = content{ID: m.ID, Kind: "keyboard_response", Data: &data{m.pressed}}
	}
	body, err := json.Marshal(struct {
		Event   string  `json:"event"`
		ChatID  int64   `json:"chat_id"`
		Visitor visitor `json:"visitor"`
		Message content `json:"message"`
	}{"new_message", c.ID, visitor{"v" + strconv.FormatInt(c.ID, 10), fields{c.Name}}, msg})
	if err != nil {
		panic(err) // nothing in these structs can fail
	}
	return body
}
