package sms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/twilio"
)

// TwilioSms is the entry for connectors/all of short messages that go as messages: in,
// what customers write to a sender; out, texts to numbers.
var TwilioSms = connectors.DeviceDefinition{Type: "TwilioSms", Network: Network, In: true, Out: true, New: newDevice}

// deviceConfig is Config as a core writes it.
type deviceConfig struct {
	AccountSID          string        `yaml:"AccountSID,required"`
	AuthToken           config.Secret `yaml:"AuthToken,required"`
	AuthTokenOther      config.Secret `yaml:"AuthTokenOther"`
	APIKey              string        `yaml:"APIKey"`
	APISecret           config.Secret `yaml:"APISecret"`
	From                string        `yaml:"From"`
	MessagingServiceSID string        `yaml:"MessagingServiceSID"`
	APIURL              string        `yaml:"APIURL"`
	MessagingURL        string        `yaml:"MessagingURL"`
	MMS                 bool          `yaml:"MMS"`
	MaxSegments         int           `yaml:"MaxSegments"`
	MessagesPerSecond   float64       `yaml:"MessagesPerSecond"`
}

// deviceKeys are the names of a device's settings, by those of a channel's.
var deviceKeys = map[string]string{
	"account_sid": "AccountSID", "auth_token": "AuthToken", "auth_token_other": "AuthTokenOther", "api_key": "APIKey",
	"api_secret": "APISecret", "from": "From", "messaging_service_sid": "MessagingServiceSID", "api_url": "APIURL",
	"messaging_url": "MessagingURL", "max_segments": "MaxSegments", "messages_per_second": "MessagesPerSecond",
}

func newDevice(ch config.Channel, deps connectors.Dependencies) (connectors.Device, error) {
	cfg := deviceConfig(defaults())
	err := ch.Settings.Decode(&cfg)
	t := traits(Config(cfg))
	t.Key = func(name string) string { return deviceKeys[name] }
	t.Plain, t.SendOnly = true, !ch.Gateway.Inbound
	c, err := assemble(ch, deps, t, Config(cfg), err)
	if err != nil {
		return nil, err
	}
	if ch.Gateway.Inbound {
		return inDevice{c}, nil
	}
	return outDevice{channel: c.Channel, maxSegments: c.maxSegments}, nil
}

// inDevice takes what customers write. It is a channel that is never asked to send.
type inDevice struct{ *Connector }

var (
	_ connectors.Device           = inDevice{}
	_ connectors.Webhooker        = inDevice{}
	_ connectors.AttachmentOpener = inDevice{}
	_ connectors.Recoverer        = inDevice{}
	_ connectors.Exclusive        = inDevice{}
	_ connectors.Doctor           = inDevice{}
	_ connectors.Closer           = inDevice{}
)

// outDevice sends texts. Twilio is not asked to report what becomes of them later: a
// core that sends messages is told once, when the network has taken one.
type outDevice struct {
	channel     *twilio.Channel
	maxSegments int
}

var (
	_ connectors.Device        = outDevice{}
	_ connectors.MessageSender = outDevice{}
	_ connectors.Doctor        = outDevice{}
	_ connectors.Closer        = outDevice{}
)

// Capabilities implements connectors.Device.
func (d outDevice) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{Unknown: config.Report, AccountRate: d.channel.AccountRate()}
}

// Parts implements connectors.MessageSender: "+420601234567", or where the text is
// longer than what one request takes "+420601234567 1/3", and so on.
func (d outDevice) Parts(m *connectors.Message) ([]string, error) {
	texts, err := d.texts(m)
	if err != nil {
		return nil, err
	}
	numbers, err := recipients(m)
	if err != nil {
		return nil, err
	}
	parts := make([]string, 0, len(numbers)*len(texts))
	for _, number := range numbers {
		for i := range texts {
			parts = append(parts, partName(number, i, len(texts)))
		}
	}
	return parts, nil
}

func partName(number string, i, of int) string {
	if of == 1 {
		return number
	}
	return fmt.Sprintf("%s %d/%d", number, i+1, of)
}

// SendMessage implements connectors.MessageSender.
func (d outDevice) SendMessage(ctx context.Context, m *connectors.Message, part string) (connectors.Receipt, error) {
	texts, err := d.texts(m)
	if err != nil {
		return connectors.Receipt{}, err
	}
	number, _, _ := strings.Cut(part, " ")
	i := 0
	for i < len(texts) && partName(number, i, len(texts)) != part {
		i++
	}
	if i == len(texts) || !isNumber(number) {
		return connectors.Receipt{}, refused(connectors.ReasonNotFound, "the recipient is no telephone number")
	}
	return d.channel.Send(ctx, connectors.Part{
		To: connectors.Address{TrackingID: connectors.TrackingID(number, Network), RemoteAddress: number}, Text: texts[i],
	})
}

// Examine implements connectors.Doctor: what the channel looks at, without what is
// about its webhook.
func (d outDevice) Examine(ctx context.Context, e connectors.Examination) []connectors.Check {
	return slices.DeleteFunc(d.channel.Examine(ctx, e), func(c connectors.Check) bool {
		return c.Name == connectors.CheckWebhook || c.Name == connectors.CheckSignature
	})
}

// Close implements connectors.Closer.
func (d outDevice) Close() error { return d.channel.Close() }

func refused(reason connectors.Reason, why string) error {
	return &connectors.SendError{Outcome: connectors.Rejected, Reason: reason, Err: errors.New(why)}
}
