package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// poller is a connector of fakeNet that does everything right, except what its
// fault names.
type poller struct {
	fault  string
	base   *url.URL
	client *httpx.Client
	other  *atomic.Int64
}

// pollHarness describes it; fault "" is the sound one.
func pollHarness(fault string) Harness {
	var other atomic.Int64
	kinds := []connectors.Kind{connectors.KindText, connectors.KindFile, connectors.KindUnsupported, connectors.KindNotice}
	if fault == "kinds nobody tried" {
		kinds = append(kinds, connectors.KindLocation)
	}
	return Harness{
		New: func(ch config.Channel, deps connectors.Dependencies) (connectors.Connector, error) {
			return newPoller(fault, &other, ch, deps)
		},
		Settings: func(base string) string { return "base: " + base + "\ntoken: " + fakeToken },
		Secrets:  []string{fakeToken},
		Network: Network{
			To: connectors.TrackingID(markChat, "fake"),
			Accept: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, `{"OK":true,"ID":1}`)
			},
			Read: func(_ *http.Request, body []byte) (id, text string) {
				var call fakeCall
				if json.Unmarshal(body, &call) != nil {
					return "", ""
				}
				return "", call.Text
			},
			Limit: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusTooManyRequests)
				wait, _ := strconv.Atoi(w.Header().Get("Retry-After"))
				_ = json.NewEncoder(w).Encode(fakeAnswer{Code: 429, Wait: wait})
			},
		},
		Simulation: &Simulation{
			Start:      newFakeNet,
			Kinds:      kinds,
			Scenarios:  "testdata",
			Background: []string{"poll"},
			Rows: []Row{
				{
					Name: "flood", Status: 200, Body: `{"Code":429,"Wait":3}`, HasHint: true,
					Want: connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonRate, RetryAfter: 3 * time.Second},
				},
				{
					Name: "gone", Status: 404, Open: true, HasHint: true,
					Want: connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound},
				},
				{
					Name: "too long", Status: 200, Body: `{"Code":400}`,
					Want: connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent},
				},
			},
		},
	}
}

func newPoller(fault string, other *atomic.Int64, ch config.Channel, deps connectors.Dependencies) (connectors.Connector, error) {
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
	client, err := httpx.New(deps, httpx.Options{Trusted: true, Timeout: time.Minute})
	if err != nil {
		return nil, err
	}
	return &poller{fault: fault, base: base, client: client, other: other}, nil
}

func (c *poller) is(fault string) bool { return c.fault == fault }

func (c *poller) Capabilities() connectors.Capabilities {
	caps := connectors.Capabilities{
		Unknown: config.Report, TextLimit: fakeText, Files: true, Caption: fakeCaption, Replies: true,
		Buttons: fakeButtons, ButtonTitle: fakeTitle, ButtonPayload: fakePayload, Typing: true, ReadMark: true, Reports: true,
	}
	switch c.fault {
	case "claims too much text":
		caps.TextLimit++
	case "claims to be resendable":
		caps.Unknown = config.Resend
	case "claims too little text":
		caps.TextLimit--
	case "claims too much caption":
		caps.Caption++
	case "claims too many buttons":
		caps.Buttons++
	case "claims too long titles":
		caps.ButtonTitle++
	case "claims no payload limit":
		caps.ButtonPayload = 0
	}
	return caps
}

func (c *poller) Close() error { return c.client.Close() }

func (c *poller) Exclusive() string {
	if c.is("another account each time") {
		return strconv.Itoa(int(c.other.Add(1)))
	}
	return "account"
}

func (c *poller) Address(id string) (connectors.Address, bool) {
	chat, ok := strings.CutSuffix(id, "|fake")
	return connectors.Address{TrackingID: id, RemoteAddress: chat}, ok && chat != "" && len(id) < 100
}

