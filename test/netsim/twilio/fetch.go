package twilio

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"servicelink/test/netsim/control"
)

// badMedia is the error of a file that cannot be fetched.
const badMedia = 63019

// attach shows a client's files by their addresses, as long as nothing more is
// known of them.
func attach(shown *control.Message, urls []string) {
	for i, address := range urls {
		f := control.File{URL: address, Name: fileName(address)}
		f.Type = mime.TypeByExtension(path.Ext(f.Name))
		if i > 0 {
			shown.More = append(shown.More, f)
			continue
		}
		shown.File, shown.Kind = &f, kindOf(f.Type)
		shown.Text, shown.Caption = "", shown.Text
	}
}

// kindOf is the control API's word for a file of a type.
func kindOf(mimeType string) string {
	switch kind, _, _ := strings.Cut(mimeType, "/"); kind {
	case "image":
		return "photo"
	case "audio", "video":
		return kind
	}
	return "document"
}

func fileName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if name := path.Base(u.Path); name != "/" && name != "." {
		return name
	}
	return ""
}

// fetchAll fetches a message's files, where that is wanted, and shows them. It
// gives the error by which the message fails, 0 = none.
func (n *Network) fetchAll(m *message, urls []string) int {
	if !n.Settings().FetchURLs {
		return 0
	}
	account := m.one.Account.Account
	for i, address := range urls {
		f, err := n.server.get(address)
		if err != nil {
			return badMedia
		}
		n.server.mu.Lock()
		kept := &media{sid: n.server.sid("ME"), tenant: m.one.tenant.sid, one: m.one, made: m.created, File: f}
		n.server.keepMedia(kept)
		m.media = append(m.media, kept)
		n.server.mu.Unlock()
		shown := control.File{Name: f.Name, Type: f.Type, Size: f.Size, URL: n.fileURL(account, kept.sid)}
		_ = n.ChangeMessage(account, m.chat, control.ID(m.sid), func(on *control.Message) { // it may be forgotten
			if i == 0 {
				on.File, on.Kind = &shown, kindOf(f.Type)
			} else if i <= len(on.More) {
				on.More[i-1] = shown
			}
		})
	}
	return 0
}

// fileURL is where the phone finds a file.
func (n *Network) fileURL(account, sid string) string {
	return "/control/" + n.channel + "/file/" + account + "/" + sid
}

// get fetches one file.
func (s *Server) get(address string) (control.File, error) {
	r, err := http.NewRequestWithContext(s.life, http.MethodGet, address, nil)
	if err != nil {
		return control.File{}, err
	}
	r.Header.Set("User-Agent", "TwilioProxy/1.1")
	answer, err := s.fetch.Do(r)
	if err != nil {
		return control.File{}, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxOutFile+1))
	switch {
	case err != nil:
		return control.File{}, err
	case answer.StatusCode != http.StatusOK, len(data) == 0, len(data) > maxOutFile:
		return control.File{}, errors.New("no file, or too large")
	}
	f := control.File{Name: fileName(address), Type: answer.Header.Get("Content-Type"), Data: data, Size: int64(len(data))}
	if _, params, err := mime.ParseMediaType(answer.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		f.Name = path.Base("/" + params["filename"])
	}
	if f.Type, _, err = mime.ParseMediaType(f.Type); err != nil {
		f.Type = ""
	}
	f.Type = typeOf(f)
	return f, nil
}
