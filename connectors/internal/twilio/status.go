package twilio

import (
	"strconv"
	"strings"

	"servicelink/connectors"
)

// statusOf are the MessageStatuses of a message of ours.
var statusOf = map[string]connectors.DeliveryStatus{
	"accepted":    connectors.StatusQueued,
	"scheduled":   connectors.StatusQueued,
	"queued":      connectors.StatusQueued,
	"sending":     connectors.StatusQueued,
	"sent":        connectors.StatusSent,
	"delivered":   connectors.StatusDelivered,
	"read":        connectors.StatusRead,
	"failed":      connectors.StatusFailed,
	"undelivered": connectors.StatusFailed,
	"canceled":    connectors.StatusFailed,
}

// refParameter of a status call's address holds the Part.Ref.
const refParameter = "ref"

// parseStatus turns a report on a message of ours into a notice. Reports come in any
// order; which one counts is the engine's to say.
func (c *Channel) parseStatus(r *connectors.Request) (connectors.ParseResult, error) {
	if isJSON(r) {
		return ignored("not_a_form"), nil
	}
	f, bad := parseForm(r.Body)
	if bad != nil {
		return connectors.ParseResult{}, bad
	}
	sid := f.first("MessageSid", "SmsSid")
	if sid == "" {
		return connectors.ParseResult{}, missing("MessageSid")
	}
	name := f.first("MessageStatus", "SmsStatus")
	if name == "" {
		return connectors.ParseResult{}, missing("MessageStatus")
	}
	status := statusOf[strings.ToLower(name)]
	if status != connectors.StatusFailed && f.get("EventType") == "READ" {
		status = connectors.StatusRead
	}
	to, ok := strings.CutPrefix(f.get("To"), c.traits.Prefix)
	switch {
	case status == connectors.StatusNone:
		return ignored("unknown_status"), nil
	case r.URL == nil || r.URL.Query().Get(refParameter) == "":
		return ignored("no_ref"), nil
	case !ok || !addressForm.MatchString(to):
		return ignored("no_customer"), nil
	}
	code := word(f.get("ErrorCode")).number()
	finding := connectors.Finding{Fate: connectors.FateSent, NetworkID: sid}
	if status == connectors.StatusFailed {
		finding = connectors.Finding{Fate: connectors.FateFailed, NetworkID: sid, Failure: failure(code)}
	}
	return connectors.ParseResult{Events: []connectors.Event{{
		ID:         c.eventID("status", sid, strings.ToLower(name)+"."+strconv.Itoa(code)),
		Kind:       connectors.KindNotice,
		TrackingID: c.trackingID(to),
		Notice:     &connectors.Notice{Ref: r.URL.Query().Get(refParameter), Finding: finding, Status: status},
	}}}, nil
}
