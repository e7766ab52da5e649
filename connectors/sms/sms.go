package sms

import (
	"errors"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/twilio"
)

// Network is the name in the configuration.
const Network = "sms"

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
	// From is the sender. One of From and MessagingServiceSID.
	From                string `yaml:"from"`
	MessagingServiceSID string `yaml:"messaging_service_sid"`
	// APIURL and MessagingURL are Twilio's APIs. They are trusted.
	APIURL       string `yaml:"api_url"`
	MessagingURL string `yaml:"messaging_url"`
	// MMS sends files as they are, not their addresses.
	MMS bool `yaml:"mms"`
	// MaxSegments is how many short messages one part may become: 1 to 10.
	MaxSegments int `yaml:"max_segments"`
	// MessagesPerSecond is what the sender may send.
	MessagesPerSecond float64 `yaml:"messages_per_second"`
}

// Connector is one sender of short messages.
type Connector struct {
	*twilio.Channel
	maxSegments int
}

var (
	_ connectors.Connector        = (*Connector)(nil)
	_ connectors.Webhooker        = (*Connector)(nil)
	_ connectors.AttachmentOpener = (*Connector)(nil)
	_ connectors.Reconciler       = (*Connector)(nil)
	_ connectors.Recoverer        = (*Connector)(nil)
	_ connectors.Registrar        = (*Connector)(nil)
	_ connectors.Doctor           = (*Connector)(nil)
	_ connectors.Prober           = (*Connector)(nil)
	_ connectors.Addresser        = (*Connector)(nil)
	_ connectors.Exclusive        = (*Connector)(nil)
	_ connectors.Closer           = (*Connector)(nil)
)

// New makes the connector of one channel and reports every mistake in its settings
// at once. It connects to nothing.
func New(ch config.Channel, deps connectors.Dependencies) (connectors.Connector, error) {
	cfg := defaults()
	err := ch.Settings.Decode(&cfg)
	c, err := assemble(ch, deps, traits(cfg), cfg, err)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func defaults() Config {
	return Config{
		APIURL: twilio.DefaultAPI, MessagingURL: twilio.DefaultMessaging,
		MaxSegments: mostSegments, MessagesPerSecond: perSecond,
	}
}

// assemble adds every mistake in cfg to err, which is the decoder's.
func assemble(ch config.Channel, deps connectors.Dependencies, t twilio.Traits, cfg Config, err error) (*Connector, error) {
	if cfg.MaxSegments < 1 || cfg.MaxSegments > mostSegments {
		key := "max_segments"
		if t.Key != nil {
			key = t.Key(key)
		}
		err = errors.Join(err, ch.Settings.Problem(key, "is not from 1 to 10", "leave it out for 10"))
	}
	channel, err := twilio.New(ch, deps, t, twilio.Settings{
		AccountSID: cfg.AccountSID, AuthToken: cfg.AuthToken, AuthTokenOther: cfg.AuthTokenOther,
		APIKey: cfg.APIKey, APISecret: cfg.APISecret, From: cfg.From, Service: cfg.MessagingServiceSID,
		APIURL: cfg.APIURL, MessagingURL: cfg.MessagingURL, PerSecond: cfg.MessagesPerSecond,
	}, err)
	if err != nil {
		return nil, err
	}
	return &Connector{Channel: channel, maxSegments: cfg.MaxSegments}, nil
}

func traits(cfg Config) twilio.Traits {
	return twilio.Traits{
		Network: Network, Account: "sms", Sender: sender, SenderHint: `"+420601234567"`, Files: cfg.MMS, Known: known,
		Where: "Phone Numbers > Active numbers > Messaging > A message comes in",
	}
}
