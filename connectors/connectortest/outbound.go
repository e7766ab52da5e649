package connectortest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"servicelink/connectors"
)

var outboundChecks = []check{
	{"send/accepted", checkAccepted, onSockets},
	{"send/waits", checkWaits, onSockets},
	{"send/limited", checkLimited, onSockets},
	{"send/server", checkServer, onSockets},
	{"send/cut", checkCut, onSockets},
	{"send/slow", checkSlow, onSockets},
	{"send/stopped", checkStopped, onSockets},
	{"send/unreachable", checkUnreachable, onSockets},
	{"send/unauthorized", checkUnauthorized, onSockets},
	{"send/refused", checkRefused, onSockets},
	{"send/poison", checkSendPoison, onSockets},
	{"send/nobody", checkNobody, onSockets},
	{"send/concurrent", checkConcurrent, onSockets},
	{"close", checkClose, onSockets},
}

// status answers with a bare status and a body that must be repeated nowhere.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, markNetwork)
	}
}

func htmlPage(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "<html><title>"+markNetwork+"</title></html>")
	}
}

// or is h, or fallback without one.
func or(h, fallback http.HandlerFunc) http.HandlerFunc {
	if h != nil {
		return h
	}
	return fallback
}

// answered sends one message to a network that answers like this. There must
// be an error, and one request: a connector does not try again by itself.
func (p *probe) answered(answer http.HandlerFunc) *connectors.SendError {
	n := p.network(answer)
	se := p.send(context.Background(), p.connector(n.URL), p.part("id-1", markText))
	if got := len(n.arrived()); got != 1 {
		p.errorf("one Send made %d requests", got)
	}
	if se == nil {
		p.errorf("Send calls a failure a success")
		return &connectors.SendError{}
	}
	return se
}

// expect compares with the wanted outcome, and the reason if one is wanted.
func (p *probe) expect(what string, se *connectors.SendError, outcome connectors.Outcome, reason connectors.Reason) {
	if se.Outcome != outcome || reason != "" && se.Reason != reason {
		p.errorf("%s is %s: %s, want %s: %s", what, se.Outcome, se.Reason, outcome, reason)
	}
}

func checkAccepted(p *probe) {
	n := p.network(p.h.Network.Accept)
	c := p.connector(n.URL)
	for _, text := range []string{markText, "ž😀 <b>&amp;\n\"quoted\"", "third"} {
		if se := p.send(context.Background(), c, p.part("id-"+text[:1], text)); se != nil {
			p.errorf("Send of %.20q: %v", text, se)
		}
	}
	got := n.arrived()
	if len(got) != 3 {
		p.errorf("three sends made %d requests", len(got))
		return
	}
	if id, text := p.h.Network.Read(got[0].request, got[0].body); text != markText || id != "" && id != "id-m" {
		p.errorf("sent %q %q, want id-m %q", id, text, markText)
	}
	if _, text := p.h.Network.Read(got[1].request, got[1].body); text != "ž😀 <b>&amp;\n\"quoted\"" {
		p.errorf("text arrived as %q", text)
	}
}

// checkWaits: Send returns when the network has answered. Only so the engine
// can keep the order of a conversation.
func checkWaits(p *probe) {
	asked, release := make(chan struct{}), make(chan struct{})
	n := p.network(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
		p.h.Network.Accept(w, r)
	})
	c, done := p.connector(n.URL), make(chan struct{})
	go func() {
		defer close(done)
		if se := p.send(context.Background(), c, p.part("id-1", "x")); se != nil {
			p.errorf("Send: %v", se)
		}
	}()
	p.await(asked, "the request")
	select {
	case <-done:
		p.errorf("Send returned before the network answered")
	case <-time.After(20 * time.Millisecond): // a connector that does not wait is long back
	}
	close(release)
	p.await(done, "Send")
}

// await fails the check when c stays open.
func (p *probe) await(c <-chan struct{}, what string) {
	select {
	case <-c:
	case <-time.After(patience):
		panic(what + " did not come")
	}
}

