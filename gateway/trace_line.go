package gateway

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// timeline tells a row's life in order of time: what the journal keeps, and what
// the memory holds in between.
func (g *Gateway) timeline(row *journal.Row, withContent bool) []Step {
	nameless := *row // as its steps are told
	if !withContent {
		nameless.Parts = withoutAddress(row)
	}
	row = &nameless
	held, lost := g.steps.of(g.steps.keyOf(&row.Entry))
	list := make([]Step, 0, len(held)+8)
	if !row.SentAt.IsZero() {
		list = append(list, Step{At: row.SentAt, Kind: "sent_by_sender", What: "sent, by the sender's clock"})
	}
	accepted := Step{At: row.AcceptedAt, Kind: "accepted", What: "accepted into the journal"}
	came := func(r stepRecord) bool { return r.kind <= stepFromAnswer }
	first := slices.IndexFunc(held, came)
	if first != 0 { // else it comes right behind it
		list = append(list, accepted)
	}
	list = append(list, g.gap(row, first >= 0, lost)...)
	for i, r := range held {
		if r.kind == stepEnding && !row.State.Pending() {
			continue // the journal has it
		}
		list = append(list, told(r, row, i > 0 && came(r)))
		if i == 0 && first == 0 {
			list = append(list, accepted)
		}
	}
	list = append(list, summed(row, held)...)
	if !row.State.Pending() {
		list = append(list, Step{At: row.EndedAt, Kind: row.State.String(), What: row.State.String() + because(row.Reason, row.Hint), Reason: row.Reason})
	}
	// Some drivers keep milliseconds: what happened within one stays as it is.
	when := func(s Step) time.Time {
		if s.At.IsZero() {
			return row.AcceptedAt.Truncate(time.Millisecond)
		}
		return s.At.Truncate(time.Millisecond)
	}
	slices.SortStableFunc(list, func(a, b Step) int { return when(a).Compare(when(b)) })
	if row.State.Pending() && !row.Deadline.IsZero() {
		list = append(list, Step{At: row.Deadline, Kind: "deadline", What: "is given up"})
	}
	return list
}

// gap tells from when on the memory can be relied on, if that is later than the
// row.
func (g *Gateway) gap(row *journal.Row, whole bool, lost time.Time) []Step {
	switch {
	case whole:
		return nil
	case lost.After(row.AcceptedAt) && lost.After(g.steps.began):
		return []Step{{At: lost, Kind: "gap", What: "steps up to here are no longer held, apart from the journal's"}}
	case g.steps.began.After(row.AcceptedAt):
		return []Step{{At: g.steps.began, Kind: "gap", What: "this process started; of earlier steps there are the journal's alone"}}
	default:
		return nil
	}
}

// summed gives what only the journal knows of parts and attempts.
func summed(row *journal.Row, held []stepRecord) (list []Step) {
	count := func(kinds ...stepKind) (n int) {
		for _, r := range held {
			if slices.Contains(kinds, r.kind) {
				n++
			}
		}
		return n
	}
	for i, p := range row.Parts {
		if row.Lane.Direction == journal.In { // a message: what the core calls it
			list = append(list, Step{At: p.At, Kind: "named", What: "the core has it as " + cmp.Or(p.NetworkID, "a message it did not name")})
			continue
		}
		known := slices.ContainsFunc(held, func(r stepRecord) bool {
			return r.part == partNumber(i) && (r.kind == stepSent || r.kind == stepFailed || r.kind == stepNobodyKnows ||
				r.kind == stepAttempt && p.State == journal.PartAttempting)
		})
		if p.State != 0 && !known {
			list = append(list, Step{
				At: p.At, Kind: "part_" + partNames[p.State], Part: i + 1, Reason: p.Reason,
				What: fmt.Sprintf("part %d of %d: %s%s%s", i+1, len(row.Parts), partNames[p.State], networkID(row, i), because(p.Reason, "")),
			})
		}
		if kind := map[string]string{asTemplate: "as_template", asLate: "as_late"}[p.Hint]; kind != "" {
			list = append(list, Step{At: p.At, Kind: kind, Part: i + 1, What: fmt.Sprintf("part %d of %d: %s", i+1, len(row.Parts), p.Hint)})
		}
		if p.State == journal.PartUnknown && !known {
			list = append(list, Step{
				At: p.At, Kind: "part_unknown", Part: i + 1,
				What: fmt.Sprintf("part %d of %d may have reached the customer: the network never said", i+1, len(row.Parts)),
			})
		}
	}
	list = append(list, reports(row)...)
	if row.Lane.Direction == journal.Out {
		if row.Attempts > count(stepAttempt) {
			list = append(list, Step{Kind: "attempts", What: fmt.Sprintf("attempts to send: %d", row.Attempts)})
		}
		return list
	}
	if row.Attempts > count(stepWritten) {
		list = append(list, Step{Kind: "writes", What: fmt.Sprintf("written to the core: %d times", row.Attempts)})
	}
	if row.Strikes > count(stepLinkLost) {
		list = append(list, Step{Kind: "strikes", What: fmt.Sprintf("connections to the core that broke before its echo: %d", row.Strikes)})
	}
	return list
}

// reports gives how far the parts came, as far as the network told.
func reports(row *journal.Row) (list []Step) {
	for i, p := range row.Parts {
		if p.Status == 0 {
			continue
		}
		status := connectors.DeliveryStatus(p.Status).String()
		why := ""
		if p.Status == uint8(connectors.StatusFailed) {
			why = because(p.Reason, "")
		}
		list = append(list, Step{
			At: p.StatusAt, Kind: "report_" + status, Part: i + 1,
			What: fmt.Sprintf("part %d of %d: %s, the network reports%s", i+1, len(row.Parts), status, why),
		})
	}
	return list
}

