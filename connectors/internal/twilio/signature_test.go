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

// fixture is a call as Twilio's own library for another language signed it. Our code
// signs nothing.
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
	if err != nil || len(files) < 5 {
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

func (f fixture) channel(t testing.TB, token, other string) *Channel {
	s := settings("http://127.0.0.1:9")
	s.AuthToken = config.NewSecret(token)
	s.AuthTokenOther = config.NewSecret(other)
	return open(t, s)
}

// TestSigned: what Twilio's own library signs is genuine, with either token and with
// or without the port; any change of it is not.
func TestSigned(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.Name, func(t *testing.T) {
			c := f.channel(t, f.Token, "")
			check := func(what string, c *Channel, r *connectors.Request, want error) {
				t.Helper()
				if err := c.verifyMessage(r); !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", what, err, want)
				}
			}
			bad := connectors.ErrForged
			if f.Params == nil {
				bad = connectors.ErrNotMine
			}
			check("as it is", c, f.request(t, f.URL), nil)
			check("with the port", c, f.request(t, strings.Replace(strings.Replace(f.URL, ":443/", "/", 1), ".com/", ".com:443/", 1)), nil)
			check("without the port", c, f.request(t, strings.Replace(f.URL, ":443/", "/", 1)), nil)
			check("as the other token", f.channel(t, "another-token", f.Token), f.request(t, f.URL), nil)
			check("by another token", f.channel(t, "another-token", "and-another"), f.request(t, f.URL), bad)
			check("another host", c, f.request(t, strings.Replace(f.URL, "kit.", "kid.", 1)), bad)
			check("http", c, f.request(t, strings.Replace(f.URL, "https", "http", 1)), bad)
			check("a slash more", c, f.request(t, strings.Replace(f.URL, "connector/", "connector//", 1)), bad)
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

// TestQueryAsItIs: the query is signed in its own order and escaping.
func TestQueryAsItIs(t *testing.T) {
	for _, f := range fixtures(t) {
		if f.Name != "query" {
			continue
		}
		c := f.channel(t, f.Token, "")
		for _, change := range []func(string) string{
			func(s string) string { return strings.ReplaceAll(s, "%2D", "-") },
			func(s string) string { return strings.ReplaceAll(s, "%27", "'") },
			func(s string) string { u, _ := url.Parse(s); u.RawQuery = u.Query().Encode(); return u.String() },
		} {
			if changed := change(f.URL); changed == f.URL || c.verifyMessage(f.request(t, changed)) == nil {
				t.Errorf("%s is as good as %s", changed, f.URL)
			}
		}
		return
	}
	t.Error("no signed call with a query")
}

// TestNotMine: a call of another account or sender is not this channel's, whatever
// its signature.
func TestNotMine(t *testing.T) {
	f := fixtures(t)[0]
	if f.Params == nil {
		f = fixtures(t)[1]
	}
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
