package refcore

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"servicelink/simprot"
)

// TestOffences: each breach is counted under its name, and nothing else is.
func TestOffences(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	said := func(change func(*simprot.ChatSentenceInfo)) func(*bench, *gateway) {
		return func(_ *bench, g *gateway) {
			s := sentence("m1", "x")
			change(s)
			g.tell(simprot.CodeChatSentenceIn, s)
		}
	}
	started := func(change func(*simprot.ChatServiceInfo)) func(*bench, *gateway) {
		return func(_ *bench, g *gateway) {
			s := service()
			change(s)
			g.tell(simprot.CodeChatStart, s)
		}
	}
	other := func(s *simprot.ChatServiceInfo) { s.TrackingId = "78|omnichannel" }
	tests := map[Offence][]func(b *bench, g *gateway){
		OffenceWrongDirection: {func(_ *bench, g *gateway) { g.tell(simprot.CodeChatSentence, sentence("m1", "x")) }},
		OffencePayloadMissing: {
			func(_ *bench, g *gateway) { g.tell(simprot.CodeChatStart, nil) },
			func(_ *bench, g *gateway) { g.tell(simprot.CodeChatSentenceIn, (*simprot.ChatSentenceInfo)(nil)) },
		},
		OffencePeerMissing: {said(func(s *simprot.ChatSentenceInfo) { s.Peer = "" })},
		OffencePeerWrong:   {said(func(s *simprot.ChatSentenceInfo) { s.Peer = "@another" })},
		OffencePortUnknown: {func(_ *bench, g *gateway) { g.tell(simprot.CodeChatResync, resyncOf("nowhere")) }},
		OffenceIDMissing:   {said(func(s *simprot.ChatSentenceInfo) { s.ID = "" })},
		OffenceIDTooLong:   {said(func(s *simprot.ChatSentenceInfo) { s.ID = long(simprot.MaxID + 1) })},
		OffencePartyNameTooLong: {
			said(func(s *simprot.ChatSentenceInfo) { s.PartyName = long(simprot.MaxPartyName + 1) }),
			started(func(s *simprot.ChatServiceInfo) { s.PartyName = long(simprot.MaxPartyName + 1) }),
		},
		OffenceRemoteAddressTooLong: {started(func(s *simprot.ChatServiceInfo) { s.RemoteAddress = long(simprot.MaxRemoteAddress + 1) })},
		OffenceUserTokenTooLong:     {started(func(s *simprot.ChatServiceInfo) { s.UserToken = long(simprot.MaxUserToken + 1) })},
		OffenceTrackingIDMissing: {func(_ *bench, g *gateway) {
			g.tell(simprot.CodeChatStatusAsk, &simprot.ChatStatusInfo{Peer: testPeer, Port: testPort})
		}},
		OffenceTrackingIDTooLong: {started(func(s *simprot.ChatServiceInfo) { s.TrackingId = strings.Repeat("a", simprot.MaxTrackingID+1) })},
		OffenceTrackingIDCharacters: {
			started(func(s *simprot.ChatServiceInfo) { s.TrackingId = "77|Omnichannel" }),
			started(func(s *simprot.ChatServiceInfo) { s.TrackingId = "77_" }),
		},
		OffenceAskMissing: {func(_ *bench, g *gateway) {
			g.core.onPacket(g, simprot.Packet{Code: simprot.CodeChatStatusAsk, Payload: askStatus()})
		}},
		OffenceAfterWithoutChat: {func(_ *bench, g *gateway) {
			v := askStatus()
			v.AfterCounter = 3
			g.tell(simprot.CodeChatStatusAsk, v)
		}},
		OffenceBeforeResync: {func(b *bench, _ *gateway) { b.connect().tell(simprot.CodeChatRequest, service()) }},
		OffenceStartWithoutRequest: {func(_ *bench, g *gateway) {
			time.Sleep(requestFresh + time.Second)
			started(other)(nil, g)
		}},
		OffenceStartWhileClosed: {func(b *bench, g *gateway) {
			b.core.SetSignal(testPort, simprot.SignalClosed)
			g.tell(simprot.CodeChatRequest, service())
			started(other)(nil, g)
		}},
		OffenceSentenceWithoutStart: {said(func(s *simprot.ChatSentenceInfo) { s.TrackingId = "78|omnichannel" })},
		OffenceSentenceRepeated: {func(_ *bench, g *gateway) {
			g.tell(simprot.CodeChatSentenceIn, sentence("m1", "x"))
			g.tell(simprot.CodeChatSentenceIn, sentence("m1", "x"))
		}},
		OffenceSentenceMarked: {
			said(func(s *simprot.ChatSentenceInfo) { s.IsOutbound = true }),
			said(func(s *simprot.ChatSentenceInfo) { s.Counter = 1 }),
			said(func(s *simprot.ChatSentenceInfo) { s.ConfirmedTime = new(time.Time) }),
		},
		OffenceConfirmUnknown: {func(_ *bench, g *gateway) { g.tell(simprot.CodeChatConfirmIn, cmd("nothing")) }},
		OffenceConfirmInbound: {func(_ *bench, g *gateway) {
			g.tell(simprot.CodeChatSentenceIn, sentence("m1", "x"))
			g.tell(simprot.CodeChatConfirmIn, cmd("m1"))
		}},
		OffenceStopUnknown: {func(_ *bench, g *gateway) {
			v := cmd("")
			v.TrackingId = "78|omnichannel"
			g.tell(simprot.CodeChatStop, v)
		}},
		OffenceTypingMissing: {func(_ *bench, g *gateway) { g.tell(simprot.CodeChatTypingIn, cmd("")) }},
		OffenceUnconfirmed: {func(b *bench, _ *gateway) {
			if _, err := b.core.Say(mustFind(b), "x"); err != nil {
				b.Fatal(err)
			}
			time.Sleep(DefaultConfirmLimit)
		}},
		OffenceUndecodable: {func(_ *bench, g *gateway) {
			g.core.onBad(g, &simprot.DecodeError{Code: simprot.CodeChatStart, Member: "Port"})
		}},
		OffenceUnknownCode: {func(_ *bench, g *gateway) { g.core.onBad(g, &simprot.UnknownCodeError{Code: "ES_NEW"}) }},
		OffenceOversize:    {func(_ *bench, g *gateway) { g.core.onBad(g, &simprot.OversizeError{Size: 1 << 30}) }},
	}
	maps.Copy(tests, messageBreaches())
	if diff := cmp.Diff(slices.Sorted(slices.Values(AllOffences())), slices.Sorted(maps.Keys(tests))); diff != "" {
		t.Errorf("the list and this table differ (-list +table):\n%s", diff)
	}
	for offence, breaches := range tests {
		for _, breach := range breaches {
			t.Run(string(offence), func(t *testing.T) {
				inBubble(t, Options{Asks: true, Ports: []string{testPort}}, func(b *bench) {
					g, _ := b.opened()
					b.noOffence()
					breach(b, g)
					r := b.core.Offences()
					if diff := cmp.Diff(map[Offence]int{offence: 1}, r.Total); diff != "" {
						t.Fatalf("counted (-want +got):\n%s", diff)
					}
					if r.Last[offence] == "" {
						t.Error("the report does not say where")
					}
				})
			})
		}
	}
}

