package main

import (
	"context"
	"net"
	"sync"
	"time"

	"servicelink/simprot/refcore"
)

// coreSwitch runs the reference core and switches it off and on, as pulling
// its plug does: connections break, nobody listens at its address. What it was
// told stays, as it would on a disk.
type coreSwitch struct {
	*refcore.Core
	address string
	turn    chan time.Duration // off for so long; 0 = on

	mu   sync.Mutex
	back time.Time // when it comes back; zero = it is on
}

func newSwitch(core *refcore.Core, address string) *coreSwitch {
	return &coreSwitch{Core: core, address: address, turn: make(chan time.Duration)}
}

// off switches the core off for d, or on when d is 0. It returns when run has
// taken the order.
func (s *coreSwitch) off(ctx context.Context, d time.Duration) error {
	select {
	case s.turn <- d:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// away says how long the core stays off; on means that it is not.
func (s *coreSwitch) away() (left time.Duration, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.back.IsZero() {
		return 0, true
	}
	return max(0, time.Until(s.back)), false
}

func (s *coreSwitch) comesBack(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back = at
}

// run serves the core on l, and after each time it was off at the same address
// again, until ctx ends.
func (s *coreSwitch) run(ctx context.Context, l net.Listener) error {
	for {
		off, err := s.serve(ctx, l)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if err := s.rest(ctx, off); err != nil {
			return nil //nolint:nilerr // ctx ended while the core was off
		}
		if l = s.listen(ctx); l == nil {
			return nil
		}
		s.comesBack(time.Time{})
	}
}

// serve runs the core until it is switched off, and says for how long.
func (s *coreSwitch) serve(ctx context.Context, l net.Listener) (off time.Duration, err error) {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(serving, l) }()
	for off == 0 {
		select {
		case err := <-ended:
			return 0, err
		case off = <-s.turn:
		}
	}
	s.comesBack(time.Now().Add(off))
	stop()
	s.Drop() // no goodbye
	if err := <-ended; err != nil {
		return 0, err
	}
	return off, s.Restart(true)
}

// rest waits until the core is to come back.
func (s *coreSwitch) rest(ctx context.Context, off time.Duration) error {
	timer := time.NewTimer(off)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case off := <-s.turn:
			s.comesBack(time.Now().Add(off))
			timer.Reset(off)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listen takes the core's address again. Somebody may have taken it meanwhile:
// then it waits for it to be given back. nil when ctx has ended.
func (s *coreSwitch) listen(ctx context.Context) net.Listener {
	for {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", s.address)
		if err == nil {
			return l
		}
		if s.rest(ctx, time.Second) != nil {
			return nil
		}
	}
}
