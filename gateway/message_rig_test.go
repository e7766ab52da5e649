package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// The gateways of a mailHouse, by the core's ids.
var (
	inboxID  = gatewayID(1)
	outboxID = gatewayID(2)
)

// mailHouse is a gateway between a core that answers by a script and fake devices: a
// mailbox and a mail host.
type mailHouse struct {
	*house
	box  *fakeMailbox
	post *fakePost

	welcome  simprot.Welcome
	maxFrame int // of the core; 0 = the usual one

	mu       sync.Mutex
	conn     *simprot.ServerConn                               // the latest
	got      []taking                                          // every ES_MESSAGE_RECEIVING
	sent     []sending                                         // every ES_MESSAGE_SENT
	say      func(n int, m *simprot.MessageContentInfo) string // Data of the answer to the nth; "" = none; nil = "true"
	register simprot.GatewayList                               // answered when asked
	asked    int
	mute     bool                // it does not answer for its register
	early    int                 // messages that came before the register was asked for on their connection
	on       *simprot.ServerConn // where it was
}

// taking is a message the core was given.
type taking struct {
	simprot.MessageContentInfo
	at time.Time
}

// sending is an answer to SENDING.
type sending struct {
	simprot.CommandInfo
	at time.Time
}

type mailOption func(*mailHouse)

func unfenced(h *mailHouse)     { h.welcome.Fences = false }
func volatileMail(h *mailHouse) { h.disk.volatile = true }
func resending(h *mailHouse)    { h.cfg.Messages.Gateways[1].Unknown = config.Resend }
func registering(h *mailHouse) {
	h.cfg.Messages.Register, h.cfg.Messages.Refresh = true, 5*time.Minute
}

// inMail runs a test in a bubble with everything started.
func inMail(t *testing.T, test func(h *mailHouse), options ...mailOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &mailHouse{house: newHouse(t), box: &fakeMailbox{}, post: &fakePost{}, welcome: simprot.Welcome{Server: "script", Fences: true, Asks: true}}
		h.cfg.Channels = nil
		h.cfg.Messages = config.Messages{Address: testPeer, Gateways: []config.MessageGateway{
			{ID: inboxID.String(), Name: "Support", Direction: config.DirectionIn, Device: "Box", Enabled: true},
			{ID: outboxID.String(), Name: "Post", Direction: config.DirectionOut, Device: "Post", Enabled: true},
		}}
		h.devices = []connectors.DeviceDefinition{
			{Type: "Box", Network: "email", In: true, New: func(config.Channel, connectors.Dependencies) (connectors.Device, error) { return h.box, nil }},
			{Type: "Post", Network: "email", Out: true, New: func(config.Channel, connectors.Dependencies) (connectors.Device, error) { return h.post, nil }},
		}
		for _, o := range options {
			o(h)
		}
		server := simprot.NewServer(simprot.ServerConfig{
			Welcome: h.welcome, Login: true, MaxFrame: h.maxFrame, Authenticate: func(simprot.Login) string { return "" }, OnPacket: h.packet,
			OnLogin: func(c *simprot.ServerConn) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.conn = c
			},
		})
		ctx, stopCore := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- server.Serve(ctx, h.door) }()
		h.start()
		defer func() {
			h.post.free()
			h.stop()
			h.balanced()
			stopCore()
			<-served
			h.disk.Close()
		}()
		h.waits(time.Second)
		test(h)
	})
}

// packet is the core.
func (h *mailHouse) packet(c *simprot.ServerConn, p simprot.Packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conn = c
	switch v := p.Payload.(type) {
	case *simprot.MessageContentInfo:
		h.got = append(h.got, taking{*v, time.Now()})
		if h.on != c {
			h.early++
		}
		data := "true"
		if h.say != nil {
			data = h.say(len(h.got), v)
		}
		if data != "" {
			_ = c.Send(simprot.Packet{Code: simprot.CodeMessageInDone, Payload: received(v, data)})
		}
	case *simprot.CommandInfo:
		h.sent = append(h.sent, sending{*v, time.Now()})
	case simprot.Text:
		h.asked++
		h.on = c
		if h.mute {
			return
		}
		_ = c.Send(simprot.Packet{Code: simprot.CodeGateways, Payload: slices.Clone(h.register), Extras: simprot.Extras{Ask: p.Extras.Ask}})
	}
}

