package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// failing makes the network fail attempt n with what the list holds, nil =
// accept; later attempts are accepted.
func failing(errs ...error) func(int, connectors.Part) error {
	return func(n int, _ connectors.Part) error {
		if n <= len(errs) {
			return errs[n-1]
		}
		return nil
	}
}

func sendErr(o connectors.Outcome, r connectors.Reason) *connectors.SendError {
	return &connectors.SendError{Outcome: o, Reason: r, Err: errFakeNetwork}
}

// opened starts a chat with one message of anna.
func (h *house) opened() {
	h.Helper()
	h.writes("anna", 1)
	h.waits(5 * time.Second)
}

func (h *house) wantGot(want ...string) {
	h.Helper()
	if got := h.net.got(); !slices.Equal(got, want) {
		h.Errorf("customer got %q, want %q", got, want)
	}
}

func TestAnswerReachesTheCustomer(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		id := h.says("anna", "hello\n[[Yes|y]]\n[[No|n]]")
		h.waits(time.Second)
		h.wantGot("hello\n- Yes\n- No") // this network has no buttons
		if got := h.confirmed("anna"); !slices.Equal(got, []string{id}) {
			t.Errorf("confirmed %v, want %v", got, id)
		}
		_, notes := h.shown("anna")
		if len(notes) != 1 || !strings.Contains(notes[0], "buttons were written as text") {
			t.Errorf("notes %q", notes)
		}
		if off := h.core.Offences(); len(off.Total) != 0 {
			t.Errorf("offences: %+v", off)
		}
	})
}

func TestFailuresOfTheNetwork(t *testing.T) {
	const text = "an answer"
	tests := []struct {
		name string
		errs []error
		opts []houseOption
		got  []string // what the customer has in the end
		dead []string
		note string // part of the agent's tech note; empty = none
		wait time.Duration
	}{
		{name: "not sent is tried again", errs: []error{sendErr(connectors.NotSent, connectors.ReasonConnect), sendErr(connectors.NotSent, connectors.ReasonServer)}, got: []string{text}},
		{name: "rejected is reported", errs: []error{sendErr(connectors.Rejected, connectors.ReasonBlocked)}, dead: []string{"blocked"}, note: "cannot be reached any more"},
		{name: "unknown is sent again", errs: []error{sendErr(connectors.Unknown, connectors.ReasonTimeout)}, got: []string{text}},
		{name: "unknown is reported", errs: []error{sendErr(connectors.Unknown, connectors.ReasonTimeout)}, opts: []houseOption{reportUnknown}, dead: []string{"unknown"}, note: "not known whether message"},
		{name: "a foreign error counts as unknown", errs: []error{errFakeNetwork}, opts: []houseOption{reportUnknown}, dead: []string{"unknown"}, note: "not known"},
		{
			name: "the deadline ends it", errs: slices.Repeat([]error{sendErr(connectors.NotSent, connectors.ReasonConnect)}, 5000),
			dead: []string{"deadline"}, note: "in time", wait: 25 * time.Hour,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.net.fail = failing(tt.errs...)
				h.says("anna", text)
				h.waits(max(tt.wait, 10*time.Minute))
				h.wantGot(tt.got...)
				if got := h.dead(); !slices.Equal(got, tt.dead) {
					t.Errorf("dead letters %v, want %v", got, tt.dead)
				}
				_, notes := h.shown("anna")
				if all := strings.Join(notes, "\n"); (tt.note == "") != (all == "") || !strings.Contains(all, tt.note) {
					t.Errorf("notes %q, want one with %q", notes, tt.note)
				}
				if n := h.pending(journal.Out); n != 0 {
					t.Errorf("%d pending", n)
				}
			}, tt.opts...)
		})
	}
}

// TestEmptySentence: nothing to show is not sent, and nobody waits for it.
func TestEmptySentence(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		want := []string{h.says("anna", ""), h.says("anna", " \n"), h.says("anna", "an answer")}
		h.waits(time.Minute)
		h.wantGot("an answer")
		if got := h.confirmed("anna"); !slices.Equal(got, want) {
			t.Errorf("confirmed %v, want %v", got, want)
		}
		if _, notes := h.shown("anna"); len(notes) != 0 || len(h.dead()) != 0 {
			t.Errorf("notes %q, dead %v", notes, h.dead())
		}
	})
}

func TestNetworkAsksForPatience(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		wish := sendErr(connectors.NotSent, connectors.ReasonRate)
		wish.RetryAfter = 7 * time.Minute
		h.net.fail = failing(wish)
		h.says("anna", "one")
		h.says("anna", "two")
		h.waits(6*time.Minute + 50*time.Second)
		h.wantGot()
		h.waits(time.Minute)
		h.wantGot("one", "two")
	})
}

