package simprot

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// openServer is a server that takes everybody and records into e.
func openServer(e *events) ServerConfig {
	return ServerConfig{
		Login: true, Authenticate: func(Login) string { return "" },
		OnLogin:  func(c *ServerConn) { e.add("login %d %s", c.ID(), c.Login().Instance) },
		OnPacket: func(c *ServerConn, p Packet) { e.add("packet %d %s", c.ID(), p.Code) },
		OnClose:  func(c *ServerConn, err error) { e.add("close %d", c.ID()) },
		OnBad:    func(c *ServerConn, err error) { e.add("bad %d", c.ID()) },
	}
}

func TestLoginIsJudged(t *testing.T) {
	authenticate := func(l Login) string {
		if l.Account != "account" || !SecretEqual(l.Secret, "secret") {
			return RefusedCredentials
		}
		return ""
	}
	good := Login{Account: "account", Secret: "secret", Version: Version}
	tests := []struct {
		name         string
		change       func(*Login)
		authenticate func(Login) string
		want         string // reason, "" = welcome
	}{
		{"good", func(*Login) {}, authenticate, ""},
		{"wrong secret", func(l *Login) { l.Secret = "Secret" }, authenticate, RefusedCredentials},
		{"no secret", func(l *Login) { l.Secret = "" }, authenticate, RefusedCredentials},
		{"another version", func(l *Login) { l.Version = 2 }, authenticate, RefusedVersion},
		{"no version", func(l *Login) { l.Version = 0 }, authenticate, RefusedVersion},
		{"nobody judges", func(*Login) {}, nil, RefusedCredentials},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *pipeNet, e *events) {
				cfg := openServer(e)
				cfg.Authenticate = test.authenticate
				runServer(t, n, cfg)
				gateway := dialScript(t, n)
				login := good
				test.change(&login)
				gateway.send(Packet{Code: CodeLogin, Payload: &login})
				if test.want == "" {
					gateway.want(CodeWelcome)
					return
				}
				refused, _ := gateway.want(CodeRefused).Payload.(*Refused)
				if refused.Reason != test.want {
					t.Errorf("refused: %q, want %q", refused.Reason, test.want)
				}
				gateway.wantEnd()
				e.want(t) // nothing was called
			})
		})
	}
}

func TestSecretEqual(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"a", "", false}, {"a", "aa", false}} {
		if got := SecretEqual(test.a, test.b); got != test.want {
			t.Errorf("SecretEqual(%q, %q) = %v", test.a, test.b, got)
		}
	}
}

// The earlier connection is told, reset and done with before its successor is
// announced: its packets cannot come in between.
func TestReplacedBeforeWelcome(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := openServer(e)
		busy := make(chan struct{})
		record := cfg.OnPacket
		cfg.OnPacket = func(c *ServerConn, p Packet) {
			<-busy
			record(c, p)
		}
		runServer(t, n, cfg)
		first := dialScript(t, n)
		first.login("one")
		both, _ := AppendFrame(nil, typing("handled"), EncodingMsgpack)
		both, _ = AppendFrame(both, typing("not handled"), EncodingMsgpack)
		first.raw(both)
		other := dialScript(t, n)
		other.login("two")
		second := dialScript(t, n)
		second.send(Packet{Code: CodeLogin, Payload: &Login{Peer: "@peer", Instance: "one", Version: Version}})
		synctest.Wait()
		bye, _ := first.want(CodeBye).Payload.(*Bye)
		if bye.Reason != ByeReplaced {
			t.Errorf("told %+v", bye)
		}
		first.wantEnd()
		synctest.Wait()
		e.want(t, "login 1 one", "login 2 two") // the first packet is still being handled
		close(busy)
		second.want(CodeWelcome)
		e.want(t, "login 1 one", "login 2 two", "packet 1 ES_CHAT_TYPING", "close 1", "login 3 one")
		other.send(typing("alive"))
		synctest.Wait()
		if got := e.count("packet 2"); got != 1 {
			t.Errorf("the other instance suffered: %v", e.all())
		}
	})
}

// A dead connection delays its successor by a second at most.
func TestReplacingADeadOne(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		runServer(t, n, openServer(e))
		dialScript(t, n).login("one") // never reads again
		second := dialScript(t, n)
		start := time.Now()
		second.login("one")
		if took := time.Since(start); took != evictWithin {
			t.Errorf("welcome after %v", took)
		}
		third := dialScript(t, n)
		in := second.read()
		third.login("one")
		if bye := <-in; bye.Code != CodeBye {
			t.Errorf("got %s", bye.Code)
		}
		e.want(t, "login 1 one", "close 1", "login 2 one", "close 2", "login 3 one")
	})
}

