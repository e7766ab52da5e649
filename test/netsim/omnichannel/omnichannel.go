// Package omnichannel simulates the client's server at the other end of the
// public Omnichannel API, for tests and demonstrations.
package omnichannel

import (
	"net/http"

	"servicelink/test/netsim/control"
)

// Options of a simulated client's server.
type Options struct {
	Seed uint64
	// BaseURL gives the simulator's own address, for the files it serves.
	BaseURL func() string
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
}

var _ control.Network = (*Network)(nil)

// New makes a server without accounts.
func New(o Options) *Network { return &Network{Board: control.NewBoard(o.Seed)} }

// API implements control.Network.
func (n *Network) API() http.Handler { return http.NotFoundHandler() }

// AddAccount adds or changes an account.
func (n *Network) AddAccount(Account) error { return nil }

// Act implements control.Network.
func (n *Network) Act(string, control.Action) (control.ID, error) { return "", control.ErrAction }

// Inject implements control.Network: a whole webhook body.
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
