package sim

import (
	"time"

	"servicelink/simprot"
)

// answer goes to whoever asked, perhaps to the others too.
func (c *core) answer(s *seat, asked, p simprot.Packet) {
	if c.rules.Asks {
		p.Extras.Ask = asked.Extras.Ask
	}
	c.send(s, p)
	if !c.rules.ToAll {
		return
	}
	for _, other := range c.seats {
		if other != s && other.open && other.up {
			c.send(other, p)
		}
	}
}

// tell sends what nobody asked for, to one connection or to all.
func (c *core) tell(p simprot.Packet) {
	var up []*seat
	for _, s := range c.seats {
		if s.open && s.up {
			up = append(up, s)
		}
	}
	if len(up) == 0 {
		return
	}
	if !c.rules.ToAll {
		i := c.w.dice.n(drawSeat, 0, len(up))
		up = up[i : i+1]
	}
	for _, s := range up {
		c.send(s, p)
	}
}

// send writes a packet, unless a fault says otherwise.
func (c *core) send(s *seat, p simprot.Packet) {
	f := c.faultOn(p.Code, lose, late, twice)
	switch {
	case f == nil:
		c.write(s, p, 0)
	case f.kind == lose:
		c.w.note("core: %s is lost", p.Code)
	case f.kind == late:
		c.w.note("core: %s is %v late", p.Code, f.delay)
		c.w.after(f.delay, func() {
			if s.open {
				c.write(s, p, 0)
			}
		})
	default:
		c.write(s, p, 0)
		c.write(s, p, f.delay)
	}
}

func (c *core) write(s *seat, p simprot.Packet, extra time.Duration) {
	if extra > 0 {
		c.w.after(extra, func() {
			if s.open {
				c.write(s, p, 0)
			}
		})
		return
	}
	frame, err := simprot.AppendFrame(nil, p, s.encoding)
	if err != nil {
		c.w.violate("the model core wrote nonsense: %v", err)
		return
	}
	s.wire.put(&s.wire.down, parcel{packet: p, frame: frame}, 0)
}
