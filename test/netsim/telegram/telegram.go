// Package telegram simulates the Bot API of Telegram for tests and
// demonstrations. It is written to the API's documentation and to the source of
// the public server, not to any client:
//
//	server.go     HTTP: /bot{token}/{method} and /file/bot{token}/{path}
//	params.go     bodies: JSON, urlencoded, multipart
//	methods.go    the table of methods
//	queue.go      updates: getUpdates and what it confirms; webhook.go: the other way
//	bot.go        what is known of a bot: chats, people, files, limits
//	send.go       what bots send; media.go, album.go, change.go (edit, delete)
//	markup.go     keyboards; entities.go, html.go, markdown.go: text
//	act.go        what customers do; act_*.go by kind
//
// What it does not do: inline mode, payments, polls, games, stickers' sets,
// administration of chats. Such methods are answered 404.
package telegram

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/test/netsim/control"
)

// maxBots bounds the accounts.
const maxBots = 10_000

// callbackLife is how long a button press can be answered unless set otherwise.
const callbackLife = 150 * time.Second

// Options of a simulated Telegram.
type Options struct {
	Seed      uint64
	FetchURLs bool // fetch http URLs sent as files
}

// Settings are what can be changed while it runs.
type Settings struct {
	// Limits: answer 429 beyond the documented rates (limits.go).
	Limits bool `json:"limits"`
	// FetchURLs: fetch http URLs sent as files, from anywhere.
	FetchURLs bool `json:"fetch_urls"`
	// CallbackSeconds is how long a button press can be answered; 0 = 150.
	CallbackSeconds float64 `json:"callback_seconds"`
}

// Account is one bot.
type Account struct {
	Token    string `json:"token"` // "123456:letters"
	Username string `json:"username"`
	Name     string `json:"name"`
}

// Network is a simulated Telegram. Create it by New, end it by Close. Wherever
// a method takes an account, that is a token, the bot's id or its username.
type Network struct {
	*control.Board
	life  context.Context //nolint:containedctx // ends by Close, like all that is under way
	end   context.CancelFunc
	stop  <-chan struct{} // of life
	work  sync.WaitGroup  // webhooks' goroutines
	fetch *http.Client    // for URLs that bots send
	post  *http.Client    // for webhooks: loopback only

	methods map[string]func(*call) (any, error)

	settings atomic.Pointer[Settings]

	mu     sync.Mutex      // before a bot's, where both are held
	bots   map[string]*bot // by token
	unseen window          // tokens used for the first time
	seen   map[string]bool
}

var _ control.Network = (*Network)(nil)

// New makes a Telegram without bots.
func New(o Options) *Network {
	life, end := context.WithCancel(context.Background())
	n := &Network{
		Board: control.NewBoard(o.Seed), life: life, end: end, stop: life.Done(),
		fetch: &http.Client{Timeout: 20 * time.Second}, post: loopbackClient(),
		methods: methodTable(), bots: map[string]*bot{}, seen: map[string]bool{}, unseen: window{most: 20, per: time.Minute},
	}
	n.settings.Store(&Settings{FetchURLs: o.FetchURLs})
	return n
}

// Close ends long polls and webhooks and waits for the latter.
func (n *Network) Close() {
	n.end()
	n.work.Wait()
	n.fetch.CloseIdleConnections()
	n.post.CloseIdleConnections()
}

// AddAccount makes a bot known, or gives a known one other names. An empty
// username becomes "bot<id>_bot", an empty name the username.
func (n *Network) AddAccount(a Account) error {
	id, err := tokenID(a.Token)
	if err != nil {
		return err
	}
	if a.Username == "" {
		a.Username = "bot" + strconv.FormatInt(id, 10) + "_bot"
	}
	if a.Name == "" {
		a.Name = a.Username
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if b := n.bots[a.Token]; b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.account, b.self.FirstName, b.self.Username = a, a.Name, a.Username
		return nil
	}
	if len(n.bots) >= maxBots {
		return fmt.Errorf("%w: %d bots", control.ErrFull, maxBots)
	}
	n.bots[a.Token] = newBot(n, a, id)
	return nil
}

