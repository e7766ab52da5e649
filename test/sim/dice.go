package sim

import "time"

// dice are drawn by name, not in turn: the answer depends on the seed, on what
// is asked and on how often that was asked, never on what else was asked in
// between. So a goroutine that comes a moment earlier changes nothing for the
// others, and a fault that is taken out of a plan leaves the rest as it was.
type dice struct {
	seed  uint64
	asked map[stream]uint64
}

// stream names what is drawn.
type stream struct {
	what drawn
	id   uint64 // of the connection, conversation, ...
}

type drawn uint64

const (
	drawLatency drawn = iota + 1
	drawJitter
	drawSever
	drawSeverTime
	drawNotice
	drawSeat
	drawSend
	drawPost
	drawPoll
	drawDown
	drawDial
	drawAsks
	drawAsk
	drawTells
	drawTell
	drawReports
	drawReport
	drawConfirm
	drawFetch
	drawMailing
	drawRetry
)

func newDice(seed uint64) *dice { return &dice{seed: seed, asked: make(map[stream]uint64)} }

// n draws from [0, limit).
func (d *dice) n(what drawn, id uint64, limit int) int {
	if limit <= 1 {
		return 0
	}
	s := stream{what, id}
	d.asked[s]++
	x := mix(d.seed ^ mix(uint64(what)<<48^id) ^ mix(d.asked[s]<<1|1))
	return int(x % uint64(limit))
}

// upTo draws from [0, limit].
func (d *dice) upTo(what drawn, id uint64, limit time.Duration) time.Duration {
	return time.Duration(d.n(what, id, int(limit)+1))
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
