package connectortest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync"

	"servicelink/config"
	"servicelink/connectors"
)

// nowhere is the address of a network that inbound checks need not have.
const nowhere = "http://127.0.0.1:9"

func checkCapabilities(p *probe) {
	c := p.connector(nowhere)
	caps := c.Capabilities()
	p.record.heard("capabilities", fmt.Sprintf("%+v", caps))
	p.record.heard("connector", fmt.Sprintf("%v %+v", c, c))
	if caps.Unknown != config.Resend && caps.Unknown != config.Report {
		p.errorf("Capabilities.Unknown is %q, want resend or report", caps.Unknown)
	}
	if _, ok := c.(connectors.Typer); caps.Typing != ok {
		p.errorf("Typing is %v, implements Typer: %v", caps.Typing, ok)
	}
	if _, ok := c.(connectors.ReadMarker); caps.ReadMark != ok {
		p.errorf("ReadMark is %v, implements ReadMarker: %v", caps.ReadMark, ok)
	}
	_, hooks := c.(connectors.Webhooker)
	_, runs := c.(connectors.Runner)
	_, mounts := c.(connectors.Mounter)
	ways := 0
	for _, way := range []bool{hooks, runs, mounts} {
		if way {
			ways++
		}
	}
	if ways != 1 {
		p.errorf("has %d ways in, want exactly one of Webhooker, Runner, Mounter", ways)
	}
	if _, ok := c.(connectors.WindowOpener); ok && (!caps.Templates || caps.ReplyWindow <= 0) {
		p.errorf("opens a reply window that it does not declare, or by templates that it does not take")
	}
	if hooks && caps.WebhookPatience <= 0 {
		p.errorf("takes webhooks and has no WebhookPatience")
	}
}

// mounted is a connector with its webhooks where the engine would put them.
type mounted struct {
	p     *probe
	c     connectors.Connector
	hooks []connectors.Webhook
	mux   *http.ServeMux
}

func (p *probe) mount() *mounted { return p.mountAt(nowhere) }

func (p *probe) mountAt(base string) *mounted {
	m := &mounted{p: p, c: p.connector(base), mux: http.NewServeMux()}
	m.hooks = m.c.(connectors.Webhooker).Webhooks()
	for _, hook := range m.hooks {
		if hook.MaxBody <= 0 || hook.MaxBody > 16<<20 {
			p.errorf("MaxBody of %s is %d, want at most 16 MiB", hook.Path, hook.MaxBody)
		}
		m.mux.HandleFunc(hook.Method+" "+hook.Path, func(http.ResponseWriter, *http.Request) {})
	}
	return m
}

// find routes r and makes the Request that the engine would make.
func (m *mounted) find(r *http.Request) (connectors.Webhook, *connectors.Request) {
	_, pattern := m.mux.Handler(r)
	for _, hook := range m.hooks {
		if hook.Method+" "+hook.Path != pattern {
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		req := &connectors.Request{
			Method: r.Method, URL: r.URL, PublicURL: PublicURL + r.URL.RequestURI(),
			Header: r.Header, Body: body, Client: "127.0.0.1",
		}
		// The router fills the wildcards in the handler it calls.
		mux := http.NewServeMux()
		mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { req.Values = wildcards(hook.Path, r) })
		mux.ServeHTTP(httptest.NewRecorder(), r)
		return hook, req
	}
	panic("the harness's request fits no webhook: " + r.Method + " " + r.URL.Path)
}

func wildcards(pattern string, r *http.Request) map[string]string {
	values := map[string]string{}
	for segment := range strings.SplitSeq(pattern, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")
			values[name] = r.PathValue(name)
		}
	}
	return values
}

// take passes a genuine request through Verify and Parse, as the engine does.
func (m *mounted) take(r *http.Request) []connectors.Event {
	hook, req := m.find(r)
	if err := hook.Verify(req); err != nil {
		m.p.errorf("Verify refuses a genuine request: %v", err)
		return nil
	}
	result, err := hook.Parse(req)
	if err != nil {
		m.p.hear(err)
		m.p.errorf("Parse refuses a genuine request: %v", err)
	}
	for _, problem := range faults(m.c, result.Events) {
		m.p.errorf("%s", problem)
	}
	return result.Events
}

// one is take for a call that carries one message.
func (m *mounted) one(r *http.Request) connectors.Event {
	events := m.take(r)
	if len(events) != 1 {
		m.p.errorf("one message became %d events", len(events))
		return connectors.Event{}
	}
	return events[0]
}

func message(id, text string) Message {
	return Message{Conversation: markChat, ID: id, Text: text}
}

var inboundChecks = []check{
	{"inbound/text", checkText, onSockets},
	{"inbound/duplicates", checkDuplicates, onSockets},
	{"inbound/network id", checkLongIDs, onSockets},
	{"inbound/forged", checkForged, onSockets},
	{"inbound/exclusive", checkCallsOfTwo, onSockets},
	{"inbound/hostile", checkHostile, onSockets},
	{"inbound/poison", checkPoison, onSockets},
	{"inbound/pure", checkPure, onSockets},
	{"inbound/replies", checkReplies, onSockets},
	{"inbound/hooks", checkHooks, onSockets},
	{"inbound/order", checkOrder, onSockets},
}

