package telegram

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// Network is the name in the configuration.
const Network = "telegram"

// Definition is the entry for connectors/all.
var Definition = connectors.Definition{Network: Network, New: New}

// DefaultAPI is where the Bot API lives unless a server of one's own is set.
const DefaultAPI = "https://" + publicHost

const publicHost = "api.telegram.org"

const (
	// maxPoll is the longest a server lets a poll wait, whatever is asked for.
	maxPoll = 50 * time.Second
	minPoll = time.Second // below it, polling would never rest
	// pollSlack is how long an answer may take beyond the time a poll waits.
	pollSlack = 15 * time.Second
	// maxPollAnswer is room for 100 updates of at most 64 KiB each, twice, as JSON
	// may be written with escapes.
	maxPollAnswer = 16 << 20
)

// The limits of messages (Bot API: sendMessage, InlineKeyboardMarkup).
const (
	textLimit    = 4096
	captionLimit = 1024
	maxButtons   = 100
)

// Config is a channel's settings.
type Config struct {
	// Token is the bot's, from BotFather: "{bot id}:{secret}".
	Token config.Secret `yaml:"token,required"`
	// APIURL is the Bot API server, http or https. It is trusted: it may be a
	// server of one's own at a private address.
	APIURL string `yaml:"api_url"`
	// PollTimeout is how long a poll waits for updates: whole seconds, 1s to 50s.
	PollTimeout time.Duration `yaml:"poll_timeout"`
	// TakeOver removes a webhook that somebody set for the bot. Without it the
	// channel says that there is one and reads nothing.
	TakeOver bool `yaml:"take_over"`
}

// Connector is one bot.
type Connector struct {
	channel     string
	token       config.Secret
	bot         string   // the bot's id: the part of the token before the colon
	api         *url.URL // without the token
	pollTimeout time.Duration
	takeOver    bool
	client      *httpx.Client // every call but getUpdates
	poller      *httpx.Client // getUpdates: waits longer, reads more
	deps        connectors.Dependencies
	moves       moves // of groups; Send's
	// offset is the id that the next poll asks from; everything below it is
	// delivered. 0 = from the first one kept. Run's alone; it outlives one Run.
	offset int64
}

var (
	_ connectors.Connector        = (*Connector)(nil)
	_ connectors.Runner           = (*Connector)(nil)
	_ connectors.Typer            = (*Connector)(nil)
	_ connectors.AttachmentOpener = (*Connector)(nil)
	_ connectors.RecipientRater   = (*Connector)(nil)
	_ connectors.Addresser        = (*Connector)(nil)
	_ connectors.Exclusive        = (*Connector)(nil)
	_ connectors.Doctor           = (*Connector)(nil)
	_ connectors.Registrar        = (*Connector)(nil)
	_ connectors.Closer           = (*Connector)(nil)
)

// New makes the connector of one channel and reports every mistake in its
// settings at once. It connects to nothing.
func New(ch config.Channel, deps connectors.Dependencies) (connectors.Connector, error) {
	cfg := Config{APIURL: DefaultAPI, PollTimeout: maxPoll}
	err := ch.Settings.Decode(&cfg)
	problem := func(key, message, hint string) {
		err = errors.Join(err, ch.Settings.Problem(key, message, hint))
	}
	bot, ok := botOf(cfg.Token.Reveal())
	if !ok && !cfg.Token.IsZero() {
		problem("token", "is not a bot token", "BotFather gives it: the bot's id, a colon, letters, digits, - and _")
	}
	api, message := apiAddress(cfg.APIURL)
	if message != "" {
		problem("api_url", message, `for example "`+DefaultAPI+`"`)
	}
	if cfg.PollTimeout < minPoll || cfg.PollTimeout > maxPoll || cfg.PollTimeout%time.Second != 0 {
		problem("poll_timeout", "is not in whole seconds from 1s to 50s", "leave it out for 50s")
	}
	client, clientErr := httpx.New(deps, httpx.Options{Trusted: true})
	poller, pollerErr := httpx.New(deps, httpx.Options{
		Trusted: true, Timeout: cfg.PollTimeout + pollSlack, MaxAnswer: maxPollAnswer,
	})
	if err = errors.Join(err, clientErr); err != nil {
		return nil, err
	}
	if pollerErr != nil { // the same file, read twice
		return nil, pollerErr
	}
	return &Connector{
		channel: ch.Name, token: cfg.Token, bot: bot, api: api, pollTimeout: cfg.PollTimeout,
		takeOver: cfg.TakeOver, client: client, poller: poller, deps: deps,
	}, nil
}