func checkLimited(p *probe) {
	limit := or(p.h.Network.Limit, status(http.StatusTooManyRequests))
	p.expectLimit("too many, with Retry-After", p.answered(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		limit(w, r)
	}), 7*time.Second)
	if p.h.Network.Limit == nil { // HTTP's other form of the header
		p.expectLimit("too many, with a date", p.answered(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", "Sun, 22 Nov 2026 08:00:00 GMT")
			w.Header().Set("Retry-After", "Sun, 22 Nov 2026 08:00:09 GMT")
			limit(w, r)
		}), 9*time.Second)
	}
	p.expectLimit("too many, without Retry-After", p.answered(limit), 0)
}

func (p *probe) expectLimit(what string, se *connectors.SendError, wait time.Duration) {
	p.expect(what, se, connectors.NotSent, connectors.ReasonRate)
	if se.RetryAfter != wait {
		p.errorf("%s: RetryAfter is %v, want %v", what, se.RetryAfter, wait)
	}
}

// checkServer: an error page of a server or a proxy is never the network's last
// word on a message.
func checkServer(p *probe) {
	p.expect("500", p.answered(status(500)), connectors.Unknown, connectors.ReasonServer)
	p.expect("502 with an HTML page", p.answered(htmlPage(502)), connectors.Unknown, connectors.ReasonServer)
	p.expect("503 with an HTML page", p.answered(htmlPage(503)), connectors.NotSent, "")
	p.expect("504", p.answered(status(504)), connectors.Unknown, "")
}

func checkCut(p *probe) {
	se := p.answered(func(w http.ResponseWriter, _ *http.Request) { hangUp(w, "") })
	p.expect("a connection closed without an answer", se, connectors.Unknown, connectors.ReasonCut)
	se = p.answered(func(w http.ResponseWriter, _ *http.Request) { hangUp(w, "HTTP/1.1 200 OK\r\nX-Secret: "+markNetwork) })
	p.expect("an answer cut in its header", se, connectors.Unknown, "")
	se = p.answered(func(w http.ResponseWriter, _ *http.Request) { hangUp(w, markNetwork+"\r\n\r\n") })
	p.expect("an answer that is not HTTP", se, connectors.Unknown, "")
}

