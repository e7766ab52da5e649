package simprot

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff(t *testing.T) {
	const least, most = 200 * time.Millisecond, 30 * time.Second
	plain := errors.New("connection refused")
	draws := func(failures int, err error, up time.Duration) (low, high time.Duration) {
		low = time.Hour
		for range 2000 {
			b := backoff{least: least, most: most, failures: failures}
			wait := b.wait(err, up)
			low, high = min(low, wait), max(high, wait)
		}
		return low, high
	}
	tests := []struct {
		name      string
		failures  int
		err       error
		up        time.Duration
		low, high time.Duration
	}{
		{"first", 0, plain, 0, 0, least},
		{"fourth", 3, plain, 0, 0, 8 * least},
		{"many", 1000, plain, 0, 0, most},
		{"after a steady connection", 1000, plain, 10 * time.Second, 0, least},
		{"after one that died young", 1000, plain, 10*time.Second - 1, 0, most},
		{"refused", 1000, &RefusedError{Reason: RefusedCredentials}, 0, 0, most},
		{"retry after", 0, &ByeError{RetryAfter: 10 * time.Second}, time.Hour, 10 * time.Second, 15 * time.Second},
		{"retry at once, for long", 1000, &ByeError{RetryAfter: 1}, 0, 0, most},
		{"replaced", 0, &ByeError{Reason: ByeReplaced, RetryAfter: 1}, time.Hour, 30 * time.Second, 30 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			low, high := draws(test.failures, test.err, test.up)
			span := test.high - test.low
			if low < test.low || high > test.high || low > test.low+span/20 || high < test.high-span/20 {
				t.Errorf("drawn from %v to %v, want %v to %v", low, high, test.low, test.high)
			}
		})
	}
	b := backoff{least: least, most: most}
	for range 100 {
		b.wait(plain, 0)
	}
	if b.failures != 100 {
		t.Errorf("%d failures counted", b.failures)
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	for ms, want := range map[int64]time.Duration{
		-1: 0, 0: 0, 1500: 1500 * time.Millisecond, 1 << 62: maxRetryAfter,
	} {
		if got := byeError(&Bye{RetryAfterMs: ms}).RetryAfter; got != want {
			t.Errorf("%d ms became %v", ms, got)
		}
	}
}

func TestRefused(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		var reason atomic.Value
		reason.Store(RefusedCredentials)
		runServer(t, n, ServerConfig{Login: true, Authenticate: func(Login) string { return reason.Load().(string) }})
		states := make(chan error, 1000)
		cfg := testConfig(n, e)
		cfg.Observe = stateFunc(func(state LinkState, err error) {
			if state == LinkRefused {
				states <- err
			}
		})
		client := runClient(t, cfg)
		pass(time.Hour)
		tries := len(states)
		// Full jitter below 30 s: 15 s on average, 240 in an hour.
		if tries < 150 || tries > 400 {
			t.Errorf("%d logins in an hour", tries)
		}
		var refused *RefusedError
		if err := <-states; !errors.As(err, &refused) || refused.Reason != RefusedCredentials {
			t.Errorf("reported %v", err)
		}
		if client.Session() != nil {
			t.Error("a session though refused")
		}
		reason.Store("")
		pass(time.Minute)
		if client.Session() == nil {
			t.Error("no session though welcome again")
		}
	})
}

// stateFunc is an Observer of states only.
type stateFunc func(LinkState, error)

func (f stateFunc) LinkState(state LinkState, err error) { f(state, err) }
func (stateFunc) BadPacket(BadPacket, Code)              {}
func (stateFunc) Question(Code, string, time.Duration)   {}

func TestReplacedWaits(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		runClient(t, testConfig(n, e))
		core := accept(t, n)
		core.welcome(Welcome{})
		core.send(Packet{Code: CodeBye, Payload: &Bye{Reason: ByeReplaced}})
		core.wantEnd()
		synctest.Wait()
		e.want(t, "link connecting", "link up", "up 1", "down 1",
			`link replaced simprot: the other side left: "replaced"`)
		pass(30*time.Second - 1)
		if got := e.count("link connecting"); got != 1 {
			t.Errorf("dialled %d times", got)
		}
		pass(1)
		accept(t, n).welcome(Welcome{})
		synctest.Wait()
		if got := e.count("up 2"); got != 1 {
			t.Errorf("not up again: %v", e.all())
		}
	})
}

