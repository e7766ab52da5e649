package graph

import (
	"net/http"
	"slices"
	"time"

	"servicelink/test/netsim/control"
)

// managed is the page, for a token that may change what it is subscribed to.
func (c *call) managed() (*page, error) {
	p, err := c.pageOf()
	if err != nil {
		return nil, err
	}
	return p, c.token.may(scopeMetadata)
}

// subscribedApps lists the apps that hear of a page
// (https://developers.facebook.com/docs/graph-api/reference/page/subscribed_apps).
func (c *call) subscribedApps() (control.Answer, error) {
	p, err := c.managed()
	if err != nil {
		return control.Answer{}, err
	}
	data := []map[string]any{}
	if p.fields != nil {
		data = append(data, map[string]any{
			"category": "Business", "link": "https://www.facebook.com/games/?app_id=" + p.app.id, "name": "App " + p.app.id, "id": p.app.id,
			"subscribed_fields": p.fields,
		})
	}
	return reply(http.StatusOK, map[string]any{"data": data}), nil
}

// subscribe makes the fields given those the page is subscribed to.
func (c *call) subscribe() (control.Answer, error) {
	p, err := c.managed()
	if err != nil {
		return control.Answer{}, err
	}
	wanted := c.params.words("subscribed_fields")
	if len(wanted) == 0 {
		return control.Answer{}, fault100("The parameter subscribed_fields is required.")
	}
	if err := knownFields("subscribed_fields", wanted); err != nil {
		return control.Answer{}, err
	}
	if err := c.token.may(scopeMessaging); err != nil {
		return control.Answer{}, err
	}
	slices.Sort(wanted)
	p.fields, p.failing = slices.Compact(wanted), time.Time{}
	return success(), nil
}

func knownFields(param string, wanted []string) error {
	for i, field := range wanted {
		if !slices.Contains(fields, field) && !slices.Contains(otherFields, field) {
			return fault100("Param %s[%d] must be one of {%s} - got %q.", param, i, "feed, messages, messaging_postbacks, ...", field)
		}
	}
	return nil
}

// unsubscribe ends the subscription.
func (c *call) unsubscribe() (control.Answer, error) {
	p, err := c.managed()
	if err != nil {
		return control.Answer{}, err
	}
	p.fields = nil
	return success(), nil
}
