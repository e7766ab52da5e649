package simprot

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var (
	testChat  = uuid.UUID{0: 1, 15: 1}
	testAgent = uuid.UUID{0: 2, 15: 1}
	testForm  = uuid.UUID{0: 3, 15: 1}

	testGateway = uuid.UUID{0: 4, 15: 1}
	testMessage = uuid.UUID{0: 5, 15: 1}
)

// TestOtherQuestions asks what is not of external chat: what the core gets,
// and that its answer comes back.
func TestOtherQuestions(t *testing.T) {
	none := []*ChatSentenceInfo{}
	for _, test := range []struct {
		code, answer Code
		agent        bool
		ask          func(context.Context, *Session) (any, error)
		want         Payload // at the core
		back         Payload
	}{
		{
			CodeScenarioLoad, CodeScenarioModel, false,
			func(ctx context.Context, s *Session) (any, error) { return s.Scenario(ctx, testForm, "en-US") },
			&CommandInfo{Id: &testForm, Reference: "en-US"}, &ScenarioInfo{ScenarioId: testForm, Culture: "en-US"},
		},
		{
			CodeRoutingAsk, CodeRouting, false,
			func(ctx context.Context, s *Session) (any, error) { return s.Routing(ctx) },
			Text("@peer"),
			WebSiteRoutingList{{WebApp: "WebChat"}},
		},
		{
			CodeLiteralsAsk, CodeLiterals, false,
			func(ctx context.Context, s *Session) (any, error) { return s.Literals(ctx, 102, "en-US") },
			&LiteralLookupInfo{Peer: "@peer", LiteralGroup: 102, Culture: "en-US"},
			LiteralLookupList{{LiteralGroup: 102}},
		},
		{
			CodeGatewaysAsk, CodeGateways, false,
			func(ctx context.Context, s *Session) (any, error) { return s.Gateways(ctx, "@mail") },
			Text("@mail"), // not the Peer
			GatewayList{{Id: testGateway, Direction: DirectionIn}},
		},
		{
			CodeAgentResync, CodeAgentList, true,
			func(ctx context.Context, s *Session) (any, error) { return s.AgentResync(ctx, testAgent) },
			&ChatCommandInfo{Peer: "@peer", AgentId: &testAgent},
			ChatStatusList{{ChatId: testChat}},
		},
		{
			CodeAgentStatusAsk, CodeAgentStatus, true,
			func(ctx context.Context, s *Session) (any, error) { return s.AgentStatus(ctx, testChat, testAgent) },
			&ChatCommandInfo{Peer: "@peer", ChatId: &testChat, AgentId: &testAgent}, &ChatStatusInfo{ChatId: testChat, Sentences: none},
		},
		{
			CodeAgentAnswer, CodeAgentStatus, true,
			func(ctx context.Context, s *Session) (any, error) { return s.AgentAnswer(ctx, testChat, testAgent) },
			&ChatCommandInfo{Peer: "@peer", ChatId: &testChat, AgentId: &testAgent}, &ChatStatusInfo{ChatId: testChat, Sentences: none},
		},
		{
			CodeAgentHangup, CodeAgentStatus, true,
			func(ctx context.Context, s *Session) (any, error) { return s.AgentHangup(ctx, testChat, testAgent) },
			&ChatCommandInfo{Peer: "@peer", ChatId: &testChat, AgentId: &testAgent}, &ChatStatusInfo{ChatId: testChat, Sentences: none},
		},
	} {
		t.Run(string(test.code), func(t *testing.T) {
			for _, w := range []Welcome{{Asks: true}, {}} {
				askers(t, w, func(c *ClientConfig) { c.Agent = test.agent }, func(t *testing.T, a *asker) {
					if _, ok := errAs(a.Send(test.code, test.want, nil)); !ok {
						t.Error("it can be sent as no question")
					}
					got := later(func() (any, error) { return test.ask(t.Context(), a.Session) })
					a.asked(test.code) // and nobody answers
					pass(20 * time.Second)
					p := a.asked(test.code)
					if diff := cmp.Diff(test.want, p.Payload); diff != "" || (p.Extras.Ask != "") != w.Asks {
						t.Errorf("core got %+v:\n%s", p.Extras, diff)
					}
					if !w.Asks && test.code != CodeGatewaysAsk { // the answer to the first; a list of gateways is as good as the second
						a.core.send(Packet{Code: test.answer, Payload: test.back})
						wantPending(t, got)
					}
					a.core.send(Packet{Code: test.answer, Payload: test.back, Extras: p.Extras})
					answer := wantSettled(t, got)
					if diff := cmp.Diff(any(test.back), answer.value); diff != "" || answer.err != nil {
						t.Errorf("%v\n%s", answer.err, diff)
					}
				})
			}
		})
	}
}

func errAs(err error) (*EncodeError, bool) {
	e, ok := err.(*EncodeError) //nolint:errorlint // Send returns it as it is
	return e, ok
}

