package simprot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// echoCore answers every sentence by its echo.
func echoCore(c *ServerConn, p Packet) {
	if v, ok := p.Payload.(*ChatSentenceInfo); ok {
		_ = c.Send(Packet{Code: CodeChatSentence, Payload: v})
	}
}

func TestClientAndServerTalk(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := testConfig(n, e)
		var login Login
		stop := runServer(t, n, ServerConfig{
			Login: true, Welcome: Welcome{Server: "test", Fences: true, Asks: true},
			Authenticate: func(l Login) string { login = l; return "" },
			OnLogin: func(c *ServerConn) {
				// Before SP_WELCOME, and must arrive after it.
				_ = c.Send(Packet{Code: CodeChatTyping, Payload: &ChatCommandInfo{Port: "p"}})
			},
			OnPacket: echoCore,
		})
		client := runClient(t, cfg)
		synctest.Wait()
		s := client.Session()
		if s == nil {
			t.Fatalf("no session: %v", e.all())
		}
		if w := s.Welcome(); w.Server != "test" || !w.Fences || w.KeepAlive != 15 || w.MaxFrame != DefaultMaxFrame {
			t.Errorf("welcome: %+v", w)
		}
		want := Login{
			Account: "account", Secret: "secret", Peer: "@peer", Instance: "one", Version: 1,
			Encoding: "msgpack", MaxFrame: DefaultMaxFrame,
		}
		if login != want {
			t.Errorf("login: %+v", login)
		}
		sentence := &ChatSentenceInfo{Port: "p", TrackingId: "x", ID: "1"}
		err := s.Send(CodeChatSentenceIn, sentence, func(time.Time) { e.add("written") })
		if err != nil {
			t.Fatal(err)
		}
		if sentence.Peer != "@peer" {
			t.Errorf("Peer %q was not filled in", sentence.Peer)
		}
		synctest.Wait()
		stop()
		synctest.Wait()
		if client.Session() != nil {
			t.Error("a session after its end")
		}
		if err := s.Send(CodeChatSentenceIn, sentence, nil); !errors.Is(err, ErrGone) {
			t.Errorf("Send after the end: %v", err)
		}
		lines := e.all()
		for i, line := range lines {
			if line == "written" { // before or after the echo
				lines = append(lines[:i:i], lines[i+1:]...)
				break
			}
		}
		got := strings.Join(lines, ", ")
		if want := "link connecting, link up, up 1, packet SE_CHAT_TYPING, packet SE_CHAT_SENTENCE, down 1, " +
			`link down simprot: the other side left: "shutdown"`; !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestClientSaysGoodbye(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		ended := make(chan struct{})
		client, err := NewClient(testConfig(n, e))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { defer close(ended); _ = client.Run(ctx) }()
		core := accept(t, n)
		core.welcome(Welcome{})
		synctest.Wait()
		for range 3 {
			if err := client.Session().Send(CodeChatSentenceIn, &ChatSentenceInfo{ID: "1"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		for range 3 {
			core.want(CodeChatSentenceIn)
		}
		bye, _ := core.want(CodeBye).Payload.(*Bye)
		if bye == nil || bye.Reason != ByeShutdown {
			t.Errorf("bye: %+v", bye)
		}
		core.wantEnd()
		<-ended
	})
}
