package omnichannel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// Network is the name in the configuration.
const Network = "omnichannel"

// Definition is the entry for connectors/all.
var Definition = connectors.Definition{Network: Network, New: New}

const (
	maxBody = 1 << 20
	// patience is how long a client is taken to wait for a webhook's answer. The
	// API says nothing; 15 s is what the impatient half of HTTP clients allow.
	patience = 15 * time.Second
	// maxButtons is ours: the API names no limit, and a message is not a menu.
	maxButtons = 100
	// goodToken is the length below which New warns: the token in the path is all
	// that keeps others from writing as a customer.
	goodToken = 16
)

// Config is a channel's settings.
type Config struct {
	// Token is the secret part of the webhook's path: letters, digits, and -._~
	Token config.Secret `yaml:"token,required"`
	// WebhookURL is the client's server, http or https. It may hold a token in its
	// path or query, so it is never shown; ${NAME} keeps it out of the file.
	WebhookURL string `yaml:"webhook_url,required"`
	// WebhookToken goes into the Authorization header; none, no header.
	WebhookToken config.Secret `yaml:"webhook_token"`
}

// Connector is one Omnichannel channel.
type Connector struct {
	channel string
	public  string // Dependencies.PublicURL
	token   config.Secret
	auth    config.Secret // value of the Authorization header
	target  *url.URL      // {webhook_url}/send_message
	client  *httpx.Client
}

var (
	_ connectors.Connector  = (*Connector)(nil)
	_ connectors.Webhooker  = (*Connector)(nil)
	_ connectors.HookLister = (*Connector)(nil)
	_ connectors.Addresser  = (*Connector)(nil)
	_ connectors.Exclusive  = (*Connector)(nil)
	_ connectors.Doctor     = (*Connector)(nil)
	_ connectors.Prober     = (*Connector)(nil)
	_ connectors.Closer     = (*Connector)(nil)
	_ connectors.Definition = Definition
)

// New makes the connector of one channel and reports every mistake in its
// settings at once.
func New(ch config.Channel, deps connectors.Dependencies) (connectors.Connector, error) {
	var cfg Config
	err := ch.Settings.Decode(&cfg)
	problem := func(key, message, hint string) {
		err = errors.Join(err, ch.Settings.Problem(key, message, hint))
	}
	token := cfg.Token.Reveal()
	if !consists(token, "-._~") {
		problem("token", "holds characters that cannot stand in a URL's path", "use letters, digits and -._~")
	}
	target, message := sendAddress(cfg.WebhookURL)
	if message != "" {
		problem("webhook_url", message, `for example "https://client.example.com"`)
	}
	auth := cfg.WebhookToken
	if !auth.IsZero() {
		if !httpx.FitsHeader(auth.Reveal()) {
			problem("webhook_token", "holds characters that cannot stand in a header", "use visible ASCII characters")
		}
		auth = config.NewSecret("Token " + auth.Reveal())
	}
	client, clientErr := httpx.New(deps, httpx.Options{})
	if clientErr == nil && target != nil && client.CheckHost(target) != nil {
		problem("webhook_url", "is an address that is not public and not listed in egress.allow", "list its range in egress.allow if it is meant")
	}
	if err = errors.Join(err, clientErr); err != nil {
		return nil, err
	}
	if len(token) < goodToken {
		ch.Settings.Warn("token", "is short enough to be guessed", fmt.Sprintf("use at least %d random characters", goodToken))
	}
	return &Connector{channel: ch.Name, public: deps.PublicURL, token: cfg.Token, auth: auth, target: target, client: client}, nil
}

// sendAddress reads webhook_url; message says what is wrong with it and never
// repeats it. An empty one is left to the decoder, which has reported it.
func sendAddress(s string) (target *url.URL, message string) {
	if s == "" {
		return nil, ""
	}
	u, message := httpx.Address(s)
	if message != "" {
		return nil, message
	}
	return u.JoinPath("send_message"), ""
}

// consists reports whether s is made of ASCII letters, digits and extra.
func consists(s, extra string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune(extra, c) {
			return false
		}
	}
	return true
}

// Capabilities implements connectors.Connector.
func (c *Connector) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{
		Buttons:         maxButtons,
		Unknown:         config.Resend,
		WebhookPatience: patience,
	}
}

// Webhooks implements connectors.Webhooker.
func (c *Connector) Webhooks() []connectors.Webhook {
	return []connectors.Webhook{{
		Method:  http.MethodPost,
		Path:    WebhookPath,
		MaxBody: maxBody,
		Verify:  c.verify,
		Parse:   c.parse,
		Reply:   reply,
	}}
}

// Hooks implements connectors.HookLister. The token in the address is all that keeps
// others from writing as a customer.
func (c *Connector) Hooks() []connectors.Hook {
	if c.public == "" {
		return nil
	}
	return []connectors.Hook{{Where: "the client's webhook address", Method: http.MethodPost, URL: c.hookURL(), Secret: true}}
}

func (c *Connector) hookURL() string {
	return c.public + strings.Replace(WebhookPath, "{token}", c.token.Reveal(), 1)
}

// Address implements connectors.Addresser. RemoteAddress is the chat: who
// writes in it is not known from the TrackingID.
func (c *Connector) Address(trackingID string) (connectors.Address, bool) {
	chat, ok := chatOf(trackingID)
	if !ok {
		return connectors.Address{}, false
	}
	return connectors.Address{TrackingID: trackingID, RemoteAddress: chat}, true
}

// Exclusive implements connectors.Exclusive: all channels share the path, and
// the token in it is all that tells them apart.
func (c *Connector) Exclusive() string { return c.token.Reveal() }

// Close implements connectors.Closer.
func (c *Connector) Close() error { return c.client.Close() }

// Send implements connectors.Connector; see outbound.go.
func (c *Connector) Send(ctx context.Context, part connectors.Part) (connectors.Receipt, error) {
	return c.send(ctx, part)
}
