package refcore

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/simprot"
)

func TestFence(t *testing.T) {
	for _, fences := range []bool{true, false} {
		inBubble(t, Options{Fences: fences}, func(b *bench) {
			old, _ := b.opened()
			next := b.connect()
			next.send(simprot.CodeChatResync, resyncOf(testPort))

			got := old.send(simprot.CodeChatSentenceIn, sentence("m1", "x"))
			got = append(got, old.send(simprot.CodeChatStart, service())...)
			if fences {
				none(t, got)
			} else if len(got) != 2 {
				t.Fatalf("without a fence: %v", codes(got))
			}
			// Questions that change nothing are answered on both sides of it.
			old.status()
			// Another Port is not fenced.
			other := sentence("m1", "x")
			other.Port = "other"
			one(t, old.send(simprot.CodeChatSentenceIn, other), simprot.CodeChatStatus)

			if err := b.core.Typing(mustFind(b), true); err != nil {
				t.Fatal(err)
			}
			none(t, old.read())
			one(t, next.read(), simprot.CodeChatTyping)

			old.send(simprot.CodeChatResync, resyncOf(testPort))
			one(t, old.send(simprot.CodeChatSentenceIn, sentence("m2", "x")), simprot.CodeChatSentence)
		})
	}
}

// TestFenceOutlivesItsConnection: the end of the claiming connection gives the
// Port to nobody.
func TestFenceOutlivesItsConnection(t *testing.T) {
	inBubble(t, Options{Fences: true}, func(b *bench) {
		old, _ := b.opened()
		next := b.connect()
		next.send(simprot.CodeChatResync, resyncOf(testPort))
		b.core.disconnected(next.id)
		none(t, old.send(simprot.CodeChatSentenceIn, sentence("m1", "x")))
		if got := b.core.Stats().Fenced; got != 1 {
			t.Fatalf("%d packets counted as fenced, want 1", got)
		}
	})
}

func TestUnaskedGoesToOneOrAll(t *testing.T) {
	for _, unasked := range []Unasked{UnaskedOne, UnaskedAll} {
		inBubble(t, Options{Unasked: unasked}, func(b *bench) {
			owner, chat := b.opened()
			other := b.connect()
			stranger := b.connectAs(simprot.Login{Peer: "@stranger"})
			if err := b.core.Typing(chat, true); err != nil {
				t.Fatal(err)
			}
			one(t, owner.read(), simprot.CodeChatTyping)
			none(t, stranger.read())
			if unasked == UnaskedAll {
				one(t, other.read(), simprot.CodeChatTyping)
			} else {
				none(t, other.read())
			}
			b.core.disconnected(owner.id)
			if err := b.core.Typing(chat, false); err != nil {
				t.Fatal(err)
			}
			one(t, other.read(), simprot.CodeChatTyping)
		})
	}
}

func TestSignal(t *testing.T) {
	inBubble(t, Options{Signal: simprot.SignalBusy, Ports: []string{testPort, "second"}}, func(b *bench) {
		g := b.connect()
		want := func(port string, s simprot.Signal) {
			t.Helper()
			ask := service()
			ask.Port = port
			got := one(t, g.send(simprot.CodeChatRequest, ask), simprot.CodeChatResponse).Payload.(*simprot.ChatServiceInfo)
			if got.Signal != s {
				t.Errorf("%s: %s, want %s", port, got.Signal, s)
			}
		}
		want(testPort, simprot.SignalBusy)
		b.core.SetSignal(testPort, simprot.SignalClosed)
		want(testPort, simprot.SignalClosed)
		want("second", simprot.SignalBusy)
		b.core.SetSignal("", simprot.SignalHidden)
		want(testPort, simprot.SignalHidden)
		want("unknown", simprot.SignalHidden)
	})
}

// TestWhatTheAgentIsTold: a Port's manifest is that of its latest RESYNC, and until
// when a customer can be answered that of the latest sentence which tells it. Neither
// becomes part of the conversation, nor outlives a restart.
func TestWhatTheAgentIsTold(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		g, chat := b.opened()
		told := func() ChatState {
			t.Helper()
			state, _, err := b.core.Chat(chat)
			if err != nil {
				t.Fatal(err)
			}
			return state
		}
		if state := told(); state.Manifest != nil || !state.ReplyUntil.IsZero() {
			t.Errorf("told before it was said: %+v", state)
		}
		claim := cmd("")
		claim.TrackingId, claim.Manifest = "", &simprot.PortManifest{Network: "sms", TextLimit: 10, TextUnit: simprot.UnitSegments}
		g.send(simprot.CodeChatResync, claim)
		end := time.Now().Add(24 * time.Hour).UTC()
		s := sentence("m1", "x")
		s.ReplyUntil = &end
		echo, _ := one(t, g.send(simprot.CodeChatSentenceIn, s), simprot.CodeChatSentence).Payload.(*simprot.ChatSentenceInfo)
		if echo == nil || echo.ReplyUntil != nil {
			t.Errorf("the echo is %+v", echo)
		}
		g.send(simprot.CodeChatSentenceIn, sentence("m2", "says nothing of it"))
		if state := told(); state.Manifest == nil || state.Manifest.Network != "sms" || !state.ReplyUntil.Equal(end) {
			t.Errorf("the agent is told %+v until %v", state.Manifest, state.ReplyUntil)
		}
		if err := b.core.Restart(true); err != nil {
			t.Fatal(err)
		}
		if state := told(); state.Manifest != nil || !state.ReplyUntil.IsZero() {
			t.Errorf("told after a restart: %+v", state)
		}
	})
}

