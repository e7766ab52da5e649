package twilio

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// notActive is the error of an account that is suspended or closed.
const notActive = "20005"

const (
	cureToken     = "Put the account's primary auth token, as Twilio's console shows it, into auth_token: Twilio signs with that one."
	cureOther     = "Put auth_token_other's value into auth_token."
	cureAccount   = "Twilio's console says why; until the account is active again nothing is sent or received."
	cureSender    = "Look at the sender in Twilio's console: until it is ONLINE nothing is sent or received."
	cureNoSuch    = "Compare account_sid and the sender with Twilio's console."
	noSuchAccount = "not known: Twilio refuses the credentials"
)

// Examine implements connectors.Doctor:
//
//	network      Twilio answers
//	credentials  it takes those that calls are made with
//	signature    auth_token is what it signs with, also where an API key makes the calls
//	webhook      it brings what customers write here
//	sender       account and sender are active
//	errors       calls of this gateway that failed, and messages it could not send
//	clock        the Date of the first answer
//
// The webhook is not mended by itself: what is there may be another system's.
func (c *Channel) Examine(ctx context.Context, _ connectors.Examination) []connectors.Check {
	first, account, err := c.theAccount(ctx, 0)
	checks := []connectors.Check{httpx.Reached(err)}
	if checks[0].State != connectors.CheckOK {
		for _, name := range []connectors.CheckName{
			connectors.CheckCredentials, connectors.CheckSignature, connectors.CheckWebhook, connectors.CheckSender, connectors.CheckErrors,
		} {
			checks = append(checks, httpx.Unasked(name, err))
		}
		return append(checks, httpx.Clock(first))
	}
	list, listErr := c.latest(ctx)
	s, settingErr := setting{}, listErr
	if listErr == nil {
		s, settingErr = c.setting(ctx)
	}
	return append(checks,
		c.examineCredentials(listErr),
		c.examineSignature(ctx, account, err, listErr),
		c.examineWebhook(s, settingErr),
		examineSender(account, s, settingErr),
		c.examineErrors(ctx, list, listErr),
		httpx.Clock(first))
}

// account is what Twilio says of the account.
type account struct {
	Status word `json:"status"`
	// Token signs its calls, even where the one that was asked with is its second one.
	Token word `json:"auth_token"`
}

// theAccount asks with a token of the channel: an API key may not. The answer is given
// back also of a refusal.
func (c *Channel) theAccount(ctx context.Context, token int) (answer *httpx.Response, a account, err error) {
	answer, err = c.askAs(ctx, credentials{c.account, c.tokens[token]}, http.MethodGet, c.api, "/2010-04-01/Accounts/"+c.account+".json", "", nil)
	if err == nil {
		err = decode(answer, &a)
	}
	return answer, a, err
}

// examineCredentials goes by a call that is made like all others.
func (c *Channel) examineCredentials(err error) connectors.Check {
	if err != nil && connectors.AsSendError(err).Code == notActive {
		return httpx.Unasked(connectors.CheckCredentials, err)
	}
	return httpx.Accepted(err)
}

// signingForm is an auth token as Twilio shows it, and not one that is masked.
var signingForm = regexp.MustCompile(`^[0-9A-Za-z]{8,}$`)

// examineSignature: account and err are the answer to auth_token, calls what became
// of a call with the channel's credentials.
func (c *Channel) examineSignature(ctx context.Context, a account, err, calls error) connectors.Check {
	const name = connectors.CheckSignature
	fine := connectors.Check{Name: name, State: connectors.CheckOK, Found: "auth_token is the account's"}
	if err == nil {
		for _, token := range c.tokens {
			if token.Equal(string(a.Token)) {
				return fine
			}
		}
		if !signingForm.MatchString(string(a.Token)) { // it does not tell
			return fine
		}
		return httpx.Failed(name, connectors.FaultWrongSecret, "auth_token is taken, and is not the one that Twilio signs with", cureToken)
	}
	if connectors.AsSendError(err).Reason != connectors.ReasonAuth || connectors.AsSendError(err).Code == notActive {
		return httpx.Unasked(name, err)
	}
	if len(c.tokens) > 1 {
		if _, _, other := c.theAccount(ctx, 1); other == nil {
			check := httpx.Failed(name, connectors.FaultWrongSecret, "auth_token_other is the account's, auth_token is not any more", cureOther)
			check.State = connectors.CheckWarning
			return check
		}
	}
	if calls != nil { // the account itself may be wrong
		return connectors.Check{Name: name, State: connectors.CheckUnknown, Found: noSuchAccount}
	}
	return httpx.Failed(name, connectors.FaultWrongSecret, "the API key is the account's, auth_token is not: Twilio's calls are refused", cureToken)
}

