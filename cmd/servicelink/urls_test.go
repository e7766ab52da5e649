package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

const networks = `core: { address: "127.0.0.1:1", login: false }
public: { url: "https://gw.example.com/in" }
egress: { allow: ["127.0.0.0/8"] }
channels:
  - { name: shop, network: omnichannel, settings: { token: "omni-token-0123456789", webhook_url: "https://a.example" } }
  - { name: bot, network: telegram, settings: { token: "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0" } }
  - { name: sms, network: sms, port: "2", settings: { account_sid: "AC0123456789abcdef0123456789abcdef", auth_token: "auth-0123456789", from: "+420800123456", api_url: "API" } }
`

// typed runs the command line.
func typed(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = execute(args, &out, &err)
	return code, out.String(), err.String()
}

func TestURLs(t *testing.T) {
	path := file(t, strings.Replace(networks, "API", "http://127.0.0.1:1", 1))
	const hidden = "https://gw.example.com/in/connector/omnichannel/omnichannel_message/***/bot_api_webhook"
	plain := strings.Replace(hidden, "***", "omni-token-0123456789", 1)
	for name, tc := range map[string]struct {
		args []string
		want []string // in what is printed
		not  string
	}{
		"all":          {nil, []string{"shop ", hidden, "bot ", "nothing to enter", "https://gw.example.com/in/connector/sms/message", "servicelink register sms"}, "omni-token"},
		"one":          {[]string{"sms"}, []string{"/connector/sms/message"}, "shop"},
		"with secrets": {[]string{"shop", "--show-secrets"}, []string{plain}, "***"},
		"JSON":         {[]string{"shop", "--json"}, []string{`[{"channel":"shop","network":"omnichannel","enabled":true,`, `"method":"POST","url":"` + hidden + `","secret":true}]`}, "omni-token"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, err := typed(append([]string{"urls", "--config", path}, tc.args...)...)
			if code != exitFine {
				t.Fatalf("exit code %d: %s", code, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("it prints\n%s\nwithout %s", out, want)
				}
			}
			if strings.Contains(out, tc.not) {
				t.Errorf("it prints\n%s\nwith %s", out, tc.not)
			}
		})
	}
}

func TestURLsThatAreNotThere(t *testing.T) {
	path := file(t, strings.Replace(networks, "API", "http://127.0.0.1:1", 1))
	alone := file(t, `
core: { address: "127.0.0.1:1", login: false }
channels: [ { name: shop, network: omnichannel, settings: { token: "omni-token-0123456789", webhook_url: "https://a.example" } } ]
`)
	disabled := file(t, strings.NewReplacer("API", "http://127.0.0.1:1", `port: "2"`, "enabled: false").Replace(networks))
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"urls", "none", "--config", path}, `no channel "none" is configured`},
		{[]string{"register", "none", "--config", path}, `no channel "none" is configured`},
		{[]string{"urls", "--config", alone}, "public.url is not set"},
		{[]string{"register", "shop", "--config", path}, "see: servicelink urls shop"},
		{[]string{"register", "sms", "--config", disabled}, "channel sms is disabled"},
		{[]string{"register", "--config", path}, "accepts 1 arg"},
		{[]string{"urls"}, `"config" not set`},
		{[]string{"urls", "--config", file(t, wrong)}, "no such network (one of: "},
	} {
		code, out, err := typed(tc.args...)
		if code != exitUsage || out != "" || !strings.Contains(err, tc.want) {
			t.Errorf("%v: exit code %d, %q and %q, want %s", tc.args, code, out, err, tc.want)
		}
	}
}

// TestRegister: the address that urls prints is what the network is told, and what
// it refuses is said with what helps.
func TestRegister(t *testing.T) {
	var mu sync.Mutex
	var told []string
	status := http.StatusOK
	network := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodPost {
			told = append(told, string(body))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status != http.StatusOK {
			_, _ = io.WriteString(w, `{"code":20003,"message":"Authenticate","status":401}`)
			return
		}
		_, _ = io.WriteString(w, `{"incoming_phone_numbers":[{"sid":"PN0123456789abcdef0123456789abcdef","phone_number":"+420800123456","sms_url":""}]}`)
	}))
	defer network.Close()
	path := file(t, strings.Replace(networks, "API", network.URL, 1))

	code, out, stderr := typed("register", "sms", "--config", path)
	if code != exitFine || !strings.Contains(out, "is now https://gw.example.com/in/connector/sms/message") {
		t.Fatalf("exit code %d, %q and %q", code, out, stderr)
	}
	if len(told) != 1 || !strings.Contains(told[0], "SmsUrl=https%3A%2F%2Fgw.example.com%2Fin%2Fconnector%2Fsms%2Fmessage") {
		t.Errorf("the network was told %q", told)
	}

	status = http.StatusUnauthorized
	code, out, stderr = typed("register", "sms", "--config", path)
	if code != exitFailed || out != "" || !strings.Contains(stderr, "channel sms is not registered: ") || strings.Count(stderr, "\n") != 2 {
		t.Errorf("exit code %d, %q and %q: want what went wrong, and a hint", code, out, stderr)
	}
	if strings.Contains(stderr, "auth-0123456789") {
		t.Error("a secret is printed")
	}
}

// TestRegisterWithoutHooks: what is asked, and calls nobody, needs no public.url and
// has nothing to enter; whoever stands in the way is removed.
func TestRegisterWithoutHooks(t *testing.T) {
	var mu sync.Mutex
	hook := "https://crm.example.net/secret"
	network := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(r.URL.Path, "/deleteWebhook") {
			hook = ""
		}
		_, _ = io.WriteString(w, `{"ok":true,"result":{"url":"`+hook+`"}}`)
	}))
	defer network.Close()
	path := file(t, `
core: { address: "127.0.0.1:1", login: false }
channels: [ { name: bot, network: telegram, settings: { token: "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0", api_url: "`+network.URL+`" } } ]
`)
	if code, out, stderr := typed("urls", "--config", path); code != exitFine || !strings.Contains(out, "nothing to enter") {
		t.Errorf("urls: exit code %d, %q and %q", code, out, stderr)
	}
	for _, want := range []string{"the bot's webhook at crm.example.net is removed\n", "no webhook is set for the bot already\n"} {
		if code, out, stderr := typed("register", "bot", "--config", path); code != exitFine || out != want {
			t.Errorf("register: exit code %d, %q and %q, want %q", code, out, stderr, want)
		}
	}
}
