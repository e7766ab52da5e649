package proc

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"servicelink/test/netsim/control"
)

// Network is the control interface of one simulated network in a running
// netsim.
type Network struct {
	URL    string // of netsim, without a slash at its end
	Name   string // telegram, omnichannel
	Client *http.Client
}

// Call makes one request; in and out may be nil.
func (n *Network) Call(ctx context.Context, method, path string, in, out any) error {
	return call(ctx, n.Client, method, n.URL+"/control/"+n.Name+path, in, out)
}

// Act does what a customer does.
func (n *Network) Act(ctx context.Context, account string, a control.Action) error {
	return n.Call(ctx, http.MethodPost, "/act/"+url.PathEscape(account), a, nil)
}

// Chat is a conversation as the customer sees it.
func (n *Network) Chat(ctx context.Context, account, chat string) (c control.Conversation, err error) {
	return c, n.Call(ctx, http.MethodGet, "/chat/"+url.PathEscape(account)+"/"+url.PathEscape(chat), nil, &c)
}

// Requests lists a method's requests after the one with the given number.
func (n *Network) Requests(ctx context.Context, method string, after int64) (all []control.Request, err error) {
	path := fmt.Sprintf("/requests?method=%s&after=%d", url.QueryEscape(method), after)
	return all, n.Call(ctx, http.MethodGet, path, nil, &all)
}
