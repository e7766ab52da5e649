package httpx

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"servicelink/connectors"
)

func TestStatuses(t *testing.T) {
	const sent, rejected, unknown = connectors.NotSent, connectors.Rejected, connectors.Unknown
	for _, tc := range []struct {
		status  int
		kind    string
		outcome connectors.Outcome
		reason  connectors.Reason
	}{
		{301, "", sent, connectors.ReasonAnswer},
		{302, "", unknown, connectors.ReasonAnswer},
		{303, "", unknown, connectors.ReasonAnswer},
		{308, "", sent, connectors.ReasonAnswer},
		{400, "", rejected, connectors.ReasonContent},
		{400, "text/html", rejected, connectors.ReasonContent},
		{401, "", sent, connectors.ReasonAuth},
		{403, "text/html", sent, connectors.ReasonAuth},
		{404, "application/json", rejected, connectors.ReasonNotFound},
		{404, "text/html; charset=utf-8", sent, connectors.ReasonNotFound},
		{405, "", sent, connectors.ReasonNotFound},
		{407, "", sent, connectors.ReasonConnect},
		{408, "", sent, connectors.ReasonTimeout},
		{409, "", rejected, connectors.ReasonContent},
		{410, "text/html", rejected, connectors.ReasonNotFound},
		{413, "", rejected, connectors.ReasonContent},
		{422, "", rejected, connectors.ReasonContent},
		{425, "", sent, connectors.ReasonServer},
		{429, "", sent, connectors.ReasonRate},
		{500, "", unknown, connectors.ReasonServer},
		{501, "", unknown, connectors.ReasonServer},
		{502, "text/html", unknown, connectors.ReasonServer},
		{503, "text/html", sent, connectors.ReasonServer},
		{504, "text/html", unknown, connectors.ReasonServer},
		{520, "", unknown, connectors.ReasonServer},
		{521, "", sent, connectors.ReasonConnect},
		{524, "", unknown, connectors.ReasonServer},
		{599, "", unknown, connectors.ReasonServer},
		{304, "", unknown, connectors.ReasonAnswer},
		{999, "", unknown, connectors.ReasonAnswer},
	} {
		r := &Response{Status: tc.status, Header: http.Header{"Content-Type": {tc.kind}}, Body: []byte("secret words")}
		var se *connectors.SendError
		if err := Statuses().Check(r); !errors.As(err, &se) || se.Outcome != tc.outcome || se.Reason != tc.reason {
			t.Errorf("%d %s: %v, want %s: %s", tc.status, tc.kind, err, tc.outcome, tc.reason)
		}
	}
	for _, status := range []int{200, 201, 202, 204, 299} {
		if err := Statuses().Check(&Response{Status: status}); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestStatusesIsACopy: one connector's changes are not another's.
func TestStatusesIsACopy(t *testing.T) {
	mine := Statuses()
	mine[409] = Class{connectors.NotSent, connectors.ReasonConflict, ""}
	if _, found := Statuses()[409]; found {
		t.Error("the defaults were changed")
	}
	if err := connectors.AsSendError(mine.Check(&Response{Status: 409})); err.Reason != connectors.ReasonConflict {
		t.Errorf("the change has no effect: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	const date = "Sun, 22 Nov 2026 08:00:00 GMT"
	for _, tc := range []struct {
		name, value, date string
		want              time.Duration
	}{
		{"none", "", date, 0},
		{"seconds", "120", "", 2 * time.Minute},
		{"seconds with space", " 7 ", "", 7 * time.Second},
		{"zero", "0", "", 0},
		{"a week is cut to a day", "604800", "", 24 * time.Hour},
		{"beyond any number", "99999999999999999999", "", 24 * time.Hour},
		{"negative", "-5", date, 0},
		{"words", "soon", date, 0},
		{"date by the server's clock", "Sun, 22 Nov 2026 08:00:30 GMT", date, 30 * time.Second},
		{"date in the old form", "Sunday, 22-Nov-26 08:01:00 GMT", date, time.Minute},
		{"date in the past", "Sun, 22 Nov 2026 07:00:00 GMT", date, 0},
		{"date far off", "Sun, 22 Nov 2099 07:00:00 GMT", date, 24 * time.Hour},
		{"date without a Date", "Sun, 22 Nov 2026 08:00:30 GMT", "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &Response{Status: 429, Header: http.Header{"Retry-After": {tc.value}, "Date": {tc.date}}}
			if got := connectors.AsSendError(Statuses().Check(r)).RetryAfter; got != tc.want {
				t.Errorf("RetryAfter = %v, want %v", got, tc.want)
			}
		})
	}
}
