package sqlite

import (
	"database/sql"
	"encoding/json"

	"servicelink/simprot"
	"servicelink/simprot/refcore"
)

// SaveGateways implements refcore.MessageStore.
func (s *Store) SaveGateways(list simprot.GatewayList) error {
	return s.change(background, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(background, "DELETE FROM gateway"); err != nil {
			return err
		}
		for _, g := range list {
			document, err := json.Marshal(g)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(background, "INSERT INTO gateway (document) VALUES (?)", string(document)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Gateways implements refcore.MessageStore.
func (s *Store) Gateways() (simprot.GatewayList, error) {
	return documents[*simprot.GatewayInfo](s.db, "SELECT document FROM gateway ORDER BY seq")
}

// SaveMessage implements refcore.MessageStore.
func (s *Store) SaveMessage(m refcore.Message) error {
	document, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(background, "INSERT INTO message (id, document) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document",
		m.ID.String(), string(document))
	return err
}

// Messages implements refcore.MessageStore.
func (s *Store) Messages() ([]refcore.Message, error) {
	return documents[refcore.Message](s.db, "SELECT document FROM message ORDER BY seq")
}

// documents reads a column of JSON.
func documents[T any](q querier, query string) ([]T, error) {
	rows, err := q.QueryContext(background, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var document []byte
		if err := rows.Scan(&document); err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal(document, &v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