// maxBotID is the longest bot id taken, in digits; an int64 has at most 19.
const maxBotID = 18

// botOf reads the bot's id out of its token.
func botOf(token string) (string, bool) {
	id, secret, ok := strings.Cut(token, ":")
	return id, ok && id != "" && len(id) <= maxBotID && strings.Trim(id, "0123456789") == "" &&
		secret != "" && strings.Trim(secret, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_") == ""
}

// apiAddress reads api_url; message says what is wrong with it and never repeats
// it.
func apiAddress(s string) (api *url.URL, message string) {
	api, message = httpx.Address(s)
	if api != nil && (api.RawQuery != "" || api.ForceQuery) {
		return nil, "holds a query (?)"
	}
	return api, message
}

// Capabilities implements connectors.Connector.
func (c *Connector) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{
		TextLimit: textLimit,
		// Whether 4096 means characters or UTF-16 units is not documented. Units
		// are never too permissive.
		TextUnit: connectors.UTF16Units,
		Files:    true,
		Caption:  captionLimit,
		Replies:  true,
		Buttons:  maxButtons,
		// callback_data: 1 to 64 bytes.
		ButtonPayload: 64,
		Typing:        true,
		// There is no key by which Telegram would know a message come again.
		Unknown: config.Report,
		// Telegram: about 30 messages a second for a bot, one a second in a chat
		// with short bursts. The real limits move; 429 is obeyed.
		AccountRate:   connectors.Rate{PerSecond: 30, Burst: 30},
		RecipientRate: connectors.Rate{PerSecond: 1, Burst: 3},
		StartRate:     c.startRate(),
	}
}

// startRate spares a bot the public server's 429: it lets 20 bots a minute in
// that it has not seen lately. After a restart it knows them all, and holding them
// back longer would only make them deaf. A server of one's own does not count
// callers on private addresses.
func (c *Connector) startRate() connectors.Rate {
	if c.api.Hostname() != publicHost {
		return connectors.Rate{}
	}
	return connectors.Rate{PerSecond: 10, Burst: 20}
}

// RecipientRate implements connectors.RecipientRater: a bot may write 20 messages
// a minute into one group, all its topics together.
func (c *Connector) RecipientRate(to connectors.Address) (key string, rate connectors.Rate) {
	if conv, ok := conversationOf(to.TrackingID); ok && conv.group() {
		return decimal(c.moves.now(conv.Chat)), connectors.Rate{PerSecond: 20.0 / 60, Burst: 3}
	}
	return "", c.Capabilities().RecipientRate
}

// Address implements connectors.Addresser. RemoteAddress is the chat: who writes
// in it is not known from the TrackingID.
func (c *Connector) Address(trackingID string) (connectors.Address, bool) {
	conv, ok := conversationOf(trackingID)
	if !ok {
		return connectors.Address{}, false
	}
	return connectors.Address{TrackingID: trackingID, RemoteAddress: decimal(conv.Chat)}, true
}

// Exclusive implements connectors.Exclusive: two pollers of one bot take each
// other's updates, also when one has an older token.
func (c *Connector) Exclusive() string { return c.bot }

// Close implements connectors.Closer.
func (c *Connector) Close() error { return errors.Join(c.client.Close(), c.poller.Close()) }
