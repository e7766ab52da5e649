package refcore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"servicelink/simprot"
)

func TestConversation(t *testing.T) {
	inBubble(t, Options{Fences: true, Asks: true}, func(b *bench) {
		g := b.connect()
		list := one(t, g.send(simprot.CodeChatResync, resyncOf(testPort)), simprot.CodeChatList)
		if got := list.Payload.(simprot.ChatStatusList); len(got) != 0 || list.Extras.More {
			t.Fatalf("list of an empty core: %v, %+v", got, list.Extras)
		}
		response := one(t, g.send(simprot.CodeChatRequest, service()), simprot.CodeChatResponse)
		if s := response.Payload.(*simprot.ChatServiceInfo); s.Signal != simprot.SignalFree || s.TrackingId != testChat {
			t.Fatalf("response %+v", s)
		}
		status := one(t, g.send(simprot.CodeChatStart, service()), simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo)
		if status.Status != simprot.StatusWaiting || status.Sentences == nil || len(status.Sentences) != 0 {
			t.Fatalf("status %+v", status)
		}

		echo := one(t, g.send(simprot.CodeChatSentenceIn, sentence("m1", "Hello")), simprot.CodeChatSentence)
		e := echo.Payload.(*simprot.ChatSentenceInfo)
		want := sentence("m1", "Hello")
		want.Counter, want.ChatId = 1, status.ChatId
		if diff := cmp.Diff(want, e); diff != "" {
			t.Fatalf("echo (-want +got):\n%s", diff)
		}

		id, err := b.core.Say(status.ChatId, "Good day")
		if err != nil {
			t.Fatal(err)
		}
		got := g.read()
		if len(got) != 2 || got[0].Code != simprot.CodeChatStatus || got[1].Code != simprot.CodeChatSentence {
			t.Fatalf("an agent's first sentence sent %v", codes(got))
		}
		if n := got[0].Payload.(*simprot.ChatStatusInfo); n.Status != simprot.StatusAnswered || n.Sentences != nil {
			t.Fatalf("news %+v", n)
		}
		s := got[1].Payload.(*simprot.ChatSentenceInfo)
		if !s.IsOutbound || s.ID != id || s.Counter != 2 || s.Text != "Good day" || s.ConfirmedTime != nil {
			t.Fatalf("outbound %+v", s)
		}

		none(t, g.send(simprot.CodeChatConfirmIn, cmd(id)))
		all := g.status().Sentences
		if len(all) != 2 || all[0].ID != "m1" || all[1].ConfirmedTime == nil {
			t.Fatalf("sentences %+v", all)
		}
		b.noOffence()
	})
}

func TestAskIsMirroredOnlyWhenAnnounced(t *testing.T) {
	questions := map[simprot.Code]simprot.Payload{
		simprot.CodeChatResync:    resyncOf(testPort),
		simprot.CodeChatRequest:   service(),
		simprot.CodeChatStart:     service(),
		simprot.CodeChatStatusAsk: askStatus(),
	}
	for _, asks := range []bool{true, false} {
		inBubble(t, Options{Asks: asks}, func(b *bench) {
			g, _ := b.opened()
			for code, payload := range questions {
				for _, answer := range g.send(code, payload) {
					if got := answer.Extras.Ask; (got == "q-1") != asks || (got == "") == asks {
						t.Errorf("asks=%t: %s answered with Ask %q", asks, code, got)
					}
				}
			}
			echo := one(t, g.send(simprot.CodeChatSentenceIn, sentence("m1", "x")), simprot.CodeChatSentence)
			if echo.Extras.Ask != "" {
				t.Errorf("the echo of a sentence carries Ask %q", echo.Extras.Ask)
			}
		})
	}
}

func TestStartNeverOpensASecondChat(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		g, chat := b.opened()
		g.send(simprot.CodeChatSentenceIn, sentence("m1", "x"))
		again := one(t, g.send(simprot.CodeChatStart, service()), simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo)
		if again.ChatId != chat || len(again.Sentences) != 1 {
			t.Fatalf("second START: %+v", again)
		}
		if err := b.core.CloseChat(chat); err != nil {
			t.Fatal(err)
		}
		g.read()
		next := one(t, g.send(simprot.CodeChatStart, service()), simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo)
		if next.ChatId == chat || len(next.Sentences) != 0 {
			t.Fatalf("START after the end: %+v", next)
		}
	})
}

