package facebook

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/connectors/internal/httpx"
)

// Network is the name in the configuration.
const Network = "facebook"

// Definition is the entry for connectors/all.
var Definition = connectors.Definition{Network: Network, New: New}

// Where the API is, and its version, unless the channel says otherwise.
const (
	DefaultAPI     = "https://graph.facebook.com"
	DefaultVersion = "v25.0"
)

// Limits of Messenger.
const (
	textLimit   = 2000 // characters
	maxButtons  = 13   // quick replies
	buttonTitle = 20   // characters
	maxPayload  = 1000 // of a quick reply
	maxUpload   = 25 << 20
	replyWindow = 24 * time.Hour
	lateWindow  = 7 * 24 * time.Hour
	// echoWithin: an echo comes within seconds, and soon again where nobody took it.
	echoWithin   = 2 * time.Minute
	perSecond    = 40
	mostPerSec   = 300
	maxBody      = 8 << 20
	patience     = 10 * time.Second // the network waits 20 s, and wants 5
	uploadTime   = 2 * time.Minute
	webhookPath  = "/connector/facebook/webhook"
	refMark      = "sl1:" // metadata of our own messages: the Part.Ref follows
	longestMid   = connectors.MaxNetworkID
	longestPSID  = 64
	maxRedirects = 3
)

// Config is a channel's settings.
type Config struct {
	// PageID and PageToken are the page's. The token sends, and asks for profiles.
	PageID    string        `yaml:"page_id,required"`
	PageToken config.Secret `yaml:"page_token,required"`
	// AppID and AppSecret are the app's. The secret signs the webhooks.
	AppID     string        `yaml:"app_id,required"`
	AppSecret config.Secret `yaml:"app_secret,required"`
	// AppSecretOther signs them too, while the secret is being changed.
	AppSecretOther config.Secret `yaml:"app_secret_other"`
	// VerifyToken is what the network proves itself with when the callback is entered.
	VerifyToken config.Secret `yaml:"verify_token,required"`
	// UserToken is a user's, for Register alone.
	UserToken config.Secret `yaml:"user_token"`
	// APIURL is the Graph API. It is trusted: it may be private.
	APIURL  string `yaml:"api_url"`
	Version string `yaml:"version"`
	// HumanAgent: the app may answer within 7 days (its feature Human Agent).
	HumanAgent bool `yaml:"human_agent"`
	// MediaHosts are further hosts on which customers' files lie; they may be private.
	MediaHosts []string `yaml:"media_hosts"`
	// MessagesPerSecond is what the page sends, above 0 to 300.
	MessagesPerSecond float64 `yaml:"messages_per_second"`
}

// Connector is one page.
type Connector struct {
	cfg     Config
	channel string
	public  string
	api     *url.URL // with the version
	client  *httpx.Client
	files   *httpx.Client // for customers' files
	own     *httpx.Client // for those on media_hosts
}

var (
	_ connectors.Connector        = (*Connector)(nil)
	_ connectors.Webhooker        = (*Connector)(nil)
	_ connectors.Typer            = (*Connector)(nil)
	_ connectors.ReadMarker       = (*Connector)(nil)
	_ connectors.AttachmentOpener = (*Connector)(nil)
	_ connectors.Profiler         = (*Connector)(nil)
	_ connectors.Registrar        = (*Connector)(nil)
	_ connectors.Doctor           = (*Connector)(nil)
	_ connectors.Prober           = (*Connector)(nil)
	_ connectors.Addresser        = (*Connector)(nil)
	_ connectors.Exclusive        = (*Connector)(nil)
	_ connectors.Sharer           = (*Connector)(nil)
	_ connectors.Closer           = (*Connector)(nil)
)

var (
	digitsForm  = regexp.MustCompile(`^[0-9]{1,20}$`)
	versionForm = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)
)