// received is the answer to a message. Its MessageId follows from what it is called.
func received(m *simprot.MessageContentInfo, data string) *simprot.CommandInfo {
	id, gateway := coreMessageID(m.DeliverySystemId), m.GatewayId
	return &simprot.CommandInfo{Id: &id, RefId: &gateway, Reference: m.RequestId, Data: data}
}

func coreMessageID(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

// script sets what the core says of messages.
func (h *mailHouse) script(say func(n int, m *simprot.MessageContentInfo) string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.say = say
}

func silent(int, *simprot.MessageContentInfo) string   { return "" }
func refusing(int, *simprot.MessageContentInfo) string { return "false" }

// takings gives what the core was given so far.
func (h *mailHouse) takings() []taking {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

// answers has the core say something of the nth message it was given, whenever.
func (h *mailHouse) answers(n int, data string) {
	h.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.conn.Send(simprot.Packet{Code: simprot.CodeMessageInDone, Payload: received(&h.got[n-1].MessageContentInfo, data)})
}

// breaks cuts the connection. The gateway dials again at once, or soon.
func (h *mailHouse) breaks() { h.door.breakAll() }

// mails delivers mails 1..n of a sender.
func (h *mailHouse) mails(sender string, numbers ...int) {
	h.Helper()
	for _, n := range numbers {
		if err := h.delivers(mailEvent(sender, n)); err != nil {
			h.Errorf("deliver: %v", err)
		}
	}
}

func (h *mailHouse) delivers(events ...connectors.Event) error {
	return inbox{h.gw, h.gw.channel(inboxID.String())}.Deliver(h.Context(), events)
}

func mailEvent(sender string, n int) connectors.Event {
	id := fmt.Sprintf("%s-%d", sender, n)
	return connectors.Event{
		ID: connectors.EventID("mail", "in", id, ""), Kind: connectors.KindMessage,
		TrackingID: connectors.TrackingID("mail", sender+"@mail.example"), NetworkID: id + "@mail.example",
		Customer: connectors.Customer{RemoteAddress: sender + "@mail.example", PartyName: sender},
		Message: &connectors.Message{
			SystemID: id + "@mail.example", From: sender + " <" + sender + "@mail.example>", RemoteAddress: sender + "@mail.example",
			To: "support@shop.example", Subject: "subject " + id, Text: "text " + id, ReceivedAt: time.Now(),
		},
	}
}

// row finds the row of an event or message.
func (h *mailHouse) row(ch uuid.UUID, id string) journal.Row {
	h.Helper()
	synctest.Wait()
	rows, err := h.disk.mem.Trace(context.Background(), journal.TraceQuery{Channel: ch.String(), ID: id, Recent: 1000, Limit: 10})
	if err != nil || len(rows) != 1 {
		h.Fatalf("%d rows of %s: %v", len(rows), id, err)
	}
	return rows[0]
}

// sends has the core send a message, or the same one again.
func (h *mailHouse) sends(n int, change ...func(*simprot.MessageContentInfo)) {
	h.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	m := outMessage(n)
	for _, f := range change {
		f(m)
	}
	if err := h.conn.Send(simprot.Packet{Code: simprot.CodeMessageOut, Payload: m}); err != nil {
		h.Errorf("send: %v", err)
	}
}

func messageID(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("11111111-2222-4333-8444-%012d", n))
}

func outMessage(n int) *simprot.MessageContentInfo {
	id := messageID(n)
	return &simprot.MessageContentInfo{
		MessageId: &id, GatewayId: outboxID, DeliverySystemId: fmt.Sprintf("out-%d@shop.example", n),
		FromField: "Shop", RemoteAddress: "jana@mail.example", SubjectField: "Re", BodyText: fmt.Sprintf("answer %d", n), ReceivedSentTime: time.Now(),
	}
}

// sentAnswers gives the answers to SENDING so far.
func (h *mailHouse) sentAnswers() []sending {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.sent)
}

