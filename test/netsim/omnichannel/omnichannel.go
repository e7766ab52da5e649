// Package omnichannel simulates the client's server at the other end of the
// public Omnichannel API, for tests and demonstrations: customers' messages go
// to the gateway's webhook until it answers for good, and agents' messages come
// to /send_message.
//
//	server.go   POST and OPTIONS /{account}/send_message, GET /{account}/files/{id}
//	act.go      what customers do
//	post.go     what is posted to the gateway; order, repetition and faults are control.Caller's
package omnichannel

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"servicelink/test/netsim/control"
)

// Bounds of what is kept.
const (
	maxAccounts  = 10_000
	maxFileBytes = 128 << 20 // of all accounts; the oldest files go first
)

// Options of a simulated client's server.
type Options struct {
	Seed uint64
	// BaseURL gives the simulator's own address, for the files it serves.
	BaseURL func() string
	// Retry is the first wait before a webhook call is repeated; it doubles up to
	// ten times as much. 0 = 1 s.
	Retry time.Duration
	// Transport leads to the webhooks; nil = TCP.
	Transport http.RoundTripper
}

// Settings are what can be changed while it runs.
type Settings struct {
	RetrySeconds float64 `json:"retry_seconds"`
}

// Account is one channel of a client.
type Account struct {
	Account string `json:"account"` // name in the paths: webhook_url is base + "/omnichannel/" + Account
	Webhook string `json:"webhook"` // the gateway's URL
	Token   string `json:"token"`   // expected as "Authorization: Token ..."; empty = none is asked for
}

// Network is a simulated client's server. Create it by New, end it by Close.
type Network struct {
	*control.Board
	base func() string
	life context.Context //nolint:containedctx // ends by Close, like all that is under way
	end  context.CancelFunc
	// calls are those of webhooks.
	calls *control.Caller

	mu        sync.Mutex
	accounts  map[string]Account
	files     []*file
	fileBytes int
}

// file is one that a customer sent.
type file struct {
	account, id string
	control.File
	made time.Time
}

var _ control.Network = (*Network)(nil)

// New makes a server without accounts.
func New(o Options) *Network {
	if o.BaseURL == nil {
		o.BaseURL = func() string { return "" }
	}
	life, end := context.WithCancel(context.Background())
	n := &Network{
		Board: control.NewBoard(o.Seed), base: o.BaseURL, life: life, end: end, accounts: map[string]Account{},
	}
	n.calls = n.NewCaller(control.CallerOptions{Method: method, Retry: o.Retry, Transport: o.Transport, Request: n.request})
	return n
}

// Close ends the posting and waits for it.
func (n *Network) Close() {
	n.end()
	n.calls.Close()
}

// accountName is what an account may be called, as it stands in paths.
var accountName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// AddAccount adds or changes an account.
func (n *Network) AddAccount(a Account) error {
	u, err := url.Parse(a.Webhook)
	switch {
	case !accountName.MatchString(a.Account):
		return fmt.Errorf("%w: an account's name is 1 to 64 of A-Z a-z 0-9 . _ -", control.ErrAction)
	case a.Webhook != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
		return fmt.Errorf("%w: webhook is no http URL", control.ErrAction)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.accounts[a.Account]; !known && len(n.accounts) >= maxAccounts {
		return fmt.Errorf("%w: %d accounts", control.ErrFull, maxAccounts)
	}
	n.accounts[a.Account] = a
	return nil
}

// account returns an account that was added.
func (n *Network) account(name string) (Account, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.accounts[name]
	if !ok {
		return Account{}, control.ErrUnknownAccount
	}
	return a, nil
}

// Accounts implements control.Network.
func (n *Network) Accounts() any {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []Account{}
	for _, a := range n.accounts {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Account) int { return strings.Compare(a.Account, b.Account) })
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

// Set implements control.Network: members of Settings.
func (n *Network) Set(raw []byte) error {
	var s Settings
	if err := json.Unmarshal(raw, &s); err != nil || s.RetrySeconds <= 0 || s.RetrySeconds > 3600 {
		return fmt.Errorf("%w: settings are {\"retry_seconds\": n}", control.ErrAction)
	}
	n.calls.SetRetry(time.Duration(s.RetrySeconds * float64(time.Second)))
	return nil
}

// Chat implements control.Network.
func (n *Network) Chat(ctx context.Context, account string, chat control.ID, after int64) (control.Conversation, error) {
	if _, err := n.account(account); err != nil {
		return control.Conversation{}, err
	}
	return n.Board.Chat(ctx, account, chat, after)
}

// Chats implements control.Network.
func (n *Network) Chats(account string) ([]control.ChatInfo, error) {
	if _, err := n.account(account); err != nil {
		return nil, err
	}
	return n.Board.Chats(account)
}

// File implements control.Network.
func (n *Network) File(account, id string) (control.File, error) {
	f := n.file(account, id)
	if f == nil {
		return control.File{}, control.ErrUnknown
	}
	return f.File, nil
}

func (n *Network) file(account, id string) *file {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.files, func(f *file) bool { return f.account == account && f.id == id })
	if i < 0 {
		return nil
	}
	return n.files[i]
}

func (n *Network) keep(f *file) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.files = append(n.files, f)
	for n.fileBytes += len(f.Data); n.fileBytes > maxFileBytes && len(n.files) > 1; n.files = n.files[1:] {
		n.fileBytes -= len(n.files[0].Data)
	}
}
