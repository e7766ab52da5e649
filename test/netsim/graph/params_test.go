package graph

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestParams: wherever a parameter stands, it is the same; the body wins.
func TestParams(t *testing.T) {
	part := "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nbody\r\n--b--\r\n"
	for _, tc := range []struct{ query, kind, body, want string }{
		{"a=query&a=%zz&=x", "", "", "query"},
		{"a=query", "application/json; charset=utf-8", `{"a":"body"}`, "body"},
		{"a=query", "application/json", " ", "query"},
		{"", "application/json", `{"a":7}`, "7"},
		{"", "application/json", `{"a":true}`, "true"},
		{"", "application/json", `{"a":null}`, ""},
		{"", "application/json", `{"a":{"b":1}}`, ""},
		{"a=query", "application/x-www-form-urlencoded", "a=body", "body"},
		{"", "multipart/form-data; boundary=b", part, "body"},
		{"a=query", "text/plain", "a=body", "query"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/?"+tc.query, strings.NewReader(tc.body))
		r.Header.Set("Content-Type", tc.kind)
		p, files, err := readParams(r)
		if err != nil || files != nil || p.text("a") != tc.want {
			t.Errorf("%+v: %v, %v", tc, p, err)
		}
	}
	for _, tc := range []struct{ kind, body string }{
		{"application/json", `{"a"`},
		{"application/json", `["a"]`},
		{"multipart/form-data; boundary=b", part[:20]},
		{"multipart/form-data", "x"},
		{"multipart/form-data; boundary=b", part[:len(part)-8]},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(tc.body))
		r.Header.Set("Content-Type", tc.kind)
		if _, _, err := readParams(r); err == nil {
			t.Errorf("%+v is taken", tc)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", io.LimitReader(zeros{}, maxBody+1))
	if _, _, err := readParams(r); !errors.Is(err, error(errBody)) {
		t.Errorf("too much: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// FuzzMessage: whatever comes as a message is read or refused in the network's form.
func FuzzMessage(f *testing.F) {
	for _, seed := range [][2]string{
		{"application/json", `{"message":{"text":"x","quick_replies":[{"content_type":"text","title":"a","payload":"b"}]},"recipient":{"id":1}}`},
		{"application/json", `{"message":{"attachment":{"type":"template","payload":{"template_type":"generic","elements":[{"title":"a"}]}}}}`},
		{"application/json", `{"message":{"attachment":{"type":"image","payload":{"url":"http://x/y","is_reusable":true}}}}`},
		{"application/x-www-form-urlencoded", "message=%7B%22text%22%3A%22x%22%7D"},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"filedata\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		var err error
		c := &call{Request: r}
		if c.params, c.files, err = readParams(r); err == nil {
			c.params.recorded()
			c.params.words("message")
			fieldNames(c.params.text("message"))
			var out *outgoing
			if out, err = c.content(); err == nil {
				if out.text == "" && out.kind == "" || len(out.quick) > maxQuick {
					t.Errorf("taken: %+v", out)
				}
				m := message{out: out, text: out.text}
				m.shown()
			}
		}
		if _, ok := errors.AsType[*apiError](err); err != nil && !ok {
			t.Errorf("%v is no error of the network", err)
		}
	})
}
