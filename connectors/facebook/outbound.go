package facebook

import (
	"context"
	"errors"
	"net/http"
	"unicode/utf8"

	"servicelink/connectors"
)

type (
	recipient struct {
		ID string `json:"id"`
	}
	quickReply struct {
		ContentType string `json:"content_type"`
		Title       string `json:"title"`
		Payload     string `json:"payload"`
	}
	outAttachment struct {
		Type    string   `json:"type"`
		Payload struct{} `json:"payload"`
	}
	outMessage struct {
		Text         string         `json:"text,omitempty"`
		Attachment   *outAttachment `json:"attachment,omitempty"`
		QuickReplies []quickReply   `json:"quick_replies,omitempty"`
		Metadata     string         `json:"metadata,omitempty"`
	}
	replyTo struct {
		Mid string `json:"mid"`
	}
	outgoing struct {
		Recipient     recipient   `json:"recipient"`
		MessagingType string      `json:"messaging_type,omitempty"`
		Tag           string      `json:"tag,omitempty"`
		Message       *outMessage `json:"message,omitempty"`
		ReplyTo       *replyTo    `json:"reply_to,omitempty"`
		SenderAction  string      `json:"sender_action,omitempty"`
	}
)

func refused(why string) *connectors.SendError {
	return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent, Err: errors.New(why)}
}

func (c *Connector) recipient(trackingID string) (recipient, error) {
	to, ok := c.Address(trackingID)
	if !ok {
		return recipient{}, &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound, Err: errors.New("TrackingId is not of this page"),
		}
	}
	return recipient{to.RemoteAddress}, nil
}

// Send implements connectors.Connector. A reply to a message that the network does
// not know is made again as none: a refusal is certain.
func (c *Connector) Send(ctx context.Context, part connectors.Part) (connectors.Receipt, error) {
	out, err := c.message(part)
	if err != nil {
		return connectors.Receipt{}, err
	}
	receipt, err := c.sendOnce(ctx, part, out)
	if se := (*connectors.SendError)(nil); out.ReplyTo != nil && errors.As(err, &se) && se.Code == "100" && se.Reason == connectors.ReasonContent {
		out.ReplyTo = nil
		return c.sendOnce(ctx, part, out)
	}
	return receipt, err
}

func (c *Connector) sendOnce(ctx context.Context, part connectors.Part, out *outgoing) (connectors.Receipt, error) {
	var answer struct {
		MessageID string `json:"message_id"`
	}
	var err error
	if part.File != nil {
		err = c.upload(ctx, part.File, out, &answer)
	} else {
		err = c.messages(ctx, out, &answer)
	}
	se := (*connectors.SendError)(nil)
	switch {
	case errors.As(err, &se) && se.Code == sentAllTheSame:
		return connectors.Receipt{}, nil
	case err != nil:
		return connectors.Receipt{}, err
	case !isMid(answer.MessageID):
		return connectors.Receipt{}, noAnswer(http.StatusOK)
	}
	return connectors.Receipt{NetworkID: answer.MessageID}, nil
}

func (c *Connector) messagesPath() string { return c.cfg.PageID + "/messages" }

func (c *Connector) messages(ctx context.Context, out *outgoing, answer any) error {
	_, err := c.call(ctx, request{method: http.MethodPost, path: c.messagesPath(), token: c.cfg.PageToken.Reveal(), body: out}, answer)
	return err
}

// message is the part as the network takes it, without its file.
func (c *Connector) message(part connectors.Part) (*outgoing, error) {
	to, err := c.recipient(part.To.TrackingID)
	if err != nil {
		return nil, err
	}
	switch {
	case part.Template != nil:
		return nil, refused("there are no templates")
	case part.File != nil && part.Text != "":
		return nil, refused("a file takes no text beside it")
	case part.File == nil && part.Text == "":
		return nil, refused("there is no text")
	case utf8.RuneCountInString(part.Text) > textLimit:
		return nil, refused("the text is too long")
	case len(part.Buttons) > maxButtons:
		return nil, refused("there are too many buttons")
	}
	m := &outMessage{Text: part.Text}
	if part.Ref != "" {
		m.Metadata = refMark + part.Ref
	}
	for _, b := range part.Buttons {
		if len(b.ID) > maxPayload || utf8.RuneCountInString(b.Text) > buttonTitle {
			return nil, refused("a button is too long")
		}
		m.QuickReplies = append(m.QuickReplies, quickReply{"text", b.Text, b.ID})
	}
	out := &outgoing{Recipient: to, MessagingType: "RESPONSE", Message: m}
	if part.Late && c.cfg.HumanAgent {
		out.MessagingType, out.Tag = "MESSAGE_TAG", "HUMAN_AGENT"
	}
	if isMid(part.ReplyTo) {
		out.ReplyTo = &replyTo{part.ReplyTo}
	}
	return out, nil
}

func (c *Connector) action(ctx context.Context, trackingID, action string) error {
	to, err := c.recipient(trackingID)
	if err != nil {
		return err
	}
	return c.messages(ctx, &outgoing{Recipient: to, SenderAction: action}, nil)
}

// Typing implements connectors.Typer. It is shown for 20 seconds, or until the next
// message.
func (c *Connector) Typing(ctx context.Context, to connectors.Address, _ string, typing bool) error {
	if typing {
		return c.action(ctx, to.TrackingID, "typing_on")
	}
	return c.action(ctx, to.TrackingID, "typing_off")
}

// MarkRead implements connectors.ReadMarker: all that the customer wrote is marked,
// the network knows no single message there.
func (c *Connector) MarkRead(ctx context.Context, to connectors.Address, networkID string) error {
	if networkID == "" {
		return nil
	}
	return c.action(ctx, to.TrackingID, "mark_seen")
}
