package telegram

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
	"strconv"
	"strings"

	"servicelink/test/netsim/control"
)

// Limits of a request (https://core.telegram.org/bots/api#sending-files).
const (
	maxUpload = 50 << 20
	maxValues = 1 << 20 // all that is no file, bytes
	maxParts  = 200
)

// upload is a file in a request.
type upload struct {
	name, mime string
	data       []byte
}

// params are the parameters of a request, in whatever form they came. A value
// that was no string in JSON is its JSON.
type params struct {
	values map[string]string
	files  map[string]upload
	body   string // a JSON body as it came
}

var (
	errTooLarge = &apiError{code: http.StatusRequestEntityTooLarge, text: "Request Entity Too Large"}
	errBody     = badRequest("can't parse the request body")
)

// readParams reads the query and the body of r: JSON, urlencoded or multipart.
func readParams(r *http.Request) (params, error) {
	p := params{values: map[string]string{}, files: map[string]upload{}}
	p.add(r.URL.Query())
	if r.Header.Get("Content-Type") == "" {
		return p, nil
	}
	kind, attributes, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return p, errBody
	}
	body := http.MaxBytesReader(nil, r.Body, maxUpload+maxValues)
	switch kind {
	case "application/json":
		err = p.readJSON(body)
	case "application/x-www-form-urlencoded":
		err = p.readForm(body)
	case "multipart/form-data":
		err = p.readMultipart(body, attributes["boundary"])
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		err = errTooLarge
	}
	return p, err
}

func (p *params) add(form url.Values) {
	for name, values := range form {
		if len(values) > 0 {
			p.values[name] = values[0]
		}
	}
}

func (p *params) readForm(body io.Reader) error {
	text, err := readAll(body, maxValues)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return errBody
	}
	p.add(form)
	return nil
}

func (p *params) readJSON(body io.Reader) error {
	text, err := readAll(body, maxValues)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return err
	}
	p.body = string(text)
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return badRequest("can't parse JSON object")
	}
	for name, raw := range members {
		if value, ok := plain(raw); ok {
			p.values[name] = value
		}
	}
	return nil
}

// plain gives a string's content and any other value's JSON; null is absent.
func plain(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && raw[0] == '"' {
		var s string
		return s, json.Unmarshal(raw, &s) == nil
	}
	return string(raw), string(raw) != "null"
}

// readMultipart reads the parts. A body with no part at all is a request
// without parameters: some clients announce multipart and send nothing.
func (p *params) readMultipart(body io.Reader, boundary string) error {
	if boundary == "" {
		return errBody
	}
	reader := multipart.NewReader(body, boundary)
	room := int64(maxUpload)
	for n := 0; ; n++ {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bodyError(err)
		}
		if n >= maxParts {
			return errBody
		}
		data, err := readAll(part, room)
		if err != nil {
			return err
		}
		room -= int64(len(data))
		name := part.FormName()
		if part.FileName() == "" && part.Header.Get("Content-Type") == "" {
			p.values[name] = string(data)
			continue
		}
		p.files[name] = upload{part.FileName(), part.Header.Get("Content-Type"), data}
	}
}

func bodyError(err error) error {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return err
	}
	return errBody
}

// readAll reads at most limit bytes; more is too large.
func readAll(from io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, bodyError(err)
	}
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	return data, nil
}

func (p params) has(name string) bool { return p.values[name] != "" }

// integer reads a number; anything else is otherwise, as the API has it.
func (p params) integer(name string, otherwise, least, most int64) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(p.values[name]), 10, 64)
	if err != nil {
		n = otherwise
	}
	return min(max(n, least), most)
}

// yes reads a boolean.
func (p params) yes(name string) bool {
	switch strings.ToLower(strings.TrimSpace(p.values[name])) {
	case "true", "yes", "1":
		return true
	default:
		return false
	}
}

// decode reads a value in JSON into v; an absent one leaves v alone.
func (p params) decode(name string, v any) error {
	value := strings.TrimSpace(p.values[name])
	if value == "" {
		return nil
	}
	return json.Unmarshal([]byte(value), v)
}

// record gives what the request's record shows of p.
func (p params) record() (map[string]string, []control.Upload) {
	values := maps.Clone(p.values)
	var files []control.Upload
	for name, f := range p.files {
		files = append(files, control.Upload{Field: name, Name: f.name, Type: f.mime, Size: int64(len(f.data)), Data: f.data})
	}
	return values, files
}
