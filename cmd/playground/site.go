package main

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"servicelink/test/netsim"
)

//go:embed page
var pageFiles embed.FS

// pagePolicy lets the start page load and frame what this server serves, and
// nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// maxBody bounds the requests of the start page, in bytes.
const maxBody = 4096

// longestOff bounds how long the core can be switched off.
const longestOff = time.Hour

// site is everything behind the page's address: the start page with its faults
// panel, the simulated networks with their phones, and the agent's console.
func (h *house) site(core *coreSwitch, sim *netsim.Sim, registry prometheus.Gatherer) http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the embedded folder is there or the build is broken
	}
	start := http.NewServeMux()
	start.Handle("GET /", http.FileServerFS(files))
	start.HandleFunc("GET /api/state", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, h.state(core, registry))
	})
	start.HandleFunc("POST /api/core", func(w http.ResponseWriter, r *http.Request) { serveCore(w, r, core) })

	mux := http.NewServeMux()
	mux.Handle("/", headers(http.NewCrossOriginProtection().Handler(start)))
	mux.Handle("/console/", http.StripPrefix("/console", core.Console()))
	for _, path := range []string{"/telegram/", "/omnichannel/", "/twilio/", "/graph/", "/control/", "/phone/"} {
		mux.Handle(path, sim.Handler())
	}
	return ownHost(mux)
}

// ownHost refuses names that a page elsewhere could have made to resolve to
// this machine: nothing here asks for a password.
func ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if host != "localhost" && net.ParseIP(host) == nil {
			http.Error(w, "unknown host name", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// serveCore switches the core: {"off_seconds": 20}, 0 switches it on.
func serveCore(w http.ResponseWriter, r *http.Request, core *coreSwitch) {
	var in struct {
		OffSeconds float64 `json:"off_seconds"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil {
		http.Error(w, "not the JSON that was expected", http.StatusBadRequest)
		return
	}
	if in.OffSeconds < 0 || in.OffSeconds > longestOff.Seconds() {
		http.Error(w, "off_seconds is from 0 to 3600", http.StatusBadRequest)
		return
	}
	if err := core.off(r.Context(), time.Duration(in.OffSeconds*float64(time.Second))); err != nil {
		http.Error(w, "the core does not answer", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// state is what the start page shows, beside the faults that the simulated
// networks tell themselves.
type state struct {
	Core     coreState      `json:"core"`
	Channels []channelState `json:"channels"`
	Offences int            `json:"offences"` // against the protocol, as the core counts them
	Links    []link         `json:"links"`
}

type coreState struct {
	On     bool  `json:"on"`
	BackMs int64 `json:"back_ms"` // until it comes back
}

// channelState is one channel in the gateway's own words: its metrics.
type channelState struct {
	Name  string         `json:"name"`
	State string         `json:"state"`
	In    map[string]int `json:"in"` // the ledger: accepted, requeued, done, dead, pending
	Out   map[string]int `json:"out"`
}

// link is one of the playground's other addresses.
type link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

func (h *house) state(core *coreSwitch, registry prometheus.Gatherer) state {
	left, on := core.away()
	s := state{
		Core:     coreState{On: on, BackMs: left.Milliseconds()},
		Channels: channelStates(registry),
		Links: []link{
			{"Gateway's console", "http://" + h.private + "/console/"},
			{"Metrics", "http://" + h.private + "/metrics"},
			{"Readiness", "http://" + h.private + "/readyz"},
		},
	}
	for _, n := range core.Offences().Total {
		s.Offences += n
	}
	return s
}

// channelStates reads the gateway's metrics. One that cannot be read is left
// out: the page shows what there is.
//
// The gateways of the mailbox count as one channel, as people see it.
func channelStates(registry prometheus.Gatherer) []channelState {
	families, _ := registry.Gather() // what could be gathered comes beside the error
	of := map[string]string{gatewayMailIn.String(): channelMail, gatewayMailOut.String(): channelMail}
	for _, name := range channels {
		of[name] = name
	}
	var list []channelState
	for _, name := range append([]string{channelMail}, channels...) {
		list = append(list, channelState{Name: name, In: map[string]int{}, Out: map[string]int{}})
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			value := int(m.GetGauge().GetValue())
			for i := range list {
				if list[i].Name == of[labels["channel"]] {
					list[i].take(family.GetName(), labels, value)
				}
			}
		}
	}
	if last := len(list) - 1; list[last].State == "" { // no real bot takes part
		list = list[:last]
	}
	return list
}

func (c *channelState) take(family string, labels map[string]string, value int) {
	switch {
	case family == "servicelink_channel_state" && value == 1 && (c.State == "" || c.State == "ok"):
		c.State = labels["state"]
	case family == "servicelink_ledger" && labels["direction"] == "in":
		c.In[labels["state"]] = value
	case family == "servicelink_ledger":
		c.Out[labels["state"]] = value
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the page is gone: nobody to tell
}
