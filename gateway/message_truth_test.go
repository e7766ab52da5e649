package gateway

import (
	"slices"
	"testing"
	"time"

	"servicelink/connectors"
)

// TestMessageSentBefore: what was sent is not called unsent because the journal takes
// nothing now.
func TestMessageSentBefore(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.sends(1)
		h.waits(time.Second)
		h.cut.away.Store(true)
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("", "")
		h.wantAttempts(jana)
	})
}

// TestMessageGatewayComesBack: the core was told that a message is not sent, since its
// gateway is gone; then it does not leave when the gateway is back.
func TestMessageGatewayComesBack(t *testing.T) {
	inMail(t, func(h *mailHouse) {
		h.post.set(func(p *fakePost) {
			p.fail = func(int, string) error {
				return &connectors.SendError{Outcome: connectors.NotSent, Reason: connectors.ReasonServer, RetryAfter: 20 * time.Second}
			}
		})
		h.sends(1)
		h.waits(time.Second)
		h.wantAttempts(jana)
		h.offers(false)
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("not sent: ", "not sent: ") // the first one waited for the same
		h.offers(true)
		h.waits(time.Minute)
		h.wantAttempts(jana)
		h.post.set(func(p *fakePost) { p.fail = nil })
		h.sends(1)
		h.waits(time.Second)
		h.wantSent("not sent: ", "not sent: ", "")
		h.wantAttempts(jana, jana)
	})
}

// offers switches the gateway that sends on or off.
func (h *mailHouse) offers(on bool) {
	h.Helper()
	cfg := *h.cfg
	cfg.Messages.Gateways = slices.Clone(cfg.Messages.Gateways)
	cfg.Messages.Gateways[1].Enabled = on
	if err := h.gw.Reload(h.Context(), &cfg); err != nil {
		h.Fatal(err)
	}
}

// TestMessageStaysInDoubt: what may have arrived is not called unsent because another
// attempt, which the policy allows, has failed - in this process or in the next.
func TestMessageStaysInDoubt(t *testing.T) {
	for _, how := range []error{notSent(connectors.ReasonServer), &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent}} {
		for _, crash := range []bool{false, true} {
			inMail(t, func(h *mailHouse) {
				h.post.set(func(p *fakePost) {
					p.fail = func(n int, _ string) error {
						if n == 1 {
							return lostAnswer()
						}
						return how
					}
				})
				h.sends(1)
				h.waits(time.Second)
				h.wantSent("unknown: ")
				h.sends(1)
				h.waits(time.Minute)
				h.wantSent("unknown: ", "unknown: ")
				if crash {
					h.crash()
					h.start()
					h.waits(time.Second)
				}
				h.sends(1)
				h.waits(time.Minute)
				h.wantSent("unknown: ", "unknown: ", "unknown: ")
				h.post.set(func(p *fakePost) { p.fail = nil })
				h.sends(1)
				h.waits(time.Second)
				h.wantSent("unknown: ", "unknown: ", "unknown: ", "")
			}, resending)
		}
	}
}
