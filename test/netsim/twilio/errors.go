package twilio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"servicelink/test/netsim/control"
)

// apiError is a refusal (https://www.twilio.com/docs/usage/twilios-response#exceptions).
type apiError struct {
	status, code int
	text         string
}

func (e *apiError) Error() string { return strconv.Itoa(e.code) + " " + e.text }

// The refusals of whole requests.
var (
	errAuth      = &apiError{http.StatusUnauthorized, 20003, "Authenticate"}
	errNotActive = &apiError{http.StatusForbidden, 20005, "Account not active"}
	errRate      = &apiError{http.StatusTooManyRequests, 20429, "Too Many Requests"}
	errServer    = &apiError{http.StatusInternalServerError, 20500, "Internal Server Error"}
	errQueue     = &apiError{http.StatusTooManyRequests, 21611, "This 'From' number has exceeded the maximum number of queued messages"}
	errOptOut    = &apiError{http.StatusBadRequest, 21610, "Attempt to send to unsubscribed recipient"}
)

func notFound(path string) *apiError {
	return &apiError{http.StatusNotFound, 20404, "The requested resource " + path + " was not found"}
}

func bad(code int, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// texts are those of errors that come by callback or by the fault Refuse.
var texts = map[int]string{
	11200: "HTTP retrieval failure",
	12300: "Invalid Content-Type",
	20001: "Invalid parameter",
	21211: "Invalid 'To' Phone Number",
	21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
	21606: "The 'From' phone number provided is not a valid message-capable Twilio phone number for this destination",
	21608: "The number is unverified. Trial accounts cannot send messages to unverified numbers",
	21614: "'To' number is not a valid mobile number",
	30001: "Queue overflow",
	30003: "Unreachable destination handset",
	30004: "Message blocked",
	30005: "Unknown destination handset",
	30006: "Landline or unreachable carrier",
	30007: "Message filtered",
	30008: "Unknown error",
	63003: "Channel could not find To address",
	63007: "Twilio could not find a Channel with the specified From address",
	63016: "Failed to send freeform message because you are outside the allowed window. If you are using WhatsApp, please use a Message Template.",
	63018: "Rate limit exceeded for Channel",
	63019: "Media failed to download",
	63024: "Invalid message recipient",
	63027: "Template does not exist for a language and locale",
	63028: "Number of parameters provided does not match the expected number of parameters",
	63033: "Recipient blocked sender",
}

// coded is the refusal with a code, in the way of its kind.
func coded(code int) *apiError {
	switch code {
	case 20003:
		return errAuth
	case 20005:
		return errNotActive
	case 20429:
		return errRate
	case 20500:
		return errServer
	case 20503:
		return &apiError{http.StatusServiceUnavailable, code, "Service unavailable"}
	case 21610:
		return errOptOut
	case 0, 21611:
		return errQueue
	}
	text := texts[code]
	if text == "" {
		text = "Error " + strconv.Itoa(code)
	}
	return bad(code, "%s", text)
}

// answer is the answer with e.
func (e *apiError) answer() control.Answer {
	a := reply(e.status, map[string]any{
		"code": e.code, "message": e.text, "more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(e.code),
		"status": e.status,
	})
	switch e.status {
	case http.StatusUnauthorized:
		a.Header.Set("WWW-Authenticate", `Basic realm="Twilio API"`)
	case http.StatusTooManyRequests:
		a.Header.Set("Twilio-Concurrent-Requests", "101")
	}
	return a
}

// instead is the answer of a fault that takes the place of a request.
func instead(f control.Fault, path string) control.Answer {
	switch f.Kind {
	case control.Rate:
		return errRate.answer()
	case control.HTML:
		return control.HTMLPage()
	case control.Unauthorized:
		return errAuth.answer()
	case control.Conflict:
		return (&apiError{http.StatusConflict, 20409, "Conflict"}).answer()
	case control.Blocked:
		return errOptOut.answer()
	case control.Refuse:
		return coded(f.Code).answer()
	case control.Missing:
		return notFound(path).answer()
	default:
		return errServer.answer()
	}
}

func reply(status int, v any) control.Answer {
	return control.Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: encode(v)}
}

// encode writes what this package itself put together, which cannot fail.
func encode(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}