// stepWords are a kind's name for programs and its text.
var stepWords = map[stepKind][2]string{
	stepReceived:    {"received", "received from the network"},
	stepFromCore:    {"received", "received from the core"},
	stepFromAnswer:  {"found", "found in an answer of the core, not confirmed"},
	stepHanded:      {"handed", "handed to its lane"},
	stepBehind:      {"handed", "handed to its lane, behind earlier messages"},
	stepLoaded:      {"handed", "handed to its lane, from the journal"},
	stepTurn:        {"turn", "its turn in the lane"},
	stepCore:        {"wait_core", "waits for the core"},
	stepDoubt:       {"asked", "asks the core whether it has it (STATUS)"},
	stepRequest:     {"asked", "asks the core whether a chat can begin (REQUEST)"},
	stepStart:       {"asked", "opens the chat (START)"},
	stepClosed:      {"wait_closed", "waits: the core takes no chats"},
	stepWindow:      {"wait_window", "waits for a place among the sentences that are not echoed"},
	stepAlone:       {"wait_alone", "waits: it or another is sent alone"},
	stepWritten:     {"written", "written to the core"},
	stepEchoed:      {"echoed", "echoed by the core"},
	stepShown:       {"shown", "shown by the core's answer"},
	stepNoEcho:      {"no_echo", "no echo in time"},
	stepLinkLost:    {"link_lost", "the connection to the core broke before the echo"},
	stepChatClosed:  {"chat_closed", "the core closed the chat before the echo"},
	stepParked:      {"parked", "rests: the core does not answer for the conversation"},
	stepSuspect:     {"suspect", "rests: it may be what breaks the connection to the core"},
	stepFreed:       {"freed", "its place in the core's order is proved"},
	stepPaused:      {"wait_paused", "waits: the channel is paused"},
	stepPatience:    {"wait_network", "waits: the network asks for patience"},
	stepBucket:      {"wait_rate", "waits for its turn in the rate of sending"},
	stepAttempt:     {"attempt", "the request to the network leaves"},
	stepSent:        {"sent", "sent"},
	stepFailed:      {"failed", "failed"},
	stepAsksFate:    {"asked", "the network is asked what became of it"},
	stepNobodyKnows: {"fate_unknown", "nobody can tell what became of it: it may have reached the customer"},
	stepWasSent:     {"fate_sent", "the network says that it was sent"},
	stepWasNotSent:  {"fate_not_sent", "the network says that it was not sent"},
	stepHasFailed:   {"fate_failed", "the network says that it gave it up"},
	stepBackOff:     {"wait_retry", "waits before the next attempt"},
	stepEnding:      {"ending", "its end goes into the journal"},
	stepConfirmed:   {"confirmed", "told to the core (CONFIRM)"},
	stepUntold:      {"wait_confirm", "the core is away: it is told later (CONFIRM)"},
	stepMessageRoom: {"wait_window", "waits for room among the messages that are not answered"},
	stepToldCore:    {"written", "written to the core"},
	stepTaken:       {"taken", "the core has it"},
	stepNoAnswer:    {"no_answer", "no answer of the core"},
	stepCoreRefuses: {"refused", "the core does not take it now"},
}

// told puts a step into words.
func told(r stepRecord, row *journal.Row, again bool) Step {
	words := stepWords[r.kind]
	s := Step{
		At: time.Unix(0, r.at), Kind: words[0], What: words[1], Part: int(r.part), Reason: string(r.reason.reason()),
		Code: string(bytes.TrimRight(r.code[:], "\x00")),
	}
	switch r.kind {
	case stepPaused:
		if r.reason == 0 {
			s.What = "waits: an operator has paused the channel"
		}
	case stepSent, stepWasSent:
		s.What += networkID(row, int(r.part)-1)
	case stepReceived, stepFromCore, stepFromAnswer:
		if again {
			s.What += " again: a repeat"
		}
	case stepFailed:
		s.What = r.result.String()
		switch r.result {
		case connectors.NotSent:
			s.What = "not sent"
		case connectors.Unknown:
			s.What = "may have reached the customer: the network never said"
		}
	}
	if r.part > 0 {
		s.What = fmt.Sprintf("part %d of %d: %s", r.part, max(len(row.Parts), int(r.part)), s.What)
	}
	code := s.Code
	if code != "" {
		code = "network code " + code
	}
	s.What += because(s.Reason, code)
	if r.until != 0 && r.kind != stepWritten {
		s.Until = time.Unix(0, r.until)
	}
	return s
}

// withoutAddress gives the row's parts with names at the network that do not hold
// the customer's address.
func withoutAddress(row *journal.Row) []journal.Part {
	parts := slices.Clone(row.Parts)
	for i := range parts {
		parts[i].NetworkID = simprot.LogEventID(row.Lane.TrackingID, parts[i].NetworkID)
	}
	return parts
}

// networkID says what a sent part is called at the network, if that is known.
func networkID(row *journal.Row, i int) string {
	if i < 0 || i >= len(row.Parts) || row.Parts[i].State != journal.PartSent || row.Parts[i].NetworkID == "" {
		return ""
	}
	return ", at the network " + row.Parts[i].NetworkID
}

// because puts a reason and its hint behind a word.
func because(reason, hint string) string {
	switch {
	case reason == "":
		return ""
	case hint == "":
		return " (" + reason + ")"
	default:
		return " (" + reason + ": " + hint + ")"
	}
}
