package gateway

import (
	"log/slog"
	"sync/atomic"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/simprot"
)

// channel is one configured account of a network, with its Port at the core.
type channel struct {
	cfg     config.Channel
	conn    connectors.Connector
	caps    connectors.Capabilities
	unknown config.UnknownPolicy
	metrics *channelMetrics
	log     *slog.Logger

	port   *port   // its claim at the core
	limits *limits // what may be sent now
	gate   *gate   // who asks while the core is closed
	rooms  [2]room // for rows in memory, in and out

	// deaf holds the last error of a Runner that does not run now; nil = fine.
	deaf atomic.Pointer[connectors.SendError]
}

// address names the customer of a conversation at the network. The journal may
// know nothing of a conversation the agent opens; then the TrackingId speaks.
func (ch *channel) address(trackingID, remote string) connectors.Address {
	to := connectors.Address{TrackingID: trackingID, RemoteAddress: remote}
	if a, ok := ch.conn.(connectors.Addresser); ok && remote == "" {
		if from, known := a.Address(trackingID); known {
			to = from
		}
	}
	return to
}

// reachable tells whether an address can be read from the TrackingId alone.
func (ch *channel) reachable(trackingID string) bool {
	a, ok := ch.conn.(connectors.Addresser)
	if !ok {
		return true
	}
	_, known := a.Address(trackingID)
	return known
}

// state is the channel's one word for metrics and status pages.
func (ch *channel) state() string {
	switch {
	case !ch.cfg.Enabled:
		return stateDisabled
	case ch.limits.paused():
		return statePaused
	case ch.deaf.Load() != nil:
		return stateDeaf
	case ch.port.parked():
		return stateNoAnswer
	case ch.gate.closed() != "":
		return stateClosed
	default:
		return stateOK
	}
}

// The states of a channel: the label of servicelink_channel_state.
const (
	stateOK       = "ok"
	stateDisabled = "disabled"
	statePaused   = "paused"    // the network refuses our credentials
	stateDeaf     = "deaf"      // the network cannot be read
	stateNoAnswer = "no_answer" // the core does not answer for this Port
	stateClosed   = "closed"    // the core takes no chats now
)

// command is a ChatCommandInfo of this channel's Port.
func (ch *channel) command(trackingID string) *simprot.ChatCommandInfo {
	return &simprot.ChatCommandInfo{Port: ch.cfg.Port, TrackingId: trackingID}
}
