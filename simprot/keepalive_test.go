package simprot

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// pinger is what one end of a keep-alive test can do.
type pinger struct {
	script *script
	in     <-chan Packet
}

// wantPing takes the next packet, which must be a ping, and returns its token.
func (p *pinger) wantPing(t *testing.T) string {
	t.Helper()
	select {
	case got := <-p.in:
		if ping, ok := got.Payload.(*Ping); ok && got.Code == CodePing {
			return ping.Token
		}
		t.Fatalf("got %q, want a ping", got.Code)
	default:
		t.Fatal("no ping")
	}
	return ""
}

// wantSilence fails when anything was sent.
func (p *pinger) wantSilence(t *testing.T) {
	t.Helper()
	select {
	case got, ok := <-p.in:
		t.Fatalf("got %q (%v), want silence", got.Code, ok)
	default:
	}
}

// bothSides runs a keep-alive test against a client and against a server,
// which both have announced or been told 7 seconds.
func bothSides(t *testing.T, test func(t *testing.T, p *pinger, ended func() error)) {
	t.Run("client", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *pipeNet, e *events) {
			var end ending
			cfg := testConfig(n, e)
			cfg.OnDown = func(_ *Session, err error) { end.set(err) }
			cfg.MinBackoff, cfg.MaxBackoff = time.Hour, time.Hour
			runClient(t, cfg)
			core := accept(t, n)
			core.welcome(Welcome{KeepAlive: 7})
			test(t, &pinger{core, core.read()}, end.get)
		})
	})
	t.Run("server", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *pipeNet, _ *events) {
			var end ending
			runServer(t, n, ServerConfig{
				Login: true, Welcome: Welcome{KeepAlive: 7},
				Authenticate: func(Login) string { return "" },
				OnClose:      func(_ *ServerConn, err error) { end.set(err) },
			})
			gateway := dialScript(t, n)
			gateway.login("one")
			test(t, &pinger{gateway, gateway.read()}, end.get)
		})
	})
}

func TestSilenceIsPinged(t *testing.T) {
	bothSides(t, func(t *testing.T, p *pinger, ended func() error) {
		pass(7*time.Second - 1)
		p.wantSilence(t)
		pass(1)
		token := p.wantPing(t)
		pass(5*time.Second - 1)
		p.script.send(Packet{Code: CodePong, Payload: &Ping{Token: token}})
		if err := ended(); err != nil {
			t.Fatalf("ended although the pong came: %v", err)
		}
		pass(7 * time.Second)
		if again := p.wantPing(t); again == token {
			t.Errorf("token %q used twice", token)
		}
	})
}

func TestTrafficIsNoSilence(t *testing.T) {
	bothSides(t, func(t *testing.T, p *pinger, _ func() error) {
		for range 10 {
			pass(6 * time.Second)
			p.script.send(Packet{Code: CodeChatTyping, Payload: &ChatCommandInfo{}})
		}
		p.wantSilence(t)
		pass(7 * time.Second)
		p.wantPing(t)
	})
}

func TestMissingPongResets(t *testing.T) {
	bothSides(t, func(t *testing.T, p *pinger, ended func() error) {
		pass(7 * time.Second)
		token := p.wantPing(t)
		// Neither another token nor other traffic stands for the pong.
		p.script.send(Packet{Code: CodePong, Payload: &Ping{Token: token + "x"}})
		p.script.send(Packet{Code: CodeChatTyping, Payload: &ChatCommandInfo{}})
		pass(5*time.Second - 1)
		if err := ended(); err != nil {
			t.Fatalf("ended early: %v", err)
		}
		pass(1)
		if err := ended(); !errors.Is(err, ErrNoPong) {
			t.Errorf("ended with %v, want ErrNoPong", err)
		}
	})
}

func TestPingsAreAnswered(t *testing.T) {
	bothSides(t, func(t *testing.T, p *pinger, _ func() error) {
		p.script.send(Packet{Code: CodePing, Payload: &Ping{Token: "abc"}})
		synctest.Wait()
		got := <-p.in
		if pong, ok := got.Payload.(*Ping); !ok || got.Code != CodePong || pong.Token != "abc" {
			t.Errorf("got %s %+v", got.Code, got.Payload)
		}
	})
}

func TestPingOnDemand(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		var end ending
		cfg := testConfig(n, e)
		cfg.OnDown = func(_ *Session, err error) { end.set(err) }
		cfg.PongTimeout = 2 * time.Second
		client := runClient(t, cfg)
		core := accept(t, n)
		core.welcome(Welcome{})
		p := &pinger{core, core.read()}
		synctest.Wait()
		s := client.Session()
		s.Ping()
		s.Ping() // one is out already
		synctest.Wait()
		token := p.wantPing(t)
		p.wantSilence(t)
		core.send(Packet{Code: CodePong, Payload: &Ping{Token: token}})
		pass(time.Second)
		s.Ping()
		pass(2*time.Second - 1)
		p.wantPing(t)
		if err := end.get(); err != nil {
			t.Fatalf("ended early: %v", err)
		}
		pass(1)
		if err := end.get(); !errors.Is(err, ErrNoPong) {
			t.Errorf("ended with %v", err)
		}
	})
}

// A core without session control is never pinged, and may still ping.
func TestNoPingsWithoutLogin(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := testConfig(n, e)
		cfg.Login = false
		client := runClient(t, cfg)
		core := accept(t, n)
		p := &pinger{core, core.read()}
		synctest.Wait()
		client.Session().Ping()
		pass(time.Hour)
		p.wantSilence(t)
		core.send(Packet{Code: CodePing, Payload: &Ping{Token: "1"}})
		synctest.Wait()
		if got := <-p.in; got.Code != CodePong {
			t.Errorf("got %s, want the pong", got.Code)
		}
		e.want(t, "link connecting", "link up", "up 1")
	})
}

// A peer that pings and never reads must not grow the queue without end.
func TestPongsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := testConfig(n, e)
		cfg.Login = false
		client := runClient(t, cfg)
		core := accept(t, n)
		synctest.Wait()
		conn := client.Session().conn
		conn.mu.Lock()
		conn.pending = make([]byte, maxQueued+controlRoom) // as if so much waited
		conn.mu.Unlock()
		for range 100 {
			core.send(Packet{Code: CodePing, Payload: &Ping{Token: "1"}})
		}
		synctest.Wait()
		conn.mu.Lock()
		defer conn.mu.Unlock()
		if len(conn.pending) != maxQueued+controlRoom {
			t.Errorf("the queue grew to %d bytes", len(conn.pending))
		}
	})
}
