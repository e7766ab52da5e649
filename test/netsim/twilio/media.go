package twilio

import (
	"bytes"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// media is a file of a message. The server's mutex guards the list it is in.
type media struct {
	sid    string // ME and 32 hex digits
	tenant string
	one    *sender
	made   time.Time
	control.File
}

// keepMedia makes a file known. Its caller has s.mu.
func (s *Server) keepMedia(m *media) {
	s.media = append(s.media, m)
	for s.mediaSize += len(m.Data); s.mediaSize > maxFileBytes && len(s.media) > 1; s.media = s.media[1:] {
		s.mediaSize -= len(s.media[0].Data)
	}
}

// file finds a file; nil when there is none. Its caller has s.mu.
func (s *Server) file(sid string) *media {
	i := slices.IndexFunc(s.media, func(m *media) bool { return m.sid == sid })
	if i < 0 {
		return nil
	}
	return s.media[i]
}

// listMedia lists the files of a message.
func (c *call) listMedia() (control.Answer, error) {
	m, err := c.named(c.PathValue("sid"))
	if err != nil {
		return control.Answer{}, err
	}
	list := []map[string]any{}
	for _, f := range m.media {
		list = append(list, f.json(m))
	}
	size, page := c.page()
	return c.paged("media_list", list, size, page, nil), nil
}

func (f *media) json(m *message) map[string]any {
	return map[string]any{
		"sid": f.sid, "account_sid": f.tenant, "parent_sid": m.sid, "content_type": f.Type,
		"date_created": date(f.made), "date_updated": date(f.made), "uri": m.uri() + "/Media/" + f.sid + ".json",
	}
}

// media leads to a file: by a link that needs no credentials, lives some hours and
// lies on another host. With ".json" it is the resource.
func (c *call) media() (control.Answer, error) {
	m, err := c.named(c.PathValue("sid"))
	if err != nil {
		return control.Answer{}, err
	}
	sid, asJSON := strings.CutSuffix(c.PathValue("file"), ".json")
	i := slices.IndexFunc(m.media, func(f *media) bool { return f.sid == sid })
	if i < 0 || c.s.file(sid) == nil {
		return control.Answer{}, notFound(c.URL.Path)
	}
	if asJSON {
		return reply(http.StatusOK, m.media[i].json(m)), nil
	}
	expires := strconv.FormatInt(time.Now().Add(mediaLinkLife).Unix(), 10)
	link := c.s.linkBase() + "/cdn/" + c.tenant.sid + "/" + sid + "?Expires=" + expires +
		"&Signature=" + url.QueryEscape(Signature(c.tenant.token, sid+expires, nil))
	return control.Answer{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {link}}}, nil
}

// linkBase is where the links lead: to this machine by its other name, when the
// API is on this machine.
func (s *Server) linkBase() string {
	base := s.base()
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	name := map[string]string{"127.0.0.1": "localhost", "localhost": "127.0.0.1", "api.twilio.com": "mms.twiliocdn.com"}[u.Hostname()]
	if name == "" {
		return base
	}
	u.Host = name + strings.TrimPrefix(u.Host, u.Hostname()) // with the port
	return u.String()
}

func (c *call) placeFile() {
	if f := c.s.file(c.PathValue("file")); f != nil {
		c.one = f.one
	}
}

// mediaFile gives a file to whoever has the link, and only the link: like the
// store behind it, it refuses a request that has credentials as well.
func (c *call) mediaFile() (control.Answer, error) {
	f := c.s.file(c.PathValue("file"))
	expires := c.URL.Query().Get("Expires")
	until, _ := strconv.ParseInt(expires, 10, 64) // 0 has expired
	switch {
	case c.Header.Get("Authorization") != "":
		return xml(http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed"), nil
	case f == nil || f.tenant != c.PathValue("ac"):
		return xml(http.StatusNotFound, "NoSuchKey", "The specified key does not exist."), nil
	case c.URL.Query().Get("Signature") != Signature(f.one.tenant.token, f.sid+expires, nil):
		return xml(http.StatusForbidden, "AccessDenied", "Access denied"), nil
	case time.Now().Unix() > until:
		return xml(http.StatusForbidden, "AccessDenied", "Request has expired"), nil
	}
	out := &control.Buffer{}
	out.Header().Set("Content-Type", f.Type)
	http.ServeContent(out, c.Request, "", f.made, bytes.NewReader(f.Data))
	return out.Answer(), nil
}

func xml(status int, code, text string) control.Answer {
	body := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>" + code + "</Code><Message>" + text + "</Message></Error>"
	return control.Answer{Status: status, Header: http.Header{"Content-Type": {"application/xml"}}, Body: []byte(body)}
}

// typeOf is the MIME type of a file.
func typeOf(f control.File) string {
	if f.Type != "" {
		return f.Type
	}
	if kind := mime.TypeByExtension(path.Ext(f.Name)); kind != "" {
		return kind
	}
	return http.DetectContentType(f.Data)
}
