package phone

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"servicelink/test/netsim/control"
)

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

// reference finds what a page or a module loads.
var reference = regexp.MustCompile(`(?:href|src|from) ?=?"(?:\./)?(?:assets/)?([a-z]+\.[a-z]+)"|from "\./([a-z]+\.js)"`)

// TestPages: every page is there, shows what its network can do, and loads
// only what is served here.
func TestPages(t *testing.T) {
	for _, n := range networks {
		t.Run(n.Name, func(t *testing.T) {
			w := get(t, "/phone/"+n.Name)
			body := w.Body.String()
			if w.Code != http.StatusOK || !strings.Contains(body, `data-network="`+n.Name+`"`) {
				t.Fatalf("%d %s", w.Code, body)
			}
			for can, control := range map[string]string{
				"photo": `id="photo"`, "document": `id="document"`, "location": `id="location"`, "contact": `id="contact"`,
				"block": `id="block"`, "stop": `data-do="stop"`, "deliver": `id="reach"`, "read": `value="read"`, "expire": `id="window"`,
				"sticker": `data-do="sticker"`, "referral": `data-do="referral"`, "inbox": `id="inbox"`,
			} {
				if there := strings.Contains(body, control); there != n.Able(can) {
					t.Errorf("the page has a control for %s: %t, want %t", can, there, n.Able(can))
				}
			}
			if there := strings.Contains(body, `id="number"`); there != n.Numbers {
				t.Errorf("the page asks for a number: %t, want %t", there, n.Numbers)
			}
			for _, group := range n.Levers {
				for _, l := range group.Acts {
					if want := fmt.Sprintf(`data-do=%q data-data=%q disabled>%s<`, l.Do, l.Data, l.Title); !strings.Contains(body, want) {
						t.Errorf("the page has no %s", want)
					}
				}
			}
			found := loads(t, body)
			for _, want := range []string{"phone.js", "phone.css", "icon.svg"} {
				if !strings.Contains(found, want) {
					t.Errorf("the page loads %s, want %s too", found, want)
				}
			}
		})
	}
	if w := get(t, "/phone/carrier-pigeon"); w.Code != http.StatusNotFound {
		t.Errorf("a network that is not there: %d, want 404", w.Code)
	}
}

// loads fetches what text refers to and lists it.
func loads(t *testing.T, text string) string {
	t.Helper()
	var found []string
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		name := m[1] + m[2]
		found = append(found, name)
		if w := get(t, "/phone/assets/"+name); w.Code != http.StatusOK {
			t.Errorf("%s is referred to and not served: %d", name, w.Code)
		}
	}
	return strings.Join(found, " ")
}

func TestScripts(t *testing.T) {
	for _, name := range []string{"phone.js", "control.js", "message.js", "switches.js", "mail.js"} {
		w := get(t, "/phone/assets/"+name)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
			t.Fatalf("%s: %d %s", name, w.Code, w.Header())
		}
		loads(t, w.Body.String())
		for _, way := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"} {
			if strings.Contains(w.Body.String(), way) {
				t.Errorf("%s uses %s: what comes from outside must stay text", name, way)
			}
		}
	}
}

// TestPolicy: whatever a customer or agent sends, the page runs only its own
// script, and no page of another server shows it.
func TestPolicy(t *testing.T) {
	for _, path := range []string{"/phone/telegram", "/phone/mail", "/phone/assets/phone.js", "/phone/none"} {
		h := get(t, path).Header()
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'self'", "form-action 'none'"} {
			if !strings.Contains(policy, want+";") && !strings.HasSuffix(policy, want) {
				t.Errorf("%s: policy %q lacks %q", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
	for _, path := range []string{"/phone/telegram", "/phone/mail"} {
		page := get(t, path).Body.String()
		for _, inline := range []string{"<style", " style=", " onclick=", "<script>"} {
			if strings.Contains(page, inline) {
				t.Errorf("%s has %q, which the policy forbids", path, inline)
			}
		}
	}
}

// breaker finds what the mailbox' page breaks.
var breaker = regexp.MustCompile(`<button[^>]* data-kind="([^"]+)"[^>]*>`)

// TestMailbox: the page is there, loads only what is served here, and shows the HTML
// of mails in nothing but a frame that may do nothing. What its buttons break, the mail
// host can break.
func TestMailbox(t *testing.T) {
	w := get(t, "/phone/mail")
	body := w.Body.String()
	if w.Code != http.StatusOK || !strings.Contains(body, `data-network="mail"`) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v %s", w.Code, w.Header(), body)
	}
	found := loads(t, body)
	for _, want := range []string{"mail.js", "mail.css", "phone.css", "icon.svg"} {
		if !strings.Contains(found, want) {
			t.Errorf("the page loads %s, want %s too", found, want)
		}
	}
	script := get(t, "/phone/assets/mail.js").Body.String()
	if frames := strings.Count(script, `"iframe"`); frames != 1 || strings.Count(script, `sandbox = ""`) != 1 {
		t.Errorf("%d frames, and not one sandbox without rights", frames)
	}
	host := control.NewScript(1)
	levers := breaker.FindAllStringSubmatch(body, -1)
	for _, l := range levers {
		if err := host.Fault(control.Fault{Kind: control.Kind(l[1])}); err != nil {
			t.Errorf("%s: %v", l[0], err)
		}
	}
	if len(levers) < 5 {
		t.Errorf("%d buttons break something", len(levers))
	}
}
