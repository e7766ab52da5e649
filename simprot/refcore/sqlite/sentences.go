package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

const selectSentence = "SELECT counter, id, outbound, model, party_name, text, sent, confirmed FROM sentence "

// scanSentence reads selectSentence's columns; the rest is its chat's.
func scanSentence(scan func(...any) error, c refcore.Chat) (*simprot.ChatSentenceInfo, error) {
	s := &simprot.ChatSentenceInfo{Peer: c.Peer, Port: c.Port, TrackingId: c.TrackingID, ChatId: c.ID}
	var confirmed instant
	err := scan(&s.Counter, &s.ID, &s.IsOutbound, &s.Model, &s.PartyName, &s.Text, (*instant)(&s.TimeSent), &confirmed)
	if at := time.Time(confirmed); !at.IsZero() {
		s.ConfirmedTime = &at
	}
	return s, err
}

func sentences(q querier, c refcore.Chat, where string, args ...any) ([]*simprot.ChatSentenceInfo, error) {
	rows, err := q.QueryContext(background, selectSentence+where+" ORDER BY counter", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []*simprot.ChatSentenceInfo{}
	for rows.Next() {
		s, err := scanSentence(rows.Scan, c)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// Append implements refcore.Store.
func (s *Store) Append(id uuid.UUID, v *simprot.ChatSentenceInfo, at time.Time) (c refcore.Chat, before int, err error) {
	err = s.change(background, func(tx *sql.Tx) error {
		var seq int64
		if c, seq, err = chatByID(tx, id); err != nil {
			return err
		}
		if err := tx.QueryRowContext(background, "SELECT count(*) FROM sentence WHERE chat = ? AND id = ? AND outbound = ?",
			seq, v.ID, v.IsOutbound).Scan(&before); err != nil {
			return err
		}
		c.Counter++
		c.Updated = at
		switch {
		case v.IsOutbound && v.ConfirmedTime == nil:
			c.Unconfirmed++
		case !v.IsOutbound && v.Model == simprot.ModelSentence:
			c.Unread++
		}
		var confirmed time.Time
		if v.ConfirmedTime != nil {
			confirmed = *v.ConfirmedTime
		}
		_, err := tx.ExecContext(background, `INSERT INTO sentence (chat, counter, id, outbound, model, party_name, text, sent, confirmed)
			VALUES (?,?,?,?,?,?,?,?,?)`,
			seq, c.Counter, v.ID, v.IsOutbound, v.Model, v.PartyName, v.Text, instant(v.TimeSent), instant(confirmed))
		if err != nil {
			return err
		}
		return s.count(tx, seq, c)
	})
	if err != nil {
		return refcore.Chat{}, 0, err
	}
	v.Counter = c.Counter
	return c, before, nil
}

// count writes what the store keeps up to date of a chat.
func (s *Store) count(tx *sql.Tx, seq int64, c refcore.Chat) error {
	_, err := tx.ExecContext(background, "UPDATE chat SET counter = ?, read_counter = ?, unread = ?, unconfirmed = ?, updated = ? WHERE seq = ?",
		c.Counter, c.ReadCounter, c.Unread, c.Unconfirmed, instant(c.Updated), seq)
	return err
}

// Confirm implements refcore.Store.
func (s *Store) Confirm(a refcore.Address, sentenceID string, at time.Time) (c refcore.Chat, v *simprot.ChatSentenceInfo, err error) {
	err = s.change(background, func(tx *sql.Tx) error {
		var seq int64
		var counter int32
		// Of the newest chat that has it the oldest unconfirmed one, else the oldest.
		err := tx.QueryRowContext(background, `SELECT c.seq, s.counter FROM chat c JOIN sentence s ON s.chat = c.seq
			WHERE c.peer = ? AND c.port = ? AND c.tracking_id = ? AND s.id = ? AND s.outbound = 1
			ORDER BY c.placed DESC, s.confirmed IS NOT NULL, s.counter LIMIT 1`,
			a.Peer, a.Port, a.TrackingID, sentenceID).Scan(&seq, &counter)
		if errors.Is(err, sql.ErrNoRows) {
			return noOutbound(tx, a, sentenceID)
		}
		if err != nil {
			return err
		}
		if c, _, err = scanChat(tx.QueryRowContext(background, selectChat+"WHERE seq = ?", seq).Scan); err != nil {
			return err
		}
		done, err := tx.ExecContext(background, "UPDATE sentence SET confirmed = ? WHERE chat = ? AND counter = ? AND confirmed IS NULL",
			instant(at), seq, counter)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil {
			return err
		} else if n > 0 {
			c.Unconfirmed--
			if err := s.count(tx, seq, c); err != nil {
				return err
			}
		}
		v, err = scanSentence(tx.QueryRowContext(background, selectSentence+"WHERE chat = ? AND counter = ?", seq, counter).Scan, c)
		return err
	})
	if err != nil {
		return refcore.Chat{}, nil, err
	}
	return c, v, nil
}

// noOutbound says why there is no outbound sentence of an ID.
func noOutbound(tx *sql.Tx, a refcore.Address, sentenceID string) error {
	var inbound bool
	err := tx.QueryRowContext(background, `SELECT EXISTS (SELECT 1 FROM chat c JOIN sentence s ON s.chat = c.seq
		WHERE c.peer = ? AND c.port = ? AND c.tracking_id = ? AND s.id = ?)`,
		a.Peer, a.Port, a.TrackingID, sentenceID).Scan(&inbound)
	switch {
	case err != nil:
		return err
	case inbound:
		return refcore.ErrInbound
	default:
		return refcore.ErrNoSentence
	}
}

// Read implements refcore.Store.
func (s *Store) Read(id uuid.UUID, at time.Time) (seen []*simprot.ChatSentenceInfo, err error) {
	err = s.change(background, func(tx *sql.Tx) error {
		c, seq, err := chatByID(tx, id)
		if err != nil {
			return err
		}
		const fresh = "WHERE chat = ? AND counter > ? AND outbound = 0 AND model = 0 AND confirmed IS NULL"
		if seen, err = sentences(tx, c, fresh, seq, c.ReadCounter); err != nil {
			return err
		}
		if _, err := tx.ExecContext(background, "UPDATE sentence SET confirmed = ? "+fresh, instant(at), seq, c.ReadCounter); err != nil {
			return err
		}
		for _, v := range seen {
			v.ConfirmedTime = &at
		}
		c.ReadCounter, c.Unread = c.Counter, 0
		return s.count(tx, seq, c)
	})
	return seen, err
}

// Sentences implements refcore.Store.
func (s *Store) Sentences(id uuid.UUID, after int32) (all []*simprot.ChatSentenceInfo, err error) {
	err = s.change(background, func(tx *sql.Tx) error {
		c, seq, err := chatByID(tx, id)
		if err != nil {
			return err
		}
		all, err = sentences(tx, c, "WHERE chat = ? AND counter > ?", seq, after)
		return err
	})
	return all, err
}