// New makes the connector of one channel and reports every mistake in its settings
// at once. It connects to nothing.
func New(ch config.Channel, deps connectors.Dependencies) (connectors.Connector, error) {
	cfg := Config{APIURL: DefaultAPI, Version: DefaultVersion, MessagesPerSecond: perSecond}
	err := ch.Settings.Decode(&cfg)
	problem := func(key, message, hint string) {
		err = errors.Join(err, ch.Settings.Problem(key, message, hint))
	}
	for _, id := range []struct{ key, value string }{{"page_id", cfg.PageID}, {"app_id", cfg.AppID}} {
		if id.value != "" && !digitsForm.MatchString(id.value) {
			problem(id.key, "is not made of digits", "the app's dashboard shows it")
		}
	}
	for _, token := range []struct {
		key   string
		value config.Secret
	}{{"page_token", cfg.PageToken}, {"user_token", cfg.UserToken}, {"app_secret", cfg.AppSecret}} {
		if !token.value.IsZero() && !httpx.FitsHeader(token.value.Reveal()) {
			problem(token.key, "holds what no token does", "copy it again, without spaces")
		}
	}
	api, message := httpx.Address(cfg.APIURL)
	if message == "" && (api.RawQuery != "" || api.ForceQuery) {
		message = "holds a query (?)"
	}
	if message != "" {
		problem("api_url", message, `for example "`+DefaultAPI+`"`)
	}
	if !versionForm.MatchString(cfg.Version) {
		problem("version", "is no version", `for example "`+DefaultVersion+`"`)
	}
	if slices.ContainsFunc(cfg.MediaHosts, func(h string) bool { return h == "" || strings.ContainsAny(h, "/@?# ") }) {
		problem("media_hosts", "names what is no host", `for example "files.example.com"`)
	}
	if good := cfg.MessagesPerSecond > 0 && cfg.MessagesPerSecond <= mostPerSec; !good { // nor is NaN
		problem("messages_per_second", "is not above 0 and at most 300", "leave it out for 40")
	}
	if deps.PublicURL == "" {
		problem("", "needs public.url: the network calls it", "set public.url to the gateway's address on the internet")
	}
	client, clientErr := httpx.New(deps, httpx.Options{Trusted: true})
	files, filesErr := httpx.New(deps, httpx.Options{})
	own, ownErr := httpx.New(deps, httpx.Options{Trusted: true})
	if err = errors.Join(err, clientErr); err != nil {
		return nil, err
	}
	if err = errors.Join(filesErr, ownErr); err != nil { // the same CA file, read again
		return nil, err
	}
	return &Connector{
		cfg: cfg, channel: ch.Name, public: deps.PublicURL, api: api.JoinPath(cfg.Version),
		client: client, files: files, own: own,
	}, nil
}

// Capabilities implements connectors.Connector.
func (c *Connector) Capabilities() connectors.Capabilities {
	caps := connectors.Capabilities{
		TextLimit: textLimit, TextUnit: connectors.Characters,
		Files: true, Replies: true,
		Buttons: maxButtons, ButtonTitle: buttonTitle, ButtonPayload: maxPayload,
		Typing: true, ReadMark: true, Reports: true,
		ReplyWindow: replyWindow, EchoWithin: echoWithin,
		// There is no key by which the network would know a message come again.
		Unknown: config.Report, WebhookPatience: patience,
		AccountRate: connectors.Rate{PerSecond: c.cfg.MessagesPerSecond, Burst: max(1, int(c.cfg.MessagesPerSecond))},
	}
	if c.cfg.HumanAgent {
		caps.LateWindow = lateWindow
	}
	return caps
}

func (c *Connector) trackingID(psid string) string {
	return connectors.TrackingID(psid, c.cfg.PageID, Network)
}

// Address implements connectors.Addresser.
func (c *Connector) Address(trackingID string) (connectors.Address, bool) {
	escaped, ok := strings.CutSuffix(trackingID, "|"+c.cfg.PageID+"|"+Network)
	if !ok {
		return connectors.Address{}, false
	}
	psid, ok := connectors.UnescapeID(escaped)
	if !ok || !isPSID(psid) {
		return connectors.Address{}, false
	}
	return connectors.Address{TrackingID: trackingID, RemoteAddress: psid}, true
}

// Exclusive implements connectors.Exclusive: two channels of one page at one app
// would take every message twice.
func (c *Connector) Exclusive() string { return c.cfg.PageID + "|" + c.cfg.AppSecret.Reveal() }

// App implements connectors.Sharer.
func (c *Connector) App() string { return c.cfg.AppID }

// Close implements connectors.Closer.
func (c *Connector) Close() error {
	return errors.Join(c.client.Close(), c.files.Close(), c.own.Close())
}

// Webhooks implements connectors.Webhooker.
func (c *Connector) Webhooks() []connectors.Webhook {
	return []connectors.Webhook{
		{
			Method: http.MethodGet, Path: webhookPath, MaxBody: 1 << 10,
			Verify: c.verifyHandshake, Reply: replyHandshake,
			Parse: func(*connectors.Request) (connectors.ParseResult, error) {
				return connectors.ParseResult{Ignored: map[string]int{"handshake": 1}}, nil
			},
		},
		{Method: http.MethodPost, Path: webhookPath, MaxBody: maxBody, Verify: c.verify, Parse: c.parse, Reply: reply},
	}
}
