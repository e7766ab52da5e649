package connectortest

import (
	"context"
	"slices"
	"strconv"
	"time"

	"servicelink/connectors"
)

// notice is what an echo of a message of ours becomes.
func (c *poller) notice(u fakeUpdate, ev connectors.Event) connectors.Event {
	if c.is("answers its own echo") {
		ev.Text = u.Text
		return ev
	}
	ev.Kind, ev.Text, ev.Notice = connectors.KindNotice, "", &connectors.Notice{
		Ref: u.Mark, Finding: connectors.Finding{Fate: connectors.FateSent, NetworkID: strconv.Itoa(u.Of)}, Status: connectors.StatusSent,
	}
	switch c.fault {
	case "no word of echoes":
		ev.Kind, ev.Text, ev.Notice = connectors.KindUnsupported, "an echo", nil
	case "reports nothing":
		ev.Notice.Status = connectors.StatusNone
	case "notice without our id":
		ev.Notice.Ref = ""
	}
	return ev
}

// Reconcile implements connectors.Reconciler: it looks for the text in the
// network's list of messages.
func (c *poller) Reconcile(ctx context.Context, a connectors.Attempt) (connectors.Finding, error) {
	if c.is("finds what is not there") {
		return connectors.Finding{Fate: connectors.FateSent, NetworkID: "1"}, nil
	}
	if c.is("asks without end") {
		ctx = context.WithoutCancel(ctx)
	}
	if c.is("sends to find out") {
		_, _ = c.Send(ctx, a.Part)
	}
	addr, _ := c.Address(a.Part.To.TrackingID)
	call := fakeCall{Chat: addr.RemoteAddress}
	if c.is("looks everywhere") {
		call.Chat = ""
	}
	answer, err := c.call(ctx, "list", call)
	if err != nil {
		if c.is("believes errors") {
			return connectors.Finding{Fate: connectors.FateNotSent}, nil
		}
		return connectors.Finding{}, err
	}
	if i := slices.IndexFunc(answer.List, func(m fakeListed) bool { return c.isIt(a, m) }); i >= 0 && !c.is("finds nothing") {
		id := answer.List[i].ID
		if c.is("finds it by another name") {
			id++
		}
		return connectors.Finding{Fate: connectors.FateSent, NetworkID: strconv.Itoa(id)}, nil
	}
	// What the network took by then is in its list by now.
	if wait := time.Until(a.Ended.Add(time.Minute)); wait > 0 && !c.is("in a hurry") {
		return connectors.Finding{AskAgain: min(wait, 5*time.Second)}, nil
	}
	if c.is("finds nothing") {
		return connectors.Finding{AskAgain: -1}, nil
	}
	return connectors.Finding{Fate: connectors.FateNotSent}, nil
}

// isIt tells whether a message of the list is the part.
func (c *poller) isIt(a connectors.Attempt, m fakeListed) bool {
	return m.Text == a.Part.Text &&
		(m.Agent || c.is("takes the customer for us")) &&
		(!m.At.Before(a.Began) || c.is("forgets when it was")) &&
		(!slices.Contains(a.Taken, strconv.Itoa(m.ID)) || c.is("forgets what is taken"))
}
