package telegram

import (
	"io"
	"strings"
	"testing"

	"servicelink/connectors"
)

// FuzzExamine: whatever the Bot API answers, what is found is a short line of plain
// letters.
func FuzzExamine(f *testing.F) {
	f.Add(200, `{"ok":true,"result":{"url":"https://\u202e.example/x","pending_update_count":-9,"last_error_date":9999999999,"last_error_message":"\n"}}`)
	f.Add(200, `{"ok":true,"result":[]}`)
	f.Add(409, `{"ok":false,"error_code":409,"description":"Conflict: terminated by other getUpdates request"}`)
	f.Add(400, `{"ok":false,"error_code":400,"description":"Bad Request: SOME_NAME"}`)
	f.Add(502, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 100 || status > 999 {
			return
		}
		api := newFake()
		api.answer = answers(status, body)
		for _, check := range newTestBot(t, api, "", io.Discard).Examine(t.Context(), connectors.Examination{}) {
			said := check.Found + check.Cure + check.Code
			if check.Found == "" || (check.Fault == "") != (check.Cure == "") || len(check.Found) > 300 ||
				strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%+v", check)
			}
		}
	})
}
