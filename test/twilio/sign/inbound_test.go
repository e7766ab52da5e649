package sign

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/sms"
	"servicelink/connectors/whatsapp"
)

var update = flag.Bool("update", false, "write the golden file anew")

const golden = "testdata/events.golden.json"

// TestInbound: every signed request is taken by the connector that it is for, and
// becomes the events of the golden file. Nothing here makes a signature.
func TestInbound(t *testing.T) {
	got := map[string]any{}
	for _, r := range requests(t) {
		if !strings.Contains(r.URL, "/connector/") || r.Name == "no-fields" {
			continue // nobody's; the connectors' own tests have them
		}
		got[r.Name] = r.taken(t)
	}
	raw := encode(t, got)
	if *update {
		if err := os.WriteFile(golden, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(raw)); diff != "" {
		t.Errorf("want -, got +; -update writes it anew:\n%s", diff)
	}
}

// taken gives the events of r, or why there are none.
func (r *request) taken(t *testing.T) any {
	t.Helper()
	hook, call := r.hook(t), r.call(t)
	if err := hook.Verify(call); err != nil {
		t.Errorf("%s: %v", r.Name, err)
		return nil
	}
	for what, change := range map[string]func(*connectors.Request){
		"no signature":      func(c *connectors.Request) { c.Header = http.Header{"Content-Type": call.Header["Content-Type"]} },
		"another body":      func(c *connectors.Request) { c.Body = append(bytes.Clone(c.Body), "&More=1"...) },
		"another address":   func(c *connectors.Request) { c.PublicURL += "x" },
		"another signature": func(c *connectors.Request) { c.Header.Set("X-Twilio-Signature", r.Signature[1:]+r.Signature[:1]) },
	} {
		forged := r.call(t)
		if change(forged); hook.Verify(forged) == nil {
			t.Errorf("%s is taken with %s", r.Name, what)
		}
	}
	result, err := hook.Parse(call)
	if refused := (*connectors.RequestError)(nil); errors.As(err, &refused) {
		return "refused: " + refused.Error()
	}
	if err != nil {
		t.Errorf("%s: %v", r.Name, err)
	}
	return map[string]any{"events": result.Events, "ignored": result.Ignored}
}

// hook is the webhook of the real connector that r is for.
func (r *request) hook(t *testing.T) connectors.Webhook {
	t.Helper()
	build, settings := whatsapp.New, "account_sid: AC00000000000000000000000000000001\nauth_token: 0123456789abcdef0123456789abcdef\n"+
		"auth_token_other: fedcba9876543210fedcba9876543210\n"
	if strings.Contains(r.URL, "/connector/sms/") {
		build = sms.New
	}
	if r.Params["MessagingServiceSid"] != nil {
		settings += "messaging_service_sid: MG00000000000000000000000000000001"
	} else {
		settings += "from: '+420800123456'"
	}
	parsed, err := config.ParseSettings(settings)
	if err != nil {
		t.Fatal(err)
	}
	c, err := build(config.Channel{Name: "shop", Enabled: true, Culture: "en", Settings: parsed}, connectors.Dependencies{
		Log: slog.New(slog.DiscardHandler), PublicURL: "https://kit.example.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(connectors.Closer).Close() })
	for _, hook := range c.(connectors.Webhooker).Webhooks() {
		if strings.Contains(r.URL, hook.Path) {
			return hook
		}
	}
	t.Fatalf("%s is for no webhook", r.Name)
	return connectors.Webhook{}
}

// call is r as the gateway hands it over.
func (r *request) call(t *testing.T) *connectors.Request {
	t.Helper()
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	call := &connectors.Request{
		Method: http.MethodPost, URL: &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}, PublicURL: r.URL,
		Header: http.Header{"X-Twilio-Signature": {r.Signature}, "Content-Type": {"application/json"}}, Body: []byte(r.Body),
	}
	if r.Params != nil {
		call.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		call.Body = []byte(r.form().Encode())
	}
	return call
}

// encode writes v without what is empty, and without words for people.
func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(prune(plain)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member = prune(member); member == nil || name == "Hint" {
				delete(v, name)
			} else {
				v[name] = member
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" || v == "0001-01-01T00:00:00Z" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}

// requests reads the kept files.
func requests(t *testing.T) []*request {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(signed, "*.json"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d signed requests, %v", len(files), err)
	}
	var list []*request
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := new(request)
		if err := json.Unmarshal(raw, r); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		list = append(list, r)
	}
	return list
}

// form is what r posts.
func (r *request) form() url.Values {
	form := url.Values{}
	for name, list := range r.Params {
		form[name] = list
	}
	return form
}
