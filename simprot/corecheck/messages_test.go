package corecheck_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/simprot/corecheck"
	"servicelink/simprot/refcore"
)

// resendAfter stands for 90 s.
const resendAfter = 300 * time.Millisecond

// mailGateways are two mailboxes and a way out.
func mailGateways(address string) (list simprot.GatewayList) {
	for i, direction := range []string{simprot.DirectionIn, simprot.DirectionIn, simprot.DirectionOut} {
		list = append(list, &simprot.GatewayInfo{
			Id: uuid.UUID{0: byte(i), 15: 1}, PeerAddress: address, Device: `DropFolder {"Path":"x"}`, Direction: direction,
		})
	}
	return list
}

// TestMessages: what a core has none of is not tested, and the report says why; a
// message that is sent again too early breaks the rule as well as one that is not.
// What each rule is broken by otherwise, TestEveryRuleBites holds.
func TestMessages(t *testing.T) {
	for name, tt := range map[string]struct {
		options  refcore.Options
		gateways simprot.GatewayList
		change   func(*corecheck.Config)
		verdict  corecheck.Verdict
		says     map[string]string // by rule
	}{
		"no gateways": {
			verdict: corecheck.NotTested,
			says:    map[string]string{"message-received": "has no inbound gateway", "message-sending": "has no outbound gateway"},
		},
		"one mailbox": {
			gateways: mailGateways("@servicelink")[1:],
			verdict:  corecheck.NotTested,
			says:     map[string]string{"message-gateways": "has no second inbound gateway"},
		},
		"another address": {
			gateways: mailGateways("@mail"),
			change:   func(c *corecheck.Config) { c.Messages = "@mail" },
			verdict:  corecheck.Kept,
			says:     map[string]string{"gateways": "3 gateways", "message-again": "", "message-sending": "", "message-done": ""},
		},
		"no agent": {
			gateways: mailGateways("@servicelink"),
			change:   func(c *corecheck.Config) { c.Agent = nil },
			verdict:  corecheck.NotTested,
			says:     map[string]string{"message-sending": "needs an agent", "message-resent": "needs an agent", "message-done": "needs an agent"},
		},
		"in a hurry": {
			gateways: mailGateways("@servicelink"),
			change:   func(c *corecheck.Config) { c.Patient = false },
			verdict:  corecheck.NotTested,
			says:     map[string]string{"message-resent": "takes 1m30s", "message-done": "takes 1m30s"},
		},
		"no repeat rule": {
			options:  refcore.Options{Break: []refcore.Rule{refcore.RuleMessageAgain}},
			gateways: mailGateways("@servicelink"),
			change:   func(c *corecheck.Config) { c.Strict = false },
			verdict:  corecheck.NotOffered,
			says:     map[string]string{"message-again": "another MessageId"},
		},
		"too early": {
			options:  refcore.Options{ResendMessage: resendAfter / 3},
			gateways: mailGateways("@servicelink"),
			verdict:  corecheck.Broken,
			says:     map[string]string{"message-resent": "the same MessageId after"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, core := serveCore(t, tt.options)
			if err := core.SetGateways(tt.gateways); err != nil {
				t.Fatal(err)
			}
			cfg.Patient = true
			if tt.change != nil {
				tt.change(&cfg)
			}
			for _, r := range check(t, cfg).Results {
				says, ok := tt.says[r.Name]
				if ok && (r.Verdict != tt.verdict || !strings.Contains(r.Came, says)) {
					t.Errorf("%s is %s: %s", r.Name, r.Verdict, r.Came)
				}
				ofMessages := strings.HasPrefix(r.Name, "message-") || strings.HasPrefix(r.Name, "gateways")
				if !ok && ofMessages && r.Verdict == corecheck.Broken {
					t.Errorf("%s is broken: %s", r.Name, r.Came)
				}
				delete(tt.says, r.Name)
			}
			if len(tt.says) > 0 {
				t.Errorf("not reported: %q", slices.Sorted(maps.Keys(tt.says)))
			}
		})
	}
}
