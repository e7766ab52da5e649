//go:build chaos

package chaos

import (
	"slices"
	"syscall"
	"time"

	"servicelink/test/proc"
)

// strike does what the dice chose, and leaves everything as it should be.
func (w *world) strike(s strike) {
	w.t.Helper()
	w.watch()
	from := time.Now()
	w.begin(s)
	w.pause(s.Hold / 2)
	w.kill(s)
	w.pause(s.Hold - s.Hold/2)
	w.heal(s)
	to := time.Now()
	w.log.happened(from, to, s)
	if s.spoilsAnswers() {
		// What was lost on its way comes again after as long again at most.
		w.log.spoilt = append(w.log.spoilt, disturbance{from, to.Add(to.Sub(from) + time.Second)})
	}
	w.ready()
	w.diskSick = false
}

// spoilsAnswers: while it lasts, an answer of the network may not reach a
// gateway that lives.
func (s strike) spoilsAnswers() bool {
	switch s.Kind {
	case links:
		return slices.Contains(s.Links, networkLink)
	case answers, diskHangs:
		return true
	case stop, stutter:
		return s.Victim != coreVictim
	default:
		return false
	}
}

func (w *world) begin(s strike) {
	switch s.Kind {
	case links:
		w.must(filter(s.Fault, s.Links))
	case answers:
		w.networkFault(s.Hold, true)
	case stop:
		w.signal(s.Victim, syscall.SIGSTOP)
	case stutter:
		w.stutter(s)
	case orderly:
		w.stopOrderly()
		w.must(w.startGateway())
	case diskFull:
		w.diskSick = true
		w.must(w.disk.fill())
	case diskFails:
		w.diskSick = true
		w.must(w.disk.fail())
	case diskHangs:
		w.must(w.disk.freeze())
	case clockStep:
		w.must(w.clock.set(s.Offset))
	case twice:
		w.secondGateway()
	case killOnly, tornTail:
	}
}

// heal takes back what begin did.
func (w *world) heal(s strike) {
	switch s.Kind {
	case links:
		w.must(filter(noFault, nil))
	case answers:
		w.networkFault(0, false)
	case stop:
		w.signal(s.Victim, syscall.SIGCONT)
	case diskFull:
		w.must(w.disk.empty())
	case diskFails:
		w.gateway.Kill() // it may have been started, and refused
		w.must(w.disk.repair())
		w.must(w.startGateway())
	case diskHangs:
		if s.Kill == nobody {
			w.must(w.disk.thaw())
		}
	case killOnly, tornTail, clockStep, twice, stutter, orderly:
	}
}

// kill kills whom the dice chose, in an order of chance, and starts them again.
func (w *world) kill(s strike) {
	if s.Kill == nobody {
		return
	}
	frozen := s.Kind == diskHangs
	if frozen { // whoever waits for the disk dies once it goes on
		defer func() {
			if frozen {
				w.must(w.disk.thaw())
			}
		}()
	}
	gateway, core := s.Kill != coreVictim, s.Kill != gatewayVictim
	if core {
		w.killCore()
	}
	if gateway {
		if frozen {
			_ = w.gateway.Signal(syscall.SIGKILL)
			w.must(w.disk.thaw())
			frozen = false
		}
		w.killGateway()
		w.damage(s)
	}
	w.pause(s.Down)
	if core {
		w.must(w.startCore())
	}
	if gateway && s.Kind != diskFails {
		w.must(w.startGateway())
	}
	if s.Again > 0 {
		w.pause(s.Again)
		w.killGateway()
		w.must(w.startGateway())
	}
}

func (w *world) victims(v victim) (all []*proc.Process) {
	if v != coreVictim {
		all = append(all, w.gateway)
	}
	if v != gatewayVictim {
		all = append(all, w.coreProcess)
	}
	return all
}

func (w *world) signal(v victim, s syscall.Signal) {
	for _, p := range w.victims(v) {
		_ = p.Signal(s) // it may have ended, which watch finds
	}
}

// stutter lets a process run a part of the time only.
func (w *world) stutter(s strike) {
	end := time.Now().Add(s.Hold)
	for i := 0; time.Now().Before(end) && w.ctx.Err() == nil; i++ {
		w.signal(s.Victim, syscall.SIGSTOP)
		w.pause(time.Duration(20+i*17%150) * time.Millisecond)
		w.signal(s.Victim, syscall.SIGCONT)
		w.pause(time.Duration(10+i*13%60) * time.Millisecond)
	}
}
