package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

const fakeToken = "kit-t0ken-for-the-fake"

// fake is a small connector that does everything right, except what its fault
// names.
type fake struct {
	fault   string
	base    *url.URL
	public  string // where the network is to call
	client  *httpx.Client
	log     func(msg string, args ...any)
	counter atomic.Int64
	closed  atomic.Bool
	late    []connectors.Event
	release chan struct{} // ends the goroutines that faults leave behind
}

type fakeMessage struct {
	Chat, ID, Kind, Text string
}

// harness describes the fake; fault "" is the sound one.
func harness(fault string, release chan struct{}) Harness {
	call := func(messages ...fakeMessage) *http.Request {
		body, err := json.Marshal(messages)
		if err != nil {
			panic(err)
		}
		return httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/fake/"+fakeToken, strings.NewReader(string(body)))
	}
	text := func(m Message) fakeMessage { return fakeMessage{m.Conversation, m.ID, "text", m.Text} }
	return Harness{
		New: func(ch config.Channel, deps connectors.Dependencies) (connectors.Connector, error) {
			return newFake(fault, ch, deps, release)
		},
		Settings: func(base string) string { return "base: " + base + "\ntoken: " + fakeToken },
		Secrets:  []string{fakeToken},
		Webhook: &Webhook{
			Text:    func(m Message) *http.Request { return call(text(m)) },
			Unknown: func(m Message) *http.Request { return call(fakeMessage{m.Conversation, m.ID, "new", m.Text}) },
			Batch: func(messages []Message) *http.Request {
				var all []fakeMessage
				for _, m := range messages {
					all = append(all, text(m))
				}
				return call(all...)
			},
			Forge: func(r *http.Request) *http.Request { r.URL.Path = "/fake/forged"; return r },
		},
		Network: Network{
			To:     connectors.TrackingID(markChat, "fake"),
			Accept: func(http.ResponseWriter, *http.Request) {},
			Read: func(_ *http.Request, body []byte) (id, text string) {
				var m fakeMessage
				if json.Unmarshal(body, &m) != nil {
					return "", ""
				}
				return m.ID, m.Text
			},
			Guarded: true,
		},
		Simulation: pushSimulation(),
	}
}

func newFake(fault string, ch config.Channel, deps connectors.Dependencies, release chan struct{}) (connectors.Connector, error) {
	var cfg struct {
		Base  string        `yaml:"base"`
		Token config.Secret `yaml:"token"`
	}
	if err := ch.Settings.Decode(&cfg); err != nil {
		return nil, err
	}
	base, err := url.Parse(cfg.Base)
	if err != nil {
		return nil, err
	}
	client, err := httpx.New(deps, httpx.Options{Trusted: fault == "no guard"})
	if err != nil {
		return nil, err
	}
	f := &fake{fault: fault, base: base, public: deps.PublicURL, client: client, log: deps.Log.Info, release: release}
	if fault == "two ways in" {
		return fakeRunner{f}, nil
	}
	return f, nil
}

type fakeRunner struct{ *fake }

func (fakeRunner) Run(context.Context, connectors.Inbox) error { return nil }

func (f *fake) is(fault string) bool { return f.fault == fault }

func (f *fake) Capabilities() connectors.Capabilities {
	caps := connectors.Capabilities{Unknown: config.Report, WebhookPatience: time.Second, Typing: f.is("typing declared")}
	if f.is("no policy") {
		caps.Unknown = ""
	}
	return caps
}

// Exclusive implements connectors.Exclusive: the token is in the path.
func (f *fake) Exclusive() string {
	if f.is("keeps its proof") {
		return ""
	}
	return fakeToken
}

func (f *fake) Close() error {
	if f.closed.Swap(true) && f.is("closes once") {
		return errors.New("closed twice")
	}
	return f.client.Close()
}

func (f *fake) Address(id string) (connectors.Address, bool) {
	chat, ok := strings.CutSuffix(id, "|fake")
	return connectors.Address{TrackingID: id, RemoteAddress: chat}, ok && chat != ""
}

func (f *fake) Webhooks() []connectors.Webhook {
	return []connectors.Webhook{{
		Method: http.MethodPost, Path: "/fake/{token}", MaxBody: 1 << 20,
		Verify: func(r *connectors.Request) error {
			if r.Values["token"] != fakeToken && !f.is("no proof") {
				return connectors.ErrForged
			}
			return nil
		},
		Parse: f.parse,
		Reply: func(v connectors.Verdict) connectors.Reply {
			switch {
			case v.Result == connectors.Accepted, f.is("always yes"),
				v.Result == connectors.Unavailable && f.is("yes to what was not taken"):
				return connectors.Reply{Status: 200}
			case f.is("repeats the error") && v.Err != nil:
				return connectors.Reply{Status: 500, ContentType: "text/plain", Body: v.Err.Error()}
			}
			return connectors.Reply{Status: 500}
		},
	}}
}

