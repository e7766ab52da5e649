package twilio

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds a request, in bytes.
const maxBody = 1 << 20

// readForm gives the parameters of r: of its query and of a body that is a form.
// What is no form is none: Twilio then misses what it needs. body is a JSON body
// as it came.
func readForm(r *http.Request) (form url.Values, body string, err error) {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return url.Values{}, "", bad(20001, "The request body cannot be read")
	}
	form = parseForm(r.URL.RawQuery)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		body = strings.ToValidUTF8(string(raw), "�")
	case "application/x-www-form-urlencoded":
		for name, values := range parseForm(string(raw)) {
			form[name] = append(form[name], values...)
		}
	}
	return form, body, nil
}

// parseForm reads what can be read; a pair that is badly written is left out.
func parseForm(s string) url.Values {
	form := url.Values{}
	for pair := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || name == "" {
			continue
		}
		if value, err = url.QueryUnescape(value); err == nil {
			form.Add(strings.ToValidUTF8(name, "�"), strings.ToValidUTF8(value, "�"))
		}
	}
	return form
}

// recorded gives what the request's record shows: a repeated parameter as JSON.
func recorded(form url.Values) map[string]string {
	values := map[string]string{}
	for name, list := range form {
		if values[name] = list[0]; len(list) > 1 {
			values[name] = string(encode(list))
		}
	}
	return values
}