// Run polls.
func (c *poller) Run(ctx context.Context, in connectors.Inbox) error {
	if c.is("leaves a goroutine") {
		go func() { select {} }()
	}
	if c.is("deaf to its context") {
		ctx = context.WithoutCancel(ctx)
	}
	for offset := 0; ctx.Err() == nil; {
		answer, err := c.call(ctx, "poll", fakeCall{Offset: offset})
		if err != nil {
			if c.is("asks again at once") || c.is("hides what is wrong") && connectors.AsSendError(err).Reason == connectors.ReasonAuth {
				if !c.is("asks again at once") {
					wait(ctx, time.Second)
				}
				continue
			}
			if c.is("forgets the wait") {
				connectors.AsSendError(err).RetryAfter = 0
			}
			if c.is("another error of Run") {
				return errors.New("did not work")
			}
			return err
		}
		if !c.is("never works") {
			in.Working()
		}
		if offset, err = c.deliver(ctx, in, offset, answer.Updates); err != nil {
			return err
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (c *poller) deliver(ctx context.Context, in connectors.Inbox, offset int, updates []fakeUpdate) (int, error) {
	var events []connectors.Event
	for _, u := range updates {
		events = append(events, c.event(u))
		offset = max(offset, u.ID+1)
	}
	if c.is("confirms before") && offset > 0 {
		go func() { _, _ = c.call(ctx, "poll", fakeCall{Offset: offset}) }()
		wait(ctx, time.Second)
	}
	if len(events) == 0 {
		return offset, nil
	}
	if c.is("confirms nothing") {
		return 0, in.Deliver(ctx, events)
	}
	err := in.Deliver(ctx, events)
	if c.is("forgets what was not taken") {
		return offset, nil
	}
	if err != nil && !errors.Is(err, connectors.ErrUnavailable) {
		return 0, err
	}
	if err != nil {
		if !c.is("hands over at once again") {
			wait(ctx, 2*time.Second)
		}
		return 0, nil
	}
	return offset, nil
}

func (c *poller) event(u fakeUpdate) connectors.Event {
	ev := connectors.Event{
		ID: connectors.EventID("fake", u.Kind, fakeID(u.ID), ""), Kind: connectors.KindText, Text: u.Text, NetworkID: fakeID(u.ID),
		TrackingID: connectors.TrackingID(u.Chat, "fake"), Customer: connectors.Customer{RemoteAddress: u.Chat, PartyName: "x"},
	}
	switch {
	case u.File != "":
		ev.Kind, ev.File = connectors.KindFile, &connectors.File{Type: "document", ID: u.File}
		if c.is("token in file address") {
			ev.File.URL = "http://127.0.0.1/" + fakeToken
		}
	case u.Kind == "echo":
		ev.NetworkID = ""
		return c.notice(u, ev)
	case u.Kind != "text":
		ev.Kind, ev.Text = connectors.KindUnsupported, "something"
	}
	switch c.fault {
	case "another id each life":
		ev.ID = connectors.EventID("fake", u.Kind, fakeID(u.ID), fmt.Sprintf("%p", c))
	case "names messages by event":
		ev.NetworkID = ev.ID
	case "names no message":
		ev.NetworkID = ""
	}
	return ev
}

// Typing implements connectors.Typer.
func (c *poller) Typing(ctx context.Context, _ connectors.Address, _ string, _ bool) error {
	if c.is("does not type") {
		return nil
	}
	_, err := c.call(ctx, "typing", fakeCall{})
	return err
}

// MarkRead implements connectors.ReadMarker.
func (c *poller) MarkRead(ctx context.Context, _ connectors.Address, networkID string) error {
	if c.is("marks nothing") {
		return nil
	}
	_, err := c.call(ctx, "read", fakeCall{Reply: networkID})
	return err
}

// Open implements connectors.AttachmentOpener.
func (c *poller) Open(ctx context.Context, f connectors.File, byteRange string) (*connectors.Media, error) {
	stream, err := c.client.Stream(ctx, httpx.Request{
		Method: http.MethodGet, URL: c.base.JoinPath("file", f.ID), Header: http.Header{"Range": {byteRange}},
	})
	if err != nil {
		return nil, err
	}
	if err := httpx.Statuses().Check(stream.Response()); err != nil && !c.is("gives out error pages") {
		stream.Body.Close()
		return nil, err
	}
	media := stream.Media()
	if c.is("tells another size") {
		media.Size++
	}
	return media, nil
}

// Send implements connectors.Connector.
func (c *poller) Send(ctx context.Context, part connectors.Part) (connectors.Receipt, error) {
	addr, ok := c.Address(part.To.TrackingID)
	if !ok {
		return connectors.Receipt{}, &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound}
	}
	call := fakeCall{Chat: addr.RemoteAddress, Text: part.Text, Reply: part.ReplyTo, Mark: part.Ref}
	if c.is("answers nothing") {
		call.Reply = ""
	}
	if c.is("cuts text") {
		call.Text = string([]rune(part.Text)[:min(fakeText, len([]rune(part.Text)))])
	}
	for _, b := range part.Buttons {
		if c.is("shortens payloads") {
			b.ID = b.ID[:min(len(b.ID), fakePayload)]
		}
		call.Buttons = append(call.Buttons, fakeButton{b.Text, b.ID})
	}
	if part.File != nil {
		content, err := c.read(ctx, part.File)
		if err != nil {
			return connectors.Receipt{}, err
		}
		call.File = content
	}
	answer, err := c.call(ctx, "send", call)
	if call.Reply != "" && connectors.AsSendError(err).Reason == connectors.ReasonNotFound && !c.is("insists on replies") {
		call.Reply = ""
		answer, err = c.call(ctx, "send", call)
	}
	if err != nil && c.is("unsure of refusals") {
		connectors.AsSendError(err).Outcome = connectors.Unknown
	}
	if err != nil && c.is("no hints") {
		connectors.AsSendError(err).Hint = ""
	}
	return connectors.Receipt{NetworkID: strconv.Itoa(answer.ID)}, err
}

func (c *poller) read(ctx context.Context, f *connectors.OutFile) (string, error) {
	media, err := f.Open(ctx)
	if err != nil {
		if c.is("own error of a file") {
			err = &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent}
		}
		return "", err
	}
	defer media.Body.Close()
	content, err := io.ReadAll(media.Body)
	return string(content), err
}

func (c *poller) call(ctx context.Context, method string, call fakeCall) (answer fakeAnswer, err error) {
	body, err := json.Marshal(call)
	if err != nil {
		return answer, err
	}
	resp, err := c.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: c.base.JoinPath(method), Body: body})
	if err != nil {
		return answer, err
	}
	if resp.BodyErr != nil {
		return answer, resp.BodyErr
	}
	if json.Unmarshal(resp.Body, &answer) != nil {
		if err := httpx.Statuses().Check(resp); err != nil {
			return answer, err
		}
		return answer, &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer, Err: errFake}
	}
	if answer.OK {
		return answer, nil
	}
	se := &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent, Code: strconv.Itoa(answer.Code)}
	switch answer.Code {
	case 429:
		se.Outcome, se.Reason, se.Hint = connectors.NotSent, connectors.ReasonRate, "Wait."
		se.RetryAfter = time.Duration(answer.Wait) * time.Second
	case 401:
		se.Outcome, se.Reason = connectors.NotSent, connectors.ReasonAuth
	case 409:
		se.Outcome, se.Reason = connectors.NotSent, connectors.ReasonConflict
	case 403:
		se.Reason = connectors.ReasonBlocked
	case 404:
		se.Reason = connectors.ReasonNotFound
	case 500:
		se.Outcome, se.Reason = connectors.Unknown, connectors.ReasonServer
	}
	return answer, se
}
