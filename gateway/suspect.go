package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

// An event may break the core or its connection (SPEC, poison): sent again
// with every reconnection it would stop all others for good. So each break is
// held against everything that had no echo; who had several is sent alone, so
// that the next break shows who it was, and is parked then.
const (
	aloneStrikes   = 2 // from then on it is sent with nothing else in flight
	suspectStrikes = 4 // from then on its lane is parked
	suspectSends   = 5 // the same for one that was sent so often and never shown
)

var errSuspect = errors.New("suspected of breaking the connection to the core")

// suspicion is what is held against an event; strikes and unseen survive a
// restart.
type suspicion struct {
	strikes int  // connections that broke before its echo
	unseen  int  // how often it was sent
	parked  int  // how often its lane was parked for it
	onTrial bool // it was parked, and may be sent once
}

func (s *suspicion) alone() bool   { return s.strikes >= aloneStrikes || s.suspect() }
func (s *suspicion) suspect() bool { return s.strikes >= suspectStrikes || s.unseen >= suspectSends }

// strike holds a broken connection against an event that was written to it. An
// orderly end, whoever began it, is nobody's fault.
func (g *Gateway) strike(it *inItem, s *simprot.Session) {
	var bye *simprot.ByeError
	err := s.Err()
	if errors.As(err, &bye) || errors.Is(err, simprot.ErrClosed) || errors.Is(err, errRenewed) {
		return
	}
	it.strikes++
	g.keepSuspicion(it)
}

func (g *Gateway) keepSuspicion(it *inItem) {
	g.journal.Apply(journal.Change{
		Seq: it.row.Seq, Epoch: it.row.Epoch, State: journal.Delivering, Attempts: it.unseen, Strikes: it.strikes,
	})
}

// park lets a suspect's lane rest before its next trial; nothing else waits for
// it. It reports false when an operator has given the event up.
func (s *suspects) park(ctx context.Context, g *Gateway, c *conversation, it *inItem) bool {
	it.parked++
	p := &suspect{row: it.row.Row, since: time.Now(), word: make(chan bool, 1)}
	p.row.Strikes, p.row.Attempts = it.strikes, it.unseen
	s.add(p)
	defer s.remove(p)
	c.ch.log.Warn("suspected of breaking the connection to the core: parked", "seq", it.row.Seq,
		"conversation", simprot.LogID(c.tracking), "strikes", it.strikes, "sends", it.unseen)
	rest := parkFor(it.parked)
	it.row.waits(stepSuspect, rest, "")
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		it.onTrial = true
	case again := <-p.word:
		if !again {
			return false
		}
		it.suspicion = suspicion{}
		g.keepSuspicion(it)
	case <-ctx.Done():
	}
	return true
}

// suspect is a parked event.
type suspect struct {
	row   journal.Row
	since time.Time
	word  chan bool // an operator's: true = again, false = a dead letter; room for one
}

// suspects are the events whose lanes are parked.
type suspects struct {
	mu  sync.Mutex
	all map[int64]*suspect // by Seq
}

func (s *suspects) add(p *suspect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[int64]*suspect)
	}
	s.all[p.row.Seq] = p
}

func (s *suspects) remove(p *suspect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, p.row.Seq)
}

func (s *suspects) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// list gives them in order of sequence.
func (s *suspects) list() []*suspect {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*suspect, 0, len(s.all))
	for _, p := range s.all {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *suspect) int { return cmp.Compare(a.row.Seq, b.row.Seq) })
	return list
}

// tell has a parked event tried at once, all suspicion taken from it, or made a
// dead letter.
func (s *suspects) tell(again bool) func(context.Context, int64) error {
	return func(_ context.Context, seq int64) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		p := s.all[seq]
		if p == nil {
			return errNotWaits
		}
		select {
		case p.word <- again:
			return nil
		default:
			return errNotWaits // told already
		}
	}
}

// suspectsAPI answers GET /api/v1/suspects: all of them, in order of sequence.
func suspectsAPI(s *suspects, redact func(journal.Row) map[string]any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		views := []map[string]any{}
		for _, p := range s.list() {
			view := redact(p.row)
			view["strikes"], view["parked"] = p.row.Strikes, p.since
			views = append(views, view)
		}
		writeJSON(w, http.StatusOK, map[string]any{"suspects": views})
	})
}