func TestStatusOfTheUnknown(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		s := b.connect().status()
		if s.Status != simprot.StatusClosed || s.Sentences == nil || len(s.Sentences) != 0 || s.TrackingId != testChat {
			t.Fatalf("status %+v", s)
		}
	})
}

func TestStatusAfterCounter(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bare  []Rule
		own   bool // the question names the conversation's chat
		after int32
		want  int
	}{
		{name: "all", own: true, after: 0, want: 3},
		{name: "some", own: true, after: 2, want: 1},
		{name: "none left", own: true, after: 3, want: 0},
		{name: "another chat", after: 2, want: 3},
		{name: "a core without it", bare: Bare(), own: true, after: 2, want: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Options{Break: tt.bare}, func(b *bench) {
				g, chat := b.opened()
				for i := range 3 {
					g.send(simprot.CodeChatSentenceIn, sentence(fmt.Sprint(i), "x"))
				}
				ask := askStatus()
				ask.AfterCounter = tt.after
				ask.ChatId[0] = 1
				if tt.own {
					ask.ChatId = chat
				}
				got := one(t, g.send(simprot.CodeChatStatusAsk, ask), simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo)
				if got.Sentences == nil || len(got.Sentences) != tt.want {
					t.Fatalf("%d sentences (nil %t), want %d", len(got.Sentences), got.Sentences == nil, tt.want)
				}
				b.noOffence()
			})
		})
	}
}

// TestStatusCut: what does not fit a frame loses its oldest sentences, but
// never an outbound one that nobody confirmed.
func TestStatusCut(t *testing.T) {
	for _, enc := range []simprot.Encoding{simprot.EncodingMsgpack, simprot.EncodingJSON} {
		inBubble(t, Options{Encoding: enc}, func(b *bench) {
			g, chat := b.opened()
			owed, err := b.core.Say(chat, "not confirmed")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				g.send(simprot.CodeChatSentenceIn, sentence(fmt.Sprintf("m%d", i), strings.Repeat("\"x\n", 300)))
			}
			reader := b.connectAs(simprot.Login{Peer: testPeer, MaxFrame: 32 << 10})
			answer := one(t, reader.send(simprot.CodeChatStatusAsk, askStatus()), simprot.CodeChatStatus)
			frame, err := simprot.AppendFrame(nil, answer, enc)
			if err != nil {
				t.Fatal(err)
			}
			if len(frame) > 32<<10 || len(frame) < 16<<10 {
				t.Errorf("the answer takes %d bytes of 32 KiB", len(frame))
			}
			got := answer.Payload.(*simprot.ChatStatusInfo).Sentences
			if got[0].ID != owed {
				t.Errorf("the unconfirmed outbound sentence was cut")
			}
			if last := got[len(got)-1]; last.Counter != 101 {
				t.Errorf("the newest sentence shown is %d, want 101", last.Counter)
			}
			for i := 2; i < len(got); i++ {
				if got[i].Counter != got[i-1].Counter+1 {
					t.Errorf("hole after %d", got[i-1].Counter)
				}
			}
		})
	}
}

func TestSentenceForAClosedChatIsNotTaken(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(b *bench, g *gateway, c *Core) error
		want simprot.Status
	}{
		{"by the agent", func(b *bench, g *gateway, c *Core) error {
			state, err := c.Find(Address{testPeer, testPort, testChat})
			if err != nil {
				return err
			}
			return c.CloseChat(state.ID)
		}, simprot.StatusClosedByAgent},
		{"by the gateway", func(_ *bench, g *gateway, _ *Core) error {
			g.tell(simprot.CodeChatStop, cmd(""))
			return nil
		}, simprot.StatusClosedByExtApp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Options{}, func(b *bench) {
				g, chat := b.opened()
				if err := tt.end(b, g, b.core); err != nil {
					t.Fatal(err)
				}
				told := one(t, g.read(), simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo)
				if told.Status != tt.want || told.Sentences != nil {
					t.Fatalf("news of the end: %+v", told)
				}
				for _, model := range []simprot.Model{simprot.ModelSentence, simprot.ModelTechNote} {
					late := sentence("late", "x")
					late.Model = model
					instead := one(t, g.send(simprot.CodeChatSentenceIn, late), simprot.CodeChatStatus).Payload.(*simprot.ChatStatusInfo)
					if instead.Status != tt.want || instead.Sentences != nil || instead.ChatId != chat {
						t.Fatalf("instead of the echo: %+v", instead)
					}
				}
				if n := len(g.status().Sentences); n != 0 {
					t.Fatalf("%d sentences were taken", n)
				}
				b.noOffence()
			})
		})
	}
}

