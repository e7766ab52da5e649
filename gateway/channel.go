package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"servicelink/config"
	"servicelink/connectors"
	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// channel is one configured account of a network, with its Port at the core, or a
// message gateway, which has none.
type channel struct {
	cfg     config.Channel
	conn    connectors.Device // a Connector, or a device
	caps    connectors.Capabilities
	unknown config.UnknownPolicy
	metrics *channelMetrics
	traffic *traffic
	looked  looked // what the watch found
	media   *media // makes links to its customers' files
	log     *slog.Logger
	// sum and egress are what conn was built from, beside cfg.
	sum    [sha256.Size]byte
	egress config.Egress

	port   *port   // its claim at the core; a message gateway's is never up
	limits *limits // what may be sent now
	gate   *gate   // who asks while the core is closed
	rooms  [2]room // for rows in memory, in and out
	life   *life   // its goroutines, apart from the Runner's

	runner     sync.WaitGroup
	stopRunner context.CancelFunc
	deaf       atomic.Pointer[ailment] // nil = the network can be read, for all that is known
	starting   atomic.Bool             // its Runner waits for its turn

	reported reported // dead letters that may have arrived
	profiles profiles // what is asked about its customers

	// opening: the journal may hold rows of lanes that nobody has looked for yet.
	opening atomic.Bool
	// retired: another channel stands in its place, or none does.
	retired atomic.Bool
}

// ailment is why a Runner cannot read its network, or why that refuses sends.
type ailment struct {
	err   *connectors.SendError
	since time.Time
}

// unreadable notes that the Runner failed. Credentials that are refused to it
// will not do for sending either.
func (ch *channel) unreadable(se *connectors.SendError) {
	now := &ailment{se, time.Now()}
	if old := ch.deaf.Load(); old != nil && old.err.Reason == se.Reason {
		now.since = old.since
	}
	ch.deaf.Store(now)
	if se.Reason == connectors.ReasonAuth {
		ch.limits.refuse(se)
	}
}

// readable notes that the network answers the Runner.
func (ch *channel) readable() {
	if ch.deaf.Load() == nil || ch.deaf.Swap(nil) == nil {
		return
	}
	ch.limits.accept()
	ch.log.Info("the network can be read again")
}

// isGateway tells a message gateway from an account that chats.
func (ch *channel) isGateway() bool { return ch.cfg.Gateway != nil }

// hears: customers' messages come by it.
func (ch *channel) hears() bool { return !ch.isGateway() || ch.cfg.Gateway.Inbound }

// proof is by what an enabled channel's calls are told to be its; empty = no
// such thing.
func (ch *channel) proof() string {
	if e, ok := ch.conn.(connectors.Exclusive); ok && ch.cfg.Enabled {
		return e.Exclusive()
	}
	return ""
}

// close releases what the connector was built with, once nothing of the channel
// runs any more.
func (ch *channel) close() error {
	ch.life.stopHard()
	if c, ok := ch.conn.(connectors.Closer); ok {
		return c.Close()
	}
	return nil
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
	case ch.limits.isHeld():
		return stateHeld
	case ch.limits.paused():
		return statePaused
	case ch.deafFor() == connectors.ReasonConflict:
		return stateConflict
	case ch.deafFor() != "":
		return stateDeaf
	case ch.starting.Load():
		return stateStarting
	case ch.port.parked():
		return stateNoAnswer
	case ch.gate.closed() != "":
		return stateClosed
	default:
		return stateOK
	}
}

// deafFor is why the network cannot be read; empty = it can.
func (ch *channel) deafFor() connectors.Reason {
	if a := ch.deaf.Load(); a != nil {
		return a.err.Reason
	}
	return ""
}

// faultRefused is the fault of a channel whose sends are refused and which is not
// paused for that yet.
const faultRefused = "refused"

// The states of a channel: the label of servicelink_channel_state.
const (
	stateOK       = "ok"
	stateDisabled = "disabled"
	stateHeld     = "paused_by_operator"
	statePaused   = "paused"    // the network refuses our credentials, or the egress guard the target
	stateConflict = "conflict"  // somebody else reads the account
	stateDeaf     = "deaf"      // the network cannot be read
	stateStarting = "starting"  // it waits for its turn to begin reading
	stateNoAnswer = "no_answer" // the core does not answer for this Port
	stateClosed   = "closed"    // the core takes no chats now
)

// taken counts what the journal did with entries, and logs the dead ones.
func (ch *channel) taken(d journal.Direction, entries []journal.Entry, verdicts []journal.Verdict) {
	ch.metrics.taken(d, entries, verdicts)
	for i, e := range entries {
		if verdicts[i] == journal.Refused {
			logDead(ch.log, e.Lane, e.ID, cmp.Or(e.DeadReason, string(connectors.ReasonRefused)))
		}
	}
}

// finished counts the end of a row, and logs a dead one.
func (ch *channel) finished(row journal.Row, end journal.State, reason string) {
	ch.metrics.finished(row.Lane.Direction, end, reason, time.Since(row.AcceptedAt))
	if end == journal.Dead {
		logDead(ch.log, row.Lane, row.ID, reason)
	}
}

// logDead leaves a line for a message that was given up, by the names the list
// of dead letters has for it; text and address stay out.
func logDead(log *slog.Logger, lane journal.Lane, id, reason string) {
	log.Warn("dead letter", "direction", lane.Direction.String(), "id", simprot.LogEventID(lane.TrackingID, id),
		"conversation", simprot.LogID(lane.TrackingID), "reason", reason)
}

// command is a ChatCommandInfo of this channel's Port.
func (ch *channel) command(trackingID string) *simprot.ChatCommandInfo {
	return &simprot.ChatCommandInfo{Port: ch.cfg.Port, TrackingId: trackingID}
}