func TestTypingLapses(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		g, chat := b.opened()
		types := func(on bool) {
			v := cmd("")
			v.IsTyping = &on
			none(t, g.send(simprot.CodeChatTypingIn, v))
		}
		want := func(on bool) {
			t.Helper()
			state, _, err := b.core.Chat(chat)
			if err != nil || (state.CustomerTyping > 0) != on {
				t.Fatalf("typing for %v, want typing %t (%v)", state.CustomerTyping, on, err)
			}
		}
		want(false)
		types(true)
		want(true)
		types(false)
		want(false)
		types(true)
		time.Sleep(30 * time.Second)
		want(false)
		types(true)
		g.send(simprot.CodeChatSentenceIn, sentence("m1", "x"))
		want(false)
		b.noOffence()
	})
}

func TestReadConfirmsToTheGateway(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		g, chat := b.opened()
		g.send(simprot.CodeChatSentenceIn, sentence("m1", "x"))
		g.send(simprot.CodeChatSentenceIn, sentence("m2", "x"))
		if state, _, err := b.core.Chat(chat); err != nil || state.Unread != 2 {
			t.Fatalf("unread %d, want 2 (%v)", state.Unread, err)
		}
		for range 2 { // the second time there is nothing new
			if err := b.core.Read(chat); err != nil {
				t.Fatal(err)
			}
		}
		var ids []string
		for _, p := range g.read() {
			if p.Code != simprot.CodeChatConfirm {
				t.Fatalf("got %s", p.Code)
			}
			ids = append(ids, p.Payload.(*simprot.ChatCommandInfo).ID)
		}
		if diff := cmp.Diff([]string{"m1", "m2"}, ids); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestReturnChatIDTakesThePreparedChat(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		prepared, err := b.core.Begin(Address{Peer: testPeer, Port: testPort}, "Jana")
		if err != nil {
			t.Fatal(err)
		}
		g := b.connect()
		list := one(t, g.send(simprot.CodeChatResync, resyncOf(testPort)), simprot.CodeChatList).Payload.(simprot.ChatStatusList)
		if len(list) != 0 {
			t.Fatalf("a chat without a conversation is listed: %v", list)
		}
		g.send(simprot.CodeChatRequest, service())
		start := service()
		start.ReturnChatId = &prepared
		status := one(t, g.send(simprot.CodeChatStart, start), simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo)
		if status.ChatId != prepared || status.TrackingId != testChat {
			t.Fatalf("%+v", status)
		}
		one(t, g.send(simprot.CodeChatSentenceIn, sentence("m1", "x")), simprot.CodeChatSentence)
	})
}

func TestAgentWritesFirst(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		g := b.connect()
		g.send(simprot.CodeChatResync, resyncOf(testPort))
		addr := Address{testPeer, testPort, testChat}
		chat, err := b.core.Begin(addr, "Jana")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := b.core.Begin(addr, "Jana"); err != nil || again != chat {
			t.Fatalf("a second chat was opened (%v)", err)
		}
		if _, err := b.core.Say(chat, "We have news"); err != nil {
			t.Fatal(err)
		}
		if got := codes(g.read()); len(got) != 2 || got[1] != simprot.CodeChatSentence {
			t.Fatalf("got %v", got)
		}
	})
}

func TestRestart(t *testing.T) {
	for _, keep := range []bool{true, false} {
		inBubble(t, Options{Fences: true}, func(b *bench) {
			g, chat := b.opened()
			g.send(simprot.CodeChatSentenceIn, sentence("m1", "x"))
			if err := b.core.Restart(keep); err != nil {
				t.Fatal(err)
			}
			if !g.dropped() {
				t.Fatal("the connection lives on")
			}
			g.tell(simprot.CodeChatSentenceIn, sentence("m2", "x")) // was still in the reader's buffer
			b.core.disconnected(g.id)

			next := b.connect()
			s := next.status()
			switch {
			case keep && (s.ChatId != chat || len(s.Sentences) != 1):
				t.Errorf("with its data: %+v", s)
			case !keep && (!s.Status.Closed() || len(s.Sentences) != 0):
				t.Errorf("without its data: %+v", s)
			}
			// No claim is left to fence anybody off.
			next.send(simprot.CodeChatStart, service())
			one(t, next.send(simprot.CodeChatSentenceIn, sentence("m3", "x")), simprot.CodeChatSentence)
		})
	}
}

func mustFind(b *bench) [16]byte {
	b.Helper()
	state, err := b.core.Find(Address{testPeer, testPort, testChat})
	if err != nil {
		b.Fatal(err)
	}
	return state.ID
}
