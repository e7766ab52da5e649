package telegram

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"servicelink/test/netsim/control"
)

// apiError is an answer with "ok": false.
type apiError struct {
	code       int
	text       string
	retryAfter int           // seconds
	migrateTo  int64         // chat id
	delay      time.Duration // how long the server holds the answer back
}

func (e *apiError) Error() string { return strconv.Itoa(e.code) + " " + e.text }

func badRequest(format string, args ...any) *apiError {
	return &apiError{code: http.StatusBadRequest, text: "Bad Request: " + fmt.Sprintf(format, args...)}
}

func forbidden(text string) *apiError {
	return &apiError{code: http.StatusForbidden, text: "Forbidden: " + text}
}

func tooMany(retryAfter int) *apiError {
	return &apiError{
		code: http.StatusTooManyRequests, text: "Too Many Requests: retry after " + strconv.Itoa(retryAfter),
		retryAfter: retryAfter,
	}
}

var (
	errUnauthorized = &apiError{code: http.StatusUnauthorized, text: "Unauthorized"}
	errNotFound     = &apiError{code: http.StatusNotFound, text: "Not Found"}
	errMethod       = &apiError{code: http.StatusNotFound, text: "Not Found: method not found"}
	errChat         = badRequest("chat not found")
	errBlocked      = forbidden("bot was blocked by the user")
	errMessageEmpty = badRequest("message text is empty")
	errFileID       = badRequest("wrong file identifier/HTTP URL specified")
	errQueryID      = badRequest("query is too old and response timeout expired or query ID is invalid")
	errServer       = &apiError{code: http.StatusInternalServerError, text: "Internal Server Error"}
)

// Texts of 409.
const (
	textOtherPoll    = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
	textWebhookSet   = "Conflict: terminated by setWebhook request"
	textWebhookThere = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)

func conflict(text string) *apiError { return &apiError{code: http.StatusConflict, text: text} }

// answer is the answer with err.
func (e *apiError) answer() control.Answer {
	body := map[string]any{"ok": false, "error_code": e.code, "description": e.text}
	header := jsonHeader()
	more := map[string]any{}
	if e.retryAfter > 0 {
		more["retry_after"] = e.retryAfter
		header.Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	if e.migrateTo != 0 {
		more["migrate_to_chat_id"] = e.migrateTo
	}
	if len(more) > 0 {
		body["parameters"] = more
	}
	return control.Answer{Status: e.code, Header: header, Body: encode(body)}
}

func failed(err error) control.Answer {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.answer()
	}
	return (&apiError{code: http.StatusInternalServerError, text: "Internal Server Error: " + err.Error()}).answer()
}

// succeeded is the answer with result; a description may be empty.
func succeeded(result any, description string) control.Answer {
	body := map[string]any{"ok": true, "result": result}
	if description != "" {
		body["description"] = description
	}
	return control.Answer{Status: http.StatusOK, Header: jsonHeader(), Body: encode(body)}
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }

// encode writes what this package itself put together, which cannot fail.
func encode(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}