// TestLongRegisters: the frames of a table are one answer, and a list of chats
// that comes late between them gets in nobody's way.
func TestLongRegisters(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		chats := a.resync("p")
		a.asked(CodeChatResync)
		pass(20 * time.Second)
		late := a.asked(CodeChatResync)
		pass(20 * time.Second)
		if got := wantSettled(t, chats); got.err != ErrNoAnswer { //nolint:errorlint // never wrapped
			t.Fatalf("got %v", got.err)
		}
		rules := later(func() (WebSiteRoutingList, error) { return a.Routing(t.Context()) })
		ask := a.asked(CodeRoutingAsk).Extras.Ask
		send := func(app string, more bool) {
			a.core.send(Packet{
				Code: CodeRouting, Payload: WebSiteRoutingList{{WebApp: app}}, Extras: Extras{Ask: ask, More: more},
			})
		}
		send("1", true)
		a.sendList(Extras{Ask: late.Extras.Ask, More: true}, "p", "x")
		send("2", true)
		a.sendList(Extras{Ask: late.Extras.Ask}, "p", "y")
		wantPending(t, rules)
		send("3", false)
		got := wantSettled(t, rules)
		if want := (WebSiteRoutingList{{WebApp: "1"}, {WebApp: "2"}, {WebApp: "3"}}); got.err != nil || !cmp.Equal(want, got.value) {
			t.Errorf("got %v %v", got.value, got.err)
		}
		texts := later(func() (LiteralLookupList, error) { return a.Literals(t.Context(), 102, "") })
		ask = a.asked(CodeLiteralsAsk).Extras.Ask
		for value := range int16(2) {
			a.core.send(Packet{
				Code: CodeLiterals, Payload: LiteralLookupList{{LiteralValue: value}}, Extras: Extras{Ask: ask, More: value == 0},
			})
		}
		if got := wantSettled(t, texts); got.err != nil || len(got.value) != 2 {
			t.Errorf("got %v %v", got.value, got.err)
		}
		gateways := later(func() (GatewayList, error) { return a.Gateways(t.Context(), "@peer") })
		ask = a.asked(CodeGatewaysAsk).Extras.Ask
		for n := range byte(3) {
			a.core.send(Packet{
				Code: CodeGateways, Payload: GatewayList{{Id: uuid.UUID{n}}}, Extras: Extras{Ask: ask, More: n < 2},
			})
		}
		if got := wantSettled(t, gateways); got.err != nil || len(got.value) != 3 || got.value[2].Id != (uuid.UUID{2}) {
			t.Errorf("got %v %v", got.value, got.err)
		}
	})
}

// TestRegisterWithAHole: a table of which a frame was skipped is no answer.
func TestRegisterWithAHole(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		rules := later(func() (WebSiteRoutingList, error) { return a.Routing(t.Context()) })
		ask := a.asked(CodeRoutingAsk).Extras
		a.core.send(Packet{Code: CodeRouting, Payload: WebSiteRoutingList{{WebApp: "1"}}, Extras: Extras{Ask: ask.Ask, More: true}})
		bad := "\x92\xadSE_WS_ROUTING\x91\x81\xa4Rank\xa1x" // Rank: "x"
		a.core.raw(append([]byte{0, 0, 0, byte(len(bad))}, bad...))
		a.core.send(Packet{Code: CodeRouting, Payload: WebSiteRoutingList{{WebApp: "3"}}, Extras: ask})
		wantPending(t, rules)
		pass(20 * time.Second)
		a.core.send(Packet{Code: CodeRouting, Payload: WebSiteRoutingList{}, Extras: a.asked(CodeRoutingAsk).Extras})
		if got := wantSettled(t, rules); got.err != nil || len(got.value) != 0 {
			t.Errorf("got %v %v", got.value, got.err)
		}
	})
}

// TestAgentsSettle: without a fence an agent's client waits before it asks.
func TestAgentsSettle(t *testing.T) {
	agent := func(c *ClientConfig) { c.Agent, c.Settle = true, 2*time.Second }
	askers(t, Welcome{}, agent, func(t *testing.T, a *asker) {
		chats := later(func() (ChatStatusList, error) { return a.AgentResync(t.Context(), testAgent) })
		pass(2*time.Second - 2)
		a.quiet()
		pass(1)
		a.asked(CodeAgentResync)
		a.core.send(Packet{Code: CodeAgentList, Payload: ChatStatusList{}})
		if got := wantSettled(t, chats); got.err != nil {
			t.Error(got.err)
		}
	})
	askers(t, Welcome{Fences: true}, agent, func(t *testing.T, a *asker) {
		later(func() (ChatStatusList, error) { return a.AgentResync(t.Context(), testAgent) })
		a.asked(CodeAgentResync)
	})
}

