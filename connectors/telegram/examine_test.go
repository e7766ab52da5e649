package telegram

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"servicelink/connectors"
)

// examine makes a bot, examines it and gives its checks by name.
func examine(t *testing.T, f *fakeAPI, e connectors.Examination) map[connectors.CheckName]connectors.Check {
	t.Helper()
	checks := map[connectors.CheckName]connectors.Check{}
	c := newTestBot(t, f, "", io.Discard)
	defer func() { _ = c.Close() }()
	for _, check := range c.Examine(t.Context(), e) {
		checks[check.Name] = check
		if strings.Contains(check.Found+check.Cure+check.Code, "AAHsecret") {
			t.Errorf("it tells the token: %+v", check)
		}
	}
	return checks
}

// info answers getWebhookInfo, and the rest as usual.
func info(result string) func(context.Context, call) (int, string, error) {
	return func(_ context.Context, c call) (int, string, error) {
		if c.method == "getWebhookInfo" {
			return 200, `{"ok":true,"result":` + result + `}`, nil
		}
		return 0, "", nil
	}
}

// TestExamine: each fault is named, and what is well beside it stays so.
func TestExamine(t *testing.T) {
	const now = "946684700" // a bubble begins a hundred seconds later
	hooked := `{"url":"https://crm.example.net/secret/path","pending_update_count":3,"last_error_date":` + now +
		`,"last_error_message":"Wrong response from the webhook: 403 https://secret"}`
	waiting := func(_ context.Context, c call) (int, string, error) {
		if c.method == "getUpdates" {
			return 200, `{"ok":true,"result":[` + textUpdate("5", "7", "hello") + `]}`, nil
		}
		return 0, "", nil
	}
	for name, tc := range map[string]struct {
		answer func(context.Context, call) (int, string, error)
		check  connectors.CheckName
		state  connectors.CheckState
		fault  connectors.FaultName
		found  string
	}{
		"a good one":         {info(`{"url":""}`), connectors.CheckReader, connectors.CheckOK, "", "nobody else"},
		"a revoked token":    {answers(401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`), connectors.CheckCredentials, connectors.CheckFailed, connectors.FaultWrongToken, "401"},
		"no token":           {answers(404, `{"ok":false,"error_code":404,"description":"Not Found"}`), connectors.CheckCredentials, connectors.CheckFailed, connectors.FaultWrongToken, "404"},
		"a web server":       {answers(404, `<html>`), connectors.CheckNetwork, connectors.CheckFailed, connectors.FaultNetworkAnswer, "404"},
		"a proxy's page":     {answers(502, `<html>`), connectors.CheckNetwork, connectors.CheckFailed, connectors.FaultNetworkAnswer, "502"},
		"a webhook":          {info(hooked), connectors.CheckWebhook, connectors.CheckFailed, connectors.FaultForeignWebhook, "crm.example.net"},
		"a failing webhook":  {info(hooked), connectors.CheckErrors, connectors.CheckWarning, connectors.FaultDeliveryErrors, "it answers with an error"},
		"a reader at a hook": {info(hooked), connectors.CheckReader, connectors.CheckUnknown, "", "webhook"},
		"an old failure":     {info(`{"url":"https://a.example/","last_error_date":946590000}`), connectors.CheckErrors, connectors.CheckOK, "", "none"},
		"a webhook's, gone":  {info(`{"url":"","last_error_date":` + now + `}`), connectors.CheckErrors, connectors.CheckOK, "", "none"},
		"a lost connection":  {info(`{"url":"","last_synchronization_error_date":` + now + `}`), connectors.CheckErrors, connectors.CheckWarning, connectors.FaultDeliveryErrors, "lost"},
		"a hundred wait":     {info(`{"url":"","pending_update_count":100}`), connectors.CheckBacklog, connectors.CheckOK, "", "Telegram: 100"},
		"more wait":          {info(`{"url":"","pending_update_count":101}`), connectors.CheckBacklog, connectors.CheckWarning, connectors.FaultBacklog, "Telegram: 101"},
		"a reader of those":  {waiting, connectors.CheckReader, connectors.CheckUnknown, "", "messages wait"},
		"no connection": {
			func(context.Context, call) (int, string, error) { return 0, "", errors.New("dial https://secret") },
			connectors.CheckNetwork, connectors.CheckFailed, connectors.FaultNetworkAway, "cannot be reached",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.answer = tc.answer
				checks := examine(t, f, connectors.Examination{})
				got := checks[tc.check]
				if got.State != tc.state || got.Fault != tc.fault || !strings.Contains(got.Found, tc.found) {
					t.Errorf("%+v, want %s %s with %q", got, tc.state, tc.fault, tc.found)
				}
				if strings.Contains(got.Found, "secret") || got.Mendable {
					t.Errorf("%+v", got)
				}
				if len(checks) != 7 {
					t.Errorf("%d checks: %v", len(checks), checks)
				}
			})
		})
	}
}

// TestExamineReader: the probe confirms nothing, changes nothing, and is left out
// while a gateway reads.
func TestExamineReader(t *testing.T) {
	f := newFake()
	f.wait = 0
	examine(t, f, connectors.Examination{})
	polls := f.seen("getUpdates")
	if len(polls) != 1 || polls[0].params["limit"] != 1.0 || polls[0].params["timeout"] != 5.0 || len(polls[0].params) != 2 {
		t.Errorf("it polled %v", polls)
	}
	f = newFake()
	checks := examine(t, f, connectors.Examination{Running: true})
	if _, there := checks[connectors.CheckReader]; there || len(f.seen("getUpdates")) > 0 || len(checks) != 6 {
		t.Errorf("while a gateway reads it looks at %v", checks)
	}
	f.answer = func(_ context.Context, c call) (int, string, error) {
		if c.method == "getUpdates" {
			return 409, `{"ok":false,"error_code":409,"description":"Conflict: terminated by other getUpdates request"}`, nil
		}
		return 0, "", nil
	}
	got := examine(t, f, connectors.Examination{})[connectors.CheckReader]
	if got.State != connectors.CheckFailed || got.Fault != connectors.FaultSecondReader || got.Code != "409" || got.Cure == "" {
		t.Errorf("with a second reader: %+v", got)
	}
}

// TestRegister: a webhook is removed, what waits is kept, and a second time nothing
// is done.
func TestRegister(t *testing.T) {
	set := true
	f := newFake()
	f.answer = func(_ context.Context, c call) (int, string, error) {
		switch {
		case c.method == "deleteWebhook":
			set = false
		case c.method == "getWebhookInfo" && set:
			return 200, `{"ok":true,"result":{"url":"https://crm.example.net/secret"}}`, nil
		}
		return 0, "", nil
	}
	c := newTestBot(t, f, "", io.Discard)
	first, err := c.Register(t.Context())
	second, err2 := c.Register(t.Context())
	if err != nil || err2 != nil || !slices.Equal(first, []string{"the bot's webhook at crm.example.net is removed"}) ||
		len(second) != 1 || !strings.HasSuffix(second[0], "already") {
		t.Errorf("%q, %v, %q, %v", first, err, second, err2)
	}
	if deletes := f.seen("deleteWebhook"); len(deletes) != 1 || deletes[0].params["drop_pending_updates"] != false {
		t.Errorf("it called %v", deletes)
	}
	f.answer = answers(401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`)
	if _, err := c.Register(t.Context()); connectors.AsSendError(err).Reason != connectors.ReasonAuth {
		t.Errorf("with a revoked token: %v", err)
	}
	if len(c.Hooks()) != 0 {
		t.Error("it has something to enter")
	}
}