// hangUp writes text as it is and closes the connection.
func hangUp(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

func checkSlow(p *probe) {
	ctx := &deadline{Context: context.Background(), passed: make(chan struct{})}
	n := p.network(func(_ http.ResponseWriter, r *http.Request) {
		close(ctx.passed)
		<-r.Context().Done()
	})
	p.expectLost("no answer before the deadline", p.returns(ctx, n), connectors.ReasonTimeout)
}

// deadline is a context whose deadline passes when the check says so, not when
// a busy machine happens to have come this far.
type deadline struct {
	context.Context
	passed chan struct{}
}

func (d *deadline) Done() <-chan struct{} { return d.passed }

func (d *deadline) Err() error {
	select {
	case <-d.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// checkStopped: the gateway stops while the request is under way.
func checkStopped(p *probe) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := p.network(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	p.expectLost("stopped in mid-flight", p.returns(ctx, n), connectors.ReasonCanceled)
}

// returns makes an attempt that must come back because ctx ends.
func (p *probe) returns(ctx context.Context, n *network) *connectors.SendError {
	c, back := p.connector(n.URL), make(chan *connectors.SendError, 1)
	go func() { back <- p.send(ctx, c, p.part("id-1", markText)) }()
	select {
	case se := <-back:
		return se
	case <-time.After(patience):
		n.CloseClientConnections()
		p.errorf("Send does not return when its context ends; cut off, it says %v", <-back)
		return nil
	}
}

func (p *probe) expectLost(what string, se *connectors.SendError, reason connectors.Reason) {
	if se == nil {
		p.errorf("%s: Send calls it a success", what)
		return
	}
	p.expect(what, se, connectors.Unknown, reason)
}

func checkUnreachable(p *probe) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	se := p.send(context.Background(), p.connector(gone.URL), p.part("id-1", markText))
	if se == nil {
		p.errorf("Send to nobody is a success")
		return
	}
	p.expect("a refused connection", se, connectors.NotSent, connectors.ReasonConnect)
}

func checkUnauthorized(p *probe) {
	se := p.answered(or(p.h.Network.Unauthorized, status(http.StatusUnauthorized)))
	p.expect("wrong credentials", se, connectors.NotSent, connectors.ReasonAuth)
}

func checkRefused(p *probe) {
	se := p.answered(or(p.h.Network.Refuse, status(http.StatusBadRequest)))
	p.expect("a permanent refusal", se, connectors.Rejected, "")
}

// checkSendPoison: no text makes Send panic or answer without a SendError.
func checkSendPoison(p *probe) {
	n := p.network(p.h.Network.Accept)
	c := p.connector(n.URL)
	for _, text := range []string{"", "\x00", "\xff\xfe", "\u202e\ufeff\U0010ffff", strings.Repeat("x", 1<<20), `"}]}'; --`} {
		part := p.part("id-1", text)
		part.Buttons = []connectors.Button{{ID: text, Text: text}}
		if se := p.send(context.Background(), c, part); se != nil && se.Outcome == connectors.Unknown {
			p.errorf("Send of %.20q: %v", text, se)
		}
	}
}

// checkNobody: what is no conversation of this network is refused without
// asking it.
func checkNobody(p *probe) {
	n := p.network(p.h.Network.Accept)
	c := p.connector(n.URL)
	for _, id := range []string{"", "|", "no such network:_zz|nobody", strings.Repeat("9", 200)} {
		part := p.part("id-1", "x")
		part.To.TrackingID = id
		if se := p.send(context.Background(), c, part); se == nil || se.Outcome != connectors.Rejected {
			p.errorf("Send to the TrackingID %.40q: %v, want a rejection", id, se)
		}
		if a, ok := c.(connectors.Addresser); ok {
			if _, known := a.Address(id); known {
				p.errorf("Address takes the TrackingID %.40q for its own", id)
			}
		}
	}
	if got := len(n.arrived()); got > 0 {
		p.errorf("%d requests were made for nobody", got)
	}
}

// checkConcurrent is for the race detector.
func checkConcurrent(p *probe) {
	n := p.network(p.h.Network.Accept)
	c, done := p.connector(n.URL), make(chan struct{})
	const senders = 8
	for range senders {
		go func() {
			defer func() { done <- struct{}{} }()
			if se := p.send(context.Background(), c, p.part("id-1", "x")); se != nil {
				p.errorf("Send: %v", se)
			}
		}()
	}
	for range senders {
		p.await(done, "Send")
	}
	if got := len(n.arrived()); got != senders {
		p.errorf("%d sends made %d requests", senders, got)
	}
}

// checkClose: Close may come twice, and after use.
func checkClose(p *probe) {
	n := p.network(p.h.Network.Accept)
	c, ok := p.connector(n.URL).(connectors.Closer)
	if !ok {
		return
	}
	for range 2 {
		if err := c.Close(); err != nil {
			p.errorf("Close: %v", err)
		}
	}
}

// checkGuard: a target that comes from outside is not reached on a private
// address that nobody listed. A connector that knows it from its settings may
// refuse them at once.
func checkGuard(p *probe) {
	n := p.network(p.h.Network.Accept)
	c, err := p.build(n.URL)
	if err != nil {
		if !strings.Contains(err.Error(), "egress.allow") {
			p.errorf("a private target is refused without a word of egress.allow: %v", err)
		}
		return
	}
	se := p.send(context.Background(), c, p.part("id-1", markText))
	if se == nil || len(n.arrived()) > 0 {
		p.errorf("a private target was reached although egress.allow does not list it")
		return
	}
	p.expect("a private target", se, connectors.NotSent, connectors.ReasonForbidden)
}
