package whatsapp

import (
	"context"
	"errors"
	"strings"

	"servicelink/connectors"
)

// OpenWindow implements connectors.WindowOpener: in the template's variables {text}
// stands for what the agent wrote, and {name} for the customer as the agent sees
// them. WhatsApp takes no line breaks in a variable. A file cannot be said by a
// template.
func (c *Connector) OpenWindow(part connectors.Part) (connectors.Template, bool) {
	if c.window == nil || strings.TrimSpace(part.Text) == "" || part.File != nil {
		return connectors.Template{}, false
	}
	fill := strings.NewReplacer("{text}", oneLine(part.Text), "{name}", oneLine(part.To.RemoteAddress))
	variables := make(map[string]string, len(c.window.Variables))
	for name, value := range c.window.Variables {
		variables[name] = fill.Replace(value)
	}
	return connectors.Template{ID: c.window.ContentSID, Variables: variables}, true
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Typing implements connectors.Typer. Twilio shows it until the next message and at
// most 25 seconds, marks the answered message as read, and wants to be told which
// one that is; there is no call that ends it.
func (c *Connector) Typing(ctx context.Context, to connectors.Address, answering string, typing bool) error {
	if _, ok := c.Address(to.TrackingID); !ok {
		return &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Err: errors.New("TrackingId is not WhatsApp's"),
		}
	}
	if !typing || answering == "" {
		return nil
	}
	return c.PostMessaging(ctx, typingPath, map[string]string{"messageId": answering, "channel": Network})
}
