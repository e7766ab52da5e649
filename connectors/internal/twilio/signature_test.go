package twilio

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"servicelink/config"
	"servicelink/connectors"
)

// fixture is a call that Twilio's own library for Node.js signed: see
// test/twilio/sign. Our code signs nothing.
type fixture struct {
	Name      string         `json:"name"`
	URL       string         `json:"url"`
	Params    map[string]any `json:"params"`
	Body      string         `json:"body"`
	Token     string         `json:"token"`
	Signature string         `json:"signature"`
}

func fixtures(t testing.TB) []fixture {
	t.Helper()
	files, err := filepath.Glob("testdata/signed/*.json")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d signed calls, %v", len(files), err)
	}
	var list []fixture
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f fixture
		if err := json.Unmarshal(raw, &f); err != nil {
			t.Fatal(file, err)
		}
		list = append(list, f)
	}
	return list
}

// named gives the call of that name.
func named(t testing.TB, name string) fixture {
	t.Helper()
	for _, f := range fixtures(t) {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no signed call %q", name)
	return fixture{}
}

// request is the call as the engine hands it over, at the address the gateway knows.
func (f fixture) request(t testing.TB, public string) *connectors.Request {
	t.Helper()
	u, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	r := &connectors.Request{
		Method: http.MethodPost, URL: &url.URL{Path: u.Path, RawQuery: u.RawQuery}, PublicURL: public,
		Header: http.Header{signatureHeader: {f.Signature}, "Content-Type": {formType}}, Body: []byte(f.Body),
	}
	if f.Params == nil {
		r.Header.Set("Content-Type", jsonType)
		return r
	}
	values := url.Values{}
	for name, value := range f.Params {
		switch v := value.(type) {
		case string:
			values.Add(name, v)
		case []any:
			for _, one := range v {
				values.Add(name, one.(string))
			}
		}
	}
	r.Body = []byte(values.Encode())
	return r
}

// channel is one of the network, and of the sender or service, that f is for.
func (f fixture) channel(t testing.TB, token, other string) *Channel {
	t.Helper()
	s := settings("http://127.0.0.1:9")
	s.AuthToken = config.NewSecret(token)
	s.AuthTokenOther = config.NewSecret(other)
	if f.Params["MessagingServiceSid"] != nil {
		s.From, s.Service = "", testService
	}
	traits := testTraits
	if strings.Contains(f.URL, "/sms/") {
		traits.Network, traits.Prefix = "sms", ""
	}
	return openAs(t, traits, s)
}

// verify is the way of a call of the kind that f is.
func (f fixture) verify(c *Channel, r *connectors.Request) error {
	if strings.HasPrefix(f.Name, "status-") {
		return c.verifyStatus(r)
	}
	return c.verifyMessage(r)
}

// TestSigned: what Twilio's own library signs is genuine, with either token and with
// or without the port of the scheme; any change of it is not.
func TestSigned(t *testing.T) {
	for _, f := range fixtures(t) {
		if f.Params != nil && f.Params["AccountSid"] == nil {
			continue // no channel's: see TestSignedAlone
		}
		t.Run(f.Name, func(t *testing.T) {
			c := f.channel(t, f.Token, "")
			check := func(what string, c *Channel, r *connectors.Request, want error) {
				t.Helper()
				if err := f.verify(c, r); !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", what, err, want)
				}
			}
			bad := connectors.ErrForged
			if f.Params == nil {
				bad = connectors.ErrNotMine
			}
			check("as it is", c, f.request(t, f.URL), nil)
			check("as the other token", f.channel(t, "another-token", f.Token), f.request(t, f.URL), nil)
			check("by another token", f.channel(t, "another-token", "and-another"), f.request(t, f.URL), bad)
			for what, changed := range f.ports() {
				check(what, c, f.request(t, changed), nil)
			}
			for what, changed := range f.others() {
				check(what, c, f.request(t, changed), bad)
			}
			r := f.request(t, f.URL)
			r.Header = http.Header{"Content-Type": r.Header["Content-Type"]}
			check("no signature", c, r, bad)
			r = f.request(t, f.URL)
			r.Header.Set(signatureHeader, strings.ToLower(f.Signature))
			check("another signature", c, r, bad)
			r = f.request(t, f.URL)
			r.Body = append(r.Body, "&More=1"...)
			check("a field more", c, r, bad)
		})
	}
}

