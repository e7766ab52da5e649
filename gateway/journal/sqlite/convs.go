package sqlite

import (
	"time"

	"servicelink/gateway/journal"
)

const (
	// convsKept is how many conversations are held in memory at least; twice
	// as many at most.
	convsKept = 8192
	// lastSeenStep is how far a conversation's LastSeen on disk may lag.
	lastSeenStep = time.Minute
)

type convKey struct{ channel, trackingID string }

// conv is a conversation in memory.
type conv struct {
	id int64
	journal.Conversation
	savedSeen time.Time // LastSeen on disk
	moved     bool      // progress is to be written
	windowed  bool      // the reply window is to be written
	renamed   bool      // the party and the profile are to be written
}

// convs holds the conversations in use. All writes pass through it, so it is
// always right. It forgets by generations: what was not used while a whole
// generation filled up is dropped.
type convs struct {
	young, old map[convKey]*conv
	next       int64   // the id of the next new conversation
	saved      int64   // next, as of the last commit
	dirty      []*conv // to be written with this transaction

	byKey, insert, insertProgress, saveProgress, saveWindow, saveParty *stmt
}

func (s *convs) prepare(c *conn) {
	s.byKey = c.prepare(selectConversation + "WHERE c.channel = ? AND c.tracking_id = ?")
	s.insert = c.prepare("INSERT INTO conversation (id, channel, tracking_id) VALUES (?, ?, ?)")
	s.insertProgress = c.prepare("INSERT INTO progress (conversation, counter, released) VALUES (?, 0, 0)")
	s.saveProgress = c.prepare(`UPDATE progress SET counter = ?, released = ?, last_seen = ?, started = ?,
		closed_text = ?, chat_id = ? WHERE conversation = ?`)
	s.saveWindow = c.prepare("UPDATE progress SET window_end = ?, window_by = ? WHERE conversation = ?")
	s.saveParty = c.prepare(`UPDATE conversation SET remote_address = ?, party_name = ?, user_token = ?, culture = ?,
		profile_name = ?, profile_culture = ?, profile_at = ? WHERE id = ?`)
}

func (s *convs) load(c *conn) error {
	last := c.prepare("SELECT max(id) FROM conversation")
	if c.err != nil {
		return c.err
	}
	id, err := last.integer()
	s.next, s.saved = id+1, id+1
	s.forget()
	return err
}

func (s *convs) forget() {
	s.young, s.old = make(map[convKey]*conv), nil
	s.dirty = s.dirty[:0]
}

// get gives a conversation, nil when it is not known.
func (s *convs) get(channel, trackingID string) (*conv, error) {
	k := convKey{channel, trackingID}
	if c := s.young[k]; c != nil {
		return c, nil
	}
	c := s.old[k]
	if c == nil {
		row, err := s.byKey.first(channel, trackingID)
		if err != nil || row == nil {
			return nil, err
		}
		c = &conv{id: asInt(row[0]), Conversation: decodeConversation(row)}
		c.savedSeen = c.LastSeen
	}
	s.keep(k, c)
	return c, nil
}

func (s *convs) keep(k convKey, c *conv) {
	if len(s.young) >= convsKept {
		s.young, s.old = make(map[convKey]*conv), s.young
	}
	s.young[k] = c
}

// getOrNew gives a conversation, and makes it when it is not known.
func (s *convs) getOrNew(channel, trackingID string) (*conv, error) {
	c, err := s.get(channel, trackingID)
	if c != nil || err != nil {
		return c, err
	}
	c = &conv{id: s.next, Conversation: journal.Conversation{Channel: channel, TrackingID: trackingID}}
	if _, err := s.insert.exec(c.id, channel, trackingID); err != nil {
		return nil, err
	}
	if _, err := s.insertProgress.exec(c.id); err != nil {
		return nil, err
	}
	s.next++
	s.keep(convKey{channel, trackingID}, c)
	return c, nil
}

// touch has a conversation's progress written with the transaction.
func (s *convs) touch(c *conv) {
	s.write(c)
	c.moved = true
}

// rename has a conversation's party and profile written with the transaction.
func (s *convs) rename(c *conv) {
	s.write(c)
	c.renamed = true
}

func (s *convs) write(c *conv) {
	if !c.moved && !c.renamed {
		s.dirty = append(s.dirty, c)
	}
}

// seen notes an accepted entry.
func (s *convs) seen(c *conv, now time.Time) {
	c.LastSeen = now
	if c.Started.IsZero() {
		c.Started = now
		s.touch(c)
	}
	if now.Sub(c.savedSeen) >= lastSeenStep {
		s.touch(c)
	}
}

// flush writes what changed.
func (s *convs) flush() error {
	for _, c := range s.dirty {
		if c.renamed {
			_, err := s.saveParty.exec(text(c.RemoteAddress), text(c.PartyName), text(c.UserToken), text(c.Culture),
				text(c.Profile.Name), text(c.Profile.Culture), moment(c.Profile.At), c.id)
			if err != nil {
				return err
			}
		}
		if c.windowed { // few networks have one
			if _, err := s.saveWindow.exec(moment(c.WindowEnd), text(c.WindowBy), c.id); err != nil {
				return err
			}
		}
		if c.moved {
			_, err := s.saveProgress.exec(int64(c.Counter), int64(c.Released), moment(c.LastSeen), moment(c.Started),
				moment(c.ClosedText), text(c.ChatID), c.id)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *convs) committed() {
	for i, c := range s.dirty {
		if c.moved {
			c.savedSeen = c.LastSeen
		}
		c.moved, c.windowed, c.renamed = false, false, false
		s.dirty[i] = nil
	}
	s.dirty = s.dirty[:0]
	s.saved = s.next
}

// rolledBack forgets everything: what is in memory may be ahead of the disk.
func (s *convs) rolledBack() {
	s.next = s.saved
	s.forget()
}
