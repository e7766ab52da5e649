package telegram

import (
	"cmp"
	"context"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// webhookInfo is what getWebhookInfo tells. Without a webhook url is empty.
type webhookInfo struct {
	URL     string `json:"url"`
	Pending int64  `json:"pending_update_count"`
	// Of the webhook's latest failure, and of the server's own with Telegram: Unix
	// times, 0 = none.
	ErrorDate    int64  `json:"last_error_date"`
	ErrorMessage string `json:"last_error_message"`
	SyncDate     int64  `json:"last_synchronization_error_date"`
}

// host is where updates go, to be shown.
func (w webhookInfo) host() string {
	return cmp.Or(httpx.ShownHost(w.URL), "an address that cannot be read")
}

// deleteWebhook leaves what waits where it is: the next poll brings it.
func (c *Connector) deleteWebhook(ctx context.Context) error {
	return c.call(ctx, "deleteWebhook", map[string]bool{"drop_pending_updates": false}, nil)
}

// Hooks implements connectors.HookLister: the bot is asked, so nothing is entered.
func (c *Connector) Hooks() []connectors.Hook { return nil }

// Register implements connectors.Registrar: it removes the webhook that somebody set
// for the bot, whoever that is. What waits is not lost.
func (c *Connector) Register(ctx context.Context) (done []string, err error) {
	var hook webhookInfo
	if err := c.call(ctx, "getWebhookInfo", nil, &hook); err != nil {
		return nil, runError(err)
	}
	if hook.URL == "" {
		return []string{"no webhook is set for the bot already"}, nil
	}
	if err := c.deleteWebhook(ctx); err != nil {
		return nil, runError(err)
	}
	return []string{"the bot's webhook at " + hook.host() + " is removed"}, nil
}
