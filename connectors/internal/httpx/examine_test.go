package httpx

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
)

// TestClock: a difference counts from half a minute on, and what the round trip and
// the whole seconds of a Date leave open is no difference.
func TestClock(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 0, 0, 400_000_000, time.UTC)
	for name, tc := range map[string]struct {
		ahead, trip time.Duration
		state       connectors.CheckState
		found       string
	}{
		"the same":                     {0, 0, connectors.CheckOK, "agrees"},
		"half a minute ahead":          {30 * time.Second, 0, connectors.CheckOK, "agrees"},
		"half a minute behind":         {-30 * time.Second, 0, connectors.CheckOK, "agrees"},
		"more ahead":                   {32 * time.Second, 0, connectors.CheckWarning, "ahead of this"},
		"more behind":                  {-32 * time.Second, 0, connectors.CheckWarning, "behind of this"},
		"two minutes ahead":            {2 * time.Minute, 0, connectors.CheckWarning, "ahead"},
		"more than two minutes ahead":  {122 * time.Second, 0, connectors.CheckFailed, "about 2m0s ahead"},
		"more than two minutes behind": {-123 * time.Second, 0, connectors.CheckFailed, "behind"},
		"a long answer":                {40 * time.Second, 15 * time.Second, connectors.CheckOK, "agrees"},
		"a day":                        {24 * time.Hour, 15 * time.Second, connectors.CheckFailed, "23h59m"},
	} {
		date := now.Add(tc.ahead).Format(http.TimeFormat)
		got := Clock(&Response{Header: http.Header{"Date": {date}}, Asked: now, Answered: now.Add(tc.trip)})
		if got.Name != connectors.CheckClock || got.State != tc.state || !strings.Contains(got.Found, tc.found) {
			t.Errorf("%s: %+v, want %s with %q", name, got, tc.state, tc.found)
		}
		if wrong := got.State == connectors.CheckOK; wrong == (got.Fault == connectors.FaultClockSkew) || wrong == (got.Cure != "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, r := range []*Response{nil, {}, {Header: http.Header{"Date": {"yesterday"}}}} {
		if got := Clock(r); got.State != connectors.CheckUnknown || got.Fault != "" {
			t.Errorf("without a time: %+v", got)
		}
	}
}

// TestClockOfAnAnswer: Do notes when it asked and when it was answered.
func TestClockOfAnAnswer(t *testing.T) {
	for shift, want := range map[time.Duration]connectors.CheckState{
		0: connectors.CheckOK, time.Hour: connectors.CheckFailed, -time.Minute: connectors.CheckWarning,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(shift).UTC().Format(http.TimeFormat))
		}))
		answer, err := local(t).Do(t.Context(), post(t, server.URL))
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := Clock(answer); got.State != want {
			t.Errorf("a clock that is %v ahead: %+v", shift, got)
		}
	}
}

// TestReached: what each failure of the first call says of the network and of the
// credentials.
func TestReached(t *testing.T) {
	failure := func(r connectors.Reason, text string) error {
		return &connectors.SendError{Reason: r, Code: "1", Err: cause(text), Hint: "do this"}
	}
	const (
		ok, unknown, failed = connectors.CheckOK, connectors.CheckUnknown, connectors.CheckFailed
	)
	for _, tc := range []struct {
		err                  error
		network, credentials connectors.CheckState
		fault                connectors.FaultName // the one there is
	}{
		{nil, ok, ok, ""},
		{failure(connectors.ReasonConnect, "no such host"), failed, unknown, connectors.FaultNetworkAway},
		{failure(connectors.ReasonConnect, "certificate is for another host"), failed, unknown, connectors.FaultBadCertificate},
		{failure(connectors.ReasonTimeout, "no answer in time"), failed, unknown, connectors.FaultNetworkAway},
		{failure(connectors.ReasonCut, "connection reset"), failed, unknown, connectors.FaultNetworkAway},
		{failure(connectors.ReasonForbidden, "refused"), failed, unknown, connectors.FaultConfig},
		{failure(connectors.ReasonServer, "answer 502"), failed, unknown, connectors.FaultNetworkAnswer},
		{failure(connectors.ReasonAnswer, "not HTTP"), failed, unknown, connectors.FaultNetworkAnswer},
		{failure(connectors.ReasonNotFound, "answer 404"), failed, unknown, connectors.FaultNetworkAnswer},
		{failure(connectors.ReasonRate, "answer 429"), ok, unknown, ""},
		{failure(connectors.ReasonAuth, "answer 401"), ok, failed, connectors.FaultWrongToken},
		{failure(connectors.ReasonCanceled, "stopped"), unknown, unknown, ""},
		{failure(connectors.ReasonBug, "bug"), unknown, unknown, ""},
		{context.Canceled, unknown, unknown, ""},
	} {
		network, credentials := Reached(tc.err), Accepted(tc.err)
		if network.State != tc.network || credentials.State != tc.credentials {
			t.Errorf("%v: %+v and %+v", tc.err, network, credentials)
		}
		if got := network.Fault + credentials.Fault; got != tc.fault {
			t.Errorf("%v: fault %q, want %q", tc.err, got, tc.fault)
		}
		for _, c := range []connectors.Check{network, credentials} {
			if (c.Fault != "") != (c.Cure != "") || c.Found == "" || (c.Fault != "") != (c.State == failed) {
				t.Errorf("%v: %+v", tc.err, c)
			}
		}
	}
}
