package twilio

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// Where Twilio's APIs are.
const (
	DefaultAPI       = "https://api.twilio.com"
	DefaultMessaging = "https://messaging.twilio.com"
)

const (
	// maxBody of a webhook, in bytes: Twilio's largest are some 20 KB.
	maxBody = 256 << 10
	// patience is how long Twilio waits for an answer in all.
	patience = 15 * time.Second
)

// Settings are what both networks are configured with. The connectors' own structs
// have the same names in YAML.
type Settings struct {
	AccountSID     string
	AuthToken      config.Secret
	AuthTokenOther config.Secret
	APIKey         string
	APISecret      config.Secret
	From           string
	Service        string
	APIURL         string
	MessagingURL   string
	// PerSecond is how many messages the sender may send.
	PerSecond float64
}

// Traits are how a network differs from the other.
type Traits struct {
	Network string // "whatsapp"
	Account string // what event IDs begin with
	// Prefix stands before an address in From and To: "whatsapp:".
	Prefix string
	// Sender is the form of Settings.From, SenderHint an example of it.
	Sender     *regexp.Regexp
	SenderHint string
	// Files: Part.File is sent as MediaUrl.
	Files bool
	// Known is what the fields of a message tell of its customer, the most important
	// first.
	Known func(field func(name string) string) []connectors.Member
	// Where an operator finds the address for incoming messages of a number.
	Where string
	// Key is what a setting is called, of which New knows the name in the file; nil =
	// so.
	Key func(name string) string
	// SendOnly: nothing comes in, and so there is no address for Twilio to call.
	SendOnly bool
	// Plain: customers without a name get none made up.
	Plain bool
}

// Channel is one sender of one account.
type Channel struct {
	traits    Traits
	name      string // in the configuration
	account   string // AC...
	tokens    []config.Secret
	user      string
	password  config.Secret
	from      string // without Prefix; empty where service is set
	service   string // MG...
	digits    []byte // of from, or service: what is in every call of this channel, however it is escaped
	api       *url.URL
	messaging *url.URL
	public    string
	perSecond float64
	client    *httpx.Client // for the APIs, which stand in the configuration
	files     *httpx.Client // for what their answers lead to
	listed    mediaLists    // Recover's
}

var (
	accountForm = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	keyForm     = regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`)
	serviceForm = regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`)
)

// New makes a Channel and adds every mistake in s to err, which is the decoder's.
func New(ch config.Channel, deps connectors.Dependencies, t Traits, s Settings, err error) (*Channel, error) {
	problem := func(key, message, hint string) {
		if t.Key != nil {
			key = t.Key(key)
		}
		err = errors.Join(err, ch.Settings.Problem(key, message, hint))
	}
	s.checkAccount(problem)
	s.checkSender(t, problem)
	api := address("api_url", s.APIURL, problem)
	messaging := address("messaging_url", s.MessagingURL, problem)
	if s.PerSecond <= 0 || s.PerSecond > 1000 || math.IsNaN(s.PerSecond) {
		problem("messages_per_second", "is not above 0 and at most 1000", "what Twilio lets this sender send")
	}
	if deps.PublicURL == "" && !t.SendOnly {
		problem("", "needs public.url: Twilio calls it, and signs it", "set public.url to what is entered at Twilio")
	}
	client, clientErr := httpx.New(deps, httpx.Options{Trusted: true, MaxAnswer: maxAnswer})
	files, filesErr := httpx.New(deps, httpx.Options{})
	if err = errors.Join(err, clientErr); err != nil {
		return nil, err
	}
	if filesErr != nil { // the same file, read twice
		return nil, filesErr
	}
	c := &Channel{
		traits: t, name: ch.Name, account: s.AccountSID, tokens: []config.Secret{s.AuthToken},
		user: cmp.Or(s.APIKey, s.AccountSID), password: s.AuthToken, from: s.From, service: s.Service,
		api: api, messaging: messaging, public: deps.PublicURL, perSecond: s.PerSecond, client: client, files: files,
	}
	c.digits = []byte(cmp.Or(strings.TrimPrefix(c.from, "+"), c.service))
	if !s.AuthTokenOther.IsZero() {
		c.tokens = append(c.tokens, s.AuthTokenOther)
	}
	if !s.APISecret.IsZero() {
		c.password = s.APISecret
	}
	return c, nil
}

// report is how a check tells of a mistake.
type report func(key, message, hint string)

