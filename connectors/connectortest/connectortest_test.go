package connectortest

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// TestSound: the kit finds nothing in a connector that does everything right.
func TestSound(t *testing.T) {
	h := harness("", nil)
	h.Simulation.Update = *update
	Run(t, h)
}

// webhookFaults are the faults of the fake with webhooks, and the check meant for
// each.
var webhookFaults = map[string]string{
	"typing declared":             "capabilities",
	"no policy":                   "capabilities",
	"two ways in":                 "capabilities",
	"cuts text":                   "inbound/text",
	"nobody":                      "inbound/text",
	"raw id":                      "inbound/duplicates",
	"random id":                   "inbound/duplicates",
	"lower-cased id":              "inbound/duplicates",
	"cuts the network's id":       "inbound/network id",
	"one conversation":            "inbound/duplicates",
	"no proof":                    "inbound/forged",
	"keeps its proof":             "inbound/exclusive",
	"silent about junk":           "inbound/hostile",
	"panics":                      "inbound/hostile",
	"any error":                   "inbound/hostile",
	"drops the unknown":           "inbound/poison",
	"quotes the unknown":          "inbound/poison",
	"keeps the body":              "inbound/pure",
	"always yes":                  "inbound/replies",
	"backwards":                   "inbound/order",
	"another id each time":        "inbound/brought",
	"yes to what was not taken":   "inbound/brought",
	"other words":                 "scenarios/all",
	"hides failures":              "send/refused",
	"does not wait":               "send/waits",
	"forgets Retry-After":         "send/limited",
	"tries again":                 "send/server",
	"rejects on 5xx":              "send/server",
	"calls the cut not sent":      "send/cut",
	"calls the late not sent":     "send/slow",
	"ignores its context":         "send/stopped",
	"unsure of the unreachable":   "send/unreachable",
	"any send error":              "send/unreachable",
	"own reason":                  "send/unreachable",
	"rejects without credentials": "send/unauthorized",
	"retries the refused":         "send/refused",
	"panics on text":              "send/poison",
	"asks for nobody":             "send/nobody",
	"no guard":                    "send/guard",
	"closes once":                 "close",
	"token in errors":             "secrets",
	"repeats the answer":          "secrets",
	"repeats the error":           "secrets",
	"logs the text":               "secrets",
	"logs the address":            "secrets",
	"calls home":                  "stays local",
	"leaves goroutines":           "goroutines",
}

// TestKitCanFail: every fault is caught by the check meant for it.
func TestKitCanFail(t *testing.T) {
	patience = 300 * time.Millisecond
	t.Cleanup(func() { patience = 10 * time.Second })
	all := maps.Clone(webhookFaults)
	maps.Copy(all, listFaults)
	maps.Copy(all, examineFaults)
	for fault, check := range all {
		t.Run(fault, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			if !fails(t, harness(fault, release), check) {
				t.Errorf("not caught by %q", check)
			}
		})
	}
}

// TestEveryCheckCanFail: a check no fault can fail proves nothing. Two need
// another kind of tool.
func TestEveryCheckCanFail(t *testing.T) {
	caught := map[string]bool{"send/accepted": true, "send/concurrent": true}
	for _, faults := range []map[string]string{webhookFaults, listFaults, examineFaults, pollFaults} {
		for _, check := range faults {
			caught[check] = true
		}
	}
	for _, c := range append(checks(harness("", nil)), checks(pollHarness(""))...) {
		if !caught[c.name] {
			t.Errorf("no broken connector fails the check %q", c.name)
		}
	}
}

// TestOrderWithoutBatch: where a call carries one message the calls' order
// counts, and the check still can fail.
func TestOrderWithoutBatch(t *testing.T) {
	for fault, want := range map[string]bool{"": false, "every other call late": true} {
		h := harness(fault, nil)
		h.Webhook.Batch = nil
		if got := fails(t, h, "inbound/order"); got != want {
			t.Errorf("fault %q: caught %v, want %v", fault, got, want)
		}
	}
}

// fails runs the named check, after all others if it looks at what they left,
// and reports whether it finds anything.
func fails(t *testing.T, h Harness, name string) bool {
	t.Helper()
	last := slices.ContainsFunc(lastChecks, func(c check) bool { return c.name == name })
	all := newRecord()
	for _, c := range checks(h) {
		// The longest check leaves nothing that the others do not.
		if c.name != name && (!last || c.name == "inbound/hostile") {
			continue
		}
		// What a goroutine waits for outside a bubble would never end the bubble.
		if name == "goroutines" && c.bubble {
			continue
		}
		if problems := all.try(t, h, c); c.name == name {
			return len(problems) > 0
		}
	}
	return false
}

func FuzzSound(f *testing.F) { Fuzz(f, harness("", nil)) }