// Over TCP the farewell must survive the reset right behind it.
func TestReplacedOverTCP(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	runServer(t, l, openServer(newEvents()))
	ups, ends := make(chan struct{}, 1), make(chan error, 1)
	cfg := ClientConfig{
		Address: l.Addr().String(), Peer: "@peer", Instance: "same", Login: true,
		OnUp:   func(*Session) { ups <- struct{}{} },
		OnDown: func(_ *Session, err error) { ends <- err },
	}
	runClient(t, cfg)
	<-ups
	cfg.OnDown = nil
	runClient(t, cfg)
	<-ups
	var bye *ByeError
	if err := <-ends; !errors.As(err, &bye) || bye.Reason != ByeReplaced {
		t.Errorf("the first one ended with %v", err)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		runClient(t, testConfig(n, e))
		core := accept(t, n)
		core.welcome(Welcome{})
		core.send(Packet{Code: CodeBye, Payload: &Bye{Reason: ByeRestart, RetryAfterMs: 60_000}})
		pass(time.Minute - 1)
		if got := e.count("link connecting"); got != 1 {
			t.Errorf("dialled %d times within the minute", got)
		}
		pass(30*time.Second + 1)
		if got := e.count("link connecting"); got < 2 {
			t.Error("did not dial again")
		}
	})
}

// A core that welcomes and dies is not hammered; one that lived for a while
// is dialled again at once.
func TestAcceptAndDie(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		runServer(t, n, ServerConfig{
			Login: true, Authenticate: func(Login) string { return "" },
			OnLogin: func(c *ServerConn) {
				time.AfterFunc(0, func() { c.Abort(io.ErrUnexpectedEOF) })
			},
		})
		runClient(t, testConfig(n, e))
		pass(time.Hour)
		young := e.count("link connecting")
		if young > 400 {
			t.Errorf("%d dials in an hour", young)
		}
	})
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		runServer(t, n, ServerConfig{
			Login: true, Authenticate: func(Login) string { return "" },
			OnLogin: func(c *ServerConn) {
				time.AfterFunc(10*time.Second, func() { c.Abort(io.ErrUnexpectedEOF) })
			},
		})
		runClient(t, testConfig(n, e))
		pass(time.Hour)
		if steady := e.count("up "); steady < 350 { // 10 s up, 0.1 s on average down
			t.Errorf("%d sessions in an hour", steady)
		}
	})
}

// Nothing of a session comes before OnUp or after OnDown, and OnDown once.
func TestOrderOfCallbacks(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := testConfig(n, e)
		cfg.OnUp = func(s *Session) {
			e.add("up %d", s.Generation())
			for range 10 {
				_ = s.Send(CodeChatSentenceIn, &ChatSentenceInfo{}, func(time.Time) { e.add("written") })
			}
		}
		runClient(t, cfg)
		for generation := range 5 {
			core := accept(t, n)
			core.want(CodeLogin)
			in := core.read()
			frames, _ := AppendFrame(nil, Packet{Code: CodeWelcome, Payload: &Welcome{}}, EncodingMsgpack)
			for range 3 { // in one write with the welcome
				frames, _ = AppendFrame(frames, Packet{Code: CodeChatTyping, Payload: &ChatCommandInfo{}}, EncodingMsgpack)
			}
			core.raw(frames)
			if generation%2 == 0 {
				synctest.Wait()
			}
			_ = core.nc.Close()
			for range in {
			}
		}
		synctest.Wait()
		state, written := "down", 0
		for _, line := range e.all() {
			word, _, _ := strings.Cut(line, " ")
			switch {
			case word == "link":
			case word == "up" && state == "down", word == "down" && state == "up":
				state = word
			case state == "up":
				if word == "written" {
					written++
				}
			default:
				t.Fatalf("%q while %s: %v", line, state, e.all())
			}
		}
		if e.count("up ") < 3 || e.count("down ") != e.count("up ") || written == 0 {
			t.Errorf("ups, downs or writes are missing: %v", e.all())
		}
	})
}