// RemoveAccount revokes a token: from then on it is answered 401.
func (n *Network) RemoveAccount(account string) error {
	b, err := n.find(account)
	if err != nil {
		return err
	}
	n.mu.Lock()
	delete(n.bots, b.token)
	n.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endPoll(errUnauthorized)
	b.hook.close()
	return nil
}

// tokenID gives the id in front of a token's colon.
func tokenID(token string) (int64, error) {
	number, secret, found := strings.Cut(token, ":")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !found || secret == "" || id <= 0 || id >= 1<<52 || len(token) > 80 || number[0] == '0' ||
		strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r == '/' || r > '~' }) {
		return 0, fmt.Errorf("%w: a token is a number, a colon and letters", control.ErrAction)
	}
	return id, nil
}

// find looks a bot up by token, id or username.
func (n *Network) find(account string) (*bot, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if b := n.bots[account]; b != nil {
		return b, nil
	}
	for _, b := range n.bots {
		if strconv.FormatInt(b.self.ID, 10) == account || strings.EqualFold(b.account.Username, account) {
			return b, nil
		}
	}
	return nil, control.ErrUnknownAccount
}

// key is what the board knows an account by: its token.
func (n *Network) key(account string) string {
	if b, err := n.find(account); err == nil {
		return b.token
	}
	return account
}

// uses uses up a fault about what is brought to b.
func (n *Network) uses(kind control.Kind, b *bot) bool {
	_, yes := n.TakeKind(kind, b.token, "getUpdates")
	return yes
}

// Accounts implements control.Network.
func (n *Network) Accounts() any {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []Account{}
	for _, b := range n.bots {
		list = append(list, b.account)
	}
	slices.SortFunc(list, func(a, b Account) int { return strings.Compare(a.Token, b.Token) })
	return list
}

// AddAccountJSON implements control.Network.
func (n *Network) AddAccountJSON(raw []byte) error {
	var a Account
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	return n.AddAccount(a)
}

// Set implements control.Network: members of Settings; what is absent stays.
func (n *Network) Set(raw []byte) error {
	next := n.Settings()
	if err := json.Unmarshal(raw, &next); err != nil {
		return fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	n.SetSettings(next)
	return nil
}

// Settings returns the settings in force.
func (n *Network) Settings() Settings { return *n.settings.Load() }

// SetSettings changes them all.
func (n *Network) SetSettings(s Settings) { n.settings.Store(&s) }

// Fault implements control.Network. An outage also breaks the polls that wait.
func (n *Network) Fault(f control.Fault) error {
	if f.Account != "" {
		f.Account = n.key(f.Account)
	}
	if err := n.Board.Fault(f); err != nil || f.Kind != control.Outage {
		return err
	}
	n.mu.Lock()
	bots := slices.Collect(maps.Values(n.bots))
	n.mu.Unlock()
	for _, b := range bots {
		if f.Account == "" || f.Account == b.token {
			b.mu.Lock()
			b.endPoll(errGone)
			b.mu.Unlock()
		}
	}
	return nil
}

// Requests implements control.Network.
func (n *Network) Requests(f control.Filter) []control.Request {
	f.Account = n.key(f.Account)
	return n.Board.Requests(f)
}

// Await implements control.Network.
func (n *Network) Await(ctx context.Context, f control.Filter) (control.Request, error) {
	f.Account = n.key(f.Account)
	return n.Board.Await(ctx, f)
}

// Chat implements control.Network.
func (n *Network) Chat(ctx context.Context, account string, chat control.ID, after int64) (control.Conversation, error) {
	b, err := n.find(account)
	if err != nil {
		return control.Conversation{}, err
	}
	return n.Board.Chat(ctx, b.token, chat, after)
}

// Chats implements control.Network.
func (n *Network) Chats(account string) ([]control.ChatInfo, error) {
	b, err := n.find(account)
	if err != nil {
		return nil, err
	}
	return n.Board.Chats(b.token)
}

// File implements control.Network.
func (n *Network) File(account, id string) (control.File, error) {
	b, err := n.find(account)
	if err != nil {
		return control.File{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.files.byID {
		if f.unique == id {
			return control.File{Name: f.name, Type: f.mime, Size: f.size, Data: f.data}, nil
		}
	}
	return control.File{}, control.ErrUnknown
}
