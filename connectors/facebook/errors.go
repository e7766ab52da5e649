package facebook

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// statuses are for answers that are not the API's own: a proxy's. A 404 of the web is
// a wrong api_url.
var statuses = httpx.Statuses()

// apiError is the error of an answer.
type apiError struct {
	Code      int    `json:"code"`
	Subcode   int    `json:"error_subcode"`
	Message   string `json:"message"` // may quote what was sent: compared, never shown
	Transient bool   `json:"is_transient"`
}

// rule is what an error means.
type rule struct {
	code, last int    // code to last; last 0 = code alone
	subcode    int    // 0 = any
	text       string // in the message, lower case; empty = any
	outcome    connectors.Outcome
	reason     connectors.Reason
	scope      connectors.Scope
	hint       string
}

const (
	notSent  = connectors.NotSent
	rejected = connectors.Rejected
	unknown  = connectors.Unknown

	hintToken      = "Put a page access token of this page and app into page_token." //nolint:gosec // a sentence
	hintRate       = "The page or its app sends more than it may; lower messages_per_second."
	hintAppRate    = "The app has used up its calls for the hour: all its pages wait."
	hintWindow     = "The customer has to write first: 24 hours after the latest message only a person's answer (human_agent) is taken, within 7 days."
	hintThread     = "Another app, or the page's own inbox, has this conversation: it has to hand it back."
	hintPermission = "Give the app pages_messaging for this page, and make a new page token."
	hintNobody     = "This customer does not belong to this page, or is gone."
	hintUser       = "The customer has blocked the page, or is not there any more."
	hintTag        = "The app lacks the feature Human Agent: apply for it, or set human_agent to false."
	hintPolicy     = "The page broke a rule of the network: see Page Quality and Support Inbox."
	hintSecret     = "app_secret is not the app's: compare it with the app's dashboard."
	hintFile       = "The network could not take the file; send it once more, or as another type."
	hintVersion    = "Check api_url and version."
)

// errCodes are the errors of the Graph API; the first that fits counts. Sources: the
// Messenger Platform's error codes, and threads of those who met them.
//
// Code 2, 1200 and is_transient are the API's own word that it did not do it now;
// code 1 says that it does not know what happened. What did come from a proxy is in
// statuses, where a 5xx may have been carried out.
var errCodes = []rule{
	{code: 1, outcome: unknown, reason: connectors.ReasonServer},
	{code: 2, outcome: notSent, reason: connectors.ReasonServer},
	{code: 1200, outcome: notSent, reason: connectors.ReasonServer},
	{code: 4, outcome: notSent, reason: connectors.ReasonRate, scope: connectors.ScopeApp, hint: hintAppRate},
	{code: 17, outcome: notSent, reason: connectors.ReasonRate, hint: hintRate},
	{code: 32, outcome: notSent, reason: connectors.ReasonRate, hint: hintRate},
	{code: 613, outcome: notSent, reason: connectors.ReasonRate, hint: hintRate},
	{code: 2022, outcome: notSent, reason: connectors.ReasonRate, hint: hintRate},
	{code: 80002, outcome: notSent, reason: connectors.ReasonRate, hint: hintRate},
	{code: 80006, last: 80007, outcome: notSent, reason: connectors.ReasonRate, hint: hintRate},

	{code: 10, subcode: 2018278, outcome: rejected, reason: connectors.ReasonWindow, hint: hintWindow},
	{code: 10, subcode: 2018065, outcome: rejected, reason: connectors.ReasonWindow, hint: hintWindow},
	{code: 10, text: "outside of allowed window", outcome: rejected, reason: connectors.ReasonWindow, hint: hintWindow},
	{code: 10, subcode: 2018300, outcome: rejected, reason: connectors.ReasonBlocked, hint: hintThread},
	{code: 10, outcome: notSent, reason: connectors.ReasonAuth, hint: hintPermission},

	{code: 100, subcode: 2018001, outcome: rejected, reason: connectors.ReasonNotFound, hint: hintNobody},
	{code: 100, subcode: 33, outcome: rejected, reason: connectors.ReasonNotFound, hint: hintNobody},
	{code: 100, subcode: 1893061, outcome: rejected, reason: connectors.ReasonContent, hint: "The network has retired the tag the message was sent with."},
	{code: 100, subcode: 2018276, outcome: rejected, reason: connectors.ReasonWindow, hint: hintTag},
	{code: 100, subcode: 2018034, outcome: rejected, reason: connectors.ReasonContent, hint: "The message is empty."},
	{code: 100, subcode: 2018047, outcome: rejected, reason: connectors.ReasonFile, hint: hintFile},
	{code: 100, subcode: 2018008, outcome: rejected, reason: connectors.ReasonFile, hint: hintFile},
	{code: 100, text: "upload attachment failure", outcome: rejected, reason: connectors.ReasonFile, hint: hintFile},
	{code: 100, text: "appsecret_proof", outcome: notSent, reason: connectors.ReasonAuth, hint: hintSecret},
	{code: 100, outcome: rejected, reason: connectors.ReasonContent},

	{code: 190, subcode: 458, outcome: notSent, reason: connectors.ReasonAuth, hint: "The app was removed from the page: connect the page again and make a new page token."},
	{code: 190, subcode: 459, outcome: notSent, reason: connectors.ReasonAuth, hint: "Whose token it is has to log in to facebook.com and pass its checkpoint."},
	{code: 190, subcode: 460, outcome: notSent, reason: connectors.ReasonAuth, hint: "Whose token it is changed the password: make a new page token."},
	{code: 190, subcode: 463, outcome: notSent, reason: connectors.ReasonAuth, hint: "The token has expired: make a new page token, from a long-lived user token."},
	{code: 190, subcode: 467, outcome: notSent, reason: connectors.ReasonAuth, hint: "The token is not valid any more: make a new page token."},
	{code: 190, text: "access token signature", outcome: notSent, reason: connectors.ReasonAuth, hint: hintSecret},
	{code: 190, outcome: notSent, reason: connectors.ReasonAuth, hint: hintToken},
	{code: 101, last: 102, outcome: notSent, reason: connectors.ReasonAuth, hint: "Compare app_id and app_secret with the app's dashboard."},
	{code: 104, outcome: notSent, reason: connectors.ReasonAuth, hint: hintToken},
	{code: 230, outcome: rejected, reason: connectors.ReasonBlocked, hint: hintUser},
	{code: 200, last: 299, outcome: notSent, reason: connectors.ReasonAuth, hint: hintPermission},
	{code: 368, outcome: notSent, reason: connectors.ReasonAuth, hint: hintPolicy},
	{code: 551, outcome: rejected, reason: connectors.ReasonBlocked, hint: hintUser},
	{code: 2500, outcome: notSent, reason: connectors.ReasonNotFound, hint: hintVersion},
}

