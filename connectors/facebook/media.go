package facebook

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// hosts are where the network keeps files, with all that is below them.
var hosts = []string{"fbcdn.net", "fbsbx.com", "facebook.com"}

// fileID names a customer's file by its message and its place among the message's
// files. The address is no part of it: an agent reads the id.
func fileID(mid string, number int) string { return mid + ":" + strconv.Itoa(number) }

func gone(why string) *connectors.SendError {
	return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Err: errors.New(why)}
}

// Open implements connectors.AttachmentOpener: it asks for the file's address, which
// expires, and reads it there, without credentials.
func (c *Connector) Open(ctx context.Context, file connectors.File, byteRange string) (*connectors.Media, error) {
	cut := strings.LastIndexByte(file.ID, ':')
	if cut < 0 || !isMid(file.ID[:cut]) {
		return nil, gone("this is no file of Messenger")
	}
	number, err := strconv.Atoi(file.ID[cut+1:])
	if err != nil {
		return nil, gone("this is no file of Messenger")
	}
	where, err := c.address(ctx, file.ID[:cut], number)
	if err != nil {
		return nil, err
	}
	return c.fetch(ctx, where, byteRange)
}

// address asks where a file lies now.
func (c *Connector) address(ctx context.Context, mid string, number int) (*url.URL, error) {
	type place struct {
		URL string `json:"url"`
	}
	var message struct {
		Attachments struct {
			Data []struct {
				Image place  `json:"image_data"`
				Video place  `json:"video_data"`
				File  string `json:"file_url"`
			} `json:"data"`
		} `json:"attachments"`
	}
	if _, err := c.call(ctx, request{
		method: http.MethodGet, path: url.PathEscape(mid), token: c.cfg.PageToken.Reveal(), query: query{"fields": "attachments"},
	}, &message); err != nil {
		return nil, err
	}
	list := message.Attachments.Data
	if number < 0 || number >= len(list) {
		return nil, gone("the message has no such file any more")
	}
	for _, address := range []string{list[number].Image.URL, list[number].Video.URL, list[number].File} {
		if u, err := url.Parse(address); err == nil && address != "" {
			return u, nil
		}
	}
	return nil, gone("the file has no address")
}

// client is the one that may read an address; nil = none. Those the configuration
// names may be private.
func (c *Connector) fileClient(u *url.URL) *httpx.Client {
	if slices.ContainsFunc(c.cfg.MediaHosts, func(h string) bool { return strings.EqualFold(h, u.Host) || strings.EqualFold(h, u.Hostname()) }) {
		return c.own
	}
	host := strings.ToLower(u.Hostname())
	if u.Scheme == "https" && u.User == nil && slices.ContainsFunc(hosts, func(h string) bool { return host == h || strings.HasSuffix(host, "."+h) }) {
		return c.files
	}
	return nil
}

// fetch reads a file, and goes where it is led within the hosts.
func (c *Connector) fetch(ctx context.Context, where *url.URL, byteRange string) (*connectors.Media, error) {
	header := http.Header{}
	if byteRange != "" {
		header.Set("Range", byteRange)
	}
	for range maxRedirects + 1 {
		client := c.fileClient(where)
		if client == nil {
			return nil, &connectors.SendError{
				Outcome: connectors.Rejected, Reason: connectors.ReasonForbidden, Err: errors.New("the file does not lie on a host of the network"),
				Hint: "media_hosts names further ones.",
			}
		}
		answer, err := client.Stream(ctx, httpx.Request{Method: http.MethodGet, URL: where, Header: header})
		if err != nil {
			return nil, err
		}
		if answer.Status < 300 || answer.Status > 399 {
			return given(answer)
		}
		_ = answer.Body.Close()
		next, err := where.Parse(answer.Header.Get("Location"))
		if err != nil || answer.Header.Get("Location") == "" || where.Scheme == "https" && next.Scheme != "https" {
			return nil, &connectors.SendError{
				Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer, Err: errors.New("redirect without an address, or out of TLS"),
			}
		}
		where = next
	}
	return nil, &connectors.SendError{Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer, Err: errors.New("too many redirects")}
}

func given(answer *httpx.Stream) (*connectors.Media, error) {
	if answer.Status == http.StatusForbidden || answer.Status == http.StatusNotFound || answer.Status == http.StatusGone {
		_ = answer.Body.Close()
		return nil, gone("the file is not there any more")
	}
	if err := statuses.Check(answer.Response()); err != nil {
		_ = answer.Body.Close()
		return nil, err
	}
	return answer.Media(), nil
}
