// Package telegram simulates the Bot API of Telegram, written to its public
// documentation, for tests and demonstrations.
package telegram

import (
	"net/http"

	"servicelink/test/netsim/control"
)

// Options of a simulated Telegram.
type Options struct {
	Seed      uint64
	FetchURLs bool // fetch http URLs sent as files
}

// Account is one bot.
type Account struct {
	Token    string `json:"token"` // "123456:letters"
	Username string `json:"username"`
	Name     string `json:"name"`
}

// Network is a simulated Telegram. Create it by New, end it by Close.
type Network struct {
	*control.Board
}

var _ control.Network = (*Network)(nil)

// New makes a Telegram without bots.
func New(o Options) *Network { return &Network{Board: control.NewBoard(o.Seed)} }

// API implements control.Network.
func (n *Network) API() http.Handler { return http.NotFoundHandler() }

// AddAccount makes a bot known.
func (n *Network) AddAccount(Account) error { return nil }

// Act implements control.Network; account is a token, a bot's id or username.
func (n *Network) Act(string, control.Action) (control.ID, error) { return "", control.ErrAction }

// Inject implements control.Network: an Update without update_id.
func (n *Network) Inject(string, []byte) error { return control.ErrAction }

// File implements control.Network.
func (n *Network) File(string, string) (control.File, error) {
	return control.File{}, control.ErrUnknown
}

// Accounts implements control.Network.
func (n *Network) Accounts() any { return []Account{} }

// AddAccountJSON implements control.Network.
func (n *Network) AddAccountJSON([]byte) error { return control.ErrAction }

// Set implements control.Network.
func (n *Network) Set([]byte) error { return control.ErrAction }

// Close implements control.Network.
func (n *Network) Close() {}
