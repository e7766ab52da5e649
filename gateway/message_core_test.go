package gateway

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// TestMessagesWithTheReferenceCore: whatever breaks and is killed, every mail is at the
// core once, every answer left once or is said to be unknown, and the core finds no
// offence.
func TestMessagesWithTheReferenceCore(t *testing.T) {
	const mails = 40
	var box *fakeMailbox
	var post *fakePost
	withDevices := func(h *house, _ *refcore.Options) {
		h.cfg.Messages = config.Messages{Address: testPeer, Register: true, Refresh: 5 * time.Minute}
		h.devices = []connectors.DeviceDefinition{
			{Type: "Box", Network: "email", In: true, New: func(config.Channel, connectors.Dependencies) (connectors.Device, error) { return box, nil }},
			{Type: "Post", Network: "email", Out: true, New: func(config.Channel, connectors.Dependencies) (connectors.Device, error) { return post, nil }},
		}
	}
	for seed := range uint64(8) {
		box, post = &fakeMailbox{}, &fakePost{}
		inHouse(t, func(h *house) {
			chance := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a test
			if err := h.core.SetGateways(simprot.GatewayList{in(1, "Box"), out(2, "Post")}); err != nil {
				h.Fatal(err)
			}
			h.door.breakAll() // the register is asked on the next connection
			h.waits(time.Minute)
			served := func() *channel {
				for h.gw.channel(inboxID.String()) == nil {
					h.waits(time.Second)
				}
				return h.gw.channel(inboxID.String())
			}
			for n := range mails {
				ev := mailEvent("jana", n)
				for {
					ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
					err := inbox{h.gw, served()}.Deliver(ctx, []connectors.Event{ev})
					cancel()
					if err == nil {
						break
					}
				}
				if _, err := h.core.SendMessage(simprot.MessageContentInfo{
					GatewayId: outboxID, RemoteAddress: jana, BodyText: ev.ID, InReplyToId: ev.Message.SystemID,
				}); err != nil {
					h.Fatal(err)
				}
				time.Sleep(time.Duration(chance.IntN(int(3 * time.Millisecond))))
				switch chance.IntN(8) {
				case 0:
					h.door.breakAll()
				case 1:
					h.crash()
					h.start()
				}
			}
			h.waits(20 * time.Minute)
			in := 0
			for _, m := range h.core.Messages() {
				switch {
				case !m.Outbound():
					in++
				case m.State == refcore.MessageFailed && len(m.Error) > 8 && m.Error[:8] == "unknown:":
				case m.State != refcore.MessageSent:
					h.Errorf("message %s is %s: %s", m.ID, m.State, m.Error)
				}
			}
			if in != mails {
				h.Errorf("the core has %d mails of %d", in, mails)
			}
			sent := map[string]int{}
			for _, a := range post.attempts() {
				sent[a.message.ID]++
			}
			for id, n := range sent {
				if n != 1 {
					h.Errorf("message %s was sent %d times", id, n)
				}
			}
			if off := h.core.Offences(); len(off.Total) != 0 {
				h.Errorf("offences: %v, %v", off.Total, off.Last)
			}
		}, withDevices)
	}
}
