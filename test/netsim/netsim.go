// Package netsim puts the simulated networks on one address:
//
//	/telegram/bot{token}/{method}        the networks' own APIs
//	/telegram/file/bot{token}/{path}
//	/omnichannel/{account}/send_message
//	/twilio/2010-04-01/...               api.twilio.com; its networks are whatsapp and sms
//	/twilio/messaging/...                messaging.twilio.com
//	/graph/{version}/...                 graph.facebook.com; its network is facebook
//	/graph/cdn/...                       the hosts of Messenger's files
//	/control/{network}/...               what a test or a page does to them (package control)
//	/phone/...                           Options.Phone
//
// A mail host (package mail) has ports of its own; it is here under /control/mail/.
//
// Everything is in memory, bounded, and gone with the process.
package netsim

import (
	"net/http"
	"strings"
	"sync/atomic"

	"servicelink/test/netsim/control"
	"servicelink/test/netsim/graph"
	"servicelink/test/netsim/mail"
	"servicelink/test/netsim/omnichannel"
	"servicelink/test/netsim/telegram"
	"servicelink/test/netsim/twilio"
)

// Options of a simulator.
type Options struct {
	// Seed decides all that is left to chance; the same one repeats a run.
	Seed uint64
	// Phone is served at /phone/ with its path unchanged. nil = nothing there.
	Phone http.Handler
	// BaseURL is the simulator's own address, for the URLs it hands out. Empty =
	// the address its latest client used.
	BaseURL string
	// FetchURLs lets Telegram, Twilio and Messenger fetch the http URLs that are sent as
	// files. Without it Telegram answers that they cannot be fetched, and the others
	// pass them on as they are.
	FetchURLs bool
	// Mail is a mail host to show beside the networks, as the network mail; nil = none.
	// Close ends it.
	Mail *mail.Server
}

// Sim is a set of simulated networks. Create it by New, end it by Close.
type Sim struct {
	telegram    *telegram.Network
	omnichannel *omnichannel.Network
	twilio      *twilio.Server
	graph       *graph.Server
	mail        *mail.Server // may be nil
	handler     http.Handler
	base        atomic.Pointer[string]
	// base, as clients of Twilio and of Graph wrote it: they know their URLs by that.
	api, graphAPI atomic.Pointer[string]
}

// New makes a simulator with no accounts.
func New(o Options) *Sim {
	s := &Sim{mail: o.Mail}
	if o.BaseURL != "" {
		s.SetBaseURL(o.BaseURL)
	}
	s.telegram = telegram.New(telegram.Options{Seed: o.Seed, FetchURLs: o.FetchURLs})
	s.omnichannel = omnichannel.New(omnichannel.Options{Seed: o.Seed, BaseURL: s.baseURL})
	s.twilio = twilio.New(twilio.Options{Seed: o.Seed, FetchURLs: o.FetchURLs, BaseURL: s.twilioURL})
	s.graph = graph.New(graph.Options{Seed: o.Seed, FetchURLs: o.FetchURLs, BaseURL: s.graphURL})
	mux := http.NewServeMux()
	for name, api := range map[string]http.Handler{
		"telegram": s.telegram.API(), "omnichannel": s.omnichannel.API(), "twilio": s.twilio.API(), "graph": s.graph.API(),
	} {
		mux.Handle("/"+name+"/", http.StripPrefix("/"+name, api))
	}
	guard := http.NewCrossOriginProtection() // other sites' pages must not act for customers
	networks := map[string]control.Network{
		"telegram": s.telegram, "omnichannel": s.omnichannel, "whatsapp": s.twilio.WhatsApp(), "sms": s.twilio.SMS(),
		"facebook": s.graph,
	}
	if s.mail != nil {
		networks["mail"] = s.mail
	}
	for name, network := range networks {
		mux.Handle("/control/"+name+"/", guard.Handler(http.StripPrefix("/control/"+name, control.Handler(network))))
	}
	if o.Phone != nil {
		mux.Handle("/phone/", o.Phone)
	}
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.BaseURL == "" {
			s.learn(r)
		}
		mux.ServeHTTP(w, r)
	})
	return s
}

// Handler serves everything.
func (s *Sim) Handler() http.Handler { return s.handler }

// Telegram is the simulated Telegram.
func (s *Sim) Telegram() *telegram.Network { return s.telegram }

// Omnichannel is the simulated other end of the Omnichannel API.
func (s *Sim) Omnichannel() *omnichannel.Network { return s.omnichannel }

// Twilio is the simulated Twilio, with the networks WhatsApp and SMS.
func (s *Sim) Twilio() *twilio.Server { return s.twilio }

// Graph is the simulated Graph API, with the network Messenger.
func (s *Sim) Graph() *graph.Server { return s.graph }

// Mail is the mail host, Options.Mail.
func (s *Sim) Mail() *mail.Server { return s.mail }

// SetBaseURL says at which address the simulator is served.
func (s *Sim) SetBaseURL(url string) { s.base.Store(&url) }

// Close ends long polls and posting, and waits for them.
func (s *Sim) Close() {
	s.telegram.Close()
	s.omnichannel.Close()
	s.twilio.Close()
	s.graph.Close()
	if s.mail != nil {
		s.mail.Close()
	}
}

func (s *Sim) baseURL() string {
	if base := s.base.Load(); base != nil {
		return *base
	}
	return ""
}

// twilioURL is where Twilio's clients find it.
func (s *Sim) twilioURL() string { return s.urlOf(&s.api, "/twilio") }

// graphURL is where Graph's clients find it.
func (s *Sim) graphURL() string { return s.urlOf(&s.graphAPI, "/graph") }

func (s *Sim) urlOf(api *atomic.Pointer[string], path string) string {
	if known := api.Load(); known != nil {
		return *known + path
	}
	return s.baseURL() + path
}

// learn takes the address a client used for the simulator's own. A link of Twilio's
// leads to another one on purpose.
func (s *Sim) learn(r *http.Request) {
	url := "http://" + r.Host
	switch {
	case strings.HasPrefix(r.URL.Path, "/twilio/cdn/"):
		return
	case strings.HasPrefix(r.URL.Path, "/twilio/"):
		s.api.Store(&url)
	case strings.HasPrefix(r.URL.Path, "/graph/"):
		s.graphAPI.Store(&url)
	}
	if url != s.baseURL() {
		s.SetBaseURL(url)
	}
}