// TestNoteForPortNobodyHas: the note of a gateway that does not serve the Port
// is no offence unless a living connection claims it; anything else still is.
func TestNoteForPortNobodyHas(t *testing.T) {
	note := sentence("note:a1", "not delivered")
	note.Model = simprot.ModelTechNote
	tests := map[string]struct {
		sentence *simprot.ChatSentenceInfo
		owner    bool // the Port's owner is still there
		want     map[Offence]int
	}{
		"note":                  {note, false, map[Offence]int{}},
		"note beside the owner": {note, true, map[Offence]int{OffenceBeforeResync: 1}},
		"sentence":              {sentence("m1", "x"), false, map[Offence]int{OffenceBeforeResync: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Asks: true}, func(b *bench) {
				owner, _ := b.opened()
				if !tt.owner {
					b.core.disconnected(owner.id)
				}
				s := *tt.sentence
				one(t, b.connect().send(simprot.CodeChatSentenceIn, &s), simprot.CodeChatSentence)
				if diff := cmp.Diff(tt.want, b.core.Offences().Total); diff != "" {
					t.Errorf("counted (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestConfirmOfTheForgotten: a gateway is not blamed for what the core lost.
func TestConfirmOfTheForgotten(t *testing.T) {
	inBubble(t, Options{Asks: true}, func(b *bench) {
		g := b.connect() // to a core that is new and empty
		g.send(simprot.CodeChatResync, resyncOf(testPort))
		g.tell(simprot.CodeChatConfirmIn, cmd("said before"))
		b.noOffence()
		b.core.disconnected(g.id)

		_, chat := b.opened()
		id, err := b.core.Say(chat, "x")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.core.Restart(false); err != nil {
			t.Fatal(err)
		}
		next, _ := b.opened()
		next.tell(simprot.CodeChatConfirmIn, cmd(id))
		b.noOffence()
	})
}

func TestOffencesPerConnection(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		one, two := b.connect(), b.connect()
		one.tell(simprot.CodeChatRequest, service())
		two.tell(simprot.CodeChatRequest, service())
		two.tell(simprot.CodeChatStop, cmd(""))
		b.core.disconnected(one.id)
		want := []ConnectionOffences{
			{ID: 1, Instance: "gw", Remote: "127.0.0.1:1", Counts: map[Offence]int{OffenceBeforeResync: 1}},
			{ID: 2, Instance: "gw", Remote: "127.0.0.1:2", Open: true, Counts: map[Offence]int{OffenceBeforeResync: 2, OffenceStopUnknown: 1}},
		}
		if diff := cmp.Diff(want, b.core.Offences().Connections); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// TestOffencesForgetEndedConnections: connecting again and again does not fill
// the memory.
func TestOffencesForgetEndedConnections(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		for range keepConnections + 10 {
			g := b.connect()
			g.tell(simprot.CodeChatRequest, service())
			b.core.disconnected(g.id)
		}
		r := b.core.Offences()
		if len(r.Connections) != keepConnections || r.Connections[0].ID != 11 {
			t.Fatalf("%d connections kept, the first is %d", len(r.Connections), r.Connections[0].ID)
		}
		if r.Total[OffenceBeforeResync] != keepConnections+10 {
			t.Fatalf("total %v", r.Total)
		}
	})
}

// TestOffenceReportHoldsNoContent: texts and conversations stay out of it.
func TestOffenceReportHoldsNoContent(t *testing.T) {
	inBubble(t, Options{}, func(b *bench) {
		g := b.connect()
		s := sentence("m1", "a secret text")
		s.TrackingId = "+420123456789"
		g.tell(simprot.CodeChatSentenceIn, s)
		for o, where := range b.core.Offences().Last {
			if strings.Contains(where, "secret") || strings.Contains(where, "420123") {
				t.Errorf("%s: %s", o, where)
			}
		}
	})
}

// TestSettledSentencesOweNothing: a CONFIRM or the tech note about a failure
// ends the waiting.
func TestSettledSentencesOweNothing(t *testing.T) {
	long := strings.Repeat("x", simprot.MaxID)
	settle := map[string]func(g *gateway, id string){
		"confirm": func(g *gateway, id string) { g.tell(simprot.CodeChatConfirmIn, cmd(id)) },
		"note": func(g *gateway, id string) {
			s := sentence(simprot.ShortenID("note:"+id, simprot.MaxID), "failed")
			s.Model = simprot.ModelTechNote
			g.tell(simprot.CodeChatSentenceIn, s)
		},
	}
	for name, do := range settle {
		for _, id := range []string{"s1", long} {
			inBubble(t, Options{}, func(b *bench) {
				g, chat := b.opened()
				for range 2 { // the same ID twice is two sentences
					if _, err := b.core.SayAs(chat, Utterance{Text: "x", ID: id}); err != nil {
						t.Fatal(err)
					}
				}
				do(g, id)
				time.Sleep(DefaultConfirmLimit)
				if got := b.core.Offences().Total[OffenceUnconfirmed]; got != 1 {
					t.Errorf("%s: %d of two sentences count as unconfirmed, want 1", name, got)
				}
			})
		}
	}
}
