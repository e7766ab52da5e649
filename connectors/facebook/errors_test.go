package facebook

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// TestErrorTable: every error the network documents stands in its class. The golden
// copy was written by hand from the network's list.
func TestErrorTable(t *testing.T) {
	golden, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		t.Fatal(err)
	}
	c := &Connector{}
	lines := 0
	for line := range strings.Lines(string(golden)) {
		var code, subcode int
		var outcome, reason, scope, hint string
		if strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fmt.Sscan(line, &code, &subcode, &outcome, &reason, &scope, &hint); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines++
		se := c.classify(&apiError{Code: code, Subcode: subcode}, &httpx.Response{Status: 400})
		got := fmt.Sprint(se.Outcome, " ", se.Reason, " ", se.Scope, " ", se.Hint != "")
		if want := outcome + " " + reason + " " + scope + " " + fmt.Sprint(hint == "hint"); got != want {
			t.Errorf("%d/%d is %s, want %s", code, subcode, got, want)
		}
	}
	if lines < len(errCodes)-5 {
		t.Errorf("the golden copy has %d lines for %d rules", lines, len(errCodes))
	}
}

func TestErrorWords(t *testing.T) {
	c := &Connector{}
	for _, tc := range []struct {
		e      apiError
		status int
		want   string
	}{
		{apiError{Code: 10, Message: "(#10) This message is sent outside of allowed window."}, 403, "rejected: window"},
		{apiError{Code: 100, Message: "(#100) Upload attachment failure."}, 400, "rejected: file"},
		{apiError{Code: 100, Message: "Invalid appsecret_proof provided in the API argument"}, 400, "not_sent: auth"},
		{apiError{Code: 4711, Transient: true}, 400, "not_sent: server"},
		{apiError{Code: 1, Transient: true}, 500, "not_sent: server"},
		{apiError{Code: 4711}, 500, "unknown: server"},
		{apiError{Code: 4711}, 400, "rejected: content"},
		{apiError{Code: 551, Transient: true}, 400, "rejected: blocked"},
	} {
		se := c.classify(&tc.e, &httpx.Response{Status: tc.status})
		if got := fmt.Sprintf("%s: %s", se.Outcome, se.Reason); got != tc.want {
			t.Errorf("%+v is %s, want %s", tc.e, got, tc.want)
		}
		if tc.e.Message != "" && strings.Contains(se.Error(), tc.e.Message) {
			t.Errorf("the error repeats the network's words: %v", se)
		}
	}
}

func TestRegain(t *testing.T) {
	c := &Connector{}
	wait := func(usage, retryAfter string) time.Duration {
		h := http.Header{"X-Business-Use-Case-Usage": {usage}}
		if retryAfter != "" {
			h.Set("Retry-After", retryAfter)
		}
		return c.classify(&apiError{Code: 613}, &httpx.Response{Status: 400, Header: h}).RetryAfter
	}
	for _, tc := range []struct {
		usage, retryAfter string
		want              time.Duration
	}{
		{`{"1":[{"estimated_time_to_regain_access":3},{"estimated_time_to_regain_access":9}]}`, "", 9 * time.Minute},
		{`{"1":[{"estimated_time_to_regain_access":3}]}`, "31", 31 * time.Second},
		{`{"1":[{"estimated_time_to_regain_access":1e30}]}`, "", 24 * time.Hour},
		{`{"1":[{"estimated_time_to_regain_access":-3}]}`, "", 0},
		{`nothing`, "", 0},
	} {
		if got := wait(tc.usage, tc.retryAfter); got != tc.want {
			t.Errorf("%s, %s: %v, want %v", tc.usage, tc.retryAfter, got, tc.want)
		}
	}
}

// TestSentAllTheSame: the error that says of itself that it is none is a success.
func TestSentAllTheSame(t *testing.T) {
	net := graph(t, map[string]string{"POST /v25.0/1001/messages": `{"error":{"code":1,"error_subcode":1357046,"message":"Received Invalid JSON reply"}}`})
	receipt, err := net.c.Send(t.Context(), connectors.Part{Ref: "r", To: connectors.Address{TrackingID: "7|1001|facebook"}, Text: "x"})
	if err != nil || receipt.NetworkID != "" {
		t.Errorf("Send = %+v, %v", receipt, err)
	}
}
