package telegram

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

const (
	// sensiblePending is how many updates may wait: one poll brings as many.
	sensiblePending = batch
	// recent is how long a failure that Telegram remembers is news.
	recent = 24 * time.Hour
	// readerPatience is how long a poll waits for another one to push it out. Who is
	// pushed out itself polls again within some seconds at most.
	readerPatience = 5 * time.Second
)

// Examine implements connectors.Doctor:
//
//	network      getMe is answered
//	credentials  getMe succeeds
//	webhook      none is set: updates would go there
//	reader       nobody else polls; left out while a gateway does, who learns it by itself
//	backlog      what waits at Telegram
//	errors       the failures that getWebhookInfo tells
//	clock        the Date of the first answer
//
// What a bot may see in groups is its owner's choice and no fault.
func (c *Connector) Examine(ctx context.Context, e connectors.Examination) []connectors.Check {
	first, err := c.ask(ctx, c.client, 0, "getMe", nil, nil)
	err = examined(err)
	checks := []connectors.Check{httpx.Reached(err), httpx.Accepted(err)}
	var hook webhookInfo
	if err == nil {
		err = examined(c.call(ctx, "getWebhookInfo", nil, &hook))
	}
	if err != nil {
		for _, name := range c.rest(e) {
			checks = append(checks, httpx.Unasked(name, err))
		}
		return append(checks, httpx.Clock(first))
	}
	checks = append(checks, c.examineWebhook(hook))
	if !e.Running {
		checks = append(checks, c.examineReader(ctx, hook))
	}
	return append(checks, examineBacklog(hook), examineErrors(hook, time.Now()), httpx.Clock(first))
}

// rest are the checks that need getWebhookInfo.
func (c *Connector) rest(e connectors.Examination) []connectors.CheckName {
	if e.Running {
		return []connectors.CheckName{connectors.CheckWebhook, connectors.CheckBacklog, connectors.CheckErrors}
	}
	return []connectors.CheckName{connectors.CheckWebhook, connectors.CheckReader, connectors.CheckBacklog, connectors.CheckErrors}
}

// examined is what an examination says of err; nil stays nil.
func examined(err error) error {
	if err == nil {
		return nil
	}
	return runError(err)
}

// examineWebhook: any webhook is another program's, as this connector polls. It is
// not mended by itself, as that takes the updates from whoever set it.
func (c *Connector) examineWebhook(hook webhookInfo) connectors.Check {
	if hook.URL == "" {
		return connectors.Check{Name: connectors.CheckWebhook, State: connectors.CheckOK, Found: "none is set, so that the bot can be asked"}
	}
	cure := "Remove it by \"servicelink register " + c.channel + "\", or stop what sets it; each of the two needs a bot of its own."
	if c.takeOver {
		cure = "The gateway removes it, as take_over says, when it next begins to read; if it comes back, stop what sets it."
	}
	return httpx.Failed(connectors.CheckWebhook, connectors.FaultForeignWebhook, "Telegram calls "+hook.host()+" with this bot's updates", cure)
}

// examineReader polls once, in a way that takes nothing: without an offset, which
// would confirm, and without allowed_updates, which would stay. The other reader is
// pushed out of its poll, and pushes this one out when it polls again.
func (c *Connector) examineReader(ctx context.Context, hook webhookInfo) connectors.Check {
	check := connectors.Check{Name: connectors.CheckReader, State: connectors.CheckUnknown}
	if hook.URL != "" {
		check.Found = "not known: with a webhook nobody can poll"
		return check
	}
	var updates []any
	err := c.callBy(ctx, c.poller, 0, "getUpdates", map[string]int{"limit": 1, "timeout": int(readerPatience / time.Second)}, &updates)
	refused, _ := errors.AsType[*apiError](err)
	switch {
	case err == nil && len(updates) == 0:
		check.State, check.Found = connectors.CheckOK, "nobody else asks for its updates"
	case err == nil: // what waits is the answer at once
		check.Found = "not known: messages wait, so that a poll does not; ask again when they are read"
	case refused != nil && refused.Code == http.StatusConflict:
		check = httpx.Failed(check.Name, connectors.FaultSecondReader, "another program asks for its updates and takes them away", hintPoller)
		check.Code = strconv.Itoa(refused.Code)
	default:
		check = httpx.Unasked(check.Name, examined(err))
	}
	return check
}

func examineBacklog(hook webhookInfo) connectors.Check {
	found := fmt.Sprintf("updates that wait at Telegram: %d", hook.Pending)
	if hook.Pending > sensiblePending {
		check := httpx.Failed(connectors.CheckBacklog, connectors.FaultBacklog, found,
			"Start the gateway, or see in its status why it does not take them: Telegram forgets them after a day.")
		check.State = connectors.CheckWarning
		return check
	}
	return connectors.Check{Name: connectors.CheckBacklog, State: connectors.CheckOK, Found: found}
}

// examineErrors tells the failures of the last day: the webhook's, and those of a
// server of one's own.
func examineErrors(hook webhookInfo, now time.Time) connectors.Check {
	warn := func(at int64, found, cure string) connectors.Check {
		check := httpx.Failed(connectors.CheckErrors, connectors.FaultDeliveryErrors,
			found+" at "+time.Unix(at, 0).UTC().Format(time.RFC3339), cure)
		check.State = connectors.CheckWarning
		return check
	}
	since := now.Add(-recent).Unix()
	switch {
	case hook.URL != "" && hook.ErrorDate >= since:
		return warn(hook.ErrorDate, "Telegram could not deliver to the webhook at "+hook.host()+": "+failureOf(hook.ErrorMessage),
			"What is not delivered waits a day: remove the webhook, and the gateway reads it.")
	case hook.SyncDate >= since:
		return warn(hook.SyncDate, "the Bot API server lost Telegram", "It connects again by itself; look at a server of your own at api_url.")
	}
	return connectors.Check{Name: connectors.CheckErrors, State: connectors.CheckOK, Found: "none within a day"}
}

// failures are how the Bot API says why a webhook was not delivered. Its own words
// are not shown: they may quote the address and the answer.
var failures = []struct{ text, means string }{
	{"wrong response", "it answers with an error"},
	{"connection refused", "connection refused"},
	{"connection reset", "connection reset"},
	{"timed out", "no answer in time"},
	{"timeout", "no answer in time"},
	{"ssl", "its certificate is not accepted"},
	{"certificate", "its certificate is not accepted"},
	{"resolve", "no such host"},
}

func failureOf(message string) string {
	message = strings.ToLower(message)
	for _, f := range failures {
		if strings.Contains(message, f.text) {
			return f.means
		}
	}
	return "it gives another reason"
}