func TestCredentialErrorsPauseTheChannel(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		var good atomic.Bool
		h.net.fail = func(int, connectors.Part) error {
			if !good.Load() {
				return sendErr(connectors.NotSent, connectors.ReasonAuth)
			}
			return nil
		}
		h.says("anna", "one")
		h.says("anna", "two")
		h.waits(10 * time.Minute)
		ch := h.gw.channel(testChannel)
		if ch.state() != statePaused {
			t.Errorf("state %q", ch.state())
		}
		if f, _ := h.gw.ChannelFault(testChannel); len(f) == 0 {
			t.Error("the pause is not visible")
		}
		h.writes("anna", 2) // the other direction goes on
		h.waits(time.Second)
		h.wantShown("anna", 2)
		good.Store(true)
		h.waits(20 * time.Minute)
		h.wantGot("one", "two")
		if ch.state() != stateOK {
			t.Errorf("state %q after the credentials work again", ch.state())
		}
	})
}

func TestLongTextGoesOnWithTheFailedPart(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = failing(nil, sendErr(connectors.NotSent, connectors.ReasonServer), nil)
		text := strings.TrimSpace(strings.Repeat("word ", 50)) // three parts of at most 100
		h.says("anna", text)
		h.waits(time.Minute)
		if got := strings.Join(h.net.got(), " "); got != text {
			t.Errorf("got %q", got)
		}
		if len(h.net.sent) != 3 || h.net.sent[1].ID != h.net.sent[0].ID+"#2" {
			t.Errorf("parts %+v", h.net.sent)
		}
	})
}

// TestCrashInAnAttempt: the request left, the process died.
func TestCrashInAnAttempt(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []houseOption
		got  []string
		dead []string
	}{
		{"resend", nil, []string{"an answer"}, nil},
		{"report", []houseOption{reportUnknown}, nil, []string{"unknown"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				h.crashesSending()
				h.start()
				h.waits(10 * time.Minute)
				h.wantGot(tt.got...)
				if got := h.dead(); !slices.Equal(got, tt.dead) {
					t.Errorf("dead letters %v", got)
				}
			}, tt.opts...)
		})
	}
}

// TestAnswersComeInCounterOrder: sentences are lost on the way to the gateway,
// and what STATUS shows is sent in its place.
func TestAnswersComeInCounterOrder(t *testing.T) {
	for name, opts := range map[string][]houseOption{"full": nil, "plain": {plainCore}} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				var want []string
				for i := range 30 {
					switch i {
					case 3, 4, 11:
						if err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultLose, Code: simprot.CodeChatSentence, Count: 1}); err != nil {
							t.Fatal(err)
						}
					case 17:
						h.door.breakAll()
					case 22:
						h.crash()
						h.start()
					}
					text := fmt.Sprint("answer ", i)
					want = append(want, text)
					h.says("anna", text)
					h.writes("anna", i+2)
					h.waits(100 * time.Millisecond)
				}
				h.waits(10 * time.Minute)
				h.wantGot(want...)
				h.wantShown("anna", 31)
				if got := h.confirmed("anna"); len(got) != 30 {
					t.Errorf("%d confirmed", len(got))
				}
			}, opts...)
		})
	}
}

// TestLostConfirmationIsRepeated: the network has it, the core was not told.
func TestLostConfirmationIsRepeated(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		if err := h.core.AddFault(refcore.Fault{Kind: refcore.FaultDrop, Code: simprot.CodeChatConfirmIn}); err != nil {
			t.Fatal(err)
		}
		h.says("anna", "an answer")
		h.waits(time.Minute)
		h.wantGot("an answer")
		if got := h.confirmed("anna"); len(got) != 1 {
			t.Errorf("confirmed %v", got)
		}
	})
}

// TestUnknownOutbound: the journal is new, the core shows a sentence
// unconfirmed whose fate nobody knows.
func TestUnknownOutbound(t *testing.T) {
	for policy, want := range map[config.UnknownPolicy][]string{config.Report: nil, config.Send: {"an answer"}} {
		t.Run(string(policy), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.cfg.Core.UnknownOutbound = policy
				h.opened()
				h.stop()
				h.disk.Close()
				h.disk = newDisk()
				h.says("anna", "an answer")
				h.start()
				h.waits(5 * time.Minute)
				h.wantGot(want...)
				_, notes := h.shown("anna")
				if told := len(notes) == 1; told != (want == nil) {
					t.Errorf("notes %q", notes)
				}
				h.says("anna", "another") // what follows is not held up
				h.waits(time.Minute)
				h.wantGot(append(want, "another")...)
			})
		})
	}
}

func TestJournalAwayForTheCoresSentence(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.cut.away.Store(true)
		h.says("anna", "an answer")
		h.waits(12 * time.Second)
		h.wantGot()
		if err := h.deliver("anna", 2); !errors.Is(err, connectors.ErrUnavailable) {
			t.Errorf("deliver: %v", err)
		}
		if f, _ := h.gw.ChannelFault(testChannel); len(f) == 0 {
			t.Error("nothing tells of it")
		}
		h.cut.away.Store(false)
		h.waits(20 * time.Second)
		h.wantGot("an answer")
	})
}

func TestReusedIDIsANewSentence(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		chat := h.chat("anna").ID
		for _, text := range []string{"one", "two", "two"} {
			if _, err := h.core.SayAs(chat, refcore.Utterance{ID: "same", Text: text}); err != nil {
				t.Fatal(err)
			}
			h.waits(time.Second)
		}
		h.wantGot("one", "two")
	})
}

