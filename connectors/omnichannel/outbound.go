package omnichannel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// statuses are the usual ones: the API documents none of its own.
var statuses = httpx.Statuses()

func (c *Connector) send(ctx context.Context, part connectors.Part) (connectors.Receipt, error) {
	chat, ok := chatOf(part.To.TrackingID)
	if !ok {
		return connectors.Receipt{}, &connectors.SendError{
			Outcome: connectors.Rejected,
			Reason:  connectors.ReasonNotFound,
			Err:     errors.New("TrackingId is not {chat_id}|omnichannel"),
		}
	}
	body, err := encode(chat, part)
	if err != nil {
		return connectors.Receipt{}, &connectors.SendError{
			Outcome: connectors.NotSent,
			Reason:  connectors.ReasonBug,
			Err:     errors.New("message cannot be written as JSON"),
		}
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if !c.auth.IsZero() {
		header.Set("Authorization", c.auth.Reveal())
	}
	answer, err := c.client.Do(ctx, httpx.Request{
		Method: http.MethodPost, URL: c.target, Header: header, Body: body,
	})
	if err != nil {
		return connectors.Receipt{}, err
	}
	// The body of a success says nothing, so one that broke off is still a success.
	return connectors.Receipt{}, statuses.Check(answer)
}

// encode writes the body. chat goes out digit by digit as it came in.
func encode(chat string, part connectors.Part) ([]byte, error) {
	msg := sendMessage{
		ChatID:  json.Number(chat),
		Message: outMessage{ID: part.ID, Kind: kindOperator, Text: part.Text},
	}
	if len(part.Buttons) > 0 {
		msg.Message.Data = &outData{Buttons: make([]outButton, len(part.Buttons))}
		for i, b := range part.Buttons {
			msg.Message.Data.Buttons[i] = outButton{ID: b.ID, Text: b.Text}
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // the text goes into no page
	if err := enc.Encode(msg); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
