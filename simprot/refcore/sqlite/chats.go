package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/google/uuid"

	"servicelink/simprot/refcore"
)

const chatColumns = `id, peer, port, tracking_id, status, party_name, remote_address, user_token, culture,
	agent_name, agent_id, started, updated, closed, counter, read_counter, unread, unconfirmed`

const selectChat = "SELECT " + chatColumns + ", seq FROM chat "

// place puts a chat behind the others of its conversation.
const place = "(SELECT coalesce(max(placed), 0) + 1 FROM chat)"

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scanChat reads selectChat's columns.
func scanChat(scan func(...any) error) (c refcore.Chat, seq int64, err error) {
	err = scan(&c.ID, &c.Peer, &c.Port, &c.TrackingID, &c.Status, &c.PartyName, &c.RemoteAddress, &c.UserToken,
		&c.Culture, &c.AgentName, &c.AgentID, (*instant)(&c.Started), (*instant)(&c.Updated), (*instant)(&c.Closed),
		&c.Counter, &c.ReadCounter, &c.Unread, &c.Unconfirmed, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		err = refcore.ErrNoChat
	}
	return c, seq, err
}

func chatByID(q querier, id uuid.UUID) (refcore.Chat, int64, error) {
	return scanChat(q.QueryRowContext(background, selectChat+"WHERE id = ?", id.String()).Scan)
}

// Create implements refcore.Store.
func (s *Store) Create(c refcore.Chat) error {
	_, err := s.db.ExecContext(background, "INSERT INTO chat ("+chatColumns+", placed) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"+place+")",
		c.ID.String(), c.Peer, c.Port, c.TrackingID, c.Status, c.PartyName, c.RemoteAddress, c.UserToken, c.Culture,
		c.AgentName, c.AgentID.String(), instant(c.Started), instant(c.Updated), instant(c.Closed),
		c.Counter, c.ReadCounter, c.Unread, c.Unconfirmed)
	return err
}

// Chat implements refcore.Store.
func (s *Store) Chat(id uuid.UUID) (refcore.Chat, error) {
	c, _, err := chatByID(s.db, id)
	return c, err
}

// Latest implements refcore.Store.
func (s *Store) Latest(a refcore.Address) (refcore.Chat, error) {
	c, _, err := scanChat(s.db.QueryRowContext(background, selectChat+
		"WHERE peer = ? AND port = ? AND tracking_id = ? ORDER BY placed DESC LIMIT 1", a.Peer, a.Port, a.TrackingID).Scan)
	return c, err
}

// List implements refcore.Store.
func (s *Store) List(peer, port string, all bool) ([]refcore.Chat, error) {
	rows, err := s.db.QueryContext(background, selectChat+"WHERE ? OR (peer = ? AND port = ?) ORDER BY seq", all, peer, port)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	chats := []refcore.Chat{}
	for rows.Next() {
		c, _, err := scanChat(rows.Scan)
		if err != nil {
			return nil, err
		}
		chats = append(chats, c)
	}
	return chats, rows.Err()
}

// Update implements refcore.Store.
func (s *Store) Update(id uuid.UUID, change func(*refcore.Chat)) (c refcore.Chat, err error) {
	err = s.change(background, func(tx *sql.Tx) error {
		before, seq, err := chatByID(tx, id)
		if err != nil {
			return err
		}
		c = before
		change(&c)
		if c.TrackingID != before.TrackingID {
			if _, err := tx.ExecContext(background, "UPDATE chat SET tracking_id = ?, placed = "+place+" WHERE seq = ?", c.TrackingID, seq); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(background, `UPDATE chat SET status = ?, party_name = ?, remote_address = ?, user_token = ?,
			culture = ?, agent_name = ?, agent_id = ?, updated = ?, closed = ? WHERE seq = ?`,
			c.Status, c.PartyName, c.RemoteAddress, c.UserToken, c.Culture, c.AgentName, c.AgentID.String(),
			instant(c.Updated), instant(c.Closed), seq)
		if err == nil {
			c, _, err = chatByID(tx, id)
		}
		return err
	})
	return c, err
}
