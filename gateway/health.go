package gateway

import (
	"net/http"
	"slices"
	"time"
)

// Fault is one thing that is not well, for operators. It holds no secret, no
// address and no content.
type Fault struct {
	Channel string    `json:"channel,omitempty"` // empty: the whole gateway
	Gateway string    `json:"gateway,omitempty"` // what people call the channel that is a message gateway
	What    string    `json:"what"`              // one word or short phrase, stable
	Hint    string    `json:"hint,omitempty"`    // what an operator can do, one sentence
	Since   time.Time `json:"since,omitzero"`
}

// healthSource is what readiness is asked of. Its methods must be quick and
// safe for concurrent use.
type healthSource interface {
	// Ready lists what makes the gateway unready: journal, listener, start-up.
	Ready() []Fault
	// Unwell lists everything that is not well and takes nothing out of
	// service: the core away, a paused channel, lanes behind.
	Unwell() []Fault
	// ChannelFault lists what is wrong with one channel; known is false for a
	// channel that is not configured.
	ChannelFault(name string) (faults []Fault, known bool)
}

// readiness is the body of /readyz.
type readiness struct {
	Ready  bool    `json:"ready"`
	Faults []Fault `json:"faults"`
	Unwell []Fault `json:"unwell,omitempty"`
}

// serveAlive answers /healthz: whoever gets an answer talks to a living
// process. It looks at nothing, so that no dependency gets the process killed.
func serveAlive(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
}

// serveReady answers /readyz, and /readyz?channel=NAME for one channel. To a
// caller without the token it says yes or no of the whole, and nothing else.
func serveReady(health healthSource, trusted func(*http.Request) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body := readiness{Faults: health.Ready()}
		if !trusted(r) && r.URL.Query().Has("channel") {
			refuseStranger(w) // a yes or no of the whole would pass for the channel's
			return
		}
		if !trusted(r) {
			writeJSON(w, readyStatus(body.Faults), map[string]bool{"ready": len(body.Faults) == 0})
			return
		}
		query, err := readQuery(r, "channel")
		if err != nil {
			writeError(w, http.StatusBadRequest, err.Error())
			return
		}
		if name := query["channel"]; name != "" {
			faults, known := health.ChannelFault(name)
			if !known {
				writeError(w, http.StatusNotFound, "no such channel")
				return
			}
			body.Faults = slices.Concat(body.Faults, faults)
		} else {
			body.Unwell = health.Unwell()
		}
		body.Ready = len(body.Faults) == 0
		if body.Ready {
			body.Faults = []Fault{}
		}
		writeJSON(w, readyStatus(body.Faults), body)
	}
}

func readyStatus(faults []Fault) int {
	if len(faults) == 0 {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}
