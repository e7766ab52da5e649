package facebook

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// endsSoon is how long before its end a token is warned of.
const endsSoon = 14 * 24 * time.Hour

// scopes are what a page's token needs: to send, and to be subscribed.
var scopes = []string{"pages_messaging", "pages_manage_metadata"}

const (
	cureToken     = "Make a new page token, from a long-lived user token, and put it into page_token." //nolint:gosec // a sentence
	cureSubscribe = "Run \"servicelink register %s\": the page loses nothing by it."
)

// Examine implements connectors.Doctor:
//
//	network       the API answers
//	credentials   page_token is taken, and is this page's
//	token         when it ends, or the right to the page's data
//	permissions   what it allows
//	signature     app_secret is the app's, which signs its calls
//	webhook       the app calls this gateway
//	subscription  app and page are subscribed to all that is needed
//	clock         the Date of the first answer
//
// A page's or a field's subscription that is gone is mended: nobody else loses
// anything. A callback of others is not: the app may be theirs.
func (c *Connector) Examine(ctx context.Context, _ connectors.Examination) []connectors.Check {
	first, appErr := c.call(ctx, request{method: http.MethodGet, path: c.cfg.AppID, token: c.appToken(), query: query{"fields": "id"}}, nil)
	checks := []connectors.Check{httpx.Reached(appErr)}
	if checks[0].State != connectors.CheckOK {
		for _, name := range []connectors.CheckName{
			connectors.CheckCredentials, connectors.CheckToken, connectors.CheckPermissions, connectors.CheckSignature,
			connectors.CheckWebhook, connectors.CheckSubscription,
		} {
			checks = append(checks, httpx.Unasked(name, appErr))
		}
		return append(checks, httpx.Clock(first))
	}
	_, pageErr := c.call(ctx, request{
		method: http.MethodGet, path: c.cfg.PageID, token: c.cfg.PageToken.Reveal(), query: query{"fields": "id"},
	}, nil)
	token, tokenErr := c.debugToken(ctx)
	app, err := c.ofApp(ctx)
	page, pageFieldsErr := c.ofPage(ctx)
	return append(checks,
		examineCredentials(pageErr),
		token.ends(tokenErr),
		token.allows(tokenErr),
		examineSignature(appErr),
		c.examineWebhook(app, err),
		c.examineSubscription(app, err, page, pageFieldsErr),
		httpx.Clock(first))
}

// debugged is what the network tells of a token. Times are Unix', 0 = never.
type debugged struct {
	Valid   bool     `json:"is_valid"`
	Expires int64    `json:"expires_at"`
	Data    int64    `json:"data_access_expires_at"`
	Scopes  []string `json:"scopes"`
	Error   struct {
		Code    int `json:"code"`
		Subcode int `json:"subcode"`
	} `json:"error"`
}

// debugToken asks for the page's token. The network takes it in the address alone.
func (c *Connector) debugToken(ctx context.Context) (debugged, error) {
	var answer struct {
		Data debugged `json:"data"`
	}
	_, err := c.call(ctx, request{method: http.MethodGet, path: "debug_token", token: c.appToken(), query: query{
		"input_token": c.cfg.PageToken.Reveal(),
	}}, &answer)
	return answer.Data, err
}

func examineCredentials(err error) connectors.Check {
	const name = connectors.CheckCredentials
	check := httpx.Accepted(err)
	if err == nil {
		return check
	}
	se := connectors.AsSendError(err)
	switch {
	case se.Hint == hintSecret: // the proof's fault: signature says so
		return connectors.Check{Name: name, State: connectors.CheckUnknown, Found: "not known: the app's secret is wrong"}
	case se.Code == "100/33" || se.Code == "210":
		check = httpx.Failed(name, connectors.FaultWrongToken, "page_token is not this page's", hintToken)
		check.Code = se.Code
	case se.Code == "190/463":
		check.Fault = connectors.FaultExpiredToken
		check.Found, check.Cure = "page_token has expired", cureToken
	}
	return check
}

// ends is CheckToken.
func (d debugged) ends(err error) connectors.Check {
	const name = connectors.CheckToken
	if err != nil {
		return httpx.Unasked(name, err)
	}
	if d.Error.Code != 0 || !d.Valid {
		fault, found := connectors.FaultWrongToken, "the network calls page_token invalid"
		if d.Error.Subcode == 463 {
			fault, found = connectors.FaultExpiredToken, "page_token has expired"
		}
		check := httpx.Failed(name, fault, found, cureToken)
		if d.Error.Code != 0 {
			check.Code = fmt.Sprintf("%d/%d", d.Error.Code, d.Error.Subcode)
		}
		return check
	}
	check := connectors.Check{Name: name, State: connectors.CheckOK, Found: "it does not end"}
	what := "page_token"
	end := d.Expires
	if end == 0 || d.Data > 0 && d.Data < end {
		what, end = "the app's right to the page's data", cmp.Or(d.Data, end)
	}
	if end <= 0 {
		return check
	}
	check.Ends = time.Unix(end, 0).UTC()
	left := time.Until(check.Ends)
	switch {
	case left <= 0:
		failed := httpx.Failed(name, connectors.FaultExpiredToken, what+" has ended", cureToken)
		failed.Ends = check.Ends
		return failed
	case left < endsSoon:
		soon := httpx.Failed(name, connectors.FaultExpiredToken, fmt.Sprintf("%s ends in %d days", what, int(left.Hours()/24)), cureToken)
		soon.State, soon.Ends = connectors.CheckWarning, check.Ends
		return soon
	}
	check.Found = what + " ends on " + check.Ends.Format(time.DateOnly)
	return check
}

