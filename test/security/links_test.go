package security

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestForgedLinks: a link that was changed anywhere, cut, lengthened or made with
// another key is none, and every one of them gets the same answer.
func TestForgedLinks(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	link := s.fileLink(1, s.outside.URL+"/file")
	at := strings.LastIndexByte(link, '/') + 1
	base, opaque := link[:at], link[at:]
	sealed, err := base64.RawURLEncoding.DecodeString(opaque)
	if err != nil {
		t.Fatal(err)
	}
	forged := map[string]string{"of another key": s.otherKey(), "nothing": "", "a dot": ".", "two dots": "..", "long": strings.Repeat("A", 8000)}
	for i := range sealed {
		for bit := range 8 {
			changed := append([]byte(nil), sealed...)
			changed[i] ^= 1 << bit
			forged[fmt.Sprintf("bit %d of byte %d", bit, i)] = base64.RawURLEncoding.EncodeToString(changed)
		}
	}
	for n := range len(opaque) {
		forged[fmt.Sprintf("cut after %d", n)] = opaque[:n]
	}
	for _, more := range []string{"=", "==", "A", "/", "/..", "%0A", "%20", "%00", ".png", "+", "%2F", ";x"} {
		forged["and "+more] = opaque + more
	}
	forged["twice"] = opaque + opaque
	forged["the last bits"] = opaque[:len(opaque)-1] + string(opaque[len(opaque)-1]+1)
	forged["standard alphabet"] = strings.NewReplacer("-", "+", "_", "/").Replace(opaque) + "="
	forged["escaped"] = fmt.Sprintf("%%%02X", opaque[0]) + opaque[1:]
	for what, f := range forged {
		got, err := s.do(http.MethodGet, base+f, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.status != http.StatusNotFound || got.body != "not found\n" {
			t.Errorf("%s: %d %.60q", what, got.status, got.body)
		}
	}
	if got, err := s.do(http.MethodGet, link+"?any=query", "", nil); err != nil || got.body != picture {
		t.Errorf("the link itself, afterwards: %+v, %v", got, err)
	}
}

// otherKey is a link to the same file by a gateway with another key.
func (s *stage) otherKey() string {
	s.Helper()
	other := prepare(s.T)
	other.start(`media: { key: "the key of another gateway" }`)
	link := other.fileLink(1, s.outside.URL+"/file")
	if link == "" {
		s.Fatal("no link of the other gateway")
	}
	return link[strings.LastIndexByte(link, '/')+1:]
}

// TestLinksOfAnothersChannel: a link names its channel in its sealed part. It
// dies with the channel, and cannot be turned into one of another channel.
func TestLinksOfAnothersChannel(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	link := s.fileLink(1, s.outside.URL+"/file")
	s.configure(`channels: []`)
	s.reload()
	got, err := s.do(http.MethodGet, link, "", nil)
	if err != nil || got.status != http.StatusGone || strings.Contains(got.body, "PNG") {
		t.Errorf("of a channel that is gone: %+v, %v", got, err)
	}
	s.configure(fmt.Sprintf(`channels: [ { name: other, network: omnichannel, settings: { token: %q, webhook_url: "%s/x" } } ]`, hookToken, s.outside.URL))
	s.reload()
	if got, err = s.do(http.MethodGet, link, "", nil); err != nil || got.status != http.StatusGone {
		t.Errorf("while another channel is served: %+v, %v", got, err)
	}
}

// TestMediaMethodsAndHeaders: whatever is asked, a file is never a page.
func TestMediaMethodsAndHeaders(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	link := s.fileLink(1, s.outside.URL+"/file")
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"} {
		got, err := s.do(method, link, "", map[string]string{"X-HTTP-Method-Override": "GET"})
		if err != nil || got.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d, %v", method, got.status, err)
		}
	}
	got, err := s.do(http.MethodGet, link, "", map[string]string{"Origin": "https://evil.example", "Host": "evil.example", "Accept": "text/html"})
	if err != nil || got.status != http.StatusOK {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, want := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "sandbox; default-src 'none'", "Access-Control-Allow-Origin": "", "Set-Cookie": "", "Server": "",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	if d := got.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") {
		t.Errorf("Content-Disposition: %q", d)
	}
}

// reload has the configuration read again and waits for it.
func (s *stage) reload() {
	s.Helper()
	n := strings.Count(s.log.String(), `"configuration read again"`)
	if err := s.process.Process.Signal(syscall.SIGHUP); err != nil {
		s.Fatal(err)
	}
	s.until("the configuration to be read", func() bool { return strings.Count(s.log.String(), `"configuration read again"`) > n })
}