func TestBeforeTheLogin(t *testing.T) {
	tests := []struct {
		name string
		send func(s *script)
		in   time.Duration // the server gives up
	}{
		{"silence", func(*script) {}, 10 * time.Second},
		{"a slow frame", func(s *script) {
			s.raw([]byte{0, 0, 1, 0})
			for {
				if _, err := s.nc.Write([]byte{0x92}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}, 10 * time.Second},
		{"another packet", func(s *script) { s.send(typing("x")) }, 0},
		{"an unknown packet", func(s *script) { s.raw([]byte("\x00\x00\x00\x04\x92\xa1X\xc0")) }, 0},
		{"a large frame", func(s *script) {
			login := Packet{Code: CodeLogin, Payload: &Login{Version: Version, Secret: strings.Repeat("x", maxLoginFrame)}}
			frame, err := AppendFrame(nil, login, EncodingMsgpack)
			if err != nil {
				s.t.Error(err)
			}
			_, _ = s.nc.Write(frame)
		}, 0},
		{"no frame", func(s *script) { _, _ = io.WriteString(s.nc, "GET / HTTP/1.1\r\n\r\n") }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *pipeNet, e *events) {
				cfg := openServer(e)
				cfg.MaxUnauthenticated = 1
				runServer(t, n, cfg)
				gateway := dialScript(t, n)
				ended := later(func() (struct{}, error) {
					_, err := gateway.next()
					return struct{}{}, err
				})
				test.send(gateway)
				if got := <-ended; got.err == nil || got.after != test.in {
					t.Errorf("ended after %v with %v", got.after, got.err)
				}
				synctest.Wait()
				dialScript(t, n).login("next") // its place is free again
				e.want(t, "login 2 next")
			})
		})
	}
}

func TestTooManyBeforeTheLogin(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := openServer(e)
		cfg.MaxUnauthenticated = 3
		runServer(t, n, cfg)
		dialScript(t, n).login("in already") // does not count
		for range 3 {
			dialScript(t, n)
		}
		synctest.Wait()
		start := time.Now()
		dialScript(t, n).wantEnd()
		if took := time.Since(start); took != 0 {
			t.Errorf("reset after %v", took)
		}
		pass(10 * time.Second)
		dialScript(t, n).login("later")
	})
}

// One gateway that does not read is given up; the others do not notice.
func TestSlowReader(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		conns := make(chan *ServerConn, 2)
		cfg := openServer(e)
		const limit = 4 << 20
		cfg.OnLogin = func(c *ServerConn) {
			if c.conn.limit != serverQueued {
				t.Errorf("%d bytes may wait", c.conn.limit)
			}
			c.conn.limit = limit // the real one takes seconds to fill
			conns <- c
		}
		var end ending
		cfg.OnClose = func(_ *ServerConn, err error) { end.set(err) }
		runServer(t, n, cfg)
		dialScript(t, n).login("slow")
		quick := dialScript(t, n)
		quick.login("quick")
		in := quick.read()
		slow, other := <-conns, <-conns
		start := time.Now()
		var err error
		for i := 0; err == nil; i++ {
			if i > limit>>20+1 {
				t.Fatalf("%d MiB are queued", i)
			}
			err = slow.Send(Packet{Code: CodeChatSentence, Payload: &ChatSentenceInfo{Text: strings.Repeat("x", 1<<20)}})
			if err := other.Send(Packet{Code: CodeChatTyping, Payload: &ChatCommandInfo{}}); err != nil {
				t.Fatal(err)
			}
			if p := <-in; p.Code != CodeChatTyping {
				t.Fatalf("the other got %q", p.Code)
			}
		}
		if !errors.Is(err, ErrSlowReader) || time.Since(start) != 0 {
			t.Errorf("Send: %v after %v", err, time.Since(start))
		}
		<-slow.Done()
		if err := end.get(); !errors.Is(err, ErrSlowReader) {
			t.Errorf("closed with %v", err)
		}
	})
}

func TestServerSaysGoodbye(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		stop := runServer(t, n, openServer(e))
		var gateways []*script
		for _, name := range []string{"one", "two"} {
			gateway := dialScript(t, n)
			gateway.login(name)
			gateways = append(gateways, gateway)
		}
		dialScript(t, n).login("never reads again")
		unknown := dialScript(t, n)
		synctest.Wait()
		start := time.Now()
		stopped := later(func() (struct{}, error) { stop(); return struct{}{}, nil })
		for _, gateway := range append(gateways, unknown) {
			bye, _ := gateway.want(CodeBye).Payload.(*Bye)
			if bye.Reason != ByeShutdown {
				t.Errorf("told %+v", bye)
			}
			gateway.wantEnd()
		}
		<-stopped
		if took := time.Since(start); took != closeWithin {
			t.Errorf("stopped after %v", took)
		}
		if _, err := n.Dial(t.Context(), "", ""); err == nil {
			t.Error("the listener is open")
		}
		if got := e.count("close "); got != 3 {
			t.Errorf("%d of 3 were closed: %v", got, e.all())
		}
	})
}

