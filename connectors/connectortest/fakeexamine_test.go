package connectortest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// examineFaults are the faults of what the fake with webhooks says of itself, and the
// check meant for each.
var examineFaults = map[string]string{
	"finds a fault in what is well": "examine/well",
	"names a thing of its own":      "examine/well",
	"names a fault of its own":      "examine/well",
	"knows no cure":                 "examine/well",
	"tells a thing twice":           "examine/well",
	"tells in two lines":            "examine/well",
	"looks by sending":              "examine/well",
	"changes the order":             "examine/faults",
	"finds all well":                "examine/faults",
	"finds no wrong credentials":    "examine/faults",
	"looks without end":             "examine/stops",
	"guesses when it is stopped":    "examine/stops",
	"tells the token":               "secrets",
	"probes another place":          "probe",
	"probes without proof":          "probe",
	"probes with a message":         "probe",
	"counts no probe":               "probe",
}

// Examine implements connectors.Doctor.
func (f *fake) Examine(ctx context.Context, _ connectors.Examination) []connectors.Check {
	if f.is("looks by sending") {
		_, _ = f.ask(ctx, "send", fakeCall{Chat: markChat, Text: "are you there?"})
	}
	if f.is("looks without end") {
		ctx = context.WithoutCancel(ctx)
	}
	_, err := f.ask(ctx, "list", fakeCall{})
	if f.is("guesses when it is stopped") && ctx.Err() != nil || f.is("finds all well") {
		err = nil
	}
	checks := []connectors.Check{httpx.Reached(err), httpx.Accepted(err)}
	first := &checks[0]
	switch f.fault {
	case "finds a fault in what is well":
		*first = httpx.Failed(connectors.CheckNetwork, connectors.FaultBacklog, "something", "do something")
	case "names a thing of its own":
		first.Name = "weather"
	case "names a fault of its own":
		*first = httpx.Failed(connectors.CheckNetwork, "rain", "something", "wait")
	case "knows no cure":
		*first = httpx.Failed(connectors.CheckNetwork, connectors.FaultBacklog, "something", "")
	case "tells a thing twice":
		checks = append(checks, *first)
	case "tells in two lines":
		first.Found += "\nand more"
	case "changes the order":
		if err != nil {
			slices.Reverse(checks)
		}
	case "finds no wrong credentials":
		checks[1] = httpx.Accepted(nil)
	case "tells the token":
		first.Found += " " + fakeToken
	}
	return checks
}

// Probe implements connectors.Prober.
func (f *fake) Probe() (*http.Request, error) {
	where, body := f.hook(), `[{"Chat":"1","ID":"1","Kind":"probe","Text":"x"}]`
	switch f.fault {
	case "probes another place":
		where = "http://elsewhere.example.com/fake/" + fakeToken
	case "probes without proof":
		where = f.public + "/fake/nothing"
	case "probes with a message":
		body = strings.Replace(body, "probe", "text", 1)
	}
	return http.NewRequestWithContext(context.Background(), http.MethodPost, where, strings.NewReader(body))
}

// Examine implements connectors.Doctor.
func (c *poller) Examine(ctx context.Context, e connectors.Examination) []connectors.Check {
	_, err := c.call(ctx, "read", fakeCall{})
	if connectors.AsSendError(err).Reason == connectors.ReasonNotFound { // nothing is there to be read
		err = nil
	}
	checks := []connectors.Check{httpx.Reached(err), httpx.Accepted(err)}
	if e.Running {
		return checks
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	offset := 0
	if c.is("takes what waits") {
		offset = 1000
	}
	_, _ = c.call(ctx, "poll", fakeCall{Offset: offset})
	return append(checks, connectors.Check{Name: connectors.CheckReader, State: connectors.CheckUnknown, Found: "not known"})
}
