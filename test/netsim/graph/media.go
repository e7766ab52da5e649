package graph

import (
	"bytes"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// file is a file of a message, or a customer's picture. The server's mutex guards the
// list it is in.
type file struct {
	id         string
	page       *page
	made       time.Time
	kind       string // of attachment
	sticker    int64
	attachment string // attachment_id of a reusable one
	control.File
}

// keepFile makes a file known. Its caller has the server's mutex.
func (s *Server) keepFile(p *page, f control.File, reusable bool) *file {
	f.Size = max(f.Size, int64(len(f.Data)))
	if f.Name = path.Base("/" + f.Name); f.Name == "/" {
		f.Name = "file"
	}
	f.Type = typeOf(f)
	made := &file{id: s.digits(17), page: p, made: time.Now(), kind: attachmentOf(f.Type), File: f}
	if reusable {
		made.attachment = s.digits(16)
	}
	s.files = append(s.files, made)
	for s.fileSize += len(f.Data); s.fileSize > maxFileBytes && len(s.files) > 1; s.files = s.files[1:] {
		s.fileSize -= len(s.files[0].Data)
	}
	return made
}

// attachmentOf is the type of attachment that a file of a MIME type is.
func attachmentOf(mimeType string) string {
	switch kind, _, _ := strings.Cut(mimeType, "/"); kind {
	case "image", "audio", "video":
		return kind
	}
	return "file"
}

// file finds a file; nil when there is none. Its caller has the server's mutex.
func (s *Server) file(id string) *file {
	return s.fileWith(func(f *file) bool { return f.id == id })
}

// reusable finds a file that its page keeps for more than one message.
func (s *Server) reusable(p *page, attachment string) *file {
	return s.fileWith(func(f *file) bool { return f.page == p && f.attachment == attachment })
}

func (s *Server) fileWith(fits func(*file) bool) *file {
	i := slices.IndexFunc(s.files, fits)
	if i < 0 {
		return nil
	}
	return s.files[i]
}

// shown is the file as the phone finds it.
func (f *file) shown() *control.File {
	at := "/control/facebook/file/" + f.page.Account.Account + "/" + f.id
	if f.URL != "" { // it was not fetched
		at = f.URL
	}
	return &control.File{Name: f.Name, Type: f.Type, Size: f.Size, URL: at}
}

// linkTo makes a link to a file that expires: as the network's, it needs no
// credentials and says in hex until when it is good.
func (s *Server) linkTo(f *file) string {
	if f.URL != "" {
		return f.URL
	}
	until := strconv.FormatInt(time.Now().Add(seconds(s.settings.LinkSeconds)).UnixMilli(), 16)
	return s.base() + "/cdn/v/" + f.page.Account.Account + "/" + f.id + "/" + url.PathEscape(f.Name) +
		"?oh=" + Proof(f.id+until, f.page.app.secret)[:32] + "&oe=" + until
}

// link gives a file to whoever has a link that is good.
func (c *call) link() (control.Answer, error) {
	f := c.s.file(c.PathValue("file"))
	until := c.params.text("oe")
	at, _ := strconv.ParseInt(until, 16, 64) // 0 has expired
	switch {
	case f == nil || f.page.Account.Account != c.PathValue("page"):
		return plain(http.StatusNotFound, "Not Found"), nil
	case !same(c.params.text("oh"), Proof(f.id+until, f.page.app.secret)[:32]):
		return plain(http.StatusForbidden, "Bad URL hash"), nil
	case time.Now().UnixMilli() >= at:
		return plain(http.StatusForbidden, "URL signature expired"), nil
	}
	out := &control.Buffer{}
	out.Header().Set("Content-Type", f.Type)
	out.Header().Set("Content-Disposition", `attachment; filename="`+strings.Map(plainName, f.Name)+`"`)
	http.ServeContent(out, c.Request, "", f.made, bytes.NewReader(f.Data))
	return out.Answer(), nil
}

// plainName leaves of a name what a header can hold.
func plainName(r rune) rune {
	if r < ' ' || r > '~' || r == '"' || r == '\\' {
		return '_'
	}
	return r
}

func plain(status int, text string) control.Answer {
	return control.Answer{Status: status, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte(text)}
}
