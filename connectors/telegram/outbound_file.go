package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

const (
	maxUpload = 50 << 20 // bytes; Bot API: "Sending files"
	maxPhoto  = 10 << 20
	// fetchTime bounds a call that sends a file by its address: Telegram answers
	// once it has fetched up to 20 MB.
	fetchTime = time.Minute
	// uploadTime bounds an upload where the engine does not; 50 MB take it at
	// 1.4 Mbit/s.
	uploadTime = 5 * time.Minute
)

// fileKind is how Telegram shows a file.
type fileKind string

const (
	photo     fileKind = "photo"
	video     fileKind = "video"
	animation fileKind = "animation"
	audio     fileKind = "audio"
	voice     fileKind = "voice"
	document  fileKind = "document" // takes anything
)

// method is the kind's method: sendPhoto. The field of its file is the kind.
func (k fileKind) method() string { return "send" + strings.ToUpper(string(k[:1])) + string(k[1:]) }

// kinds are the MIME types that Telegram takes for more than a document.
var kinds = map[string]fileKind{
	"image/jpeg": photo, "image/png": photo, "image/webp": photo,
	"image/gif":  animation,
	"video/mp4":  video,
	"audio/mpeg": audio, "audio/mp3": audio, "audio/mp4": audio, "audio/x-m4a": audio, "audio/m4a": audio,
	"audio/ogg": voice,
}

// extensions are theirs. The system's own table differs between machines.
var extensions = map[string]string{
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif",
	".mp4": "video/mp4", ".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg",
}

// words are what an agent may write for a type, and what inbound files are called.
var words = map[string]fileKind{
	"photo": photo, "image": photo, "picture": photo, "video": video, "animation": animation,
	"audio": audio, "voice": voice, "document": document, "file": document,
}

// kindOf looks at the type the agent gave, at the name's extension, and at what
// the bytes were found to be, if they were looked at.
func kindOf(f *connectors.OutFile, found string) fileKind {
	if k, ok := words[strings.ToLower(strings.TrimSpace(f.Type))]; ok {
		return k
	}
	for _, kind := range []string{f.Type, extensions[strings.ToLower(path.Ext(fileName(f)))], found} {
		bare, _, err := mime.ParseMediaType(kind)
		if err != nil || bare == "application/octet-stream" || !strings.Contains(bare, "/") {
			continue
		}
		if k, ok := kinds[bare]; ok {
			return k
		}
		return document
	}
	return document
}

// fileName is the given name, or the last piece of the address.
func fileName(f *connectors.OutFile) string {
	if f.Name != "" {
		return path.Base(strings.ReplaceAll(f.Name, `\`, "/"))
	}
	if u, err := url.Parse(f.URL); err == nil && strings.Trim(u.Path, "/") != "" {
		return path.Base(u.Path)
	}
	return "file"
}

// checkFile refuses what is no address of the web: a Bot API server of one's own
// would take file: and attach: for places at its side.
func (m *message) checkFile() error {
	if m.file.URL == "" && m.file.Open != nil {
		m.upload = true
		return nil
	}
	u, err := url.Parse(m.file.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonContent,
			Err: errors.New("the file has no http address"), Hint: "A file needs an address that begins with https://.",
		}
	}
	return nil
}

func (m *message) canUpload() bool { return m.file != nil && !m.upload && m.file.Open != nil }

func (p *outgoing) setFile(kind fileKind, value string) {
	p.Photo, p.Video, p.Animation, p.Audio, p.Voice, p.Document = "", "", "", "", "", ""
	*map[fileKind]*string{
		photo: &p.Photo, video: &p.Video, animation: &p.Animation, audio: &p.Audio, voice: &p.Voice, document: &p.Document,
	}[kind] = value
}

// uploadFile sends the file's bytes, piece by piece as they are read.
func (c *Connector) uploadFile(ctx context.Context, m *message, result any) error {
	ctx, cancel := context.WithTimeout(ctx, uploadTime)
	defer cancel()
	media, err := m.file.Open(ctx)
	if err != nil {
		return err
	}
	if media.Size > maxUpload {
		_ = media.Body.Close()
		return tooBig()
	}
	if !m.plain {
		m.kind = kindOf(m.file, media.Type)
	}
	if m.kind == photo && media.Size > maxPhoto {
		m.kind = document
	}
	m.params.setFile(m.kind, "")
	form, contentType, err := newForm(m, media)
	if err != nil {
		_ = media.Body.Close()
		return err
	}
	resp, err := c.client.Do(ctx, httpx.Request{
		Method: http.MethodPost, URL: c.api.JoinPath("bot"+c.token.Reveal(), m.kind.method()), Timeout: uploadTime,
		Header: http.Header{"Content-Type": {contentType}}, Source: form, Size: form.size,
	})
	if err != nil {
		return err
	}
	return readAnswer(resp, result)
}

func tooBig() error {
	return &connectors.SendError{
		Outcome: connectors.Rejected, Reason: connectors.ReasonContent,
		Err: errors.New("the file is too big"), Hint: hintBig,
	}
}

// form is a multipart body with the file in its middle.
type form struct {
	io.Reader
	file io.Closer
	size int64 // -1 = not known
}

func (f *form) Close() error { return f.file.Close() }

func newForm(m *message, media *connectors.Media) (f *form, contentType string, err error) {
	fields, err := fieldsOf(m.params)
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		err = errors.Join(err, w.WriteField(name, fields[name]))
	}
	header := textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition(string(m.kind), strings.ToValidUTF8(fileName(m.file), "_"))},
		"Content-Type":        {"application/octet-stream"},
	}
	if kind, _, parseErr := mime.ParseMediaType(media.Type); parseErr == nil {
		header.Set("Content-Type", kind)
	}
	_, partErr := w.CreatePart(header)
	first := bytes.Clone(head.Bytes())
	head.Reset()
	if err = errors.Join(err, partErr, w.Close()); err != nil {
		return nil, "", &connectors.SendError{
			Outcome: connectors.NotSent, Reason: connectors.ReasonBug, Err: errors.New("upload cannot be written"),
		}
	}
	f = &form{file: media.Body, size: -1}
	f.Reader = io.MultiReader(bytes.NewReader(first), &bounded{Reader: media.Body, size: media.Size}, &head)
	if media.Size >= 0 {
		f.size = int64(len(first)) + media.Size + int64(head.Len())
	}
	return f, w.FormDataContentType(), nil
}

// fieldsOf gives the parameters as a form has them: texts bare, the rest as JSON.
func fieldsOf(p outgoing) (map[string]string, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, err
	}
	fields := make(map[string]string, len(members))
	for name, value := range members {
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		fields[name] = text
	}
	return fields, nil
}

// bounded ends an upload that is over the limit, and one that ends before its
// size: with the end of the form behind it, half a file would look whole.
type bounded struct {
	io.Reader
	size int64 // as it was told; -1 = not known
	read int64
}

var errShort = errors.New("the file ends before its size")

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += int64(n)
	switch {
	case b.read > maxUpload:
		return 0, tooBig()
	case errors.Is(err, io.EOF) && b.read < b.size:
		return n, errShort
	}
	return n, err
}
