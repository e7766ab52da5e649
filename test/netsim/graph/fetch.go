package graph

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"

	"servicelink/test/netsim/control"
)

// get fetches the file of a message, where that is wanted.
func (c *call) get(out *outgoing) error {
	if out.url == "" || !c.s.Settings().FetchURLs {
		return nil
	}
	f, err := c.s.download(out.url)
	if err != nil {
		return coded(100, 2018008)
	}
	out.file = &f
	return out.fits()
}

// download fetches one file.
func (s *Server) download(address string) (control.File, error) {
	r, err := http.NewRequestWithContext(s.life, http.MethodGet, address, nil)
	if err != nil {
		return control.File{}, err
	}
	r.Header.Set("User-Agent", "facebookexternalhit/1.1")
	answer, err := s.fetch.Do(r)
	if err != nil {
		return control.File{}, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxFile+1))
	switch {
	case err != nil:
		return control.File{}, err
	case answer.StatusCode != http.StatusOK, len(data) == 0, len(data) > maxFile:
		return control.File{}, errors.New("no file, or too large")
	}
	f := control.File{Name: fileName(address), Type: answer.Header.Get("Content-Type"), Data: data, Size: int64(len(data))}
	if _, params, err := mime.ParseMediaType(answer.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		f.Name = path.Base("/" + params["filename"])
	}
	if f.Type, _, err = mime.ParseMediaType(f.Type); err != nil {
		f.Type = ""
	}
	return f, nil
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

// typeOf is the MIME type of a file.
func typeOf(f control.File) string {
	if f.Type != "" {
		return f.Type
	}
	if kind, _, err := mime.ParseMediaType(mime.TypeByExtension(path.Ext(f.Name))); err == nil {
		return kind
	}
	kind, _, _ := mime.ParseMediaType(http.DetectContentType(f.Data))
	return kind
}
