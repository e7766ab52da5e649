package twilio

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

const (
	// recent is how long a failure is news.
	recent = 24 * time.Hour
	// examined is how many messages and alerts are looked at.
	examined = 50
)

// latest lists the channel's newest messages of the last day, those in and out.
func (c *Channel) latest(ctx context.Context) ([]listed, error) {
	params := new(openapi.ListMessageParams).SetPageSize(examined).SetDateSentAfter(time.Now().Add(-recent).UTC().Truncate(time.Second))
	if c.from != "" {
		params.SetFrom(c.traits.Prefix + c.from)
	}
	list, _, err := c.messages(ctx, params, page{})
	return list, err
}

// examineErrors tells what failed lately: first the calls of this gateway, which may
// have lost what customers wrote, then messages that an operator could have sent.
func (c *Channel) examineErrors(ctx context.Context, list []listed, err error) connectors.Check {
	const name = connectors.CheckErrors
	if err != nil {
		return httpx.Unasked(name, err)
	}
	calls, err := c.alerts(ctx)
	if warning, yes := warn(name, calls, "calls of this gateway"); yes {
		return warning
	}
	var unsent []trouble
	for _, m := range list {
		if code := m.ErrorCode.number(); code != 0 && !m.inbound() && c.sentByUs(m) && operators(code) {
			unsent = append(unsent, trouble{m.at(), code})
		}
	}
	if warning, yes := warn(name, unsent, "messages"); yes {
		return warning
	}
	if err != nil {
		return httpx.Unasked(name, err)
	}
	return connectors.Check{Name: name, State: connectors.CheckOK, Found: "none within a day"}
}

func (c *Channel) sentByUs(m listed) bool {
	if c.service != "" {
		return string(m.Service) == c.service
	}
	return string(m.From) == c.traits.Prefix+c.from
}

// operators reports whether an error is about more than one customer or one text, so
// that an operator can do something.
func operators(code int) bool {
	r, known := ruleOf[code]
	return known && slices.Contains([]connectors.Reason{connectors.ReasonAuth, connectors.ReasonRate, connectors.ReasonServer}, r.reason)
}

// trouble is one failure.
type trouble struct {
	at   time.Time
	code int
}

// warn tells of the failures, if there are any; the latest one is the first.
func warn(name connectors.CheckName, all []trouble, of string) (check connectors.Check, yes bool) {
	if len(all) == 0 {
		return check, false
	}
	slices.SortStableFunc(all, func(a, b trouble) int { return b.at.Compare(a.at) })
	latest := all[0]
	cure := "Twilio's console (Monitor > Logs > Errors) says what it is about."
	if r, known := ruleOf[latest.code]; known && r.hint != "" {
		cure = r.hint
	}
	check = httpx.Failed(name, connectors.FaultDeliveryErrors,
		fmt.Sprintf("%s that failed within a day: %d, the last at %s", of, len(all), latest.at.UTC().Format(time.RFC3339)), cure)
	check.State, check.Code = connectors.CheckWarning, strconv.Itoa(latest.code)
	return check, true
}

// alerts lists the failed calls of this channel's paths. All channels of a network
// share them.
func (c *Channel) alerts(ctx context.Context) ([]trouble, error) {
	since := time.Now().Add(-recent).UTC()
	query := url.Values{"LogLevel": {"error"}, "StartDate": {since.Format(time.RFC3339)}, "PageSize": {strconv.Itoa(examined)}}
	answer, err := c.ask(ctx, http.MethodGet, monitor(c.api), "/v1/Alerts?"+query.Encode(), "", nil)
	if err != nil {
		return nil, err
	}
	var alerts struct {
		List []struct {
			Code word `json:"error_code"`
			URL  word `json:"request_url"`
			Date word `json:"date_created"`
		} `json:"alerts"`
	}
	if err := decode(answer, &alerts); err != nil {
		return nil, err
	}
	var all []trouble
	for _, a := range alerts.List {
		at := a.Date.time()
		if a.Code.number() != 0 && !at.Before(since) && strings.HasPrefix(string(a.URL), c.public+"/connector/"+c.traits.Network+"/") {
			all = append(all, trouble{at, a.Code.number()})
		}
	}
	return all, nil
}

// monitor is the API that lists alerts. It is beside api_url as Twilio has it -
// api.twilio.com and monitor.twilio.com, in every region - and below /monitor where
// api_url is anything else.
func monitor(api *url.URL) *url.URL {
	if rest, ok := strings.CutPrefix(api.Host, "api."); ok && strings.HasSuffix(api.Hostname(), ".twilio.com") {
		m := *api
		m.Host = "monitor." + rest
		return &m
	}
	return api.JoinPath("monitor")
}
