package graph

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"servicelink/test/netsim/control"
)

// Types of errors.
const (
	oauthException  = "OAuthException"
	methodException = "GraphMethodException"
)

// apiError is a refusal (https://developers.facebook.com/docs/graph-api/guides/error-handling).
type apiError struct {
	status        int
	code, subcode int
	kind          string // its type
	text          string
	userText      string // error_user_msg
	transient     bool
}

func (e *apiError) Error() string { return fmt.Sprintf("%d/%d %s", e.code, e.subcode, e.text) }

// The refusals of whole requests.
var (
	errNoToken = &apiError{status: http.StatusBadRequest, code: 104, kind: oauthException, text: "An access token is required to request this resource."}
	errToken   = &apiError{status: http.StatusBadRequest, code: 190, kind: oauthException, text: "Invalid OAuth access token - Cannot parse access token"}
	errWindow  = coded(10, 2018278)
	errNobody  = coded(100, 2018001)
	errAway    = coded(551, 1545041)
)

// fault100 is a refusal of a parameter.
func fault100(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: 100, kind: oauthException, text: "(#100) " + fmt.Sprintf(format, args...)}
}

// texts are what the network says to errors, by code and subcode: those of
// https://developers.facebook.com/docs/messenger-platform/error-codes and of issue
// threads. A code alone stands for any other subcode.
var texts = map[[2]int]string{
	{1, 0}:        "An unknown error occurred",
	{1, 1357046}:  "Received Invalid JSON reply",
	{2, 0}:        "Service temporarily unavailable",
	{4, 0}:        "(#4) Application request limit reached",
	{10, 0}:       "(#10) Application does not have permission for this action",
	{10, 2018065}: "(#10) This message is sent outside of allowed window. You need page_messaging_subscriptions permission to be able to do it.",
	{10, 2018278}: "(#10) This message is sent outside of allowed window. Learn more about the new policy here: " +
		"https://developers.facebook.com/docs/messenger-platform/policy-overview",
	{10, 2018300}:  "(#10) Message failed to send because another app is controlling this thread now.",
	{17, 0}:        "(#17) User request limit reached",
	{32, 0}:        "(#32) Page request limit reached",
	{100, 0}:       "(#100) Invalid parameter",
	{100, 33}:      "Unsupported request. Object does not exist, cannot be loaded due to missing permissions, or does not support this operation",
	{100, 1893061}: "Invalid parameter",
	{100, 2018001}: "(#100) No matching user found",
	{100, 2018008}: "(#100) Failed to fetch the file from the url",
	{100, 2018034}: "(#100) Message cannot be empty, must provide valid attachment or text",
	{100, 2018047}: "(#100) Upload attachment failure.",
	{100, 2018276}: "(#100) Requires Human Agent permission: the tag HUMAN_AGENT cannot be used without it",
	{190, 0}:       "Invalid OAuth access token.",
	{190, 458}:     "Error validating access token: The user has not authorized application.",
	{190, 459}:     "Error validating access token: The user is enrolled in a blocking, logged-in checkpoint",
	{190, 460}:     "Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.",
	{190, 463}:     "Error validating access token: Session has expired.",
	{190, 467}:     "Error validating access token: The session is invalid because the user logged out.",
	{200, 0}:       "(#200) Permissions error",
	{230, 0}:       "(#230) User consent is required",
	{368, 0}:       "The action attempted has been deemed abusive or is otherwise disallowed",
	{551, 0}:       "(#551) This person isn't available right now.",
	{613, 0}:       "(#613) Calls to this api have exceeded the rate limit.",
	{1200, 0}:      "(#1200) Temporary send message failure. Please try again later.",
	{2022, 0}:      "(#2022) Too many send requests to phone numbers",
	{80002, 0}:     "(#80002) There have been too many calls to this Instagram account.",
	{80006, 0}:     "(#80006) There have been too many calls to this messenger account. Wait a bit and try again.",
	{80007, 0}:     "(#80007) There have been too many calls from this account.",
}

