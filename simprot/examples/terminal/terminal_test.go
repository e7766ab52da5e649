package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

const (
	secret   = "secret of the terminal's test"
	patience = time.Minute
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is the program between a reference core and a scripted customer.
type stage struct {
	*testing.T
	core    *refcore.Core
	keys    *io.PipeWriter
	screen  chan string
	seen    []string
	stopped chan error
}

func newStage(t *testing.T) *stage {
	t.Helper()
	t.Setenv("CORE_SECRET", secret)
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{
		T: t, screen: make(chan string, 1000), stopped: make(chan error, 1),
		core: refcore.New(refcore.Options{Account: "servicelink", Secret: secret, Peer: "@servicelink", Fences: true, Asks: true}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.core.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		<-served
		_ = s.core.Close()
	})
	typed, keys := io.Pipe()
	shown, screen := io.Pipe()
	s.keys = keys
	go func() {
		for in := bufio.NewScanner(shown); in.Scan(); {
			s.screen <- in.Text()
		}
		close(s.screen)
	}()
	go func() {
		err := run(ctx, []string{"-core", l.Addr().String(), "-name", "Ann"}, typed, screen)
		_ = typed.Close()
		_ = screen.Close()
		s.stopped <- err
	}()
	t.Cleanup(func() { _ = keys.Close() })
	return s
}

// types writes a line as the customer does.
func (s *stage) types(line string) {
	s.Helper()
	if _, err := fmt.Fprintln(s.keys, line); err != nil {
		s.Fatal(err)
	}
}

// sees waits for a line on the screen.
func (s *stage) sees(line string) {
	s.Helper()
	deadline := time.After(patience)
	for {
		select {
		case got, more := <-s.screen:
			if !more {
				s.Fatalf("the program ended; the screen shows %q", s.seen)
			}
			s.seen = append(s.seen, got)
			if got == line {
				return
			}
		case <-deadline:
			s.Fatalf("%q is not on the screen: %q", line, s.seen)
		}
	}
}

// until waits for something at the core.
func (s *stage) until(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			s.Fatalf("not so: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (s *stage) chat() refcore.ChatState {
	s.Helper()
	chat, err := s.core.Find(refcore.Address{Peer: "@servicelink", Port: "terminal", TrackingID: "terminal:_41nn"})
	if err != nil {
		return refcore.ChatState{}
	}
	return chat
}

// said are the texts the core has of the chat.
func (s *stage) said() []string {
	s.Helper()
	_, sentences, err := s.core.Chat(s.chat().ID)
	if err != nil {
		return nil
	}
	var texts []string
	for _, sentence := range sentences {
		texts = append(texts, sentence.Text)
	}
	return texts
}

func (s *stage) says(text string) {
	s.Helper()
	if _, err := s.core.Say(s.chat().ID, text); err != nil {
		s.Fatal(err)
	}
}

// ends waits for the program's end and for what the core holds against it.
func (s *stage) ends() {
	s.Helper()
	select {
	case err := <-s.stopped:
		if err != nil {
			s.Error(err)
		}
	case <-time.After(patience):
		s.Fatal("the program does not end")
	}
	if r := s.core.Offences(); len(r.Total) != 0 {
		s.Errorf("offences %v at %v", r.Total, r.Last)
	}
}

// TestConversation is a day of a customer: answers, a lost connection with
// something said on both sides, a chat that was closed, the end.
func TestConversation(t *testing.T) {
	s := newStage(t)
	s.types("hello")
	s.until("the core has it", func() bool { return slices.Equal(s.said(), []string{"hello"}) })
	s.says("good day")
	s.sees("Agent: good day")
	s.core.Drop()
	s.says("are you there?")
	s.types("yes")
	s.types("still")
	s.sees("Agent: are you there?")
	want := []string{"hello", "good day", "are you there?", "yes", "still"}
	s.until("all is there, once and in order", func() bool { return slices.Equal(s.said(), want) })
	s.until("all is confirmed", func() bool { return s.chat().Unconfirmed == 0 })

	first := s.chat().ID
	if err := s.core.CloseChat(first); err != nil {
		t.Fatal(err)
	}
	s.sees("-- the chat has ended")
	s.types("one more thing")
	s.until("another chat has it", func() bool { return s.chat().ID != first && slices.Equal(s.said(), []string{"one more thing"}) })
	s.says("\x1b[31mred\nand black")
	s.sees("Agent:  [31mred and black")
	s.types("/bye")
	s.until("the core has closed the chat", func() bool { return s.chat().Status.Closed() })
	s.ends()
	for _, line := range []string{"Agent: good day", "Agent: are you there?"} {
		if n := strings.Count(strings.Join(s.seen, "\n"), line); n != 1 {
			t.Errorf("%q was shown %d times", line, n)
		}
	}
}

// TestInDoubt loses the echo, and the sentence before it was handled: neither
// makes it twice or loses it.
func TestInDoubt(t *testing.T) {
	for _, kind := range []refcore.FaultKind{refcore.FaultDrop, refcore.FaultDropAfter} {
		t.Run(string(kind), func(t *testing.T) {
			s := newStage(t)
			s.types("first")
			s.until("the core has it", func() bool { return len(s.said()) == 1 })
			if err := s.core.AddFault(refcore.Fault{Kind: kind, Code: simprot.CodeChatSentenceIn, Count: 2}); err != nil {
				t.Fatal(err)
			}
			want := []string{"first"}
			for i := range 5 {
				text := fmt.Sprintf("message %d", i)
				want = append(want, text)
				s.types(text)
			}
			_ = s.keys.Close() // the end of the input: what was typed is said first
			s.ends()
			if got := s.said(); !slices.Equal(got, want) {
				t.Errorf("the core has %q", got)
			}
			if states := s.core.Faults(); len(states) != 1 || states[0].Acted != 2 {
				t.Errorf("the fault did not act twice: %+v", states)
			}
		})
	}
}

// TestMessagesAreNotForUs: a core may send mail and short messages to every
// connection of the Peer.
func TestMessagesAreNotForUs(t *testing.T) {
	var out strings.Builder
	c := newConversation(&out)
	id := uuid.New()
	for _, p := range []simprot.Packet{
		{Code: simprot.CodeGateways, Payload: simprot.GatewayList{{Id: id, Direction: simprot.DirectionOut}}},
		{Code: simprot.CodeMessageOut, Payload: &simprot.MessageContentInfo{MessageId: &id, GatewayId: id, BodyText: "hello"}},
		{Code: simprot.CodeMessageInDone, Payload: &simprot.CommandInfo{Id: &id, Data: "true"}},
	} {
		c.take(t.Context(), event{packet: p})
	}
	if out.Len() > 0 {
		t.Errorf("it says %q", &out)
	}
}
