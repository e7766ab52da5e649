package telegram

import (
	"context"
	"errors"

	"github.com/go-telegram/bot/models"

	"servicelink/connectors"
)

// Typing implements connectors.Typer. Telegram shows it for 5 seconds or until
// the next message; there is no call that ends it.
func (c *Connector) Typing(ctx context.Context, to connectors.Address, _ string, typing bool) error {
	conv, ok := conversationOf(to.TrackingID)
	if !ok {
		return nobody()
	}
	if !typing {
		return nil
	}
	conv.Chat = c.moves.now(conv.Chat)
	err := c.call(ctx, "sendChatAction", struct {
		conversation
		Action models.ChatAction `json:"action"`
	}{conv, models.ChatActionTyping}, nil)
	if refused, ok := errors.AsType[*apiError](err); ok {
		return classify(refused)
	}
	return err
}
