package facebook

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"servicelink/connectors"
)

var localeForm = regexp.MustCompile(`^[a-z]{2}([_-]|$)`)

// withheld are the codes of a profile that is not given out.
var withheld = []string{"10", "100", "200", "210", "230", "803"}

// Profile implements connectors.Profiler. Without Business Asset User Profile Access,
// and of many customers with it, the network tells nothing: that is no error.
func (c *Connector) Profile(ctx context.Context, to connectors.Address) (connectors.Profile, error) {
	who, err := c.recipient(to.TrackingID)
	if err != nil {
		return connectors.Profile{}, err
	}
	var p struct {
		Name   string `json:"name"`
		First  string `json:"first_name"`
		Last   string `json:"last_name"`
		Locale string `json:"locale"`
	}
	_, err = c.call(ctx, request{
		method: http.MethodGet, path: who.ID, token: c.cfg.PageToken.Reveal(), query: query{"fields": "name,first_name,last_name,locale"},
	}, &p)
	if se := (*connectors.SendError)(nil); errors.As(err, &se) {
		code, _, _ := strings.Cut(se.Code, "/")
		if slices.Contains(withheld, code) && se.Hint != hintSecret {
			return connectors.Profile{}, nil
		}
		return connectors.Profile{}, err
	}
	out := connectors.Profile{Name: strings.TrimSpace(p.Name)}
	if out.Name == "" {
		out.Name = strings.TrimSpace(p.First + " " + p.Last)
	}
	if localeForm.MatchString(p.Locale) {
		out.Culture = p.Locale[:2]
	}
	return out, nil
}
