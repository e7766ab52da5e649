//go:build proxies

package proxies

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"servicelink/test/proc"
)

const (
	token = "0123456789abcdef0123456789abcdef"
	other = "fedcba9876543210fedcba9876543210"
)

// house is bin/servicelink behind a proxy, with a channel of each network whose
// calls are signed.
type house struct {
	x       *proxy
	config  string
	process *proc.Process
}

func newHouse(t *testing.T, x *proxy) *house {
	t.Helper()
	account := "account_sid: AC00000000000000000000000000000001, auth_token: " + token + ", auth_token_other: " + other + ", from: '+420800123456'"
	h := &house{x: x, config: x.write(t, "gateway.yaml", `
core: { address: "127.0.0.1:1", login: false }
journal: { path: "`+filepath.Join(x.dir, "journal.db")+`" }
public: { listen: "`+x.gateway+`", url: "https://`+host+`", trusted_proxies: ["127.0.0.1/32"] }
private: { listen: "127.0.0.1:0" }
channels:
  - { name: shop-whatsapp, network: whatsapp, settings: { `+account+` } }
  - { name: shop-sms, network: sms, settings: { `+account+` } }
`)}
	h.start(t)
	t.Cleanup(func() { h.process.Kill() })
	return h
}

// start begins a life of the gateway.
func (h *house) start(t *testing.T) {
	t.Helper()
	var err error
	program := filepath.Join("..", "..", "bin", "servicelink")
	if h.process, err = proc.Start(&h.x.log, nil, program, "run", "--config", h.config); err != nil {
		t.Fatal(err)
	}
	await(t, "the gateway", h.x.gateway, h.process)
}

// stop ends that life.
func (h *house) stop(t *testing.T) {
	t.Helper()
	if err := h.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-h.process.Ended()
}

// signed is a form as Twilio's own library signed it: see test/twilio/sign.
type signed struct {
	Name      string
	URL       string
	Params    map[string]json.RawMessage
	Signature string
}

// target is the path and query that it is posted to.
func (s *signed) target() string { return strings.TrimPrefix(s.URL, "https://"+host) }

// form is what is posted.
func (s *signed) form(t *testing.T) string {
	t.Helper()
	form := url.Values{}
	for name, raw := range s.Params {
		var list []string
		if !bytes.HasPrefix(raw, []byte("[")) {
			raw = append(append([]byte("["), raw...), ']')
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatal(s.Name, err)
		}
		form[name] = list
	}
	return form.Encode()
}

// header is what the library's signature comes with.
func (s *signed) header() string {
	return "Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: " + s.Signature + "\r\n"
}

// calls are the signed ones for the gateway's address and for its two channels, but
// for reports without a status, which are genuine and refused all the same.
func calls(t *testing.T) []signed {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "connectors", "internal", "twilio", "testdata", "signed", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []signed
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s signed
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(file, err)
		}
		others := len(s.Params) == 0 || s.Params["MessagingServiceSid"] != nil || strings.HasSuffix(s.Name, "no-status")
		if strings.HasPrefix(s.URL, "https://"+host+"/connector/") && !strings.HasSuffix(s.URL, "/") && !others {
			list = append(list, s)
		}
	}
	if len(list) < 70 {
		t.Fatalf("%d signed calls", len(list))
	}
	return list
}

// TestSignatures: what Twilio signed is genuine behind a proxy, and what is not is
// refused.
func TestSignatures(t *testing.T) {
	each(t, func(t *testing.T, x *proxy) {
		newHouse(t, x)
		c := x.caller(t)
		if got := c.post(t, "/connector/whatsapp/message", "", ""); got != http.StatusForbidden {
			t.Errorf("a call without anything is answered %d", got)
		}
		for _, s := range calls(t) {
			body, more := s.form(t), "?more=1"
			if strings.Contains(s.URL, "?") {
				more = "&more=1"
			}
			for _, try := range []struct {
				what, target, body string
				want               int
			}{
				{"as it is", s.target(), body, http.StatusOK},
				{"with a field more", s.target(), body + "&More=1", http.StatusForbidden},
				{"with another query", s.target() + more, body, http.StatusForbidden},
			} {
				if got := c.post(t, try.target, s.header(), try.body); got != try.want {
					t.Errorf("%s %s is answered %d, want %d", s.Name, try.what, got, try.want)
				}
			}
		}
	})
}

// TestRestart: a gateway that starts again is found again by the connections that
// were open, and no call is lost meanwhile where the proxy can wait.
func TestRestart(t *testing.T) {
	each(t, func(t *testing.T, x *proxy) {
		h, c, s := newHouse(t, x), x.caller(t), calls(t)[0]
		calls := func(when string) {
			t.Helper()
			for range 3 {
				if got := c.post(t, s.target(), s.header(), s.form(t)); got != http.StatusOK {
					t.Errorf("%s, a call is answered %d", when, got)
				}
			}
		}
		calls("before")
		h.stop(t)
		c.write(t, s.target(), s.header()+"Content-Length: "+strconv.Itoa(len(s.form(t)))+"\r\n", s.form(t))
		if x.waits {
			<-time.After(5 * time.Second) // a slow start
			h.start(t)
			if got := c.answer(t); got != http.StatusOK {
				t.Errorf("a call that waited is answered %d", got)
			}
		} else {
			if got := c.answer(t); got != http.StatusBadGateway {
				t.Errorf("with no gateway a call is answered %d", got)
			}
			h.start(t)
		}
		calls("after")
	})
}
