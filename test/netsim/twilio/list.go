package twilio

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// Sizes of a page.
const (
	defaultPage = 50
	longestPage = 1000
)

// filter selects messages.
type filter struct {
	from, to     string
	after, until time.Time // inclusive; zero = no bound
	before       time.Time // exclusive; of DateSent, which means a whole day
}

// filter reads the parameters From, To, DateSent, DateSent> and DateSent<; the
// comparison is part of the name.
func (c *call) filter() (f filter, err error) {
	f.from, f.to = c.form.Get("From"), c.form.Get("To")
	if on := c.form.Get("DateSent"); on != "" {
		if f.after, err = moment(on); err == nil {
			f.before = f.after.Add(24 * time.Hour)
			if len(on) > len(time.DateOnly) {
				f.before = f.after.Add(time.Second)
			}
		}
	}
	if since := c.form.Get("DateSent>"); since != "" && err == nil {
		f.after, err = moment(since)
	}
	if until := c.form.Get("DateSent<"); until != "" && err == nil {
		f.until, err = moment(until)
	}
	return f, err
}

// moment reads a day or a time, in UTC.
func moment(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339, time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, bad(20001, "DateSent %q is no date", s)
}

// selects goes by whole seconds, as the list shows no parts of one. A message
// that is not sent yet counts as sent when it was made.
func (f filter) selects(m *message) bool {
	from, to := m.ends()
	at := m.sent
	if at.IsZero() {
		at = m.created
	}
	at = at.Truncate(time.Second)
	return (f.from == "" || f.from == from) && (f.to == "" || f.to == to) && !at.Before(f.after) &&
		(f.until.IsZero() || !at.After(f.until)) && (f.before.IsZero() || at.Before(f.before))
}

// listMessages lists them, the latest first.
func (c *call) listMessages() (control.Answer, error) {
	f, err := c.filter()
	if err != nil {
		return control.Answer{}, err
	}
	size, page := c.page()
	start, found := len(c.tenant.messages), false
	if after, paged := strings.CutPrefix(c.form.Get("PageToken"), "PA"); paged {
		for start > 0 && !found {
			start--
			found = c.tenant.messages[start].sid == after
		}
		if !found {
			return control.Answer{}, bad(20006, "Page token is invalid")
		}
	}
	list, last := []map[string]any{}, ""
	more := false
	for i := start - 1; i >= 0 && !more; i-- {
		if m := c.tenant.messages[i]; f.selects(m) {
			if more = len(list) == size; !more {
				list, last = append(list, m.json()), m.sid
			}
		}
	}
	next := url.Values{}
	if more {
		next.Set("PageToken", "PA"+last)
	}
	return c.paged("messages", list, size, page, next), nil
}

// page reads PageSize and Page.
func (c *call) page() (size, page int) {
	size, err := strconv.Atoi(c.form.Get("PageSize"))
	if err != nil || size < 1 {
		size = defaultPage
	}
	page, err = strconv.Atoi(c.form.Get("Page"))
	if err != nil || page < 0 {
		page = 0
	}
	return min(size, longestPage), page
}

// paged is a page of a list; next is what its address has more than this one, empty
// = there is none.
func (c *call) paged(name string, list []map[string]any, size, page int, next url.Values) control.Answer {
	uri := func(page int, with url.Values) string {
		q := c.URL.Query()
		q.Del("PageToken")
		q.Set("PageSize", strconv.Itoa(size))
		q.Set("Page", strconv.Itoa(page))
		maps.Copy(q, with)
		return c.URL.Path + "?" + q.Encode()
	}
	v := map[string]any{
		name: list, "page": page, "page_size": size, "start": page * size, "end": page*size + max(0, len(list)-1),
		"uri": c.URL.RequestURI(), "first_page_uri": uri(0, nil), "previous_page_uri": nil, "next_page_uri": nil,
	}
	if len(next) > 0 {
		v["next_page_uri"] = uri(page+1, next)
	}
	return reply(http.StatusOK, v)
}

// placeMessage goes by the message that the path names.
func (c *call) placeMessage() {
	sid := c.PathValue("sid")
	if sid == "" {
		sid = strings.TrimSuffix(c.PathValue("file"), ".json")
	}
	if m := c.tenant.byID[sid]; m != nil {
		c.one = m.one
	}
}

// named is the message that the path names.
func (c *call) named(sid string) (*message, error) {
	if m := c.tenant.byID[sid]; m != nil {
		return m, nil
	}
	return nil, notFound(c.URL.Path)
}

func (c *call) fetchMessage() (control.Answer, error) {
	sid, _ := strings.CutSuffix(c.PathValue("file"), ".json")
	m, err := c.named(sid)
	if err != nil {
		return control.Answer{}, err
	}
	return reply(http.StatusOK, m.json()), nil
}