// coded is the refusal with a code, in the way of its kind.
func coded(code, subcode int) *apiError {
	e := &apiError{status: http.StatusBadRequest, code: code, subcode: subcode, kind: oauthException, text: texts[[2]int{code, subcode}]}
	if e.text == "" {
		e.text = texts[[2]int{code, 0}]
	}
	if e.text == "" {
		e.text = "(#" + strconv.Itoa(code) + ") Error"
	}
	switch {
	case code == 1 || code == 2 || code == 1200:
		e.status, e.transient = http.StatusInternalServerError, code == 2
	case code == 4 || code == 10 || code >= 200 && code < 300:
		e.status = http.StatusForbidden
	case code == 100 && subcode == 33:
		e.kind = methodException
	case code == 190:
		e.status = http.StatusUnauthorized
	}
	if code == 100 && subcode == 1893061 {
		e.userText = "The message tag you used is no longer supported."
	}
	return e
}

// limits are the codes that speak of too many calls.
func (e *apiError) limits() bool {
	switch e.code {
	case 4, 17, 32, 613, 2022, 80002, 80006, 80007:
		return true
	}
	return false
}

// answer is the answer with e; trace names it.
func (e *apiError) answer(trace string) control.Answer {
	v := map[string]any{"message": e.text, "type": e.kind, "code": e.code, "fbtrace_id": trace}
	if e.subcode != 0 {
		v["error_subcode"] = e.subcode
	}
	if e.transient {
		v["is_transient"] = true
	}
	if e.userText != "" {
		v["error_user_title"], v["error_user_msg"] = "Error", e.userText
	}
	a := reply(e.status, map[string]any{"error": v})
	if e.code == 190 {
		a.Header.Set("WWW-Authenticate", `OAuth "Facebook Platform" "invalid_token" "`+e.text+`"`)
	}
	return a
}

// told says whether the fault is a refusal, and which: not a broken answer.
func told(f control.Fault) (*apiError, bool) {
	code, subcode := f.Code, f.Subcode
	either := func(otherCode, otherSubcode int) (*apiError, bool) {
		if code == 0 {
			code, subcode = otherCode, otherSubcode
		}
		return coded(code, subcode), true
	}
	switch f.Kind {
	case control.Rate:
		return either(613, 0)
	case control.Server:
		return either(2, 0)
	case control.Unauthorized:
		return either(190, 463)
	case control.Conflict:
		return either(10, 2018300)
	case control.Blocked:
		return either(551, 1545041)
	case control.Refuse:
		return either(10, 2018278)
	case control.Missing:
		return either(100, 33)
	}
	return nil, false
}

// usage says how much of its limits an app and a page have used: all of the one whose
// limit e speaks of. wait is how long it lasts, in seconds.
func usage(a control.Answer, page string, e *apiError, wait int) {
	ofApp, ofPage, minutes := 1, 1, 0
	if e != nil && e.limits() {
		minutes = int(math.Ceil(float64(wait) / 60))
		if ofPage = 100; e.code == 4 {
			ofApp, ofPage = 100, 1
		}
	}
	a.Header.Set("X-App-Usage", string(encode(map[string]int{"call_count": ofApp, "total_cputime": 1, "total_time": 1})))
	if page == "" {
		return
	}
	a.Header.Set("X-Business-Use-Case-Usage", string(encode(map[string]any{page: []any{map[string]any{
		"type": "messenger", "call_count": ofPage, "total_cputime": 1, "total_time": 1, "estimated_time_to_regain_access": minutes,
	}}})))
}

func reply(status int, v any) control.Answer {
	return control.Answer{Status: status, Header: http.Header{
		"Content-Type": {"application/json; charset=UTF-8"}, "Facebook-Api-Version": {"v25.0"}, "Cache-Control": {"private, no-cache, no-store, must-revalidate"},
	}, Body: encode(v)}
}

// encode writes what this package itself put together, which cannot fail.
func encode(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}
