package twilio

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// mediaForm finds the account and the file in the address of a file at Twilio.
var mediaForm = regexp.MustCompile(`/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/(Messages/[0-9A-Za-z]+/Media/[0-9A-Za-z]+)$`)

// fileID names a customer's file: the path below the account for one that lies at
// Twilio, whatever host serves it, so that a list of messages names it alike; else
// its address.
func fileID(address string) string {
	if u, err := url.Parse(address); err == nil && u.RawQuery == "" && u.Fragment == "" {
		if m := mediaForm.FindStringSubmatch(u.Path); m != nil {
			return m[1]
		}
	}
	return address
}

// freshWaits are the waits for a file that is missing: Twilio tells of a file before
// it can be had everywhere.
var freshWaits = []time.Duration{time.Second, 2 * time.Second}

// Open implements connectors.AttachmentOpener. Twilio asks for the credentials and
// then leads to a place where the address alone opens the file. That one comes from
// outside: it is fetched without credentials and through the egress guard, as is a
// file that lies elsewhere from the beginning.
func (c *Channel) Open(ctx context.Context, file connectors.File, byteRange string) (*connectors.Media, error) {
	for _, wait := range freshWaits {
		media, err := c.open(ctx, file.ID, byteRange)
		if se := (*connectors.SendError)(nil); !errors.As(err, &se) || se.Reason != connectors.ReasonNotFound {
			return media, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, &connectors.SendError{
				Outcome: connectors.NotSent, Reason: connectors.ReasonCanceled, Err: errors.New("stopped by the gateway"),
			}
		}
	}
	return c.open(ctx, file.ID, byteRange)
}

func (c *Channel) open(ctx context.Context, id, byteRange string) (*connectors.Media, error) {
	header := http.Header{}
	if byteRange != "" {
		header.Set("Range", byteRange)
	}
	if u, err := url.Parse(id); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
		return c.fetch(ctx, u, header)
	}
	if !fs.ValidPath(id) {
		return nil, &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Err: errors.New("the file has no address"),
		}
	}
	where := c.api.JoinPath("2010-04-01", "Accounts", c.account).JoinPath(strings.Split(id, "/")...)
	signed := header.Clone()
	signed.Set("Authorization", c.credentials().authorization())
	answer, err := c.client.Stream(ctx, httpx.Request{Method: http.MethodGet, URL: where, Header: signed})
	if err != nil {
		return nil, err
	}
	if answer.Status < 300 || answer.Status > 399 {
		return given(answer)
	}
	_ = answer.Body.Close()
	next, err := where.Parse(answer.Header.Get("Location"))
	if err != nil || answer.Header.Get("Location") == "" || next.Scheme != "https" && next.Scheme != where.Scheme {
		return nil, &connectors.SendError{
			Outcome: connectors.Unknown, Reason: connectors.ReasonAnswer,
			Err: errors.New("redirect without an address of the web, or out of TLS"),
		}
	}
	return c.fetch(ctx, next, header)
}

// fetch reads a file without credentials.
func (c *Channel) fetch(ctx context.Context, from *url.URL, header http.Header) (*connectors.Media, error) {
	answer, err := c.files.Stream(ctx, httpx.Request{Method: http.MethodGet, URL: from, Header: header})
	if err != nil {
		return nil, err
	}
	return given(answer)
}

func given(answer *httpx.Stream) (*connectors.Media, error) {
	if err := statuses.Check(answer.Response()); err != nil {
		_ = answer.Body.Close()
		return nil, err
	}
	return answer.Media(), nil
}