// allows is CheckPermissions.
func (d debugged) allows(err error) connectors.Check {
	const name = connectors.CheckPermissions
	if err != nil {
		return httpx.Unasked(name, err)
	}
	if !d.Valid {
		return connectors.Check{Name: name, State: connectors.CheckUnknown, Found: "not known: the token is not valid"}
	}
	lacks := slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(d.Scopes, s) })
	if len(lacks) > 0 {
		return httpx.Failed(name, connectors.FaultMissingPermission, "page_token lacks "+strings.Join(lacks, ", "),
			"Give the app "+strings.Join(lacks, " and ")+" for this page, and make a new page token.")
	}
	return connectors.Check{Name: name, State: connectors.CheckOK, Found: "it allows " + strings.Join(scopes, ", ")}
}

// examineSignature: the app's token is its id and its secret, so who takes it knows
// the secret.
func examineSignature(err error) connectors.Check {
	const name = connectors.CheckSignature
	if err == nil {
		return connectors.Check{Name: name, State: connectors.CheckOK, Found: "app_secret is the app's"}
	}
	se := connectors.AsSendError(err)
	if se.Reason != connectors.ReasonAuth {
		return httpx.Unasked(name, err)
	}
	check := httpx.Failed(name, connectors.FaultWrongSecret, "app_secret is not the app's: its calls are refused", hintSecret)
	if check.Code = se.Code; se.Code == "101" {
		check = httpx.Failed(name, connectors.FaultConfig, "there is no such app", "Compare app_id with the app's dashboard.")
		check.Code = se.Code
	}
	return check
}

// examineWebhook tells another system's address from one that is out of date: ours,
// and wrong, is what has our host, or our path.
func (c *Connector) examineWebhook(s subscription, err error) connectors.Check {
	const name = connectors.CheckWebhook
	cure := fmt.Sprintf("Run \"servicelink register %s\", or enter what \"servicelink urls %s\" prints.", c.channel, c.channel)
	there := httpx.ShownHost(s.Callback)
	switch {
	case err != nil:
		return httpx.Unasked(name, err)
	case s.Callback == "":
		check := httpx.Failed(name, connectors.FaultWrongWebhook, "the app has no callback", cure)
		check.Mendable = true
		return check
	case s.Callback == c.callback() && !s.Active:
		check := httpx.Failed(name, connectors.FaultUnsubscribed, "the app's callback is switched off", cure)
		check.Mendable = true
		return check
	case s.Callback == c.callback():
		return connectors.Check{Name: name, State: connectors.CheckOK, Found: "the app calls this gateway"}
	case there == "":
		return httpx.Failed(name, connectors.FaultWrongWebhook, "the app's callback is no address", cure)
	case strings.EqualFold(there, httpx.ShownHost(c.public)):
		return httpx.Failed(name, connectors.FaultWrongWebhook, "the app calls another address of this host than the gateway's", cure)
	case strings.HasSuffix(s.Callback, webhookPath):
		return httpx.Failed(name, connectors.FaultWrongWebhook, "the app calls a gateway at "+there+", which is not public.url's host", cure)
	}
	return httpx.Failed(name, connectors.FaultForeignWebhook, "the app calls "+there,
		"Use an app of the gateway's own, or, if nobody needs that one, run \"servicelink register "+c.channel+"\".")
}

// examineSubscription is of the page first: without it the app's is worth nothing.
// The app's fields count only where its callback is ours.
func (c *Connector) examineSubscription(app subscription, appErr error, page []string, pageErr error) connectors.Check {
	const name = connectors.CheckSubscription
	failed := func(found string, mendable bool) connectors.Check {
		check := httpx.Failed(name, connectors.FaultUnsubscribed, found, fmt.Sprintf(cureSubscribe, c.channel))
		check.Mendable = mendable
		return check
	}
	// Register would also enter the callback, which is only mended where it is ours.
	ours := appErr == nil && (app.Callback == c.callback() || app.Callback == "")
	switch {
	case pageErr != nil:
		return httpx.Unasked(name, pageErr)
	case len(page) == 0:
		return failed("the page is not subscribed to the app: nothing comes", ours)
	case len(missing(page)) > 0:
		return failed("the page is not subscribed to "+strings.Join(missing(page), ", "), ours)
	case appErr != nil:
		return httpx.Unasked(name, appErr)
	case app.Callback == c.callback() && len(missing(app.names())) > 0:
		return failed("the app is not subscribed to "+strings.Join(missing(app.names()), ", "), ours)
	}
	return connectors.Check{Name: name, State: connectors.CheckOK, Found: "app and page are subscribed to all that is needed"}
}
