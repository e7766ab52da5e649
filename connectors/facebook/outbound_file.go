package facebook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"path"
	"strings"

	"servicelink/connectors"
)

// upload sends a file's bytes with the message that shows it, as they are read.
func (c *Connector) upload(ctx context.Context, f *connectors.OutFile, out *outgoing, answer any) error {
	if f.Open == nil {
		return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonFile, Err: errors.New("the file cannot be read")}
	}
	ctx, cancel := context.WithTimeout(ctx, uploadTime)
	defer cancel()
	media, err := f.Open(ctx)
	if err != nil {
		return err
	}
	if media.Size > maxUpload {
		_ = media.Body.Close()
		return tooBig()
	}
	kind := kindOf(f, media.Type)
	out.Message.Attachment = &outAttachment{Type: attachmentOf(kind)}
	body, contentType, err := newForm(out, f, media, kind)
	if err != nil {
		_ = media.Body.Close()
		return err
	}
	_, err = c.call(ctx, request{
		method: http.MethodPost, path: c.messagesPath(), token: c.cfg.PageToken.Reveal(), form: body, formType: contentType,
	}, answer)
	return err
}

func tooBig() *connectors.SendError {
	se := refused("the file is too big")
	se.Hint = "Messenger takes 25 MB."
	return se
}

// kindOf is the file's MIME type: what the agent says, else what its name or its
// bytes do.
func kindOf(f *connectors.OutFile, found string) string {
	for _, kind := range []string{f.Type, mime.TypeByExtension(path.Ext(fileName(f))), found} {
		bare, _, err := mime.ParseMediaType(kind)
		if err == nil && strings.Contains(bare, "/") && bare != "application/octet-stream" {
			return bare
		}
	}
	return "application/octet-stream"
}

// attachmentOf is the network's word for a MIME type.
func attachmentOf(kind string) string {
	switch major, _, _ := strings.Cut(kind, "/"); major {
	case "image", "audio", "video":
		return major
	}
	return "file"
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

// form is a multipart body with the file in its middle.
type form struct {
	io.Reader
	file io.Closer
	size int64 // -1 = not known
}

// Close implements io.Closer.
func (f *form) Close() error { return f.file.Close() }

// newForm writes the message's members as fields, those that are objects in JSON.
func newForm(out *outgoing, file *connectors.OutFile, media *connectors.Media, kind string) (*form, string, error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	field := func(name string, v any) error {
		b, err := json.Marshal(v)
		return errors.Join(err, w.WriteField(name, string(b)))
	}
	err := errors.Join(field("recipient", out.Recipient), field("message", out.Message), w.WriteField("messaging_type", out.MessagingType))
	if out.Tag != "" {
		err = errors.Join(err, w.WriteField("tag", out.Tag))
	}
	if out.ReplyTo != nil {
		err = errors.Join(err, field("reply_to", out.ReplyTo))
	}
	_, partErr := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("filedata", strings.ToValidUTF8(fileName(file), "_"))},
		"Content-Type":        {kind},
	})
	head := bytes.Clone(buf.Bytes())
	buf.Reset()
	if err = errors.Join(err, partErr, w.Close()); err != nil {
		return nil, "", &connectors.SendError{
			Outcome: connectors.NotSent, Reason: connectors.ReasonBug, Err: errors.New("upload cannot be written"),
		}
	}
	f := &form{file: media.Body, size: -1}
	f.Reader = io.MultiReader(bytes.NewReader(head), &bounded{Reader: media.Body, size: media.Size}, &buf)
	if media.Size >= 0 {
		f.size = int64(len(head)) + media.Size + int64(buf.Len())
	}
	return f, w.FormDataContentType(), nil
}

// bounded ends an upload that is over the limit, and one that ends before its size:
// with the end of the form behind it, half a file would look whole.
type bounded struct {
	io.Reader
	size int64 // as it was told; -1 = not known
	read int64
}

var errShort = errors.New("the file ends before its size")

// Read implements io.Reader.
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
