package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"servicelink/test/netsim/control"
)

// maxBody bounds a request, in bytes: a file of 25 MB and what is around it.
const maxBody = 26 << 20

var errBody = fault100("The request body cannot be read")

// params are the parameters of a request, from its query, form or JSON alike; in JSON.
type params map[string]json.RawMessage

// readParams reads them, and the files of a multipart body. Those of the body win.
func readParams(r *http.Request) (params, []control.Upload, error) {
	p := params{}
	p.form(r.URL.RawQuery)
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return p, nil, errBody
	}
	kind, more, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		return p, nil, p.json(raw)
	case "application/x-www-form-urlencoded":
		p.form(string(raw))
	case "multipart/form-data":
		files, err := p.parts(multipart.NewReader(bytes.NewReader(raw), more["boundary"]))
		return p, files, err
	}
	return p, nil, nil
}

// form reads what can be read; a pair that is badly written is left out.
func (p params) form(s string) {
	for pair := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || name == "" {
			continue
		}
		if value, err = url.QueryUnescape(value); err == nil {
			p[strings.ToValidUTF8(name, "�")] = encode(value)
		}
	}
}

// json reads a body that is an object; nothing at all is none.
func (p params) json(raw []byte) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	var body map[string]json.RawMessage
	if json.Unmarshal(raw, &body) != nil {
		return fault100("The body is not a JSON object")
	}
	maps.Copy(p, body)
	return nil
}

func (p params) parts(body *multipart.Reader) ([]control.Upload, error) {
	var files []control.Upload
	for {
		part, err := body.NextPart()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return files, errBody
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return files, errBody
		}
		if part.FileName() == "" {
			p[part.FormName()] = encode(strings.ToValidUTF8(string(data), "�"))
			continue
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		files = append(files, control.Upload{
			Field: part.FormName(), Name: path.Base("/" + part.FileName()), Type: kind, Size: int64(len(data)), Data: data,
		})
	}
}

// text is a parameter as text: a string, or a number or boolean as it is written.
func (p params) text(name string) string {
	raw := p[name]
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) || raw[0] == '{' || raw[0] == '[' {
		return ""
	}
	return string(raw)
}

// read reads a parameter that is an object, or a string that holds one, into v. A
// member v does not have is an error.
func (p params) read(name string, v any) error {
	raw := p[name]
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		raw = json.RawMessage(s)
	}
	return strict(name, raw, v)
}

// strict reads JSON of exactly the shape of v.
func strict(name string, raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fault100("Param %s[%s] has the wrong type: %s", name, strings.ReplaceAll(wrong.Field, ".", "]["), wrong.Value)
	}
	if _, unknown, ok := strings.Cut(errText(err), "unknown field "); ok {
		return fault100("Invalid keys %s were found in param %q.", unknown, name)
	}
	if err != nil || d.More() {
		return fault100("Param %s must be a JSON object", name)
	}
	return nil
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// recorded gives what the request's record shows.
func (p params) recorded() map[string]string {
	values := map[string]string{}
	for name, raw := range p {
		if values[name] = p.text(name); values[name] == "" {
			values[name] = string(raw)
		}
	}
	return values
}

// only fails when there is a parameter that the call does not have.
func (p params) only(known []string) error {
	for name := range p {
		if !slices.Contains(known, name) && name != "access_token" && name != "appsecret_proof" {
			return fault100("Unexpected parameter %q", name)
		}
	}
	return nil
}