func TestLoginFailures(t *testing.T) {
	tests := []struct {
		name string
		core func(s *script)
		want string
		in   time.Duration
	}{
		{"no answer", func(s *script) { s.want(CodeLogin) }, "no SP_WELCOME", 10 * time.Second},
		{"never reads", func(*script) {}, "no SP_WELCOME", 10 * time.Second},
		{"a byte a second", func(s *script) {
			s.want(CodeLogin)
			for {
				if _, err := s.nc.Write([]byte{0}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}, "empty body", 3 * time.Second},
		{"a slow body", func(s *script) {
			s.want(CodeLogin)
			s.raw([]byte{0, 0, 1, 0})
			for range 20 {
				if _, err := s.nc.Write([]byte{0x92}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}, "no SP_WELCOME", 10 * time.Second},
		{"closes", func(s *script) { s.want(CodeLogin); _ = s.nc.Close() }, "the other side closed", 0},
		{"closes within a frame", func(s *script) {
			s.want(CodeLogin)
			s.raw([]byte{0, 0, 1, 0, 0x92})
			_ = s.nc.Close()
		}, "unexpected EOF", 0},
		{"another packet first", func(s *script) {
			s.want(CodeLogin)
			s.send(Packet{Code: CodeChatTyping, Payload: &ChatCommandInfo{}})
		}, "SE_CHAT_TYPING before the end of the login", 0},
		{"another version", func(s *script) { s.welcome(Welcome{Version: 2}) }, `refused: "version"`, 0},
		{"a farewell", func(s *script) {
			s.want(CodeLogin)
			s.send(Packet{Code: CodeBye, Payload: &Bye{Reason: ByeRestart}})
		}, `left: "restart"`, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *pipeNet, e *events) {
				cfg := testConfig(n, e)
				cfg.MinBackoff, cfg.MaxBackoff = time.Hour, time.Hour
				start := time.Now()
				var failed error
				var took time.Duration
				done := make(chan struct{})
				cfg.Observe = stateFunc(func(state LinkState, err error) {
					if state == LinkConnecting || failed != nil {
						return
					}
					if state == LinkUp || err == nil {
						err = errors.New("no failure")
					}
					failed, took = err, time.Since(start)
					close(done)
				})
				runClient(t, cfg)
				test.core(accept(t, n))
				<-done
				// A write that nobody reads may be given up in the same moment: then what
				// the other side said last is waited for.
				late := test.name == "never reads" && took == test.in+drainWithin
				if !strings.Contains(failed.Error(), test.want) || took != test.in && !late {
					t.Errorf("failed with %q after %v, want %q after %v", failed, took, test.want, test.in)
				}
			})
		})
	}
}

func TestStopAtAnyTime(t *testing.T) {
	tests := []struct {
		name  string
		dial  func(context.Context) (net.Conn, error)
		after time.Duration
	}{
		{"while dialling", func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, time.Second},
		{"while logging in", func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, far) }()
			return near, nil
		}, time.Second},
		{"while waiting to dial again", func(context.Context) (net.Conn, error) {
			return nil, io.ErrUnexpectedEOF
		}, time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *pipeNet, e *events) {
				cfg := testConfig(n, e)
				cfg.MinBackoff, cfg.MaxBackoff = time.Hour, time.Hour
				cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return test.dial(ctx) }
				client, err := NewClient(cfg)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), test.after)
				defer cancel()
				start := time.Now()
				if err := client.Run(ctx); err != nil {
					t.Errorf("Run: %v", err)
				}
				if took := time.Since(start); took != test.after {
					t.Errorf("stopped after %v, want %v", took, test.after)
				}
			})
		})
	}
}

// A core that does not read cannot hold up the end.
func TestStopIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := testConfig(n, e)
		cfg.OnUp = func(s *Session) { _ = s.Send(CodeChatSentenceIn, &ChatSentenceInfo{}, nil) }
		client, err := NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = client.Run(ctx) }()
		accept(t, n).welcome(Welcome{})
		synctest.Wait()
		cancel()
		start := time.Now()
		<-ended
		if took := time.Since(start); took != closeWithin {
			t.Errorf("stopped after %v", took)
		}
	})
}

func TestNewClientChecks(t *testing.T) {
	good := ClientConfig{Address: "core:18321", Peer: "@p"}
	if _, err := NewClient(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*ClientConfig){
		"no port":     func(c *ClientConfig) { c.Address = "core" },
		"no peer":     func(c *ClientConfig) { c.Peer = "" },
		"huge frames": func(c *ClientConfig) { c.MaxFrame = MaxReadFrame + 1 },
	} {
		bad := good
		change(&bad)
		if _, err := NewClient(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestRunOnce(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		client := runClient(t, testConfig(n, e))
		synctest.Wait()
		if err := client.Run(t.Context()); err == nil {
			t.Error("ran twice at a time")
		}
	})
}
