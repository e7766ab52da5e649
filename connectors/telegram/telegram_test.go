package telegram

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
)

// TestNewReportsEverything: each mistake at once, at its key, and no value.
func TestNewReportsEverything(t *testing.T) {
	for name, tc := range map[string]struct {
		settings string
		want     []string // keys with a problem
	}{
		"nothing":        {"", []string{"token"}},
		"all wrong":      {"token: hush-hush\napi_url: hush.example.com\npoll_timeout: 51s\ntake_over: 5\ncolour: red", []string{"token", "api_url", "poll_timeout", "take_over", "colour"}},
		"half a token":   {`token: "123456:"`, []string{"token"}},
		"no id":          {`token: ":hush"`, []string{"token"}},
		"no number":      {`token: "12a:hush"`, []string{"token"}},
		"long id":        {`token: "1234567890123456789:hush"`, []string{"token"}},
		"path in token":  {`token: "123456:hush/../x"`, []string{"token"}},
		"no rest":        {`token: "123456:hush"` + "\npoll_timeout: 0s", []string{"poll_timeout"}},
		"half a second":  {`token: "123456:hush"` + "\npoll_timeout: 1500ms", []string{"poll_timeout"}},
		"another scheme": {`token: "123456:hush"` + "\napi_url: ftp://hush.example.com", []string{"api_url"}},
		"a password":     {`token: "123456:hush"` + "\napi_url: https://me:hush@example.com", []string{"api_url"}},
		"a query":        {`token: "123456:hush"` + "\napi_url: https://example.com/?hush", []string{"api_url"}},
		"a fragment":     {`token: "123456:hush"` + "\napi_url: \"https://example.com/#\"", []string{"api_url"}},
		"no URL":         {`token: "123456:hush"` + "\napi_url: \"https://hush%zz\"", []string{"api_url"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryNew(t, newFake(), tc.settings, io.Discard)
			problems := config.Flatten(err)
			if len(problems) != len(tc.want) {
				t.Errorf("%d problems: %v", len(problems), err)
			}
			for _, key := range tc.want {
				found := false
				for _, p := range problems {
					found = found || p.Path == key
				}
				if !found {
					t.Errorf("%s is not among the problems: %v", key, err)
				}
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, problems), "hush") {
				t.Errorf("a value is repeated: %v", err)
			}
		})
	}
}

