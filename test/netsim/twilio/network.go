package twilio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"servicelink/test/netsim/control"
)

// Names of webhook calls, for faults.
const (
	hookMessage = "message" // a customer's message
	hookStatus  = "status"  // the status of a client's
)

// Settings of a network are what can be changed while it runs.
type Settings struct {
	// Status is how far messages come by themselves: "queued" (they wait for the
	// acts deliver and read), "sent", "delivered" or "read", the default; an SMS is
	// never read.
	Status string `json:"status"`
	// StatusSeconds lie between two statuses; default 0.2.
	StatusSeconds float64 `json:"status_seconds"`
	// Window of WhatsApp: "clock", the default, or always "open" or "closed".
	Window string `json:"window"`
	// PerSecond is how many requests an account may make; beyond it 429. 0 = any.
	PerSecond float64 `json:"per_second"`
	// SignedPort: webhooks are signed for their URL as it is configured (""), with
	// the scheme's port added where it has none ("with"), or without any ("without").
	SignedPort string `json:"signed_port"`
	// FetchURLs: fetch what MediaUrl names, from anywhere. Else the phone shows the
	// address alone.
	FetchURLs bool `json:"fetch_urls"`
}

// Network is one of Twilio's channels. Wherever a method takes an account, that
// is the sender's number; a chat is the customer's address.
type Network struct {
	*control.Board
	server   *Server
	channel  string          // "whatsapp" or "sms"
	messages *control.Caller // webhooks with customers' messages
	statuses *control.Caller // status callbacks
	// The server's mutex guards what follows.
	settings Settings
	senders  map[string]*sender // by number
}

var _ control.Network = (*Network)(nil)

func newNetwork(s *Server, channel string) *Network {
	n := &Network{
		Board: control.NewBoard(s.o.Seed), server: s, channel: channel, senders: map[string]*sender{},
		settings: Settings{Status: statusRead, StatusSeconds: statusPause.Seconds(), Window: "clock", FetchURLs: s.o.FetchURLs},
	}
	n.messages = n.NewCaller(n.calls(hookMessage))
	n.statuses = n.NewCaller(n.calls(hookStatus))
	return n
}

// API implements control.Network: the server's, which both networks share.
func (n *Network) API() http.Handler { return n.server.API() }

// Close implements control.Network: it ends the server.
func (n *Network) Close() { n.server.Close() }

// prefix is what stands before addresses of this channel.
func (n *Network) prefix() string {
	if n.channel == "whatsapp" {
		return "whatsapp:"
	}
	return ""
}

// Set implements control.Network: members of Settings; what is absent stays.
func (n *Network) Set(raw []byte) error {
	next := n.Settings()
	if err := json.Unmarshal(raw, &next); err != nil {
		return fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	return n.SetSettings(next)
}

// Settings returns the settings in force.
func (n *Network) Settings() Settings {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	return n.settings
}

// SetSettings changes them all.
func (n *Network) SetSettings(s Settings) error {
	switch {
	case !slices.Contains(progress, s.Status):
		return fmt.Errorf("%w: status is one of %v", control.ErrAction, progress)
	case s.StatusSeconds < 0 || s.StatusSeconds > 3600 || s.PerSecond < 0:
		return fmt.Errorf("%w: a number is out of range", control.ErrAction)
	case !slices.Contains([]string{"clock", "open", "closed"}, s.Window):
		return fmt.Errorf("%w: window is clock, open or closed", control.ErrAction)
	case !slices.Contains([]string{"", "with", "without"}, s.SignedPort):
		return fmt.Errorf("%w: signed_port is empty, with or without", control.ErrAction)
	}
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	n.settings = s
	return nil
}

// SettingsJSON tells a page the settings in force.
func (n *Network) SettingsJSON() any { return n.Settings() }

// AddAccountJSON implements control.Network.
func (n *Network) AddAccountJSON(raw []byte) error {
	var a Account
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("%w: %w", control.ErrAction, err)
	}
	return n.AddAccount(a)
}

// Accounts implements control.Network.
func (n *Network) Accounts() any {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	list := []Account{}
	for _, one := range n.senders {
		list = append(list, one.Account)
	}
	slices.SortFunc(list, func(a, b Account) int { return strings.Compare(a.Account, b.Account) })
	return list
}

// Fault implements control.Network.
func (n *Network) Fault(f control.Fault) error {
	f.Account = n.key(f.Account)
	return n.Board.Fault(f)
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
	one, err := n.sender(account)
	if err != nil {
		return control.Conversation{}, err
	}
	return n.Board.Chat(ctx, one.Account.Account, address(chat), after)
}

// Chats implements control.Network.
func (n *Network) Chats(account string) ([]control.ChatInfo, error) {
	one, err := n.sender(account)
	if err != nil {
		return nil, err
	}
	return n.Board.Chats(one.Account.Account)
}

// File implements control.Network: a file by the SID of its media.
func (n *Network) File(account, sid string) (control.File, error) {
	if _, err := n.sender(account); err != nil {
		return control.File{}, err
	}
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	if m := n.server.file(sid); m != nil {
		return m.File, nil
	}
	return control.File{}, control.ErrUnknown
}

// sender looks an account up by its number, with or without "whatsapp:" or "+".
func (n *Network) sender(account string) (*sender, error) {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	if one := n.senders[number(account)]; one != nil {
		return one, nil
	}
	return nil, control.ErrUnknownAccount
}

// key is what the board knows an account by.
func (n *Network) key(account string) string {
	if one, err := n.sender(account); err == nil {
		return one.Account.Account
	}
	return account
}

// pace is the time between two statuses. Its caller has the server's mutex.
func (n *Network) pace() time.Duration {
	return time.Duration(n.settings.StatusSeconds * float64(time.Second))
}
