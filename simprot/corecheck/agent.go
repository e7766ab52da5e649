package corecheck

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
)

// Agent does at the core what only an agent can. Every method returns when it
// is done; an error leaves the rules untested that needed it.
type Agent interface {
	// Say writes to the customer.
	Say(ctx context.Context, where Conversation, text string) error
	// Read shows the agent what the customer has written.
	Read(ctx context.Context, where Conversation) error
}

// Conversation tells an Agent which one is meant.
type Conversation struct {
	Peer, Port, TrackingID string
}

// HTTPAgent works the reference core's HTTP interface, or one that is made
// like it: POST /api/say and /api/read with a JSON object of peer, port,
// tracking_id and, to say, text; POST /api/messages with a MessageContentInfo.
// Any answer of 200 to 299 is good.
type HTTPAgent struct {
	URL    string       // "http://127.0.0.1:18380"
	Client *http.Client // nil = one with a limit of 10 s
}

var (
	_ Agent        = (*HTTPAgent)(nil)
	_ MessageAgent = (*HTTPAgent)(nil)
)

// Say implements Agent.
func (a *HTTPAgent) Say(ctx context.Context, where Conversation, text string) error {
	return a.post(ctx, "say", where, map[string]string{"text": text})
}

// Read implements Agent.
func (a *HTTPAgent) Read(ctx context.Context, where Conversation) error {
	return a.post(ctx, "read", where, map[string]string{})
}

// SendMessage implements MessageAgent: POST /api/messages with a
// MessageContentInfo.
func (a *HTTPAgent) SendMessage(ctx context.Context, gateway uuid.UUID, to, text string) error {
	return a.postJSON(ctx, "messages", &simprot.MessageContentInfo{
		GatewayId: gateway, RemoteAddress: to, SubjectField: "core check", BodyText: text,
	})
}

func (a *HTTPAgent) post(ctx context.Context, what string, where Conversation, fields map[string]string) error {
	fields["peer"], fields["port"], fields["tracking_id"] = where.Peer, where.Port, where.TrackingID
	return a.postJSON(ctx, what, fields)
}

func (a *HTTPAgent) postJSON(ctx context.Context, what string, fields any) error {
	object, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(a.URL, "/")+"/api/"+what, bytes.NewReader(object))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	client := a.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	answer, err := client.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 1<<20) // for the connection's sake
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the agent's side answered %s", answer.Status)
	}
	return nil
}