func checkText(p *probe) {
	m := p.mount()
	for _, text := range []string{markText, "ž😀 <b>&amp;\n\"quoted\"", strings.Repeat("long ", 1000)} {
		ev := m.one(p.h.Webhook.Text(message("1", text)))
		if ev.Kind != connectors.KindText || ev.Text != text {
			p.errorf("%.40q became %s %.40q", text, ev.Kind, ev.Text)
		}
	}
}

// checkDuplicates: what the network sends again has the ID it had, also for
// another instance; whatever differs in any way has another.
func checkDuplicates(p *probe) {
	m, other := p.mount(), p.mount()
	first := m.one(p.h.Webhook.Text(message("a1", "x")))
	for _, again := range []connectors.Event{
		m.one(p.h.Webhook.Text(message("a1", "x"))), other.one(p.h.Webhook.Text(message("a1", "x"))),
	} {
		if again.ID != first.ID || again.TrackingID != first.TrackingID {
			p.errorf("the same message came as %q in %q, then as %q in %q", first.ID, first.TrackingID, again.ID, again.TrackingID)
		}
	}
	seen := map[string]string{}
	for _, id := range []string{"a1", "A1", "a1 ", "1", strings.Repeat("7", 200), strings.Repeat("7", 201), "a|1", "ž"} {
		ev := m.one(p.h.Webhook.Text(message(id, "x")))
		if before, taken := seen[ev.ID]; taken {
			p.errorf("messages %q and %q share the ID %q", before, id, ev.ID)
		}
		seen[ev.ID] = id
	}
	if ev := m.one(p.h.Webhook.Text(Message{Conversation: "18", ID: "a1", Text: "x"})); ev.TrackingID == first.TrackingID {
		p.errorf("two conversations share the TrackingID %q", ev.TrackingID)
	}
}

// checkLongIDs: the network's id comes through whole and in its own letters, however
// it looks: the engine gives it back when somebody answers the message.
func checkLongIDs(p *probe) {
	m := p.mount()
	for _, id := range []string{"1", "mIxEd.Case==", strings.Repeat("Kit5", 50), "$Ev/" + strings.Repeat("x", connectors.MaxNetworkID/2)} {
		if ev := m.one(p.h.Webhook.Text(message(id, "x"))); !strings.Contains(ev.NetworkID, id) {
			p.errorf("the message %q comes with the NetworkID %q", id, ev.NetworkID)
		}
	}
}

func checkForged(p *probe) {
	m := p.mount()
	hook, req := m.find(p.h.Webhook.Forge(p.h.Webhook.Text(message("1", markText))))
	err := hook.Verify(req)
	if !errors.Is(err, connectors.ErrNotMine) && !errors.Is(err, connectors.ErrForged) {
		p.errorf("Verify of a forged request returns %v, want ErrNotMine or ErrForged", err)
	}
	if err != nil {
		p.hear(err)
	}
}

// checkCallsOfTwo: where two channels with the same settings would both take a call,
// each message would be taken twice, so the engine must be able to tell.
func checkCallsOfTwo(p *probe) {
	m := p.mount()
	other, err := p.buildAs("kit-2", nowhere, netip.MustParsePrefix("127.0.0.0/8"))
	if err != nil {
		panic(err)
	}
	_, req := m.find(p.h.Webhook.Text(message("1", markText)))
	taken := false
	for _, hook := range other.(connectors.Webhooker).Webhooks() {
		taken = taken || hook.Verify(req) == nil
	}
	mine, one := m.c.(connectors.Exclusive)
	theirs, two := other.(connectors.Exclusive)
	if taken && (!one || !two || mine.Exclusive() == "" || mine.Exclusive() != theirs.Exclusive()) {
		p.errorf("a call is taken by two channels with the same settings, and Exclusive differs between them, or is empty")
	}
}

// checkHostile: whatever the body is, Parse gives a *RequestError and nothing,
// or says what it took; and half a message is never taken for one, unless its
// proof covers the body and Verify stops it.
func checkHostile(p *probe) {
	m := p.mount()
	hook, req := m.find(p.h.Webhook.Text(message("1", markText)))
	genuine := req.Body
	for end := range genuine {
		cut := *req
		cut.Body = genuine[:end]
		if events := p.hostile(m.c, hook, req, cut.Body); events > 0 && hook.Verify(&cut) == nil {
			p.errorf("a body cut after %d of %d bytes became %d events", end, len(genuine), events)
		}
	}
	for _, body := range hostileBodies(genuine) {
		p.hostile(m.c, hook, req, body)
	}
}

// hostile gives body to Parse and returns the number of events.
func (p *probe) hostile(c connectors.Connector, hook connectors.Webhook, req *connectors.Request, body []byte) int {
	r := *req
	r.Body = body
	result, err := hook.Parse(&r)
	for _, problem := range verdict(c, result, err) {
		p.errorf("%s, for the body %.60q", problem, body)
	}
	if err != nil {
		p.hear(err)
		reply := hook.Reply(connectors.Verdict{Result: connectors.Malformed, Err: err})
		p.record.heard("reply", fmt.Sprintf("%+v", reply))
	}
	return len(result.Events)
}