// TestChatGoesByItsCustomersName: a gateway may learn the name after START, and only a
// customer's sentence tells it.
func TestChatGoesByItsCustomersName(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		g, chat := b.opened()
		for i, step := range []struct {
			party string
			model simprot.Model
			want  string
		}{
			{"Jana Nová", simprot.ModelSentence, "Jana Nová"},
			{"", simprot.ModelSentence, "Jana Nová"},
			{"The gateway", simprot.ModelTechNote, "Jana Nová"},
			{"Jana Malá", simprot.ModelSentence, "Jana Malá"},
		} {
			s := sentence(fmt.Sprint("m", i), "hello")
			s.PartyName, s.Model = step.party, step.model
			one(t, g.send(simprot.CodeChatSentenceIn, s), simprot.CodeChatSentence)
			if _, err := b.core.Say(chat, "yes?"); err != nil { // the agent's name is not the customer's
				t.Fatal(err)
			}
			g.read()
			if state, _, err := b.core.Chat(chat); err != nil || state.PartyName != step.want {
				t.Errorf("after %+v it is %q (%v)", step, state.PartyName, err)
			}
		}
	})
}

func TestTechNoteIsShown(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		g, chat := b.opened()
		note := sentence("note:m1", "could not be delivered")
		note.Model = simprot.ModelTechNote
		one(t, g.send(simprot.CodeChatSentenceIn, note), simprot.CodeChatSentence)
		state, all, err := b.core.Chat(chat)
		if err != nil || len(all) != 1 || all[0].Model != simprot.ModelTechNote || state.Unread != 0 {
			t.Fatalf("%v %+v %v", err, state, all)
		}
	})
}

func TestList(t *testing.T) {
	inBubble(t, Options{ListFrame: 2, Asks: true}, func(b *bench) {
		g := b.connect()
		g.send(simprot.CodeChatResync, resyncOf(testPort))
		g.send(simprot.CodeChatRequest, service())
		for i := range 5 {
			s := service()
			s.TrackingId = fmt.Sprintf("%d|omnichannel", i)
			g.send(simprot.CodeChatStart, s)
		}
		m := sentence("m1", "x")
		m.TrackingId = "3|omnichannel"
		g.send(simprot.CodeChatSentenceIn, m)

		frames := g.send(simprot.CodeChatResync, resyncOf(testPort))
		if len(frames) != 3 {
			t.Fatalf("%d frames, want 3", len(frames))
		}
		var names []string
		for i, f := range frames {
			if f.Extras.Ask != "q-1" || f.Extras.More != (i < 2) {
				t.Errorf("frame %d: %+v", i, f.Extras)
			}
			for _, item := range f.Payload.(simprot.ChatStatusList) {
				names = append(names, item.TrackingId)
				if item.Sentences != nil {
					t.Errorf("%s is listed with Sentences", item.TrackingId)
				}
				if want := int32(0); item.TrackingId == "3|omnichannel" && item.Counter != 1 || item.TrackingId != "3|omnichannel" && item.Counter != want {
					t.Errorf("%s: Counter %d", item.TrackingId, item.Counter)
				}
			}
		}
		if len(names) != 5 {
			t.Errorf("listed %v", names)
		}
		if got := one(t, g.send(simprot.CodeChatResync, resyncOf("other")), simprot.CodeChatList); len(got.Payload.(simprot.ChatStatusList)) != 0 {
			t.Errorf("another Port's list: %v", got)
		}
		b.noOffence()
	})
}

