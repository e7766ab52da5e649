package gateway

import (
	"fmt"
	"slices"
	"strings"

	"servicelink/connectors"
	"servicelink/gateway/journal"
)

// What agents read when something is not delivered: one sentence that says
// what and why, without the text itself.

// noteKind is the metric label of a note by what it is about.
func noteKind(about string) string {
	switch {
	case strings.HasPrefix(about, "lost:"):
		return "unknown_outbound"
	case strings.HasPrefix(about, "shown:"), strings.HasPrefix(about, "unquoted:"):
		return "downgrade"
	case strings.HasPrefix(about, "settled:"):
		return "settled"
	}
	return "failure"
}

var why = map[connectors.Reason]string{
	connectors.ReasonBlocked:   "the customer cannot be reached any more",
	connectors.ReasonNotFound:  "the network knows no such recipient",
	connectors.ReasonWindow:    "the network's reply window is closed",
	connectors.ReasonContent:   "the network does not take this content",
	connectors.ReasonFile:      "its file could not be fetched",
	connectors.ReasonForbidden: "the target address is not allowed",
	connectors.ReasonDeadline:  "it could not be sent in time",
	connectors.ReasonUnknown:   "it is not known whether the customer got the rest, and it was not sent again",
	connectors.ReasonInDoubt:   "it is not known whether it is in this conversation already",
	connectors.ReasonAddress:   "the address cannot be used",
	connectors.ReasonEncoding:  "it does not fit the connection to the core",
	connectors.ReasonAuth:      "the network refuses the channel's credentials",
}

func reasonText(r connectors.Reason) string {
	if t, ok := why[r]; ok {
		return t
	}
	return string(r)
}

// undelivered is the note of a sentence of which nothing reached the customer.
func undelivered(id, why string) string { return "Message " + id + " was not delivered: " + why + "." }

// failureNote is the note of a sentence that a reason of the list kept from the
// customer.
func failureNote(id string, r connectors.Reason) string {
	if r == connectors.ReasonUnknown { // perhaps it was delivered
		return "It is not known whether message " + id + " reached the customer. It was not sent again."
	}
	return undelivered(id, reasonText(r))
}

// outboundNote tells that a sentence did not reach the customer, and why.
func outboundNote(d *delivery, v verdict, why string) string {
	sent := sentParts(d.states)
	doubt := v.reason != connectors.ReasonUnknown && slices.ContainsFunc(d.states, inDoubt)
	switch {
	case sent == 0 && doubt: // an attempt may have arrived, those after it failed
		return fmt.Sprintf("It is not known whether message %s reached the customer. It could not be sent again: %s.", d.row.ID, why)
	case sent == 0 && v.reason == connectors.ReasonUnknown:
		return failureNote(d.row.ID, v.reason)
	case sent == 0:
		return undelivered(d.row.ID, why)
	case doubt:
		return fmt.Sprintf("Message %s was delivered only in part (%d of %d parts). It is not known whether the customer got the next one; it could not be sent again: %s.",
			d.row.ID, sent, len(d.parts), why)
	}
	return fmt.Sprintf("Message %s was delivered only in part (%d of %d parts): %s.", d.row.ID, sent, len(d.parts), why)
}

// givenUpNote tells of a part that the network had taken and gave up later. The
// core may have been told that the customer has the message.
func givenUpNote(row journal.Row, i int, why string) string {
	if len(row.Parts) == 1 {
		return undelivered(row.ID, why)
	}
	return fmt.Sprintf("Part %d of %d of message %s was not delivered: %s.", i+1, len(row.Parts), row.ID, why)
}

// unquotedNote tells that a reply went as a plain message: what it answers has no
// id of the network's that is known, or not any more.
func unquotedNote(id string) string {
	return "Message " + id + " was sent as a plain message: the message it answers is not known, or not any more."
}

// inboundNote tells that a customer's message could not be shown.
func inboundNote(v verdict) string {
	return "A message of the customer could not be shown here: " + reasonText(v.reason) + "."
}
