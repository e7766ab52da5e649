package gateway

import (
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/simprot"
)

// TestDeadLettersAreLogged: each leaves one line that names it and holds
// neither text nor address.
func TestDeadLettersAreLogged(t *testing.T) {
	const marked = "MARKED"
	conversation := "conversation=" + simprot.LogID("anna|fake")
	for name, tc := range map[string]struct {
		do   func(h *house) (id string)
		want []string
	}{
		"at the network": {func(h *house) string {
			h.net.fail = failing(sendErr(connectors.Rejected, connectors.ReasonBlocked))
			return h.says("anna", marked)
		}, []string{"direction=out", "reason=blocked", conversation}},
		"at the core": {func(h *house) string {
			ev := textEvent("anna", 2)
			ev.Text = marked + strings.Repeat("x", simprot.DefaultMaxFrame)
			if err := (inbox{h.gw, h.gw.channel(testChannel)}).Deliver(h.Context(), []connectors.Event{ev}); err != nil {
				h.Fatal(err)
			}
			return ev.ID
		}, []string{"direction=in", "reason=encoding", conversation}},
		"on arrival": {func(h *house) string {
			ev := textEvent("anna", 2)
			ev.Text, ev.Customer.RemoteAddress = marked, marked+strings.Repeat("x", simprot.MaxRemoteAddress)
			in := inbox{h.gw, h.gw.channel(testChannel)}
			for range 2 { // a repeat is no second one
				if err := in.Deliver(h.Context(), []connectors.Event{ev}); err != nil {
					h.Fatal(err)
				}
			}
			return ev.ID
		}, []string{"direction=in", "reason=address", conversation}},
		"for nobody": {func(h *house) string {
			h.gw.fromCore(&simprot.ChatSentenceInfo{Port: "nobody", TrackingId: "x", ID: "lost-1", Text: marked, IsOutbound: true})
			return "lost-1"
		}, []string{"direction=out", "reason=no_channel", "channel=-"}},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.opened()
				id := tc.do(h)
				h.waits(10 * time.Second)
				if len(h.dead()) != 1 {
					t.Fatalf("dead letters %v, want 1", h.dead())
				}
				if h.logged("dead letter") != 1 || h.logged(append(tc.want, "dead letter", "id="+id)...) != 1 {
					t.Errorf("want one line with %q of %s:\n%s", tc.want, id, h.logs)
				}
				if strings.Contains(h.logs.String(), marked) {
					t.Errorf("the log shows what was said:\n%s", h.logs)
				}
			})
		})
	}
}
