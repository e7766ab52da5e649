package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// conn is the writer's connection, below database/sql: one goroutine uses it,
// so a pool's locks and conversions would be spent for nothing.
type conn struct {
	c     driver.Conn
	stmts []*stmt
	err   error // first error of prepare
}

func connect(ctx context.Context, connector driver.Connector) (*conn, error) {
	c, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{c: c}, nil
}

// stmt is a prepared statement.
type stmt struct {
	sql   string
	exec_ driver.StmtExecContext
	query driver.StmtQueryContext
	close func() error
	args  []driver.NamedValue // reused
	row   []driver.Value      // reused
}

// prepare remembers its first error in c.err, so that a list of statements can
// be prepared with one check.
func (c *conn) prepare(sql string) *stmt {
	if c.err != nil {
		return nil
	}
	s, err := c.c.Prepare(sql)
	if err != nil {
		c.err = fmt.Errorf("prepare %q: %w", sql, err)
		return nil
	}
	exec, ok1 := s.(driver.StmtExecContext)
	query, ok2 := s.(driver.StmtQueryContext)
	if !ok1 || !ok2 {
		c.err = errors.Join(errors.New("the SQLite driver's statements lack contexts"), s.Close())
		return nil
	}
	st := &stmt{sql: sql, exec_: exec, query: query, close: s.Close}
	c.stmts = append(c.stmts, st)
	return st
}

// once runs a statement that is not kept.
func (c *conn) once(sql string) error {
	s := (&conn{c: c.c}).prepare(sql)
	if s == nil {
		return fmt.Errorf("prepare %q failed", sql)
	}
	_, err := s.exec()
	return errors.Join(err, s.close())
}

func (c *conn) Close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

func (s *stmt) bind(args []any) []driver.NamedValue {
	for len(s.args) < len(args) {
		s.args = append(s.args, driver.NamedValue{Ordinal: len(s.args) + 1})
	}
	for i, a := range args {
		s.args[i].Value = a
	}
	return s.args[:len(args)]
}

// exec runs the statement and returns the number of rows it changed.
func (s *stmt) exec(args ...any) (int64, error) {
	r, err := s.exec_.ExecContext(context.Background(), s.bind(args))
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// each calls fn with every row; the slice is reused.
func (s *stmt) each(fn func([]driver.Value) error, args ...any) (err error) {
	rows, err := s.query.QueryContext(context.Background(), s.bind(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if s.row == nil {
		s.row = make([]driver.Value, len(rows.Columns()))
	}
	for {
		if err := rows.Next(s.row); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := fn(s.row); err != nil {
			return err
		}
	}
}

// first gives the first row, or nil when there is none. It is valid until the
// statement runs again.
func (s *stmt) first(args ...any) (row []driver.Value, err error) {
	err = s.each(func(r []driver.Value) error {
		row = r
		return io.EOF
	}, args...)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return row, err
}

// integer gives the first column of the first row, 0 when there is none.
func (s *stmt) integer(args ...any) (int64, error) {
	row, err := s.first(args...)
	if err != nil || row == nil {
		return 0, err
	}
	return asInt(row[0]), nil
}