// TestNew: New connects to nothing and fills in what is left out.
func TestNew(t *testing.T) {
	f := newFake()
	c := newTestBot(t, f, "", io.Discard)
	if len(f.calls) != 0 {
		t.Errorf("New made the calls %+v", f.calls)
	}
	if c.api.String() != DefaultAPI || c.pollTimeout != maxPoll || c.takeOver || c.Exclusive() != "123456" {
		t.Errorf("api %v, poll timeout %v, take over %v, bot %s", c.api, c.pollTimeout, c.takeOver, c.Exclusive())
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestAPIURL: every call goes to the server that the settings name, below its path.
func TestAPIURL(t *testing.T) {
	f := newFake()
	c := newTestBot(t, f, "api_url: http://127.0.0.1:8081/base/telegram", io.Discard)
	if err := c.call(t.Context(), "getMe", nil, nil); err != nil {
		t.Fatal(err)
	}
	if want := "/base/telegram/bot" + testToken + "/getMe"; f.calls[0].path != want {
		t.Errorf("called %s", strings.Replace(f.calls[0].path, testToken, "TOKEN", 1))
	}
	if f.calls[0].length != 2 {
		t.Errorf("a call without parameters has a body of %d bytes", f.calls[0].length)
	}
}

// TestTrackingIDs: a conversation has one name, and the name alone gives it back.
func TestTrackingIDs(t *testing.T) {
	c := testBot()
	for name, v := range map[string]conversation{
		"77|telegram":                          {Chat: 77},
		"-1001234567890|telegram":              {Chat: -1001234567890},
		"-1001234567890|45|telegram":           {Chat: -1001234567890, Topic: 45},
		"-1005|d:77|telegram":                  {Chat: -1005, Direct: 77},
		"77|b:_41b-_5f7|telegram":              {Chat: 77, Business: "Ab-_7"},
		"77|b:d:5|telegram":                    {Chat: 77, Business: "d:5"},
		"9007199254740993|telegram":            {Chat: 9007199254740993},
		"-9223372036854775808|telegram":        {Chat: -9223372036854775808},
		"9223372036854775807|1234567|telegram": {Chat: 9223372036854775807, Topic: 1234567},
	} {
		if got := v.trackingID(); got != name {
			t.Errorf("%+v is %q, want %q", v, got, name)
		}
		if got, ok := conversationOf(name); !ok || got != v {
			t.Errorf("%q is %+v, %v", name, got, ok)
		}
		addr, ok := c.Address(name)
		if want := decimal(v.Chat); !ok || addr != (connectors.Address{TrackingID: name, RemoteAddress: want}) {
			t.Errorf("the address of %q is %+v, %v", name, addr, ok)
		}
	}
	for _, name := range []string{
		"", "telegram", "|telegram", "0|telegram", "+77|telegram", "077|telegram", "77", "77|whatsapp", "77||telegram",
		"77|0|telegram", "77|b:|telegram", "77|d:0|telegram", "77|d:x|telegram", "77|b:A|telegram", "77|5|6|telegram",
		"9223372036854775808|telegram", "77|x|telegram", "77 |telegram",
	} {
		if v, ok := conversationOf(name); ok {
			t.Errorf("%q is taken for %+v", name, v)
		}
		if _, ok := c.Address(name); ok {
			t.Errorf("%q has an address", name)
		}
	}
}

// TestRecipientRate: a group is written to more slowly than a person, and its
// topics are one recipient.
func TestRecipientRate(t *testing.T) {
	c := newTestBot(t, newFake(), "", io.Discard)
	person := c.Capabilities().RecipientRate
	for tracking, group := range map[string]string{
		"77|telegram": "", "-1001|telegram": "-1001", "-1001|45|telegram": "-1001", "-1005|d:77|telegram": "", "?": "",
	} {
		key, got := c.RecipientRate(connectors.Address{TrackingID: tracking})
		if slow := group != ""; key != group || slow != (got.PerSecond < person.PerSecond) {
			t.Errorf("%s: %q %+v", tracking, key, got)
		}
	}
}

// TestReadAnswer: what an answer means depends on the API's own words; what is
// none of the API's answers is never taken for success.
func TestReadAnswer(t *testing.T) {
	strange := &apiError{}
	for name, tc := range map[string]struct {
		status int
		body   string
		want   *apiError // nil = result 5; strange = a success that makes no sense
	}{
		"ok":             {200, `{"ok":true,"result":5}`, nil},
		"another result": {200, `{"ok":true,"result":{}}`, strange},
		"no result":      {200, `{"ok":true}`, strange},
		"page":           {200, `<html>`, strange},
		"empty":          {204, ``, strange},
		"ok and 500":     {500, `{"ok":true,"result":5}`, &apiError{Code: 500}},
		"own code":       {400, `{"ok":false,"error_code":403,"description":"Forbidden"}`, &apiError{Code: 403, Description: "Forbidden"}},
		"own code, 200":  {200, `{"ok":false,"error_code":403}`, &apiError{Code: 403}},
		"no code":        {400, `{"ok":false}`, &apiError{Code: 400}},
		"page of 502":    {502, `<html>`, &apiError{Code: 502}},
		"migrated": {
			400, `{"ok":false,"error_code":400,"parameters":{"migrate_to_chat_id":-1001234567890}}`,
			&apiError{Code: 400, MigrateTo: -1001234567890},
		},
		"rate":         {429, `{"ok":false,"error_code":429,"parameters":{"retry_after":7}}`, &apiError{Code: 429, RetryAfter: 7e9}},
		"endless rate": {429, `{"ok":false,"error_code":429,"parameters":{"retry_after":99999999999}}`, &apiError{Code: 429, RetryAfter: 24 * 3600e9}},
		"less than 0":  {429, `{"ok":false,"error_code":429,"parameters":{"retry_after":-7}}`, &apiError{Code: 429}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.answer = answers(tc.status, tc.body)
			var result int
			err := newTestBot(t, f, "", io.Discard).call(t.Context(), "x", nil, &result)
			refused, ok := errors.AsType[*apiError](err)
			switch tc.want {
			case nil:
				if err != nil || result != 5 {
					t.Errorf("%v, result %d", err, result)
				}
			case strange:
				if se := connectors.AsSendError(err); se.Reason != connectors.ReasonAnswer || se.Outcome != connectors.Unknown {
					t.Errorf("%v", err)
				}
			default:
				if !ok || *refused != *tc.want {
					t.Errorf("%+v, want %+v", err, tc.want)
				}
			}
		})
	}
}

// TestStartRate: only the public server counts the bots it has not seen, however
// its address is written.
func TestStartRate(t *testing.T) {
	for api, paced := range map[string]bool{
		DefaultAPI: true, DefaultAPI + "/": true, "https://api.telegram.org:443": true, "http://127.0.0.1:8081": false,
	} {
		c := newTestBot(t, newFake(), "api_url: "+api, io.Discard)
		if rate := c.Capabilities().StartRate; (rate.PerSecond > 0) != paced {
			t.Errorf("%s: %+v", api, rate)
		}
	}
}
