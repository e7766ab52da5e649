package sim

import (
	"slices"
	"time"

	"servicelink/simprot"
)

// coreFault is a mischief the core does with the next packets of a code.
type coreFault struct {
	kind  faultKind
	code  simprot.Code // empty = any of conversations
	count int
	delay time.Duration
}

type faultKind string

const (
	breakBefore faultKind = "breaks before"
	breakAfter  faultKind = "breaks after"
	ignore      faultKind = "ignores"
	lose        faultKind = "loses"
	late        faultKind = "delays"
	twice       faultKind = "repeats"
)

// faultOn takes an armed fault of one of the kinds for a packet.
func (c *core) faultOn(code simprot.Code, kinds ...faultKind) *coreFault {
	if session(code) {
		return nil
	}
	for i, f := range c.faults {
		if f.code != "" && f.code != code || !slices.Contains(kinds, f.kind) {
			continue
		}
		if f.kind == ignore && code == simprot.CodeChatConfirmIn {
			continue // nothing answers it: it is lost with its connection, or never
		}
		if f.count--; f.count <= 0 {
			c.faults = slices.Delete(c.faults, i, i+1)
		}
		return f
	}
	return nil
}

// session: packets of session control have faults of their own.
func session(code simprot.Code) bool { return len(code) > 3 && code[:3] == "SP_" }