func TestServerBye(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := openServer(e)
		cfg.OnPacket = func(c *ServerConn, _ Packet) {
			_ = c.Send(Packet{Code: CodeChatTyping, Payload: &ChatCommandInfo{}})
			c.Bye(ByeRestart, 5*time.Second)
		}
		runServer(t, n, cfg)
		gateway := dialScript(t, n)
		gateway.login("one")
		gateway.send(typing("x"))
		gateway.want(CodeChatTyping)
		bye, _ := gateway.want(CodeBye).Payload.(*Bye)
		if bye.Reason != ByeRestart || bye.RetryAfterMs != 5000 {
			t.Errorf("told %+v", bye)
		}
		gateway.wantEnd()
	})
}

// What a gateway sent before its farewell is handled, and the answers still
// reach it.
func TestAnswersAfterTheGatewaysBye(t *testing.T) {
	near, far := loopback(t)
	n := newPipeNet()
	cfg := openServer(newEvents())
	cfg.OnPacket = echoCore
	runServer(t, n, cfg)
	n.conns <- far
	gateway := newScript(t, near)
	defer near.Close()
	gateway.login("one")
	const sentences = 5000
	var stream []byte
	var err error
	for range sentences {
		stream, err = AppendFrame(stream, Packet{Code: CodeChatSentenceIn, Payload: &ChatSentenceInfo{ID: "1"}}, EncodingMsgpack)
		if err != nil {
			t.Fatal(err)
		}
	}
	stream, _ = AppendFrame(stream, Packet{Code: CodeBye, Payload: &Bye{Reason: ByeShutdown}}, EncodingMsgpack)
	go func() {
		if _, err := near.Write(stream); err != nil {
			t.Errorf("write: %v", err)
		}
		closeWrite(near)
	}()
	for i := range sentences {
		if _, err := gateway.next(); err != nil {
			t.Fatalf("echo %d: %v", i, err)
		}
	}
	if _, err := gateway.next(); !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v, want EOF", err)
	}
}

func TestServerWithoutLogin(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := openServer(e)
		cfg.Login = false
		stop := runServer(t, n, cfg)
		one, two := dialScript(t, n), dialScript(t, n)
		one.send(typing("x"))
		two.send(typing("x"))
		ends := []<-chan Packet{one.read(), two.read()}
		pass(time.Hour)
		if e.count("login") != 2 || e.count("packet") != 2 || e.count("close") != 0 {
			t.Errorf("got %v", e.all())
		}
		stop()
		for _, end := range ends {
			if p, ok := <-end; ok {
				t.Errorf("was sent %s", p.Code)
			}
		}
	})
}

func TestServerCountsBadPackets(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := openServer(e)
		cfg.MaxFrame = 1000
		runServer(t, n, cfg)
		gateway := dialScript(t, n)
		if w := gateway.login("one"); w.MaxFrame != 1000 {
			t.Errorf("announced %d", w.MaxFrame)
		}
		gateway.raw([]byte("\x00\x00\x00\x04\x92\xa1X\xc0"))                               // unknown code
		gateway.send(bulky(1000))                                                          // oversize
		gateway.send(Packet{Code: CodeLogin, Payload: &Login{}})                           // out of place
		gateway.raw(append([]byte("\x00\x00\x00\x13\x92\xb0"), "SE_CHAT_SENTENCE\x07"...)) // a number
		gateway.send(typing("fine"))                                                       // and on it goes
		synctest.Wait()
		e.want(t, "login 1 one", "bad 1", "bad 1", "bad 1", "bad 1", "packet 1 ES_CHAT_TYPING")
		gateway.raw([]byte{0, 0, 0, 0})
		gateway.wantEnd()
		synctest.Wait()
		if got := e.count("close 1"); got != 1 {
			t.Errorf("not closed: %v", e.all())
		}
	})
}

// The gateway's MaxFrame binds the core.
func TestServerKeepsTheGatewaysLimit(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		conns := make(chan *ServerConn, 1)
		cfg := openServer(e)
		cfg.OnLogin = func(c *ServerConn) { conns <- c }
		runServer(t, n, cfg)
		gateway := dialScript(t, n)
		gateway.send(Packet{Code: CodeLogin, Payload: &Login{Version: Version, MaxFrame: 500}})
		gateway.want(CodeWelcome)
		c := <-conns
		long := Packet{Code: CodeChatSentence, Payload: &ChatSentenceInfo{Text: strings.Repeat("x", 500)}}
		if err := c.Send(long); !errors.Is(err, ErrFrameTooLong) {
			t.Errorf("got %v", err)
		}
		if err := c.Send(Packet{Code: CodeChatTyping, Payload: &ChatCommandInfo{}}); err != nil {
			t.Error(err)
		}
		gateway.want(CodeChatTyping)
	})
}

func TestServeNeedsItsListener(t *testing.T) {
	n := newPipeNet()
	_ = n.Close()
	if err := NewServer(ServerConfig{}).Serve(context.Background(), n); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
