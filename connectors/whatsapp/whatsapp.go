package whatsapp

import (
	"errors"
	"regexp"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/twilio"
)

// Network is the name in the configuration.
const Network = "whatsapp"

// Definition is the entry for connectors/all.
var Definition = connectors.Definition{Network: Network, New: New}

// Config is a channel's settings.
type Config struct {
	// AccountSID names the account at Twilio: AC and 32 hexadecimal digits.
	AccountSID string `yaml:"account_sid,required"`
	// AuthToken signs the webhooks: the account's own, not an API key's secret.
	AuthToken config.Secret `yaml:"auth_token,required"`
	// AuthTokenOther signs them too, while the token is being changed.
	AuthTokenOther config.Secret `yaml:"auth_token_other"`
	// APIKey and APISecret make the calls; without them account and token do.
	APIKey    string        `yaml:"api_key"`
	APISecret config.Secret `yaml:"api_secret"`
	// From is the sender, without "whatsapp:". One of From and MessagingServiceSID.
	From                string `yaml:"from"`
	MessagingServiceSID string `yaml:"messaging_service_sid"`
	// APIURL and MessagingURL are Twilio's APIs. They are trusted.
	APIURL       string `yaml:"api_url"`
	MessagingURL string `yaml:"messaging_url"`
	// WindowTemplate says what the agent wrote when the reply window is closed.
	WindowTemplate *WindowTemplate `yaml:"window_template"`
	// MessagesPerSecond is what the sender may send.
	MessagesPerSecond float64 `yaml:"messages_per_second"`
}

// WindowTemplate is an approved template; see OpenWindow.
type WindowTemplate struct {
	ContentSID string            `yaml:"content_sid,required"`
	Variables  map[string]string `yaml:"variables"`
}

// Connector is one WhatsApp sender.
type Connector struct {
	*twilio.Channel
	window *WindowTemplate // nil = none
}

var (
	_ connectors.Connector        = (*Connector)(nil)
	_ connectors.Webhooker        = (*Connector)(nil)
	_ connectors.Typer            = (*Connector)(nil)
	_ connectors.AttachmentOpener = (*Connector)(nil)
	_ connectors.WindowOpener     = (*Connector)(nil)
	_ connectors.Reconciler       = (*Connector)(nil)
	_ connectors.Recoverer        = (*Connector)(nil)
	_ connectors.Registrar        = (*Connector)(nil)
	_ connectors.Doctor           = (*Connector)(nil)
	_ connectors.Prober           = (*Connector)(nil)
	_ connectors.Addresser        = (*Connector)(nil)
	_ connectors.Exclusive        = (*Connector)(nil)
	_ connectors.Closer           = (*Connector)(nil)
)

var contentForm = regexp.MustCompile(`^HX[0-9a-fA-F]{32}$`)

// New makes the connector of one channel and reports every mistake in its settings
// at once. It connects to nothing.
func New(ch config.Channel, deps connectors.Dependencies) (connectors.Connector, error) {
	cfg := Config{APIURL: twilio.DefaultAPI, MessagingURL: twilio.DefaultMessaging, MessagesPerSecond: perSecond}
	err := ch.Settings.Decode(&cfg)
	if w := cfg.WindowTemplate; w != nil && w.ContentSID != "" && !contentForm.MatchString(w.ContentSID) {
		err = errors.Join(err, ch.Settings.Problem("window_template.content_sid", "is not HX and 32 hexadecimal digits",
			"Twilio's Content Template Builder shows it"))
	}
	channel, err := twilio.New(ch, deps, traits, twilio.Settings{
		AccountSID: cfg.AccountSID, AuthToken: cfg.AuthToken, AuthTokenOther: cfg.AuthTokenOther,
		APIKey: cfg.APIKey, APISecret: cfg.APISecret, From: cfg.From, Service: cfg.MessagingServiceSID,
		APIURL: cfg.APIURL, MessagingURL: cfg.MessagingURL, PerSecond: cfg.MessagesPerSecond,
	}, err)
	if err != nil {
		return nil, err
	}
	return &Connector{Channel: channel, window: cfg.WindowTemplate}, nil
}

var traits = twilio.Traits{
	Network: Network, Account: "wa", Prefix: prefix, Sender: sender, SenderHint: `"+420601234567"`, Files: true, Known: known,
	Where: "Messaging > Senders > WhatsApp senders > Webhook URL for incoming messages",
}

// Capabilities implements connectors.Connector.
func (c *Connector) Capabilities() connectors.Capabilities {
	caps := c.Channel.Capabilities()
	caps.TextLimit, caps.Caption = textLimit, captionLimit
	caps.Typing = true
	caps.ReplyWindow = replyWindow
	return caps
}