// TestDirections: a gateway is handed SE packets only, an agent's client SC
// packets only, whatever the core sends.
func TestDirections(t *testing.T) {
	sent := []Packet{
		{Code: CodeChatSentence, Payload: &ChatSentenceInfo{ID: "1"}},
		{Code: CodeChatSentenceIn, Payload: &ChatSentenceInfo{ID: "1"}},
		{Code: CodeAgentSentence, Payload: &ChatSentenceInfo{ID: "1"}},
		{Code: CodeAgentSentenceIn, Payload: &ChatSentenceInfo{ID: "1"}},
		{Code: CodeAgentAlert, Payload: &ChatStatusInfo{ChatId: testChat}},
		{Code: CodeAgentStatus, Payload: &ChatStatusInfo{ChatId: testChat}},
		{Code: CodeAgentConfirmIn, Payload: &ChatCommandInfo{ID: "1"}},
		{Code: CodeMessageOut, Payload: &MessageContentInfo{MessageId: &testMessage}},
		{Code: CodeMessageInDone, Payload: &CommandInfo{Reference: "r"}},
		{Code: CodeMessageIn, Payload: &MessageContentInfo{RequestId: "r"}},
		{Code: CodeLogin, Payload: &Login{}},
	}
	for name, test := range map[string]struct {
		agent bool
		want  []string
	}{
		"gateway": {false, []string{
			"packet SE_CHAT_SENTENCE", "bad unexpected ES_CHAT_SENTENCE", "bad unexpected SC_CHAT_SENTENCE",
			"bad unexpected CS_CHAT_SENTENCE", "bad unexpected SC_CHAT_ALERT", "bad unexpected SC_CHAT_STATUS",
			"bad unexpected CS_CHAT_CONFIRM", "packet SE_MESSAGE_SENDING", "packet SE_MESSAGE_RECEIVED",
			"bad unexpected ES_MESSAGE_RECEIVING", "bad unexpected SP_LOGIN",
		}},
		"agent": {true, []string{
			"bad unexpected SE_CHAT_SENTENCE", "bad unexpected ES_CHAT_SENTENCE", "packet SC_CHAT_SENTENCE",
			"bad unexpected CS_CHAT_SENTENCE", "packet SC_CHAT_ALERT", "packet SC_CHAT_STATUS",
			"packet SC_CHAT_CONFIRM", "bad unexpected SE_MESSAGE_SENDING", "bad unexpected SE_MESSAGE_RECEIVED",
			"bad unexpected ES_MESSAGE_RECEIVING", "bad unexpected SP_LOGIN",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			askers(t, Welcome{}, func(c *ClientConfig) { c.Agent = test.agent }, func(t *testing.T, a *asker) {
				before := len(a.e.all())
				for _, p := range sent {
					a.core.send(p)
				}
				synctest.Wait()
				if diff := cmp.Diff(test.want, a.e.all()[before:]); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestAgentTalksToACore: the client of an agent and a Server, from the alert
// to the end.
func TestAgentTalksToACore(t *testing.T) {
	bubble(t, func(t *testing.T, n *pipeNet, e *events) {
		cfg := testConfig(n, e)
		cfg.Agent, cfg.Peer = true, "4711"
		runServer(t, n, ServerConfig{
			Login: true, Welcome: Welcome{Fences: true, Asks: true},
			Authenticate: func(Login) string { return "" },
			OnLogin: func(c *ServerConn) {
				_ = c.Send(Packet{Code: CodeAgentAlert, Payload: &ChatStatusInfo{Peer: c.Login().Peer, ChatId: testChat, Status: StatusAlerting}})
			},
			OnPacket: agentCore,
		})
		client := runClient(t, cfg)
		synctest.Wait()
		s := client.Session()
		list, err := s.AgentResync(t.Context(), testAgent)
		if err != nil || len(list) != 1 || list[0].ChatId != testChat {
			t.Errorf("list: %v, %v", list, err)
		}
		taken, err := s.AgentAnswer(t.Context(), testChat, testAgent)
		if err != nil || taken.Status != StatusAnswered || taken.Peer != "4711" {
			t.Errorf("answer: %+v, %v", taken, err)
		}
		if err := s.Send(CodeAgentSentenceIn, &ChatSentenceInfo{ChatId: testChat, ID: "1", IsOutbound: true}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		e.want(t, "link connecting", "link up", "up 1", "packet SC_CHAT_ALERT", "question CS_CHAT_RESYNC answered",
			"question CS_CHAT_ANSWER answered", "packet SC_CHAT_SENTENCE")
	})
}

// agentCore is a core for one agent with one chat.
func agentCore(c *ServerConn, p Packet) {
	switch v := p.Payload.(type) {
	case *ChatCommandInfo:
		status := &ChatStatusInfo{Peer: v.Peer, ChatId: testChat, Status: StatusAnswered, AgentId: v.AgentId}
		answer := Packet{Code: CodeAgentList, Payload: ChatStatusList{status}, Extras: p.Extras}
		if p.Code == CodeAgentAnswer {
			status.Sentences = []*ChatSentenceInfo{}
			answer = Packet{Code: CodeAgentStatus, Payload: status, Extras: p.Extras}
		}
		_ = c.Send(answer)
	case *ChatSentenceInfo:
		v.Counter = 1
		_ = c.Send(Packet{Code: CodeAgentSentence, Payload: v})
	}
}
