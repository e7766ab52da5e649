package twilio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"

	"servicelink/connectors"
)

// Send implements connectors.Connector: one request that creates a message. Twilio
// accepts it into a queue; what becomes of it there it tells by status calls.
func (c *Channel) Send(ctx context.Context, part connectors.Part) (connectors.Receipt, error) {
	to, ok := c.Address(part.To.TrackingID)
	if !ok {
		return connectors.Receipt{}, &connectors.SendError{
			Outcome: connectors.Rejected, Reason: connectors.ReasonNotFound,
			Err: errors.New("TrackingId is not {address}|" + c.traits.Network),
		}
	}
	params, err := c.params(ctx, to.RemoteAddress, part)
	if err != nil {
		return connectors.Receipt{}, err
	}
	request, service := c.call(ctx)
	_, _ = service.CreateMessage(params) // read says what came of it
	var created struct {
		SID word `json:"sid"`
	}
	if err := request.read(&created); err != nil {
		return connectors.Receipt{}, err
	}
	if created.SID == "" {
		return connectors.Receipt{}, noAnswer()
	}
	return connectors.Receipt{NetworkID: string(created.SID)}, nil
}

// params is the part as Twilio's form. Each has one of text, file and template.
func (c *Channel) params(ctx context.Context, to string, part connectors.Part) (*openapi.CreateMessageParams, error) {
	params := new(openapi.CreateMessageParams).SetTo(c.traits.Prefix + to)
	if !c.traits.SendOnly {
		params.SetStatusCallback(c.statusCallback(part.Ref))
	}
	if c.service != "" {
		params.SetMessagingServiceSid(c.service)
	} else {
		params.SetFrom(c.traits.Prefix + c.from)
	}
	switch {
	case len(part.Buttons) > 0:
		return nil, refused("buttons exist in templates only")
	case part.Template != nil:
		params.SetContentSid(part.Template.ID)
		if len(part.Template.Variables) > 0 {
			params.SetContentVariables(contentVariables(part.Template.Variables))
		}
		return params, nil
	case part.File != nil:
		address, err := c.fileAddress(ctx, part.File)
		if err != nil {
			return nil, err
		}
		params.SetMediaUrl([]string{address})
	}
	if part.Text != "" {
		params.SetBody(part.Text)
	}
	return params, nil
}

func refused(why string) *connectors.SendError {
	return &connectors.SendError{Outcome: connectors.Rejected, Reason: connectors.ReasonContent, Err: errors.New(why)}
}

// statusCallback is where Twilio reports on the message; it signs this address with
// the report, so the reference cannot be made up.
func (c *Channel) statusCallback(ref string) string {
	return c.public + c.statusPath() + "?" + refParameter + "=" + url.QueryEscape(ref)
}

// contentVariables writes a template's variables as Twilio takes them: a JSON object
// in a string, its keys sorted so that the same template is the same request.
func contentVariables(variables map[string]string) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(variables) // strings do not fail
	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}

// fileAddress is what Twilio fetches. There is no other way to send a file: a file
// without an address is asked for only to say why it cannot be had.
func (c *Channel) fileAddress(ctx context.Context, f *connectors.OutFile) (string, error) {
	if !c.traits.Files {
		return "", refused("this channel sends no files")
	}
	u, err := url.Parse(f.URL)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
		return f.URL, nil
	}
	if f.URL == "" && f.Open != nil {
		media, err := f.Open(ctx)
		if err != nil {
			return "", err
		}
		_ = media.Body.Close()
	}
	se := refused("the file has no http address")
	se.Hint = "Twilio fetches files itself: a file needs an address that begins with https://."
	return "", se
}
