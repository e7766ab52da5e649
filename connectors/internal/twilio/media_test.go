package twilio

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"servicelink/config"
	"servicelink/connectors"
)

// tripper is the network below the guard.
type tripper func(*http.Request) *http.Response

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return t(r), nil
}

func response(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// through makes a channel with Twilio's own addresses whose network is t.
func through(tb testing.TB, t tripper) *Channel {
	tb.Helper()
	s := settings("")
	s.APIURL, s.MessagingURL = DefaultAPI, DefaultMessaging
	c, err := New(config.Channel{Name: "shop"}, connectors.Dependencies{
		Log: slog.New(slog.DiscardHandler), PublicURL: testPublic, Transport: t,
	}, testTraits, s, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

const mediaPath = "Messages/MM1/Media/ME1"

// TestMediaRedirect: the credentials go to the API alone; where that leads is fetched
// without them, with the range that was asked for.
func TestMediaRedirect(t *testing.T) {
	var seen []string
	c := through(t, func(r *http.Request) *http.Response {
		_, password, auth := r.BasicAuth()
		line := r.URL.String() + " " + r.Header.Get("Range")
		if auth {
			line += " " + password
		}
		for name := range r.Header {
			if name != "Authorization" && name != "Range" && name != "User-Agent" {
				line += " and " + name
			}
		}
		seen = append(seen, line)
		if r.URL.Host == "api.twilio.com" {
			return response(http.StatusTemporaryRedirect, http.Header{"Location": {"https://media.example.com/x?sig=1"}}, "")
		}
		return response(http.StatusPartialContent, http.Header{"Content-Range": {"bytes 1-2/9"}, "Content-Type": {"image/png"}}, "ab")
	})
	media, err := c.Open(t.Context(), connectors.File{ID: mediaPath}, "bytes=1-2")
	if err != nil {
		t.Fatal(err)
	}
	defer media.Body.Close()
	body, err := io.ReadAll(media.Body)
	if err != nil || string(body) != "ab" || media.Type != "image/png" || media.ContentRange != "bytes 1-2/9" {
		t.Errorf("%q, %+v, %v", body, media, err)
	}
	want := []string{
		"https://api.twilio.com/2010-04-01/Accounts/" + testAccount + "/" + mediaPath + " bytes=1-2 " + testToken,
		"https://media.example.com/x?sig=1 bytes=1-2",
	}
	if strings.Join(seen, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked %q, want %q", seen, want)
	}
}

// TestMediaOutside: an address that comes from outside is fetched without credentials
// and only where the guard lets it.
func TestMediaOutside(t *testing.T) {
	answers := func(location string) (*Channel, *int) {
		asked := new(int)
		return through(t, func(r *http.Request) *http.Response {
			if r.URL.Host == "api.twilio.com" {
				return response(http.StatusFound, http.Header{"Location": {location}}, "")
			}
			*asked++
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s is shown the credentials", r.URL.Host)
			}
			if r.URL.Path == "/again" {
				return response(http.StatusFound, http.Header{"Location": {"https://third.example.com/"}}, "")
			}
			return response(http.StatusOK, nil, "content")
		}), asked
	}
	for name, tc := range map[string]struct {
		id, location string
		reason       connectors.Reason
		asked        int
	}{
		"elsewhere from the beginning": {"https://files.example.com/a", "", "", 1},
		"a private address":            {"http://10.1.2.3/a", "", connectors.ReasonForbidden, 0},
		"led to a private address":     {mediaPath, "https://169.254.169.254/latest", connectors.ReasonForbidden, 0},
		"led to this machine":          {mediaPath, "https://localhost/x", connectors.ReasonForbidden, 0},
		"led on again":                 {mediaPath, "https://media.example.com/again", connectors.ReasonAnswer, 1},
		"led nowhere":                  {mediaPath, "", connectors.ReasonAnswer, 0},
		"led to a file":                {mediaPath, "file:///etc/passwd", connectors.ReasonAnswer, 0},
		"led out of TLS":               {mediaPath, "http://media.example.com/", connectors.ReasonAnswer, 0},
	} {
		c, asked := answers(tc.location)
		media, err := c.Open(t.Context(), connectors.File{ID: tc.id}, "")
		if media != nil {
			_ = media.Body.Close()
		}
		if tc.reason == "" && err != nil || tc.reason != "" && (err == nil || connectors.AsSendError(err).Reason != tc.reason) {
			t.Errorf("%s: %v, want %q", name, err, tc.reason)
		}
		if *asked != tc.asked {
			t.Errorf("%s: asked %d times, want %d", name, *asked, tc.asked)
		}
	}
}

// TestMediaFresh: a file that is not there yet is asked for again for three seconds,
// one that cannot be asked for is not.
func TestMediaFresh(t *testing.T) {
	for name, tc := range map[string]struct {
		status  int // of the first answers
		missing int
		want    connectors.Reason
		asked   int
		took    time.Duration
	}{
		"there":          {404, 0, "", 1, 0},
		"there at last":  {404, 2, "", 3, 3 * time.Second},
		"never there":    {404, 99, connectors.ReasonNotFound, 3, 3 * time.Second},
		"not given out":  {401, 99, connectors.ReasonAuth, 1, 0},
		"Twilio is away": {503, 99, connectors.ReasonServer, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				c := through(t, func(*http.Request) *http.Response {
					if asked++; asked <= tc.missing {
						return response(tc.status, nil, `{"code":20404}`)
					}
					return response(http.StatusOK, nil, "content")
				})
				began := time.Now()
				media, err := c.Open(t.Context(), connectors.File{ID: mediaPath}, "")
				if took := time.Since(began); took != tc.took || asked != tc.asked {
					t.Errorf("asked %d times in %v", asked, took)
				}
				if tc.want != "" {
					if err == nil || connectors.AsSendError(err).Reason != tc.want {
						t.Errorf("%v, want %q", err, tc.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := media.Body.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestMediaStops: the patience ends with the context.
func TestMediaStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := through(t, func(*http.Request) *http.Response { return response(404, nil, "") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		began := time.Now()
		_, err := c.Open(ctx, connectors.File{ID: mediaPath}, "")
		if connectors.AsSendError(err).Reason != connectors.ReasonCanceled || time.Since(began) != time.Second/2 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestNoWayOut: what is no path below the account is not asked for.
func TestNoWayOut(t *testing.T) {
	c := through(t, func(r *http.Request) *http.Response {
		t.Errorf("asked for %s", r.URL)
		return response(404, nil, "")
	})
	for _, id := range []string{"", "..", "../../Calls", "/etc", "a//b", "a/../../b"} {
		if _, err := c.open(t.Context(), id, ""); connectors.AsSendError(err).Outcome != connectors.Rejected {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestFileID(t *testing.T) {
	const at = "/2010-04-01/Accounts/" + testAccount + "/" + mediaPath
	for address, want := range map[string]string{
		"https://api.twilio.com" + at:            mediaPath,
		"https://api.dublin.ie1.twilio.com" + at: mediaPath,
		"http://127.0.0.1:80/twilio" + at:        mediaPath,
		"https://api.twilio.com" + at + "?a=b":   "https://api.twilio.com" + at + "?a=b",
		"https://files.example.com/a.png":        "https://files.example.com/a.png",
		"https://api.twilio.com" + at + "/more":  "https://api.twilio.com" + at + "/more",
	} {
		if got := fileID(address); got != want {
			t.Errorf("fileID(%q) = %q", address, got)
		}
	}
}