// wantSent checks the Data of all answers so far, each by its beginning.
func (h *mailHouse) wantSent(want ...string) {
	h.Helper()
	synctest.Wait()
	got := h.sentAnswers()
	if len(got) != len(want) {
		h.Fatalf("%d answers, want %d: %+v", len(got), len(want), got)
	}
	for i, a := range got {
		if len(a.Data) < len(want[i]) || a.Data[:len(want[i])] != want[i] || want[i] == "" && a.Data != "" {
			h.Errorf("answer %d says %q, want %q", i+1, a.Data, want[i])
		}
	}
}

// fakeMailbox is a device that the test delivers for.
type fakeMailbox struct {
	mu   sync.Mutex
	ends []string // "ID done" or "ID failed"
}

func (*fakeMailbox) Capabilities() connectors.Capabilities { return connectors.Capabilities{} }

func (*fakeMailbox) Run(ctx context.Context, in connectors.Inbox) error {
	in.Working()
	<-ctx.Done()
	return ctx.Err()
}

func (b *fakeMailbox) Settled(ev connectors.EventKey, end connectors.Settlement) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ends = append(b.ends, ev.ID+map[connectors.Settlement]string{connectors.SettledDone: " done", connectors.SettledFailed: " failed"}[end])
}

func (b *fakeMailbox) settled() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ends)
}

// wantSettled checks what the mailbox was told so far, in any order.
func (h *mailHouse) wantSettled(want ...string) {
	h.Helper()
	synctest.Wait()
	got := h.box.settled()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		h.Errorf("settled %v, want %v", got, want)
	}
}

// fakePost is a mail host. Each recipient is a part.
type fakePost struct {
	mu    sync.Mutex
	tries []attempt
	fail  func(n int, to string) error // nth attempt; nil = taken
	block chan struct{}                // when set, an attempt waits for it, or its ctx
	deaf  bool                         // an attempt does not obey its ctx
	rate  connectors.Rate
}

type attempt struct {
	to      string
	message connectors.Message
	at, end time.Time
}

func (p *fakePost) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{AccountRate: p.rate}
}

func (*fakePost) Parts(m *connectors.Message) ([]string, error) {
	r := m.Recipients
	if m.Subject == "unreadable" {
		return nil, &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonAddress, Hint: "no such address can be"}
	}
	return slices.Concat(r.To, r.Cc, r.Bcc), nil
}

func (p *fakePost) SendMessage(ctx context.Context, m *connectors.Message, part string) (connectors.Receipt, error) {
	p.mu.Lock()
	p.tries = append(p.tries, attempt{to: part, message: *m, at: time.Now()})
	n, fail, block, deaf := len(p.tries), p.fail, p.block, p.deaf
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tries[n-1].end = time.Now()
	}()
	if block != nil {
		done := ctx.Done()
		if deaf {
			done = nil
		}
		select {
		case <-block:
		case <-done:
			return connectors.Receipt{}, &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonTimeout, Err: ctx.Err()}
		}
	}
	if fail != nil {
		if err := fail(n, part); err != nil {
			return connectors.Receipt{}, err
		}
	}
	return connectors.Receipt{NetworkID: cmp.Or(m.SystemID, "made@shop.example")}, nil
}

// attempts gives the attempts so far.
func (p *fakePost) attempts() []attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tries)
}

// set changes how the host behaves.
func (p *fakePost) set(f func(p *fakePost)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// hold has attempts wait.
func (p *fakePost) hold() { p.set(func(p *fakePost) { p.block = make(chan struct{}) }) }

// free ends that.
func (p *fakePost) free() {
	p.set(func(p *fakePost) {
		if p.block != nil {
			close(p.block)
			p.block = nil
		}
	})
}

// wantAttempts checks whom the host was asked to send to, in order.
func (h *mailHouse) wantAttempts(want ...string) {
	h.Helper()
	synctest.Wait()
	var got []string
	for _, a := range h.post.attempts() {
		got = append(got, a.to)
	}
	if !slices.Equal(got, want) {
		h.Errorf("attempts %v, want %v", got, want)
	}
}

func notSent(reason connectors.Reason) error {
	return &connectors.SendError{Outcome: connectors.NotSent, Reason: reason}
}

// Claim fails as Accept does.
func (c *cutJournal) Claim(ctx context.Context, n journal.Name) (journal.Name, error) {
	if c.dead.Load() || c.away.Load() {
		return n, journal.ErrAway
	}
	return c.Journal.Claim(ctx, n)
}