func TestClosedChatIsListedWhileItOwes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		bare    []Rule
		confirm bool
		wait    time.Duration
		want    int
	}{
		{name: "owing", want: 1},
		{name: "nearly 24 h", wait: 24*time.Hour - time.Second, want: 1},
		{name: "24 h", wait: 24 * time.Hour, want: 0},
		{name: "confirmed", confirm: true, want: 0},
		{name: "a core without it", bare: Bare(), want: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Options{Break: tt.bare}, func(b *bench) {
				g, chat := b.opened()
				id, err := b.core.Say(chat, "bye")
				if err != nil {
					t.Fatal(err)
				}
				if err := b.core.CloseChat(chat); err != nil {
					t.Fatal(err)
				}
				if tt.confirm {
					g.send(simprot.CodeChatConfirmIn, cmd(id))
				}
				g.read()
				time.Sleep(tt.wait)
				list := one(t, g.send(simprot.CodeChatResync, resyncOf(testPort)), simprot.CodeChatList).Payload.(simprot.ChatStatusList)
				if len(list) != tt.want {
					t.Fatalf("%d chats listed, want %d", len(list), tt.want)
				}
			})
		})
	}
}

// TestConfirmFindsOlderChats: the customer may have begun a new chat before the
// last one's sentences were delivered.
func TestConfirmFindsOlderChats(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		g, chat := b.opened()
		id, err := b.core.Say(chat, "bye")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.core.CloseChat(chat); err != nil {
			t.Fatal(err)
		}
		g.send(simprot.CodeChatStart, service())
		g.send(simprot.CodeChatConfirmIn, cmd(id))
		state, all, err := b.core.Chat(chat)
		if err != nil || state.Unconfirmed != 0 || all[0].ConfirmedTime == nil {
			t.Fatalf("%v %+v", err, state)
		}
		b.noOffence()
	})
}

func TestTrackingIDs(t *testing.T) {
	for id, well := range map[string]bool{
		"77|omnichannel":         true,
		"whatsapp:_49_44.7":      true,
		"+420777123456":          true,
		"a-b@c.d:e":              true,
		"_5f":                    true,
		"_5F":                    false,
		"_5":                     false,
		"_":                      false,
		"_zz":                    false,
		"_c5_99":                 true,
		"Upper":                  false,
		"white space":            false,
		"ř":                      false,
		simprot.EscapeID("Ř_ x"): true,
	} {
		if got := trackingIDWell(id); got != well {
			t.Errorf("%q: %t, want %t", id, got, well)
		}
	}
}

// brokenStore refuses to write.
type brokenStore struct{ Store }

var errDisk = errors.New("disk full")

func (brokenStore) Create(Chat) error { return errDisk }

func (brokenStore) Append(uuid.UUID, *simprot.ChatSentenceInfo, time.Time) (Chat, int, error) {
	return Chat{}, 0, errDisk
}

// TestWhatIsNotStoredIsNotAnswered: the echo promises that the sentence is kept.
func TestWhatIsNotStoredIsNotAnswered(t *testing.T) {
	kept := NewMemoryStore(0)
	inBubble(t, Options{Store: kept}, func(b *bench) { b.opened() })
	inBubble(t, Options{Store: brokenStore{kept}}, func(b *bench) {
		g := b.connect()
		none(t, g.send(simprot.CodeChatSentenceIn, sentence("m1", "x")))
		another := service()
		another.TrackingId = "78|omnichannel"
		none(t, g.send(simprot.CodeChatStart, another))
		if _, err := b.core.Say(mustFind(b), "x"); !errors.Is(err, errDisk) {
			t.Errorf("say: %v", err)
		}
		one(t, g.read(), simprot.CodeChatStatus) // the agent did answer
		if n := len(g.status().Sentences); n != 0 {
			t.Errorf("%d sentences", n)
		}
	})
}

// TestWithoutChatID: the core of the source does not name the chat in sentences.
func TestWithoutChatID(t *testing.T) {
	inBubble(t, Options{Break: []Rule{RuleChatID}}, func(b *bench) {
		g, chat := b.opened()
		g.send(simprot.CodeChatSentenceIn, sentence("m1", "x"))
		if _, err := b.core.Say(chat, "y"); err != nil {
			t.Fatal(err)
		}
		g.read()
		status := g.status()
		if status.ChatId != chat || len(status.Sentences) != 2 {
			t.Fatalf("%+v", status)
		}
		for _, s := range status.Sentences {
			if s.ChatId != uuid.Nil {
				t.Errorf("%s names the chat", s.ID)
			}
		}
	})
}
