package twilio

import (
	"encoding/json"
	"strconv"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// rule is what an error code of Twilio means for a message, whether it comes as the
// answer to the request or later by a status call.
type rule struct {
	codes   []int
	outcome connectors.Outcome
	reason  connectors.Reason
	wait    wait
	hint    string
}

// wait is how long the sender rests when Twilio does not say itself.
type wait uint8

const (
	noWait        wait = iota
	aWhile             // what is congested now
	untilDrain         // a queue of hours
	untilTomorrow      // a limit for the day
)

const (
	hintAuth      = "Twilio refuses the account's credentials: compare account_sid, auth_token, api_key and api_secret with Twilio's console, and see whether the account is suspended."
	hintSender    = "The sender is not set up for this: look at the number or the messaging service in Twilio's console."
	hintCountry   = "Allow the customer's country in Twilio's console under Messaging > Settings > Geo permissions."
	hintBlocked   = "The customer has opted out or blocked the sender. They have to write START."
	hintRecipient = "Twilio cannot reach this address: it is no number, or one that takes no messages."
	hintWindow    = "The customer has not written in the last 24 hours: send a template, or wait until they write."
	hintPolicy    = "A carrier or a rule of the network blocked the message; Twilio's console names the rule."
	hintMedia     = "The network does not take this file: look at its size and type, and whether its address can be reached from outside."
	hintFetch     = "Twilio could not fetch the file from its address."
	hintContent   = "The network does not take this text or template; Twilio's console says why."
	hintQueue     = "More is waiting at Twilio for this sender than it sends in hours: send less, or raise messages_per_second's limit at Twilio."
	hintDay       = "The sender's limit for today is reached; ask Twilio for a higher one."
	hintSandbox   = "The customer has to join the WhatsApp sandbox first."
	hintTrial     = "A trial account sends to verified numbers only: verify the number, or upgrade the account."
	hintHook      = "Twilio could not reach the gateway's webhook: see whether public.url can be reached from outside. What came meanwhile may be lost."
	hintHandset   = "The customer's phone is off or out of reach."
	hintCongested = "The sender is too fast for the network, or for this customer."
	hintTest      = "The customer is in an experiment of WhatsApp and gets no such messages."
	hintTransient = "The network failed; it may have delivered the message."
)

// rules are the errors that Twilio documents for messages. What may have been
// delivered although it failed is unknown. Codes that are not here mean what the
// HTTP status says, and by a status call that the message is refused.
var rules = []rule{
	{[]int{20429, 14107, 30001, 30017, 30022, 63017, 63018}, connectors.NotSent, connectors.ReasonRate, aWhile, hintCongested},
	{[]int{21611}, connectors.NotSent, connectors.ReasonRate, untilDrain, hintQueue},
	{[]int{30023, 30027, 63038}, connectors.NotSent, connectors.ReasonRate, untilTomorrow, hintDay},
	{[]int{63016}, connectors.Rejected, connectors.ReasonWindow, noWait, hintWindow},
	{[]int{20503}, connectors.NotSent, connectors.ReasonServer, noWait, hintTransient},
	{[]int{20500, 30008, 30410, 63009, 63010, 63012}, connectors.Unknown, connectors.ReasonServer, noWait, hintTransient},
	{[]int{30003}, connectors.NotSent, connectors.ReasonTimeout, aWhile, hintHandset},
	{[]int{63019, 21620}, connectors.Rejected, connectors.ReasonFile, noWait, hintFetch},
	{[]int{63021, 11751, 21623, 63034}, connectors.Rejected, connectors.ReasonContent, noWait, hintMedia},
	{[]int{20003, 20005, 20006, 20008, 30002, 63001, 63020, 63051}, connectors.NotSent, connectors.ReasonAuth, noWait, hintAuth},
	{[]int{21610, 63033, 63014}, connectors.Rejected, connectors.ReasonBlocked, noWait, hintBlocked},
	{
		[]int{21211, 21212, 21214, 21217, 21604, 21614, 22102, 30005, 30006, 63003, 63024, 30011},
		connectors.Rejected, connectors.ReasonNotFound, noWait, hintRecipient,
	},
	{
		[]int{21606, 21603, 21703, 21704, 21705, 21910, 63002, 63007, 63008, 30024, 30032, 30034, 30035},
		connectors.Rejected, connectors.ReasonAuth, noWait, hintSender,
	},
	{[]int{21408}, connectors.Rejected, connectors.ReasonBlocked, noWait, hintCountry},
	{[]int{30004, 30007, 30450, 63013, 63026, 30033}, connectors.Rejected, connectors.ReasonBlocked, noWait, hintPolicy},
	{
		[]int{21602, 21617, 21618, 21619, 21654, 21655, 21656, 21658, 63005, 63006, 63027, 63028, 63030, 63040, 63041, 63042},
		connectors.Rejected, connectors.ReasonContent, noWait, hintContent,
	},
	{[]int{63032}, connectors.Rejected, connectors.ReasonBlocked, noWait, hintTest},
	{[]int{63015}, connectors.Rejected, connectors.ReasonBlocked, noWait, hintSandbox},
	{[]int{21607, 21608}, connectors.Rejected, connectors.ReasonBlocked, noWait, hintTrial},
	// Of a webhook of ours, and of no message.
	{[]int{11200, 11205, 11210, 11220, 12300}, connectors.Unknown, connectors.ReasonServer, noWait, hintHook},
}

// ruleOf finds the rule of a code.
var ruleOf = func() map[int]rule {
	byCode := make(map[int]rule)
	for _, r := range rules {
		for _, code := range r.codes {
			byCode[code] = r
		}
	}
	return byCode
}()

var statuses = httpx.Statuses()

// errorBody is what Twilio says to a request that it does not carry out. The newer
// APIs have other members beside these.
type errorBody struct {
	Code word `json:"code"`
}

// classify says what an answer that is no success means. The code counts more than
// the status.
func classify(answer *httpx.Response) *connectors.SendError {
	var body errorBody
	if answer.BodyErr != nil || json.Unmarshal(answer.Body, &body) != nil {
		body.Code = "" // a proxy's page
	}
	byStatus := connectors.AsSendError(statuses.Check(answer))
	code := body.Code.number()
	r, ok := ruleOf[code]
	if !ok {
		byStatus.Err = failed(answer.Status, code)
		if code != 0 {
			byStatus.Code = strconv.Itoa(code)
		}
		return byStatus
	}
	se := r.sendError(code, time.Now())
	if byStatus.RetryAfter > 0 {
		se.RetryAfter = byStatus.RetryAfter
	} else if code == 20429 { // the engine's own pace
		se.RetryAfter = 0
	}
	return se
}

// failure is what an error code of a status call or a list means. Without one, or
// with one that nobody knows, the network gives no reason.
func failure(code int) *connectors.SendError {
	if r, ok := ruleOf[code]; ok {
		return r.sendError(code, time.Now())
	}
	se := &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent, Err: failed(0, code)}
	if code == 0 {
		se.Err = errNoReason
		return se
	}
	se.Code = strconv.Itoa(code)
	return se
}

// tooManyToOne means too many messages to one recipient, or the whole day's: when it
// is the latter, others hear it too.
const tooManyToOne = 63018

func (r rule) sendError(code int, now time.Time) *connectors.SendError {
	se := &connectors.SendError{
		Outcome: r.outcome, Reason: r.reason, RetryAfter: r.wait.from(now),
		Code: strconv.Itoa(code), Hint: r.hint, Err: failed(0, code),
	}
	if code == tooManyToOne {
		se.Scope = connectors.ScopeRecipient
	}
	return se
}

// Waits that Twilio does not name.
const (
	congestion = 30 * time.Second
	drain      = 10 * time.Minute
	leastDay   = 15 * time.Minute // limits do not end with a day's first second
)

// from is the wait as it is at this moment. Nobody says whose day counts; a sender
// that is still over its limit in the new day of UTC hears so and waits again.
func (w wait) from(now time.Time) time.Duration {
	switch w {
	case aWhile:
		return congestion
	case untilDrain:
		return drain
	case untilTomorrow:
		now = now.UTC()
		midnight := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
		return max(midnight.Sub(now), leastDay)
	}
	return 0
}
