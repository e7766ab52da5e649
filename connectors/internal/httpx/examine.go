package httpx

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"servicelink/connectors"
)

// How a connector's Examine says what became of its calls. err is Do's or what the
// connector made of the answer: a *connectors.SendError, whose words hold nothing
// that must not be shown; nil = the call succeeded.

const (
	cureAway        = "See whether this machine reaches the network: name server, firewall, egress.proxy, and the configured address."
	cureCertificate = "Something else than the network answers at its address, or this machine's clock is wrong; a proxy's own authority goes into egress.ca."
	cureAnswer      = "Look at the network's status page, and whether the configured address is the network's."
)

// Reached is CheckNetwork, by the first call of an examination.
func Reached(err error) connectors.Check {
	c := connectors.Check{Name: connectors.CheckNetwork, State: connectors.CheckOK, Found: "it answers"}
	if err == nil {
		return c
	}
	se := connectors.AsSendError(err)
	switch se.Reason {
	case connectors.ReasonConnect, connectors.ReasonTimeout, connectors.ReasonCut:
		if strings.HasPrefix(words(se), "certificate") {
			return Failed(c.Name, connectors.FaultBadCertificate, words(se), cureCertificate)
		}
		return Failed(c.Name, connectors.FaultNetworkAway, "it cannot be reached: "+words(se), cureAway)
	case connectors.ReasonForbidden:
		return Failed(c.Name, connectors.FaultConfig, words(se), se.Hint)
	case connectors.ReasonServer, connectors.ReasonAnswer, connectors.ReasonNotFound:
		failed := Failed(c.Name, connectors.FaultNetworkAnswer, "it does not answer as it should: "+words(se), cureAnswer)
		failed.Code = se.Code
		return failed
	case connectors.ReasonCanceled, connectors.ReasonBug:
		return Unasked(c.Name, err)
	}
	return c // it refuses, and so it is there
}

// Accepted is CheckCredentials, by a call that any valid credentials may make.
func Accepted(err error) connectors.Check {
	if err == nil {
		return connectors.Check{Name: connectors.CheckCredentials, State: connectors.CheckOK, Found: "it takes them"}
	}
	se := connectors.AsSendError(err)
	if se.Reason != connectors.ReasonAuth {
		return Unasked(connectors.CheckCredentials, err)
	}
	cure := se.Hint
	if cure == "" {
		cure = hintAuth
	}
	c := Failed(connectors.CheckCredentials, connectors.FaultWrongToken, "it refuses them: "+words(se), cure)
	c.Code = se.Code
	return c
}

// Unasked is the Check of what a failed call was to tell.
func Unasked(name connectors.CheckName, err error) connectors.Check {
	se := connectors.AsSendError(err)
	return connectors.Check{Name: name, State: connectors.CheckUnknown, Found: "not known: " + words(se), Code: se.Code}
}

// Failed is the Check of a thing that is wrong; its state may be made a warning.
func Failed(name connectors.CheckName, fault connectors.FaultName, found, cure string) connectors.Check {
	return connectors.Check{Name: name, State: connectors.CheckFailed, Fault: fault, Found: found, Cure: cure}
}

// words is why, without the outcome: nothing was to be sent.
func words(se *connectors.SendError) string {
	switch {
	case se.Err != nil:
		return se.Err.Error()
	case se.Code != "":
		return "answer " + se.Code
	}
	return string(se.Reason)
}

// skews say from what difference on two clocks disagree, the worst first. Signed
// links and the answers' times bear half a minute; certificates and what expires do
// not bear much more.
var skews = []struct {
	over  time.Duration
	state connectors.CheckState
}{{2 * time.Minute, connectors.CheckFailed}, {30 * time.Second, connectors.CheckWarning}}

// skewStep is in what a difference is told: a Date has whole seconds and the answer took
// some, and two looks at one fault should say the same.
const skewStep = 10 * time.Second

// Clock is CheckClock by the Date of an answer; nil = there was none. What the round
// trip and the whole seconds of a Date leave open counts as agreement.
func Clock(r *Response) connectors.Check {
	c := connectors.Check{Name: connectors.CheckClock, State: connectors.CheckUnknown, Found: "not known: the network did not answer"}
	if r == nil {
		return c
	}
	date, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		c.Found = "not known: the answer tells no time"
		return c
	}
	// The network's clock is by so much ahead or behind at least; at most one is above 0.
	difference, which := date.Sub(r.Answered), "ahead"
	if behind := r.Asked.Sub(date.Add(time.Second)); behind > difference {
		difference, which = behind, "behind"
	}
	for _, s := range skews {
		if difference > s.over {
			c = Failed(c.Name, connectors.FaultClockSkew,
				fmt.Sprintf("the network's clock is about %v %s of this machine's", difference.Round(skewStep), which),
				"Set this machine's clock, and let a time service (NTP) keep it.")
			c.State = s.state
			return c
		}
	}
	c.State, c.Found = connectors.CheckOK, "it agrees with the network's"
	return c
}
