package telegram

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-telegram/bot/models"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// Open implements connectors.AttachmentOpener: getFile, then the file at the path
// it gives. The path is good for an hour and is asked for each time, so that
// nothing is kept; the address, which holds the token, leaves this function in no
// error.
func (c *Connector) Open(ctx context.Context, file connectors.File, byteRange string) (*connectors.Media, error) {
	var found models.File
	err := c.call(ctx, "getFile", map[string]string{"file_id": file.ID}, &found)
	if refused, ok := errors.AsType[*apiError](err); ok {
		return nil, classify(refused)
	}
	if err != nil {
		return nil, err
	}
	address, err := c.fileAddress(found.FilePath)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	if byteRange != "" {
		header.Set("Range", byteRange)
	}
	answer, err := c.client.Stream(ctx, httpx.Request{Method: http.MethodGet, URL: address, Header: header})
	if err != nil {
		return nil, err
	}
	if err := statuses.Check(answer.Response()); err != nil {
		_ = answer.Body.Close()
		return nil, err
	}
	return answer.Media(), nil
}

// fileAddress is where the file lies. A server in local mode gives a path on its
// own disk instead, which is nobody's to read from here.
func (c *Connector) fileAddress(filePath string) (*url.URL, error) {
	if !fs.ValidPath(filePath) || filePath == "." {
		return nil, &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound,
			Err:  errors.New("the file has no path that can be fetched"),
			Hint: "A Bot API server at api_url must not run with --local: files are fetched over HTTP.",
		}
	}
	pieces := strings.Split(filePath, "/")
	for i, p := range pieces {
		pieces[i] = url.PathEscape(p)
	}
	return c.api.JoinPath(append([]string{"file", "bot" + c.token.Reveal()}, pieces...)...), nil
}
