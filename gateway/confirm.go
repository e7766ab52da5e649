package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/google/uuid"

	"servicelink/gateway/journal"
	"servicelink/simprot"
)

const (
	// mostOwed bounds the CONFIRMs a Port remembers; beyond it the journal is
	// looked through.
	mostOwed = 10_000
	// confirmReach is how many of the journal's newest rows are looked through
	// for CONFIRMs that may be owed, and confirmLimit how many are repeated.
	confirmReach = 1 << 17
	confirmLimit = 10_000
)

// owed are a Port's CONFIRMs of which it is not known that the core has read
// them: nothing answers a CONFIRM. A core handles a connection's packets in
// order, so the answer to a RESYNC tells that it has read what was written
// before. STATUS would tell of those of the latest chat only.
type owed struct {
	mu    sync.Mutex
	list  []confirmation // oldest first
	first int            // how many were there before list[0]
	// unlisted: there may be others, which an earlier process had to tell, or for
	// which the list had no room. The journal has them.
	unlisted bool
	// looked are the earlier chats the core listed when that was last made good.
	looked []uuid.UUID
}

// confirmation is a CONFIRM.
type confirmation struct {
	tracking, id string
	gen          uint64 // of the session it was written on; 0 = of none
}

// confirm tells the core that the customer has a sentence.
func (g *Gateway) confirm(c *conversation, id string) { c.ch.port.confirm(c.tracking, id) }

func (p *port) confirm(tracking, id string) {
	said := confirmation{tracking: tracking, id: id}
	if s := p.current(); s != nil {
		cmd := p.ch.command(tracking)
		cmd.ID = id
		err := s.Send(simprot.CodeChatConfirmIn, cmd, nil)
		if err != nil && !errors.Is(err, simprot.ErrGone) {
			return // it cannot be written, now or later
		}
		said.gen = s.Generation()
	}
	p.owed.add(said)
}

func (o *owed) add(c confirmation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.list) >= mostOwed {
		o.list, o.unlisted = o.list[1:], true
		o.first++
	}
	o.list = append(o.list, c)
}

// end is the number of the next CONFIRM.
func (o *owed) end() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.first + len(o.list)
}

// read drops what the core has read: the CONFIRMs before end that were written
// on session gen. It takes out those of other sessions, to be repeated.
func (o *owed) read(end int, gen uint64) (again []confirmation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var rest []confirmation
	for i, c := range o.list {
		switch {
		case c.gen != gen:
			again = append(again, c)
		case o.first+i >= end:
			rest = append(rest, c)
		}
	}
	o.first += len(o.list) - len(rest)
	o.list = rest
	return again
}

// swap sets unlisted and gives what it was.
func (o *owed) swap(unlisted bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.unlisted
	o.unlisted = unlisted
	return was
}

// confirmAgain repeats what was told on connections that are gone, or while
// there was none.
func (p *port) confirmAgain(end int, s *simprot.Session) {
	for _, c := range p.owed.read(end, s.Generation()) {
		if c.tracking != "" { // else its customer is forgotten
			p.confirm(c.tracking, c.id)
		}
	}
}

// confirmEarlier repeats CONFIRMs that this process does not remember, as far as
// no STATUS tells of them: those of conversations of which the core lists a chat
// that is not the latest. It lists a closed chat until all of it is confirmed,
// and a list can come with a part missing: a chat it has not shown before is
// looked after, too. Only the resync calls it.
func (p *port) confirmEarlier(ctx context.Context, list simprot.ChatStatusList) {
	chats := make(map[string][]string)
	var tracking []string
	var listed []uuid.UUID
	for _, item := range list {
		if item == nil || item.ChatId == uuid.Nil {
			continue
		}
		c := p.g.convs.find(p.ch, item.TrackingId)
		if c == nil || c.isLatest(item.ChatId.String()) {
			continue
		}
		if chats[c.tracking] == nil {
			tracking = append(tracking, c.tracking)
		}
		chats[c.tracking] = append(chats[c.tracking], item.ChatId.String())
		listed = append(listed, item.ChatId)
	}
	news := slices.ContainsFunc(listed, func(id uuid.UUID) bool { return !slices.Contains(p.owed.looked, id) })
	if unlisted := p.owed.swap(false); len(tracking) == 0 || !unlisted && !news {
		return
	}
	p.owed.looked = listed
	rows, err := p.g.journal.Sent(ctx, journal.SentQuery{
		Channel: p.ch.cfg.Name, TrackingIDs: tracking, Recent: confirmReach, Limit: confirmLimit,
	})
	if err != nil {
		p.owed.swap(true) // the next RESYNC comes in a minute
		return
	}
	for _, row := range rows {
		if row.ChatID != "" && !slices.Contains(chats[row.Lane.TrackingID], row.ChatID) || !p.ch.confirms(&row) {
			continue
		}
		content, err := decodeContent(row.Content)
		if err == nil && !content.Auto {
			p.confirm(row.Lane.TrackingID, cmp.Or(content.ID, row.ID))
		}
	}
}

// isLatest tells whether a chat is the conversation's latest.
func (c *conversation) isLatest(chat string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chatID == chat
}
