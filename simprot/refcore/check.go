package refcore

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"servicelink/simprot"
)

// subject is what a packet speaks of.
type subject struct{ peer, port, trackingID, id string }

// subjectOf reads it from a payload; false when the payload is none of external chat's.
func subjectOf(p simprot.Payload) (subject, bool) {
	switch v := p.(type) {
	case *simprot.ChatSentenceInfo:
		if v != nil {
			return subject{v.Peer, v.Port, v.TrackingId, v.ID}, true
		}
	case *simprot.ChatServiceInfo:
		if v != nil {
			return subject{peer: v.Peer, port: v.Port, trackingID: v.TrackingId}, true
		}
	case *simprot.ChatStatusInfo:
		if v != nil {
			return subject{peer: v.Peer, port: v.Port, trackingID: v.TrackingId}, true
		}
	case *simprot.ChatCommandInfo:
		if v != nil {
			return subject{v.Peer, v.Port, v.TrackingId, v.ID}, true
		}
	}
	return subject{}, false
}

// where describes a packet for the offence report: nothing a customer wrote,
// and the conversation only by its hash.
func where(code simprot.Code, s subject) string {
	return fmt.Sprintf("%s port=%q chat=%s id=%q", code,
		simprot.Truncate(s.port, simprot.MaxID), simprot.LogID(s.trackingID), simprot.Truncate(s.id, simprot.MaxID))
}

// checkFields counts what is wrong with the members alone.
func checkFields(p simprot.Packet, s subject, offend func(Offence)) {
	if p.Code != simprot.CodeChatResync {
		checkTrackingID(s.trackingID, offend)
	}
	limit := func(v string, most int, o Offence) {
		if tooLong(v, most) {
			offend(o)
		}
	}
	if p.Code == simprot.CodeChatSentenceIn || p.Code == simprot.CodeChatConfirmIn {
		if s.id == "" {
			offend(OffenceIDMissing)
		}
		limit(s.id, simprot.MaxID, OffenceIDTooLong)
	}
	switch v := p.Payload.(type) {
	case *simprot.ChatSentenceInfo:
		limit(v.PartyName, simprot.MaxPartyName, OffencePartyNameTooLong)
		if v.IsOutbound || v.Counter != 0 || v.ConfirmedTime != nil {
			offend(OffenceSentenceMarked)
		}
	case *simprot.ChatServiceInfo:
		limit(v.PartyName, simprot.MaxPartyName, OffencePartyNameTooLong)
		limit(v.RemoteAddress, simprot.MaxRemoteAddress, OffenceRemoteAddressTooLong)
		limit(v.UserToken, simprot.MaxUserToken, OffenceUserTokenTooLong)
	}
}

func checkTrackingID(id string, offend func(Offence)) {
	switch {
	case id == "":
		offend(OffenceTrackingIDMissing)
		return
	case tooLong(id, simprot.MaxTrackingID):
		offend(OffenceTrackingIDTooLong)
	}
	if !trackingIDWell(id) {
		offend(OffenceTrackingIDCharacters)
	}
}

// trackingIDWell reports whether id keeps to [0-9a-z:.|+@-] and _hh.
func trackingIDWell(id string) bool {
	for i := 0; i < len(id); i++ {
		switch b := id[i]; {
		case b >= '0' && b <= '9', b >= 'a' && b <= 'z':
		case b == ':', b == '.', b == '|', b == '+', b == '@', b == '-':
		case b == '_' && i+2 < len(id) && lowerHex(id[i+1]) && lowerHex(id[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

func lowerHex(b byte) bool { return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') }

func tooLong(s string, most int) bool { return len(s) > most && utf8.RuneCountInString(s) > most }

// isQuestion reports whether a packet has an answer that Ask marks.
func isQuestion(code simprot.Code) bool {
	switch code {
	case simprot.CodeChatRequest, simprot.CodeChatStart, simprot.CodeChatStatusAsk, simprot.CodeChatResync:
		return true
	default:
		return false
	}
}

// knownPort reports whether chats are taken on the Port.
func (c *Core) knownPort(name string) bool {
	return len(c.opts.Ports) == 0 || slices.Contains(c.opts.Ports, name)
}
