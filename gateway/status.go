package gateway

import (
	"context"
	"net/http"
	"time"

	"servicelink/gateway/journal"
)

// Status is what GET /api/v1/status answers: the whole gateway on one screen.
// It holds no secret, no address and no content.
type Status struct {
	Version  string          `json:"version"`
	At       time.Time       `json:"at"`
	Started  time.Time       `json:"started"`
	Uptime   float64         `json:"uptime_seconds"`
	Ready    bool            `json:"ready"`
	Core     string          `json:"core"` // "up", "connecting", or the fault's word
	Journal  JournalStatus   `json:"journal"`
	Balanced bool            `json:"ledger_balanced"` // accepted + requeued = done + dead + pending, everywhere
	Checks   *CheckStatus    `json:"checks"`          // of what is no channel's
	Register *RegisterStatus `json:"register"`        // of message gateways, the core's
	Channels []ChannelStatus `json:"channels"`
	Suspects int             `json:"suspects"` // see /api/v1/suspects
	Faults   []Fault         `json:"faults"`
}

// JournalStatus is how the journal is.
type JournalStatus struct {
	State    string    `json:"state"` // "ok", "journal_full", "journal_away"
	Bytes    int64     `json:"bytes"`
	MaxBytes int64     `json:"max_bytes"` // 0 = unlimited
	Born     time.Time `json:"born"`
	Volatile bool      `json:"volatile"` // nothing survives the process
}

// ChannelStatus is one channel: configured, or gone with rows that wait for it.
type ChannelStatus struct {
	Name    string `json:"name"`
	Network string `json:"network,omitempty"`
	Port    string `json:"port,omitempty"`
	State   string `json:"state"`
	// Gateway is set for a message gateway; Name is its id.
	Gateway   *GatewayStatus `json:"gateway,omitempty"`
	Checks    *CheckStatus   `json:"checks,omitempty"` // of channels that are served
	In        LedgerStatus   `json:"in"`
	Out       LedgerStatus   `json:"out"`
	LastError *LastError     `json:"last_error,omitempty"`
}

// LedgerStatus is one direction of a channel in the journal's books.
type LedgerStatus struct {
	Accepted int64     `json:"accepted"`
	Requeued int64     `json:"requeued"`
	Done     int64     `json:"done"`
	Dead     int64     `json:"dead"`
	Pending  int64     `json:"pending"`
	Oldest   time.Time `json:"oldest,omitzero"` // pending since
}

func (l LedgerStatus) balanced() bool { return l.Accepted+l.Requeued == l.Done+l.Dead+l.Pending }

// LastError is a channel's newest dead letter among the journal's newest
// deadPageMax. What fails now stands among the faults.
type LastError struct {
	Seq    int64     `json:"seq"`
	Reason string    `json:"reason"`
	Hint   string    `json:"hint,omitempty"`
	At     time.Time `json:"at"`
}

// Status tells how everything is. The error is the journal's.
func (g *Gateway) Status(ctx context.Context) (Status, error) {
	ledger, err := g.journal.Ledger(ctx)
	if err != nil {
		return Status{}, err
	}
	dead, err := g.journal.Dead(ctx, journal.DeadQuery{Limit: deadPageMax})
	if err != nil {
		return Status{}, err
	}
	now, unready := time.Now(), g.Ready()
	s := Status{
		Version: g.opts.Version, At: now.UTC(), Started: g.began.UTC(), Uptime: now.Sub(g.began).Seconds(),
		Ready: len(unready) == 0, Core: g.coreState(), Journal: g.journalStatus(), Balanced: true, Checks: g.self.status(nil),
		Register: g.registerStatus(), Suspects: g.suspects.count(), Faults: append(append([]Fault{}, unready...), g.Unwell()...),
	}
	gone, err := stranded{g}.List(ctx)
	if err != nil {
		return Status{}, err
	}
	for _, ch := range g.now().ordered {
		c := ChannelStatus{Name: ch.cfg.Name, Network: ch.cfg.Network, Port: ch.cfg.Port, State: ch.state(), Gateway: ch.gatewayStatus()}
		if ch.cfg.Enabled {
			c.Checks = ch.looked.status(ch.found(now))
		}
		s.Channels = append(s.Channels, c)
	}
	s.Channels = append(s.Channels, g.devices.brokenStatus()...)
	for _, lanes := range gone {
		if g.channel(lanes.Channel) == nil && s.channel(lanes.Channel) == nil {
			s.Channels = append(s.Channels, ChannelStatus{Name: lanes.Channel, State: lanes.State})
		}
	}
	s.fill(ledger, dead)
	return s, nil
}

// channel finds a listed channel, or nil.
func (s *Status) channel(name string) *ChannelStatus {
	for i := range s.Channels {
		if s.Channels[i].Name == name {
			return &s.Channels[i]
		}
	}
	return nil
}

// fill enters the books and the dead letters, newest first.
func (s *Status) fill(ledger map[journal.LedgerKey]journal.LedgerEntry, dead []journal.Row) {
	for k, e := range ledger {
		counts := LedgerStatus{e.Accepted, e.Requeued, e.Done, e.Dead, e.Pending, e.OldestPending}
		s.Balanced = s.Balanced && counts.balanced()
		if ch := s.channel(k.Channel); ch != nil && k.Direction == journal.Out {
			ch.Out = counts
		} else if ch != nil {
			ch.In = counts
		}
	}
	for _, row := range dead {
		if ch := s.channel(row.Lane.Channel); ch != nil && ch.LastError == nil {
			ch.LastError = &LastError{row.Seq, row.Reason, row.Hint, row.EndedAt}
		}
	}
}

// coreState is the link's one word.
func (g *Gateway) coreState() string {
	switch f := g.linkFault.Load(); {
	case f != nil:
		return f.What
	case g.link.Session() == nil:
		return "connecting"
	default:
		return "up"
	}
}

func (g *Gateway) journalStatus() JournalStatus {
	state := "ok"
	if err := g.journal.Health(); err != nil {
		state = journalFault(err).What
	}
	return JournalStatus{
		State: state, Bytes: g.journal.Size(), MaxBytes: int64(g.config().Journal.MaxBytes),
		Born: g.journal.Born().UTC(), Volatile: g.journal.Volatile(),
	}
}

// serveStatus answers GET /api/v1/status.
func (g *Gateway) serveStatus(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), adminTimeout)
	defer cancel()
	s, err := g.Status(ctx)
	if err != nil {
		failAdmin(w, g.log, err)
		return
	}
	writeJSON(w, http.StatusOK, s)
}

// apiCall is a call of the private API that needs the whole gateway. Without a
// method it is all below its path, and asks by itself who calls.
type apiCall struct {
	method, path string
	handler      http.HandlerFunc
}

// apiCalls lists them.
func (g *Gateway) apiCalls() []apiCall {
	return []apiCall{
		{http.MethodGet, "/api/v1/status", g.serveStatus},
		{http.MethodGet, "/api/v1/trace", g.serveTrace},
		{"GET, POST", "/api/v1/doctor", g.serveDoctor},
		{http.MethodPost, "/api/v1/forget", g.serveForget},
		{http.MethodPost, "/api/v1/journal/backup", g.serveBackup},
		{http.MethodPost, "/api/v1/journal/verify", g.serveVerify},
		{http.MethodPost, "/api/v1/channels/{channel}/pause", g.servePause("pause", true)},
		{http.MethodPost, "/api/v1/channels/{channel}/resume", g.servePause("resume", false)},
	}
}
