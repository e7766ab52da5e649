package twilio

import (
	"context"
	"fmt"
	"net/http"

	"servicelink/connectors"
)

// Hooks implements connectors.HookLister. The address of status calls goes out with
// every message.
func (c *Channel) Hooks() []connectors.Hook {
	where := c.traits.Where
	if c.service != "" {
		where = "Messaging > Services > Integration > Send a webhook"
	}
	return []connectors.Hook{{Where: where, Method: http.MethodPost, URL: c.messageURL()}}
}

func (c *Channel) messageURL() string { return c.public + c.messagePath() }

// Register implements connectors.Registrar.
func (c *Channel) Register(ctx context.Context) (done []string, err error) {
	s, err := c.setting(ctx)
	if err != nil {
		return nil, err
	}
	if c.right(s) {
		return []string{fmt.Sprintf("%s of %s is %s already", s.name, s.of, c.messageURL())}, nil
	}
	if err := c.enter(ctx, s); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("%s of %s is now %s", s.name, s.of, c.messageURL())}, nil
}
