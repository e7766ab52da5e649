package simprot

import (
	"testing"
	"time"
)

// A core that has no register of message gateways holds nothing else up, whether it
// mirrors Ask or not.
func TestGatewaysHoldNothingUp(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		gateways := later(func() (GatewayList, error) { return a.Gateways(t.Context(), "@servicelink") })
		a.asked(CodeGatewaysAsk)
		resync := later(func() (ChatStatusList, error) { return a.Resync(t.Context(), "p", nil) })
		asked := a.asked(CodeChatResync)
		a.core.send(Packet{Code: CodeChatList, Payload: ChatStatusList{}, Extras: asked.Extras})
		if got := wantSettled(t, resync); got.err != nil || got.value == nil {
			t.Errorf("RESYNC: %+v", got)
		}
		wantPending(t, gateways)
		time.Sleep(time.Minute)
		if got := wantSettled(t, gateways); got.err != ErrNoAnswer { //nolint:errorlint // it is returned as it is
			t.Errorf("the register: %+v", got)
		}
	})
}

// An answer that got lost is not missed for good: without Ask, too, the next question
// has the next answer.
func TestGatewaysAfterALostAnswer(t *testing.T) {
	bothWays(t, func(t *testing.T, a *asker) {
		ask := func() (GatewayList, error) { return a.Gateways(t.Context(), "@servicelink") }
		lost := later(ask)
		a.asked(CodeGatewaysAsk)
		time.Sleep(time.Minute)
		a.asked(CodeGatewaysAsk)
		if got := wantSettled(t, lost); got.err != ErrNoAnswer { //nolint:errorlint // it is returned as it is
			t.Errorf("%+v", got)
		}
		next := later(ask)
		asked := a.asked(CodeGatewaysAsk)
		a.core.send(Packet{Code: CodeGateways, Payload: GatewayList{{DisplayName: "box"}}, Extras: asked.Extras})
		if got := wantSettled(t, next); got.err != nil || len(got.value) != 1 {
			t.Errorf("%+v", got)
		}
	})
}