func (r rule) fits(e *apiError) bool {
	return e.Code >= r.code && e.Code <= max(r.code, r.last) && (r.subcode == 0 || r.subcode == e.Subcode) &&
		(r.text == "" || strings.Contains(strings.ToLower(e.Message), r.text))
}

// sentAllTheSame is 1/1357046, "Received invalid JSON reply": every such message was
// delivered, says the network. The echo brings its id.
const sentAllTheSame = "1/1357046"

// classify says what an error means.
func (c *Connector) classify(e *apiError, resp *httpx.Response) *connectors.SendError {
	se := &connectors.SendError{Outcome: rejected, Reason: connectors.ReasonContent, Code: strconv.Itoa(e.Code)}
	if e.Subcode != 0 {
		se.Code += "/" + strconv.Itoa(e.Subcode)
	}
	se.Err = errors.New("the Graph API answered " + se.Code)
	known := false
	for _, r := range errCodes {
		if known = r.fits(e); known {
			se.Outcome, se.Reason, se.Scope, se.Hint = r.outcome, r.reason, r.scope, r.hint
			break
		}
	}
	switch {
	case e.Transient && (!known || se.Reason == connectors.ReasonServer):
		se.Outcome, se.Reason = notSent, connectors.ReasonServer
	case !known && resp.Status >= 500:
		se.Outcome, se.Reason = unknown, connectors.ReasonServer
	}
	if se.Outcome == notSent {
		se.RetryAfter = connectors.AsSendError(statuses.Check(&httpx.Response{Status: 429, Header: resp.Header})).RetryAfter
	}
	if se.Reason == connectors.ReasonRate && se.RetryAfter == 0 {
		se.RetryAfter = regain(resp.Header.Get("X-Business-Use-Case-Usage"))
	}
	return se
}

// longestWait keeps a broken answer from silencing a page for years.
const longestWait = 24 * 60 // minutes

// regain reads the longest time, in minutes, until calls are taken again.
func regain(header string) time.Duration {
	var usage map[string][]struct {
		Minutes float64 `json:"estimated_time_to_regain_access"`
	}
	if json.Unmarshal([]byte(header), &usage) != nil {
		return 0
	}
	longest := 0.0
	for _, list := range usage {
		for _, u := range list {
			longest = max(longest, u.Minutes)
		}
	}
	return time.Duration(min(longest, longestWait) * float64(time.Minute))
}