// placeholder is where Twilio points a number that nobody has set up.
const placeholder = "demo.twilio.com"

// examineWebhook tells another system's address from one that is out of date. Ours,
// and wrong, is what has our host, or the path that calls of this network have here:
// the gateway was somewhere else. Anything else is somebody's who may miss it.
func (c *Channel) examineWebhook(s setting, err error) connectors.Check {
	const name = connectors.CheckWebhook
	wrong := func(found string) connectors.Check {
		return httpx.Failed(name, connectors.FaultWrongWebhook, found, "Run \"servicelink register "+c.name+"\", or enter what \"servicelink urls "+c.name+"\" prints.")
	}
	foreign := func(found string) connectors.Check {
		return httpx.Failed(name, connectors.FaultForeignWebhook, found,
			"If nobody needs it, \"servicelink register "+c.name+"\" enters this gateway's address; else give the other system a sender of its own.")
	}
	if err != nil {
		return httpx.Unasked(name, err)
	}
	there := httpx.ShownHost(s.url)
	switch {
	case c.right(s):
		return connectors.Check{Name: name, State: connectors.CheckOK, Found: "Twilio calls this gateway"}
	case s.instead == anApplication:
		return foreign("an application at Twilio takes what customers write")
	case s.url == "":
		return wrong("no address is entered")
	case s.url == c.messageURL() && s.instead != "":
		check := wrong("the service leaves it to " + s.instead)
		check.State = connectors.CheckWarning
		return check
	case s.url == c.messageURL():
		return wrong("Twilio calls by another method than POST")
	case there == "":
		return wrong("what is entered is no address")
	case there == placeholder:
		return wrong("Twilio's example is entered")
	case strings.EqualFold(there, httpx.ShownHost(c.public)):
		return wrong("Twilio calls another address of this host than the gateway's")
	case strings.HasSuffix(s.url, c.messagePath()):
		return wrong("Twilio calls a gateway at " + there + ", which is not public.url's host")
	}
	return foreign("Twilio calls " + there + " with what customers write")
}

// working are the statuses in which a WhatsApp sender sends.
const working = "ONLINE" // also "ONLINE:UPDATING"

// statusForm is what a status may look like to be shown.
var statusForm = regexp.MustCompile(`^[A-Za-z_: -]{1,30}$`)

func examineSender(a account, s setting, err error) connectors.Check {
	const name = connectors.CheckSender
	paused := func(found, status, cure, code string) connectors.Check {
		if !statusForm.MatchString(status) {
			status = "something else"
		}
		check := httpx.Failed(name, connectors.FaultPausedSender, found+status, cure)
		check.Code = code
		return check
	}
	se := &connectors.SendError{}
	if err != nil {
		se = connectors.AsSendError(err)
	}
	switch {
	case a.Status != "" && a.Status != "active":
		return paused("the account is ", string(a.Status), cureAccount, "")
	case se.Code == notActive:
		return paused("the account is ", "not active", cureAccount, notActive)
	case se.Reason == connectors.ReasonNotFound:
		return httpx.Failed(name, connectors.FaultConfig, "the account has no such sender", cureNoSuch)
	case err != nil:
		return httpx.Unasked(name, err)
	case s.status != "" && !strings.HasPrefix(s.status, working):
		return paused("the sender is ", s.status, cureSender, s.reason)
	}
	return connectors.Check{Name: name, State: connectors.CheckOK, Found: "account and sender are active"}
}
