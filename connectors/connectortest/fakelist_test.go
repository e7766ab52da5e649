package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// listFaults are the faults of what the fake with webhooks does beside its webhook.
var listFaults = map[string]string{
	"a hook of nobody":               "inbound/hooks",
	"recovers what was long ago":     "recover/lost",
	"recovers what is too fresh":     "recover/lost",
	"recovers backwards":             "recover/lost",
	"recovers under another id":      "recover/lost",
	"recovers nothing":               "recover/lost",
	"hides that it recovers nothing": "recover/faults",
	"registers another address":      "register",
	"hides that it is not let in":    "register",
}

func (f *fake) hook() string {
	if f.is("a hook of nobody") {
		return f.public + "/nobody"
	}
	return f.public + "/fake/" + fakeToken
}

// Hooks implements connectors.HookLister.
func (f *fake) Hooks() []connectors.Hook {
	return []connectors.Hook{{Where: "Settings > Hook", Method: http.MethodPost, URL: f.hook(), Secret: true}}
}

// Register implements connectors.Registrar.
func (f *fake) Register(ctx context.Context) ([]string, error) {
	where := f.hook()
	if f.is("registers another address") {
		where += "/more"
	}
	if _, err := f.ask(ctx, "hook", fakeCall{Text: where}); err != nil && !f.is("hides that it is not let in") {
		return nil, err
	}
	return []string{"the hook is set"}, nil
}

// Recover implements connectors.Recoverer.
func (f *fake) Recover(ctx context.Context, since, until time.Time, in connectors.Inbox) error {
	answer, err := f.ask(ctx, "list", fakeCall{})
	if err != nil {
		if f.is("hides that it recovers nothing") {
			return nil
		}
		return err
	}
	var events []connectors.Event
	for _, m := range answer.List {
		if m.Agent || m.At.Before(since) && !f.is("recovers what was long ago") ||
			!m.At.Before(until) && !f.is("recovers what is too fresh") || f.is("recovers nothing") {
			continue
		}
		ev := f.event(fakeMessage{m.Chat, fakeID(m.ID), "text", m.Text}, nil)
		if f.is("recovers under another id") {
			ev.ID = connectors.EventID("fake", "recovered", ev.NetworkID, "")
		}
		if f.is("recovers backwards") {
			events = append([]connectors.Event{ev}, events...)
			continue
		}
		events = append(events, ev)
	}
	return in.Deliver(ctx, events)
}

// ask makes a call whose answer is needed.
func (f *fake) ask(ctx context.Context, method string, call fakeCall) (fakeAnswer, error) {
	body, err := json.Marshal(call)
	if err != nil {
		return fakeAnswer{}, err
	}
	answer, err := f.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: f.base.JoinPath(method), Body: body})
	if err != nil {
		return fakeAnswer{}, err
	}
	if err := httpx.Statuses().Check(answer); err != nil {
		return fakeAnswer{}, err
	}
	if answer.BodyErr != nil {
		return fakeAnswer{}, answer.BodyErr
	}
	var said fakeAnswer
	if json.Unmarshal(answer.Body, &said) != nil {
		return fakeAnswer{}, &connectors.SendError{
			Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer, Err: errors.New("answer makes no sense"),
		}
	}
	return said, nil
}
