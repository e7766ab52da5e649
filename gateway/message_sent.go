package gateway

import (
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// How the answer to a message begins that was not sent, or not to everybody (SPEC,
// messages): what a core may do about it.
const (
	sentNothing = "not sent"
	sentRefused = "refused"
	sentPartly  = "partly sent"
	sentUnknown = "unknown"
)

// maxAnswer bounds what an answer says, in characters.
const maxAnswer = 2000

// sentResult is what ES_MESSAGE_SENT says.
type sentResult struct {
	reference string // the name it went under
	data      string // why it was not sent; empty: it was
}

// unsent is the result of a request for which nothing was done.
func unsent(why string) sentResult { return sentResult{data: sentNothing + ": " + oneLine(why)} }

// answerSending answers a request, once, unless its time has passed.
func (g *Gateway) answerSending(r *sendRequest, result sentResult) {
	took := time.Since(r.at)
	if took > answerBy {
		g.messages.metrics.withheld()
		return
	}
	now := time.Now().UTC()
	gateway := r.gateway
	err := r.session.Send(simprot.CodeMessageOutDone, &simprot.CommandInfo{
		Id: r.id, RefId: &gateway, TimeStamp: &now,
		Reference: result.reference, Data: simprot.Truncate(valid(result.data), maxAnswer),
	}, nil)
	if err == nil {
		g.messages.metrics.sent(took)
	} // else its connection is lost, and the core's repeat asks for it
}

// resultOf is what the core is told of a row that has ended. It is the same as long as
// the journal has the row.
func (g *Gateway) resultOf(ch *channel, row *journal.Row) sentResult {
	result := sentResult{reference: referenceOf(row)}
	if row.State == journal.Done {
		return result
	}
	names := partNamesOf(ch, row)
	sent, doubt, refused := 0, 0, 0
	var missing []string
	for i, p := range row.Parts {
		name := "a recipient"
		if i < len(names) {
			name = names[i]
		}
		switch {
		case p.State == journal.PartSent:
			sent++
			continue
		case mayHave(p):
			doubt++
			missing = append(missing, "perhaps not to "+name+becauseOf(p))
			continue
		case p.State == journal.PartRejected:
			refused++
		}
		missing = append(missing, "not to "+name+becauseOf(p))
	}
	how := sentNothing
	switch {
	case doubt > 0:
		how = sentUnknown
	case sent > 0:
		how = sentPartly
	case refused > 0 && refused == len(row.Parts):
		how = sentRefused
	}
	why := strings.Join(missing, "; ")
	if len(missing) == 0 || sent+doubt == 0 && len(row.Parts) <= 1 {
		why = whyOf(row)
	}
	result.data = how + ": " + oneLine(why)
	return result
}

// whyOf is why a row was given up, for people.
func whyOf(row *journal.Row) string {
	reason := connectors.Reason(row.Reason)
	if reason == connectors.ReasonDiscarded {
		return "an operator of the gateway has given it up"
	}
	text := reasonText(reason)
	if row.Hint != "" && row.Hint != text {
		text += " (" + row.Hint + ")"
	}
	return text
}

// mayHave: nobody knows whether a recipient has it, from this attempt or an earlier one.
func mayHave(p journal.Part) bool { return inDoubt(p) || p.Doubt && p.State != journal.PartSent }

// becauseOf is why a part was not sent, for people.
func becauseOf(p journal.Part) string {
	if p.Reason == "" {
		return ""
	}
	text := " (" + reasonText(connectors.Reason(p.Reason))
	if mayHave(p) {
		text = " (nobody knows: the network never said"
	}
	if p.Hint != "" {
		text += ": " + p.Hint
	}
	return text + ")"
}

// referenceOf is the name a message goes under: the network's where that has told one.
func referenceOf(row *journal.Row) string {
	for _, p := range row.Parts {
		if p.NetworkID != "" {
			return simprot.ShortenID(p.NetworkID, simprot.MaxDeliverySystemID)
		}
	}
	if row.State != journal.Done {
		return ""
	}
	c, _ := decodeContent(row.Content) // erased: the core knows it from the first time
	return c.NetworkID
}

// partNamesOf names a row's parts, nil where that is not known any more.
func partNamesOf(ch *channel, row *journal.Row) []string {
	var m connectors.Message
	if decodeMessage(row, &m) != nil {
		return nil
	}
	var s connectors.MessageSender
	if ch != nil {
		s, _ = ch.conn.(connectors.MessageSender)
	}
	if s == nil { // the gateway is not there: most name their parts so
		return slices.Concat(m.Recipients.To, m.Recipients.Cc, m.Recipients.Bcc)
	}
	names, err := partsSafely(s, &m)
	if err != nil {
		return nil
	}
	return names
}