func TestTechNotesAreNotForTheCustomer(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		chat := h.chat("anna").ID
		for _, m := range []simprot.Model{simprot.ModelTechNote, simprot.ModelTechPanel, simprot.ModelNavigation, simprot.ModelSentence} {
			if _, err := h.core.SayAs(chat, refcore.Utterance{Text: fmt.Sprint("model ", m), Model: m}); err != nil {
				t.Fatal(err)
			}
		}
		h.waits(time.Minute)
		h.wantGot("model 0")
		if got := h.confirmed("anna"); len(got) != 4 {
			t.Errorf("confirmed %v", got)
		}
	})
}

func TestAgentWritesFirst(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(5 * time.Second)
		if _, err := h.core.Begin(h.address("carla"), "Carla"); err != nil {
			t.Fatal(err)
		}
		h.says("carla", "good morning")
		h.waits(time.Minute)
		h.wantGot("good morning")
		if got := h.confirmed("carla"); len(got) != 1 {
			t.Errorf("confirmed %v", got)
		}
	})
}

// TestSentencesWithoutAddress: inside an answer sentences need not say where
// they belong, nor to which chat.
func TestSentencesWithoutAddress(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		c := h.gw.convs.find(h.gw.channel(testChannel), h.address("anna").TrackingID)
		_, err := h.gw.question(h.Context(), c, c.ch.port.current(), ^uint64(0), func() (*simprot.ChatStatusInfo, error) {
			return &simprot.ChatStatusInfo{
				ChatId: h.chat("anna").ID, Status: simprot.StatusAnswered, Sentences: []*simprot.ChatSentenceInfo{
					{ID: "s-1", Text: "while nobody was there", TimeSent: time.Now(), IsOutbound: true, Counter: 9},
				},
			}, nil
		})
		if err != nil {
			h.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantGot("while nobody was there")
	})
}

func TestSentenceForAForeignPortIsDead(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		a := refcore.Address{Peer: testPeer, Port: "nobody", TrackingID: "x|fake"}
		if _, err := h.core.Begin(a, "X"); err != nil {
			t.Fatal(err)
		}
		chat, err := h.core.Find(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.core.Say(chat.ID, "hello"); err != nil {
			t.Fatal(err)
		}
		h.waits(2 * time.Minute)
		h.wantGot()
		if got := h.dead(); !slices.Equal(got, []string{string(connectors.ReasonNoChannel)}) {
			t.Errorf("dead letters %v", got)
		}
		rows, err := h.disk.mem.Dead(h.Context(), journal.DeadQuery{})
		if err != nil {
			t.Fatal(err)
		}
		if err := (servedRows{h.gw.journal, h.gw}).Requeue(h.Context(), rows[0].Seq); !errors.Is(err, errNotServed) {
			t.Errorf("requeue: %v", err)
		}
		_, sentences, err := h.core.Chat(chat.ID)
		if err != nil || len(sentences) != 2 || sentences[1].Model != simprot.ModelTechNote {
			t.Errorf("the agent was not told: %v, %v", sentences, err)
		}
	})
}

func TestTypingBothWays(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		chat := h.chat("anna").ID
		if err := h.core.Typing(chat, true); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Second)
		h.waits(typingLapse)
		if got := h.net.typing; !slices.Equal(got, []bool{true, false}) {
			t.Errorf("customer saw typing %v", got)
		}
		inbox{h.gw, h.gw.channel(testChannel)}.Typing("anna|fake", true)
		h.waits(time.Second)
		if h.chat("anna").CustomerTyping == 0 {
			t.Error("the agent does not see the customer typing")
		}
	})
}

func TestRequeuedDeadLetterIsSent(t *testing.T) {
	inHouse(t, func(h *house) {
		h.opened()
		h.net.fail = failing(sendErr(connectors.Rejected, connectors.ReasonContent))
		h.says("anna", "an answer")
		h.waits(time.Minute)
		rows, err := h.disk.mem.Dead(h.Context(), journal.DeadQuery{})
		if err != nil || len(rows) != 1 {
			t.Fatalf("dead letters %v, %v", rows, err)
		}
		if err := h.disk.mem.Requeue(h.Context(), rows[0].Seq); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantGot("an answer")
		if got := h.dead(); len(got) != 0 {
			t.Errorf("dead letters %v", got)
		}
	})
}

func TestUnreadableAddressIsReported(t *testing.T) {
	inHouse(t, func(h *house) {
		h.waits(5 * time.Second)
		a := refcore.Address{Peer: testPeer, Port: testChannel, TrackingID: "unreadable"}
		chat, err := h.core.Begin(a, "X")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.core.Say(chat, "hello"); err != nil {
			t.Fatal(err)
		}
		h.waits(time.Minute)
		h.wantGot()
		_, sentences, err := h.core.Chat(chat)
		if err != nil || len(sentences) != 2 || sentences[1].Model != simprot.ModelTechNote {
			t.Errorf("the agent was not told: %v, %v", sentences, err)
		}
	})
}
