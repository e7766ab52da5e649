package twilio

import (
	"context"
	"slices"
	"strings"
	"time"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"

	"servicelink/connectors"
)

const (
	// settled is how long after an attempt a message that is not in the list will not
	// come any more: a request lives some seconds.
	settled = 2 * time.Minute
	// skew is how far the two clocks may be apart, and the list shows whole seconds.
	skew = time.Minute
	// mostPages of messages to one customer are looked through.
	mostPages = 5
	listPage  = 200
)

// trialMark stands before every text that a trial account sends.
const trialMark = "Sent from your Twilio trial account - "

// Reconcile implements connectors.Reconciler: it looks for the message in the list
// of those to this customer. A status call may have told before.
//
// The list is not filtered by DateSent: that of a message which still waits is not
// set.
func (c *Channel) Reconcile(ctx context.Context, a connectors.Attempt) (connectors.Finding, error) {
	to, ok := c.Address(a.Part.To.TrackingID)
	if !ok {
		return connectors.Finding{AskAgain: -1}, nil
	}
	params := new(openapi.ListMessageParams).SetTo(c.traits.Prefix + to.RemoteAddress).SetPageSize(listPage)
	if c.from != "" {
		params.SetFrom(c.traits.Prefix + c.from)
	}
	asked := time.Now()
	list, whole, err := c.sentSince(ctx, params, a.Began.Add(-skew))
	if err != nil {
		return connectors.Finding{}, err
	}
	found, doubtful := c.find(list, a)
	switch {
	case found != nil:
		return finding(*found), nil
	case doubtful || !whole:
		return connectors.Finding{}, nil
	case asked.Before(a.Ended.Add(settled)):
		return connectors.Finding{AskAgain: a.Ended.Add(settled).Sub(asked)}, nil
	}
	return connectors.Finding{Fate: connectors.FateNotSent}, nil
}

// sentSince lists the messages since then; whole is false when there are more than
// are looked through.
func (c *Channel) sentSince(ctx context.Context, params *openapi.ListMessageParams, since time.Time) (all []listed, whole bool, err error) {
	at := page{}
	for range mostPages {
		list, next, err := c.messages(ctx, params, at)
		if err != nil {
			return nil, false, err
		}
		all = append(all, list...)
		older := func(m listed) bool { return m.at().Before(since) }
		if next == (page{}) || len(list) > 0 && !slices.ContainsFunc(list, func(m listed) bool { return !older(m) }) {
			return all, true, nil
		}
		at = next
	}
	return all, false, nil
}

// find looks for the part. doubtful: there is a message that may be it, and nobody
// can tell, as the list does not always say which template a message was.
func (c *Channel) find(list []listed, a connectors.Attempt) (found *listed, doubtful bool) {
	for i := range slices.Backward(list) { // the oldest first
		m := &list[i]
		made := m.at()
		if m.inbound() || slices.Contains(a.Taken, string(m.SID)) ||
			c.service != "" && m.Service != "" && string(m.Service) != c.service ||
			made.Before(a.Began.Add(-skew)) || made.After(a.Ended.Add(settled+skew)) {
			continue
		}
		switch same, sure := resembles(*m, a.Part); {
		case same && sure:
			return m, false
		case same:
			doubtful = true
		}
	}
	return nil, doubtful
}

// resembles compares what the list tells with the part.
func resembles(m listed, part connectors.Part) (same, sure bool) {
	if part.Template != nil {
		return m.ContentSID == "" || string(m.ContentSID) == part.Template.ID, m.ContentSID != ""
	}
	files := 0
	if part.File != nil {
		files = 1
	}
	body := strings.TrimPrefix(string(m.Body), trialMark)
	return body == part.Text && m.NumMedia.number() == files, true
}

// finding is what became of a message that was found.
func finding(m listed) connectors.Finding {
	if statusOf[string(m.Status)] == connectors.StatusFailed {
		return connectors.Finding{Fate: connectors.FateFailed, NetworkID: string(m.SID), Failure: failure(m.ErrorCode.number())}
	}
	return connectors.Finding{Fate: connectors.FateSent, NetworkID: string(m.SID)}
}
