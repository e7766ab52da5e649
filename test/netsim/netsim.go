// Package netsim puts the simulated networks on one address:
//
//	/telegram/bot{token}/{method}        the networks' own APIs
//	/telegram/file/bot{token}/{path}
//	/omnichannel/{account}/send_message
//	/twilio/2010-04-01/...               api.twilio.com; its networks are whatsapp and sms
//	/twilio/messaging/...                messaging.twilio.com
//	/control/{network}/...               what a test or a page does to them (package control)
//	/phone/...                           Options.Phone
//
// Everything is in memory, bounded, and gone with the process.
package netsim

import (
	"net/http"
	"strings"
	"sync/atomic"

	"servicelink/test/netsim/control"
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
	// FetchURLs lets Telegram and Twilio fetch the http URLs that are sent as files.
	// Without it Telegram answers that they cannot be fetched, and Twilio passes them
	// on as they are.
	FetchURLs bool
}

// Sim is a set of simulated networks. Create it by New, end it by Close.
type Sim struct {
	telegram    *telegram.Network
	omnichannel *omnichannel.Network
	twilio      *twilio.Server
	handler     http.Handler
	base        atomic.Pointer[string]
	api         atomic.Pointer[string] // base, as clients of Twilio wrote it: they know its URLs by that
}

// New makes a simulator with no accounts.
func New(o Options) *Sim {
	s := &Sim{}
	if o.BaseURL != "" {
		s.SetBaseURL(o.BaseURL)
	}
	s.telegram = telegram.New(telegram.Options{Seed: o.Seed, FetchURLs: o.FetchURLs})
	s.omnichannel = omnichannel.New(omnichannel.Options{Seed: o.Seed, BaseURL: s.baseURL})
	s.twilio = twilio.New(twilio.Options{Seed: o.Seed, FetchURLs: o.FetchURLs, BaseURL: s.twilioURL})
	mux := http.NewServeMux()
	for name, api := range map[string]http.Handler{
		"telegram": s.telegram.API(), "omnichannel": s.omnichannel.API(), "twilio": s.twilio.API(),
	} {
		mux.Handle("/"+name+"/", http.StripPrefix("/"+name, api))
	}
	guard := http.NewCrossOriginProtection() // other sites' pages must not act for customers
	for name, network := range map[string]control.Network{
		"telegram": s.telegram, "omnichannel": s.omnichannel, "whatsapp": s.twilio.WhatsApp(), "sms": s.twilio.SMS(),
	} {
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

// SetBaseURL says at which address the simulator is served.
func (s *Sim) SetBaseURL(url string) { s.base.Store(&url) }

// Close ends long polls and posting, and waits for them.
func (s *Sim) Close() {
	s.telegram.Close()
	s.omnichannel.Close()
	s.twilio.Close()
}

func (s *Sim) baseURL() string {
	if base := s.base.Load(); base != nil {
		return *base
	}
	return ""
}

// twilioURL is where Twilio's clients find it.
func (s *Sim) twilioURL() string {
	if api := s.api.Load(); api != nil {
		return *api + "/twilio"
	}
	return s.baseURL() + "/twilio"
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
	}
	if url != s.baseURL() {
		s.SetBaseURL(url)
	}
}