// ports are f's address with and without the port of https; with another port, or
// none that can be told apart, there is nothing to change.
func (f fixture) ports() map[string]string {
	scheme, rest, _ := strings.Cut(f.URL, "://")
	host, tail, _ := strings.Cut(rest, "/")
	if scheme != "https" || strings.Contains(host, ":8443") {
		return nil
	}
	host = strings.TrimSuffix(host, ":443")
	return map[string]string{
		"without the port": scheme + "://" + host + "/" + tail,
		"with the port":    scheme + "://" + host + ":443/" + tail,
	}
}

// others are addresses that are not f's, be the difference ever so small.
func (f fixture) others() map[string]string {
	list := map[string]string{
		"another scheme":      strings.Replace(f.URL, "http", "ws", 1),
		"another host":        strings.Replace(f.URL, "it.", "id.", 1),
		"another path":        strings.Replace(f.URL, "connector", "Connector", 1),
		"a slash more":        strings.Replace(f.URL, "/connector", "//connector", 1),
		"a query more":        f.URL + "&more=1",
		"escaped apostrophes": strings.ReplaceAll(f.URL, "'", "%27"),
		"plain apostrophes":   strings.ReplaceAll(f.URL, "%27", "'"),
		"other letters":       strings.ReplaceAll(strings.ReplaceAll(f.URL, "%2f", "%2F"), "%c3", "%C3"),
		"plus for a space":    strings.ReplaceAll(f.URL, "%20", "+"),
	}
	if u, err := url.Parse(f.URL); err == nil && u.RawQuery != "" && f.Params != nil {
		u.RawQuery = u.Query().Encode()
		list["query made anew"] = u.String()
	}
	for what, changed := range list {
		if changed == f.URL {
			delete(list, what)
		}
	}
	return list
}

// TestSignedAlone: the documentation's example, and a call without any field, are no
// channel's, and their signatures are good all the same.
func TestSignedAlone(t *testing.T) {
	for _, name := range []string{"documentation", "no-fields"} {
		f := named(t, name)
		c, r := f.channel(t, f.Token, ""), f.request(t, f.URL)
		fields, err := parseForm(r.Body)
		if err != nil || !c.signed(r, fields) {
			t.Errorf("%s is not signed, %v", name, err)
		}
		if f.channel(t, "another-token", "").signed(r, fields) {
			t.Errorf("%s is signed by any token", name)
		}
		if err := c.verifyMessage(r); !errors.Is(err, connectors.ErrNotMine) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNotMine: a call of another account or sender is not this channel's, whatever
// its signature.
func TestNotMine(t *testing.T) {
	f := named(t, "whatsapp-text")
	for name, change := range map[string]func(*Settings){
		"another account": func(s *Settings) { s.AccountSID = "AC00000000000000000000000000000002" },
		"another sender":  func(s *Settings) { s.From = "+420800123457" },
		"a service":       func(s *Settings) { s.From, s.Service = "", testService },
	} {
		s := settings("http://127.0.0.1:9")
		s.AuthToken = config.NewSecret(f.Token)
		change(&s)
		if err := open(t, s).verifyMessage(f.request(t, f.URL)); !errors.Is(err, connectors.ErrNotMine) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReplies: fixed words, and nothing that Twilio would send to the customer.
func TestReplies(t *testing.T) {
	for result, want := range map[connectors.Result]int{
		connectors.Accepted: 200, connectors.Refused: 403, connectors.TooLarge: 413, connectors.Malformed: 400, connectors.Unavailable: 503,
	} {
		if got := reply(connectors.Verdict{Result: result}); got.Status != want || strings.Contains(got.Body, "<Message") {
			t.Errorf("result %d is answered %+v", result, got)
		}
	}
}
