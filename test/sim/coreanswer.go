package sim

import (
	"time"

	"servicelink/simprot"
)

// status is the answer to START and STATUS: the latest chat with its sentences,
// the oldest left out when there are too many.
func (c *core) status(a address) simprot.Packet {
	st := &simprot.ChatStatusInfo{
		Peer: peer, Port: a.port, TrackingId: a.tracking, Status: simprot.StatusClosed,
		Sentences: []*simprot.ChatSentenceInfo{},
	}
	if ch := c.latest[a]; ch != nil {
		st.ChatId, st.Status = ch.id, ch.status
		over := 0
		if c.rules.Short > 0 {
			over = len(ch.sentences) - c.rules.Short
		}
		for _, sn := range ch.sentences {
			if over > 0 && (!sn.out || sn.confirmed != nil) {
				over--
				c.w.cutAnswers++
				sn.masked = sn.masked || len(st.Sentences) > 0 || !c.rules.Counters
				continue
			}
			st.Sentences = append(st.Sentences, c.shown(sn))
		}
	}
	return simprot.Packet{Code: simprot.CodeChatStatus, Payload: st}
}

// list answers RESYNC.
func (c *core) list(s *seat, p simprot.Packet, port string) {
	items := simprot.ChatStatusList{}
	for _, ch := range c.chats {
		if ch.conv.net.port != port || ch.epoch != c.epoch || ch.status.Closed() && !c.keeps(ch) {
			continue
		}
		it := &simprot.ChatStatusInfo{Peer: peer, Port: port, TrackingId: ch.conv.tracking, ChatId: ch.id, Status: ch.status}
		if c.rules.ListCounts {
			it.Counter = ch.counter
		}
		items = append(items, it)
	}
	for n := c.rules.ListFrame; n > 0 && len(items) > n; items = items[n:] {
		part := simprot.Packet{Code: simprot.CodeChatList, Payload: items[:n:n]}
		part.Extras.More = true
		c.answer(s, p, part)
	}
	c.answer(s, p, simprot.Packet{Code: simprot.CodeChatList, Payload: items})
}

// keeps: a closed chat is listed until its sentences are confirmed or a day old.
func (c *core) keeps(ch *chat) bool {
	if !c.rules.KeepClosed {
		return false
	}
	for _, sn := range ch.sentences {
		if sn.out && sn.confirmed == nil && time.Since(sn.at) < 24*time.Hour {
			return true
		}
	}
	return false
}

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
		s.wire.owes = true
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
