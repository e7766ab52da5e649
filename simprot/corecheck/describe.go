package corecheck

import (
	"fmt"

	"servicelink/simprot"
)

// describe tells of a packet what may be shown: nothing a person wrote, no
// address.
func describe(p *received) string {
	if p == nil {
		return "nothing"
	}
	switch v := p.p.Payload.(type) {
	case *simprot.Refused:
		return fmt.Sprintf("%s %q", p.code, simprot.Truncate(v.Reason, 32))
	case *simprot.Bye:
		return fmt.Sprintf("%s %q", p.code, simprot.Truncate(v.Reason, 32))
	case *simprot.ChatStatusInfo:
		return fmt.Sprintf("%s %s", p.code, about(v))
	case *simprot.ChatSentenceInfo:
		return fmt.Sprintf("%s (IsOutbound %t, Counter %d)", p.code, v.IsOutbound, v.Counter)
	default:
		return string(p.code)
	}
}

// about tells of a chat's state.
func about(v *simprot.ChatStatusInfo) string {
	if v == nil {
		return "without a payload"
	}
	sentences := fmt.Sprintf("%d Sentences", len(v.Sentences))
	if v.Sentences == nil {
		sentences = "no Sentences"
	}
	return fmt.Sprintf("(Status %q, %s)", simprot.Truncate(string(v.Status), 32), sentences)
}

// masked tells of a value only whether it is the wanted one.
func masked(got, want string) string {
	switch got {
	case want:
		return "as sent"
	case "":
		return "empty"
	default:
		return fmt.Sprintf("another, of %d characters", len([]rune(got)))
	}
}