func (s Settings) checkAccount(problem report) {
	if s.AccountSID != "" && !accountForm.MatchString(s.AccountSID) {
		problem("account_sid", "is not AC and 32 hexadecimal digits", "Twilio's console shows it")
	}
	for key, secret := range map[string]config.Secret{
		"auth_token": s.AuthToken, "auth_token_other": s.AuthTokenOther, "api_secret": s.APISecret,
	} {
		if !httpx.FitsHeader(secret.Reveal()) {
			problem(key, "holds characters that are in no secret of Twilio", "letters and digits; look for spaces")
		}
	}
	switch {
	case s.APIKey != "" && !keyForm.MatchString(s.APIKey):
		problem("api_key", "is not SK and 32 hexadecimal digits", "Twilio's console shows it")
	case (s.APIKey == "") != s.APISecret.IsZero():
		problem("api_key", "and api_secret go together", "leave both out to call with account_sid and auth_token")
	}
}

func (s Settings) checkSender(t Traits, problem report) {
	switch {
	case (s.From == "") == (s.Service == ""):
		problem("from", "or messaging_service_sid is needed, and not both", "for example "+t.SenderHint)
	case s.From != "" && !t.Sender.MatchString(s.From):
		problem("from", "is no sender of this network", "for example "+t.SenderHint)
	case s.Service != "" && !serviceForm.MatchString(s.Service):
		problem("messaging_service_sid", "is not MG and 32 hexadecimal digits", "Twilio's console shows it")
	}
}

func address(key, s string, problem report) *url.URL {
	u, message := httpx.Address(s)
	if u != nil && (u.RawQuery != "" || u.ForceQuery) {
		message = "holds a query (?)"
	}
	if message != "" {
		problem(key, message, "leave it out for Twilio's own")
	}
	return u
}

// AccountRate is Capabilities.AccountRate: what is above it waits in a queue at
// Twilio that is some hours long, and then is refused (21611).
func (c *Channel) AccountRate() connectors.Rate {
	return connectors.Rate{PerSecond: c.perSecond, Burst: max(1, int(c.perSecond))}
}

// Capabilities are those that both networks have in common.
func (c *Channel) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{
		Files: c.traits.Files,
		// A template may be sent at any time, on both networks.
		Templates: true,
		Reports:   true,
		// Twilio knows no key by which it would know a message come again.
		Unknown:         config.Report,
		WebhookPatience: patience,
		AccountRate:     c.AccountRate(),
	}
}

// Paths of the webhooks below public.url.
func (c *Channel) messagePath() string { return "/connector/" + c.traits.Network + "/message" }
func (c *Channel) statusPath() string  { return "/connector/" + c.traits.Network + "/status" }

// Webhooks implements connectors.Webhooker.
func (c *Channel) Webhooks() []connectors.Webhook {
	return []connectors.Webhook{
		{
			Method: http.MethodPost, Path: c.messagePath(), MaxBody: maxBody,
			Verify: c.verifyMessage, Parse: c.parseMessage, Reply: reply,
		},
		{
			Method: http.MethodPost, Path: c.statusPath(), MaxBody: maxBody,
			Verify: c.verifyStatus, Parse: c.parseStatus, Reply: reply,
		},
	}
}

// trackingID names the conversation with the customer at this address.
func (c *Channel) trackingID(address string) string {
	return connectors.TrackingID(address, c.traits.Network)
}

// Address implements connectors.Addresser: what Twilio calls the customer, without
// the network's prefix.
func (c *Channel) Address(trackingID string) (connectors.Address, bool) {
	escaped, ok := strings.CutSuffix(trackingID, "|"+c.traits.Network)
	if !ok {
		return connectors.Address{}, false
	}
	address, ok := connectors.UnescapeID(escaped)
	if !ok || !addressForm.MatchString(address) || c.trackingID(address) != trackingID {
		return connectors.Address{}, false
	}
	return connectors.Address{TrackingID: trackingID, RemoteAddress: address}, true
}

// addressForm is a number, a short code, a sender's name in letters, or the id of a
// user without a number.
var addressForm = regexp.MustCompile(`^[+0-9A-Za-z][0-9A-Za-z._ &-]{0,126}$`)

// Exclusive implements connectors.Exclusive: the account and its sender are what
// tells calls apart.
func (c *Channel) Exclusive() string { return c.account + "|" + cmp.Or(c.from, c.service) }

// Close implements connectors.Closer.
func (c *Channel) Close() error { return errors.Join(c.client.Close(), c.files.Close()) }