func hostileBodies(genuine []byte) [][]byte {
	bodies := [][]byte{
		nil, []byte("null"), []byte("[]"), []byte("{}"), []byte(`""`), []byte("0"), []byte("\x00"), []byte("\xff\xfe{}"),
		[]byte(strings.Repeat("[", 1<<18)), []byte(strings.Repeat(`{"a":`, 1<<15)),
		[]byte(`{"` + strings.Repeat("a", 1<<18) + `":1}`), []byte(`[` + strings.Repeat("9", 1<<18) + `]`),
		[]byte("[" + strings.Repeat(`{},`, 1<<16) + "{}]"), []byte("<html>502</html>"),
		bytes.Repeat([]byte("&a=b"), 1<<16),
	}
	// The genuine body with one byte changed, all over.
	for i := range genuine {
		for _, c := range []byte{0, '"', '{', '}', ',', '9', 0xff} {
			changed := bytes.Clone(genuine)
			changed[i] = c
			bodies = append(bodies, changed)
		}
	}
	return bodies
}

// checkPoison: what is not understood is an unsupported event, and what comes
// after it is not held up.
func checkPoison(p *probe) {
	m := p.mount()
	ev := m.one(p.h.Webhook.Unknown(message("1", markText)))
	if ev.Kind != connectors.KindUnsupported {
		p.errorf("a message of an unknown kind became %q", ev.Kind)
	}
	if strings.Contains(ev.Text, markText) {
		p.errorf("the description of an unknown message repeats what it held: %q", ev.Text)
	}
	if next := m.one(p.h.Webhook.Text(message("2", "next"))); next.Text != "next" || next.TrackingID != ev.TrackingID {
		p.errorf("the message after a poisoned one became %+v", next)
	}
}

// checkPure: Verify and Parse change and keep nothing, and serve any number of
// calls at once.
func checkPure(p *probe) {
	m := p.mount()
	want := m.one(p.h.Webhook.Text(message("1", markText)))
	hook, req := m.find(p.h.Webhook.Text(message("1", markText)))
	body, header := bytes.Clone(req.Body), req.Header.Clone()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				r := *req
				r.Body = bytes.Clone(body)
				verified := hook.Verify(&r)
				result, err := hook.Parse(&r)
				if verified != nil || err != nil || len(result.Events) != 1 {
					p.errorf("calls at once: Verify %v, Parse %d events, %v", verified, len(result.Events), err)
					return
				}
				if !bytes.Equal(r.Body, body) {
					p.errorf("Verify or Parse changed the body")
				}
				clear(r.Body) // the engine uses the buffer again
				if !reflect.DeepEqual(result.Events[0], want) {
					p.errorf("calls at once, or a body used again, changed the event to %+v, want %+v", result.Events[0], want)
				}
			}
		})
	}
	wg.Wait()
	if !reflect.DeepEqual(req.Header, header) {
		p.errorf("Verify or Parse changed the header")
	}
}

// checkReplies: the network hears yes for what is journaled and for nothing
// else.
func checkReplies(p *probe) {
	for _, hook := range p.mount().hooks {
		for _, v := range []connectors.Verdict{
			{Result: connectors.Accepted},
			{Result: connectors.Refused},
			{Result: connectors.TooLarge},
			{Result: connectors.Malformed, Err: errors.New(markText)},
			{Result: connectors.Malformed, Err: &connectors.RequestError{Reason: connectors.ReasonSyntax}},
			{Result: connectors.Unavailable},
		} {
			reply := hook.Reply(v)
			p.record.heard("reply", fmt.Sprintf("%+v", reply))
			yes := reply.Status >= 200 && reply.Status < 300
			if reply.Status < 200 || reply.Status > 599 || yes != (v.Result == connectors.Accepted) {
				p.errorf("result %d is answered %d", v.Result, reply.Status)
			}
			if reply.Body != "" && reply.ContentType == "" {
				p.errorf("result %d is answered with a body and no content type", v.Result)
			}
		}
	}
}

// checkOrder: the events come in the order of the calls, and in one call in
// the call's order.
func checkOrder(p *probe) {
	var messages []Message
	for i := range 20 {
		messages = append(messages, message(fmt.Sprint(100-i), fmt.Sprintf("text %d", i)))
	}
	m := p.mount()
	var events []connectors.Event
	if p.h.Webhook.Batch != nil {
		events = m.take(p.h.Webhook.Batch(messages))
	} else {
		for _, msg := range messages {
			events = append(events, m.take(p.h.Webhook.Text(msg))...)
		}
	}
	if len(events) != len(messages) {
		p.errorf("%d messages became %d events", len(messages), len(events))
		return
	}
	for i, ev := range events {
		if ev.Text != messages[i].Text {
			p.errorf("event %d is %q, want %q", i, ev.Text, messages[i].Text)
		}
		if ev.TrackingID != events[0].TrackingID {
			p.errorf("event %d is of conversation %q, the first of %q", i, ev.TrackingID, events[0].TrackingID)
		}
	}
}
