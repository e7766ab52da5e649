package refcore

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"servicelink/simprot"
)

// serveOn starts a Core on a loopback port and ends it with the test.
func serveOn(t *testing.T, o Options) (*Core, string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	core := New(o)
	end := make(chan error, 1)
	go func() { end <- core.Serve(context.WithoutCancel(t.Context()), l) }()
	t.Cleanup(func() {
		if err := core.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-end; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return core, l.Addr().String()
}

// wire is a gateway made of bytes: nothing but frames over a TCP connection.
type wire struct {
	*testing.T
	conn   net.Conn
	frames *simprot.FrameReader
	enc    simprot.Encoding
}

func dial(t *testing.T, addr string, enc simprot.Encoding) *wire {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &wire{T: t, conn: conn, frames: simprot.NewFrameReader(conn, simprot.DefaultMaxFrame), enc: enc}
}

func (w *wire) write(code simprot.Code, p simprot.Payload) {
	w.Helper()
	frame, err := simprot.AppendFrame(nil, simprot.Packet{Code: code, Payload: p}, w.enc)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.conn.Write(frame); err != nil {
		w.Fatal(err)
	}
}

// read returns the next packet and fails when it is not of the code.
func (w *wire) read(code simprot.Code) simprot.Packet {
	w.Helper()
	body, err := w.frames.Next()
	if err != nil {
		w.Fatalf("waiting for %s: %v", code, err)
	}
	p, err := simprot.DecodePacket(body)
	if err != nil {
		w.Fatal(err)
	}
	if p.Code != code {
		w.Fatalf("got %s, want %s", p.Code, code)
	}
	return p
}

func login() *simprot.Login {
	return &simprot.Login{Account: "gw", Secret: "s3cret", Peer: testPeer, Instance: "one", Version: simprot.Version}
}

func credentials() Options { return Options{Account: "gw", Secret: "s3cret", Peer: testPeer} }

// TestOverTCP holds a whole conversation in both encodings, with login and
// without.
func TestOverTCP(t *testing.T) {
	for _, tt := range []struct {
		name    string
		enc     simprot.Encoding
		noLogin bool
	}{
		{name: "msgpack", enc: simprot.EncodingMsgpack},
		{name: "json", enc: simprot.EncodingJSON},
		{name: "no login", noLogin: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := credentials()
			o.Encoding, o.NoLogin, o.Fences = tt.enc, tt.noLogin, true
			core, addr := serveOn(t, o)
			w := dial(t, addr, tt.enc)
			if !tt.noLogin {
				w.write(simprot.CodeLogin, login())
				welcome := w.read(simprot.CodeWelcome).Payload.(*simprot.Welcome)
				if !welcome.Fences || welcome.Asks || welcome.KeepAlive != 15 {
					t.Errorf("welcome %+v", welcome)
				}
			}
			w.write(simprot.CodeChatResync, resyncOf(testPort))
			w.read(simprot.CodeChatList)
			w.write(simprot.CodeChatRequest, service())
			w.read(simprot.CodeChatResponse)
			w.write(simprot.CodeChatStart, service())
			chat := w.read(simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo)
			if chat.Sentences == nil {
				t.Error("the answer to START carries no Sentences")
			}
			w.write(simprot.CodeChatSentenceIn, sentence("m1", "Dobrý den 👋"))
			echo := w.read(simprot.CodeChatSentence).Payload.(*simprot.ChatSentenceInfo)
			want := sentence("m1", "Dobrý den 👋")
			want.Counter, want.ChatId = 1, chat.ChatId
			if diff := cmp.Diff(want, echo); diff != "" {
				t.Errorf("echo (-want +got):\n%s", diff)
			}
			id, err := core.Say(chat.ChatId, "Hello")
			if err != nil {
				t.Fatal(err)
			}
			if n := w.read(simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo); n.Sentences != nil {
				t.Error("news carries Sentences")
			}
			if s := w.read(simprot.CodeChatSentence).Payload.(*simprot.ChatSentenceInfo); s.ID != id || !s.IsOutbound {
				t.Errorf("outbound %+v", s)
			}
			w.write(simprot.CodeChatConfirmIn, cmd(id))
			w.write(simprot.CodeChatStatusAsk, askStatus())
			all := w.read(simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo).Sentences
			if len(all) != 2 || all[1].ConfirmedTime == nil {
				t.Errorf("sentences %+v", all)
			}
			if r := core.Offences(); len(r.Total) != 0 {
				t.Errorf("offences %v at %v", r.Total, r.Last)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*simprot.Login){
		"credentials": func(l *simprot.Login) { l.Secret = "wrong" },
		"peer":        func(l *simprot.Login) { l.Peer = "@another" },
		"version":     func(l *simprot.Login) { l.Version = simprot.Version + 1 },
	} {
		t.Run(want, func(t *testing.T) {
			_, addr := serveOn(t, credentials())
			w := dial(t, addr, simprot.EncodingMsgpack)
			l := login()
			change(l)
			w.write(simprot.CodeLogin, l)
			if got := w.read(simprot.CodeRefused).Payload.(*simprot.Refused).Reason; got != want {
				t.Errorf("reason %q", got)
			}
			if _, err := w.frames.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("after the refusal: %v", err)
			}
		})
	}
}

// TestBadBytesAreCounted: what the library skips is an offence here.
func TestBadBytesAreCounted(t *testing.T) {
	o := credentials()
	o.MaxFrame = 64 << 10
	core, addr := serveOn(t, o)
	w := dial(t, addr, simprot.EncodingMsgpack)
	w.write(simprot.CodeLogin, login())
	w.read(simprot.CodeWelcome)
	const unknown, broken = "\x92\xa6ES_NEW\xc0", "\x92\xadES_CHAT_START\x07"
	for _, body := range []string{unknown, broken, "\x92\xa6ES_NEW\xc5\xff\xff" + string(make([]byte, 0xffff))} {
		frame := append([]byte{0, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
		if _, err := w.conn.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	w.write(simprot.CodeChatStatusAsk, askStatus())
	w.read(simprot.CodeChatStatus) // all before it was handled, and the connection lives
	want := map[Offence]int{OffenceUnknownCode: 1, OffenceUndecodable: 1, OffenceOversize: 1}
	if diff := cmp.Diff(want, core.Offences().Total); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestClientSurvivesADrop: the library's own client meets this core, loses the
// connection and comes back to the same chat.
func TestClientSurvivesADrop(t *testing.T) {
	o := credentials()
	o.Fences, o.Asks = true, true
	core, addr := serveOn(t, o)
	up, packets := make(chan *simprot.Session, 4), make(chan simprot.Packet, 16)
	client, err := simprot.NewClient(simprot.ClientConfig{
		Address: addr, Account: "gw", Secret: "s3cret", Peer: testPeer, Instance: "one", Login: true,
		MinBackoff: 1, MaxBackoff: 1,
		OnUp:     func(s *simprot.Session) { up <- s },
		OnPacket: func(_ *simprot.Session, p simprot.Packet) { packets <- p },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- client.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-end; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("client: %v", err)
		}
	}()

	s := <-up
	if _, err := s.Resync(ctx, testPort, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Request(ctx, service()); err != nil {
		t.Fatal(err)
	}
	first, err := s.Start(ctx, service())
	if err != nil {
		t.Fatal(err)
	}
	if err := core.AddFault(Fault{Kind: FaultDropAfter, Code: simprot.CodeChatSentenceIn}); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(simprot.CodeChatSentenceIn, sentence("m1", "x"), nil); err != nil {
		t.Fatal(err)
	}

	s = <-up
	list, err := s.Resync(ctx, testPort, nil)
	if err != nil || len(list) != 1 || list[0].Counter != 1 {
		t.Fatalf("list %v (%v)", list, err)
	}
	status, err := s.Status(ctx, askStatus())
	if err != nil || status.ChatId != first.ChatId || len(status.Sentences) != 1 {
		t.Fatalf("status %+v (%v)", status, err)
	}
	if err := s.Send(simprot.CodeChatSentenceIn, sentence("m2", "y"), nil); err != nil {
		t.Fatal(err)
	}
	if p := <-packets; p.Code != simprot.CodeChatSentence || p.Payload.(*simprot.ChatSentenceInfo).Counter != 2 {
		t.Fatalf("got %+v", p)
	}
	shown, err := core.Shown(first.ChatId)
	want := []Shown{{ID: "m1", Counter: 1, Times: 1}, {ID: "m2", Counter: 2, Times: 1}}
	if diff := cmp.Diff(want, shown); err != nil || diff != "" {
		t.Fatalf("shown (-want +got):\n%s (%v)", diff, err)
	}
	if r := core.Offences(); len(r.Total) != 0 {
		t.Errorf("offences %v at %v", r.Total, r.Last)
	}
}

func TestServeRefusesToRunWithoutASecret(t *testing.T) {
	for want, o := range map[error]Options{ErrNoSecret: {Account: "gw"}, ErrNoPeer: {NoLogin: true}} {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		core := New(o)
		if err := core.Serve(t.Context(), l); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if err := core.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestServeAfterClose(t *testing.T) {
	core := New(credentials())
	if err := core.Close(); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for _, test := range []struct {
		ctx  context.Context //nolint:containedctx // what is tested
		want error
	}{{t.Context(), ErrClosed}, {ended, nil}} {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := core.Serve(test.ctx, l); !errors.Is(err, test.want) {
			t.Errorf("serve: %v, want %v", err, test.want)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener is still open: %v", err)
		}
	}
	if _, open := <-core.Subscribe(1).C; open {
		t.Error("a closed core still has events")
	}
}
