package connectortest

import (
	"flag"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestSoundPoller: the kit finds nothing in a poller that does everything right.
func TestSoundPoller(t *testing.T) {
	h := pollHarness("")
	h.Simulation.Update = *update
	Run(t, h)
}

// pollFaults are the faults of the poller, and the check meant for each.
var pollFaults = map[string]string{
	"never works":                "run/messages",
	"takes what waits":           "examine/well",
	"another error of Run":       "run/faults",
	"leaves a goroutine":         "run/messages",
	"confirms before":            "run/crash",
	"another id each life":       "run/crash",
	"forgets what was not taken": "run/unavailable",
	"hands over at once again":   "run/unavailable",
	"asks again at once":         "run/faults",
	"forgets the wait":           "run/faults",
	"hides what is wrong":        "run/faults",
	"deaf to its context":        "run/stops",
	"confirms nothing":           "run/idle",
	"another account each time":  "run/exclusive",
	"claims too much text":       "claims/text",
	"claims too little text":     "claims/text",
	"cuts text":                  "claims/text",
	"claims too much caption":    "claims/caption",
	"claims too many buttons":    "claims/buttons",
	"claims too long titles":     "claims/buttons",
	"claims no payload limit":    "claims/buttons",
	"shortens payloads":          "claims/buttons",
	"own error of a file":        "claims/files",
	"insists on replies":         "claims/replies",
	"answers nothing":            "claims/replies",
	"names messages by event":    "claims/replies",
	"names no message":           "claims/network id",
	"marks nothing":              "claims/read marks",
	"does not type":              "claims/typing",
	"claims to be resendable":    "claims/resend",
	"unsure of refusals":         "send/faults",
	"no hints":                   "send/rows",
	"tells another size":         "scenarios/all",
	"gives out error pages":      "claims/open",
	"kinds nobody tried":         "scenarios",
	"token in file address":      "secrets",
	"finds nothing":              "reconcile/taken",
	"finds it by another name":   "reconcile/taken",
	"sends to find out":          "reconcile/taken",
	"finds what is not there":    "reconcile/lost",
	"in a hurry":                 "reconcile/late",
	"forgets what is taken":      "reconcile/twins",
	"forgets when it was":        "reconcile/twins",
	"takes the customer for us":  "reconcile/twins",
	"looks everywhere":           "reconcile/twins",
	"believes errors":            "reconcile/faults",
	"asks without end":           "reconcile/stops",
	"no word of echoes":          "reconcile/notice",
	"answers its own echo":       "reconcile/notice",
	"notice without our id":      "reconcile/notice",
	"reports nothing":            "reconcile/notice",
}

// TestKitCanFailPollers: every fault is caught by the check meant for it.
func TestKitCanFailPollers(t *testing.T) {
	for fault, check := range pollFaults {
		t.Run(fault, func(t *testing.T) {
			if !fails(t, pollHarness(fault), check) {
				t.Errorf("not caught by %q", check)
			}
		})
	}
}