func (f *fake) parse(r *connectors.Request) (connectors.ParseResult, error) {
	var messages []fakeMessage
	if err := json.Unmarshal(r.Body, &messages); err != nil || len(messages) == 0 {
		switch f.fault {
		case "silent about junk":
			return connectors.ParseResult{}, nil
		case "panics":
			panic("junk")
		case "any error":
			return connectors.ParseResult{}, errors.New("junk")
		}
		return connectors.ParseResult{}, &connectors.RequestError{Reason: connectors.ReasonSyntax}
	}
	var result connectors.ParseResult
	for _, m := range messages {
		if m.Chat == "" || m.ID == "" || m.Text == "" {
			return connectors.ParseResult{}, &connectors.RequestError{Reason: connectors.ReasonMissing}
		}
		if m.Kind == "probe" && f.is("counts no probe") {
			return connectors.ParseResult{}, nil
		}
		if m.Kind == "probe" {
			return connectors.ParseResult{Ignored: map[string]int{"probe": 1}}, nil
		}
		if m.Kind != "text" && f.is("drops the unknown") {
			return connectors.ParseResult{Ignored: map[string]int{"unknown": 1}}, nil
		}
		result.Events = append(result.Events, f.event(m, r))
	}
	if f.is("backwards") && len(result.Events) > 1 {
		result.Events[0], result.Events[1] = result.Events[1], result.Events[0]
	}
	if f.is("every other call late") { // its event comes with the next call's
		f.late, result.Events = append(f.late, result.Events...), nil
		if len(f.late) == 2 {
			result.Events, f.late = []connectors.Event{f.late[1], f.late[0]}, nil
		}
	}
	return result, nil
}

func (f *fake) event(m fakeMessage, r *connectors.Request) connectors.Event {
	ev := connectors.Event{
		Kind: connectors.KindText, Text: m.Text,
		ID:         connectors.EventID("fake", "text", m.ID, ""),
		NetworkID:  m.ID,
		TrackingID: connectors.TrackingID(m.Chat, "fake"),
		Customer:   connectors.Customer{RemoteAddress: m.Chat, PartyName: "x"},
	}
	if m.Kind != "text" {
		ev.Kind, ev.Text = connectors.KindUnsupported, "something"
	}
	switch f.fault {
	case "other words":
		ev.Text += "."
	case "random id", "another id each time":
		ev.ID = connectors.EventID("fake", "text", m.ID, string(rune('a'+f.counter.Add(1)%26)))
	case "lower-cased id":
		ev.ID = connectors.EventID("fake", "text", strings.ToLower(m.ID), "")
	case "cuts the network's id":
		ev.NetworkID = m.ID[:min(len(m.ID), connectors.MaxEventID)]
	case "raw id":
		ev.ID = m.ID
	case "one conversation":
		ev.TrackingID = "1|fake"
	case "cuts text":
		ev.Text = ev.Text[:min(len(ev.Text), 100)]
	case "nobody":
		ev.Customer.RemoteAddress = ""
	case "quotes the unknown":
		ev.Text = m.Text
	case "keeps the body":
		ev.Customer.PartyName = unsafe.String(&r.Body[0], len(r.Body)) //nolint:gosec // the fault to be caught
	case "logs the text":
		f.log("got a message", "text", m.Text)
	case "logs the address":
		f.log("got a message", "from", m.Chat)
	}
	return ev
}

func (f *fake) Send(ctx context.Context, part connectors.Part) (connectors.Receipt, error) {
	if _, ok := f.Address(part.To.TrackingID); !ok && !f.is("asks for nobody") || len(part.To.TrackingID) > 128 {
		return connectors.Receipt{}, &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound}
	}
	switch {
	case f.is("does not wait"):
		go func() { _ = f.attempt(context.WithoutCancel(ctx), part) }()
		return connectors.Receipt{}, nil
	case f.is("ignores its context"):
		ctx = context.WithoutCancel(ctx)
	case f.is("panics on text") && strings.Contains(part.Text, "\x00"):
		panic("text")
	case f.is("leaves goroutines"):
		go func() { <-f.release }()
	case f.is("calls home"):
		home := &url.URL{Scheme: "http", Host: "8.8.8.8:80"}
		_, _ = f.client.Do(ctx, httpx.Request{Method: http.MethodGet, URL: home})
	}
	err := f.attempt(ctx, part)
	if f.is("tries again") && err != nil {
		err = f.attempt(ctx, part)
	}
	return connectors.Receipt{}, f.spoil(err)
}

func (f *fake) attempt(ctx context.Context, part connectors.Part) error {
	body, err := json.Marshal(fakeMessage{ID: part.ID, Text: part.Text})
	if err != nil {
		return err
	}
	answer, err := f.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: f.base.JoinPath("send"), Body: body})
	if err != nil {
		return err
	}
	if err := httpx.Statuses().Check(answer); err != nil {
		if f.is("repeats the answer") {
			connectors.AsSendError(err).Err = errors.New(string(answer.Body))
		}
		return err
	}
	return nil
}

// spoil makes a right error wrong.
func (f *fake) spoil(err error) error {
	if err == nil {
		return nil
	}
	se := connectors.AsSendError(err)
	switch f.fault {
	case "any send error":
		return errors.New("did not work")
	case "hides failures":
		return nil
	case "forgets Retry-After":
		se.RetryAfter = 0
	case "rejects on 5xx":
		if se.Reason == connectors.ReasonServer {
			se.Outcome = connectors.Rejected
		}
	case "calls the cut not sent":
		if se.Reason == connectors.ReasonCut {
			se.Outcome = connectors.NotSent
		}
	case "calls the late not sent":
		if se.Reason == connectors.ReasonTimeout {
			se.Outcome = connectors.NotSent
		}
	case "rejects without credentials":
		if se.Reason == connectors.ReasonAuth {
			se.Outcome = connectors.Rejected
		}
	case "retries the refused":
		if se.Outcome == connectors.Rejected {
			se.Outcome = connectors.NotSent
		}
	case "unsure of the unreachable":
		if se.Reason == connectors.ReasonConnect {
			se.Outcome = connectors.Unknown
		}
	case "own reason":
		se.Reason = "whatever"
	case "token in errors":
		se.Err = errors.New("POST /" + fakeToken + " failed")
	}
	return se
}
