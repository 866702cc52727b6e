package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx

	"github.com/seguehq/segue/test/migrate/shape"
)

// open opens the database that a URL names: PostgreSQL, or MariaDB.
func open(address string) (db *sql.DB, isMySQL bool, err error) {
	if strings.HasPrefix(address, "postgres") {
		db, err = sql.Open("pgx", address)
		return db, false, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, true, errors.New("DATABASE_URL: not a URL") // err would show its password
	}
	c := mysql.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.Net, c.Addr, c.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, true, err
	}
	return sql.OpenDB(connector), true, nil
}

// do runs statements in one transaction, again when the database has undone it for
// another's sake, as any program must: a deadlock, or a snapshot from before a
// definition.
func (s *shop) do(ctx context.Context, all ...shape.Statement) error {
	for {
		err := s.once(ctx, all)
		if err == nil || !undone(err) || ctx.Err() != nil {
			return err
		}
	}
}

func (s *shop) once(ctx context.Context, all []shape.Statement) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after Commit
	for _, one := range all {
		if _, err := tx.ExecContext(ctx, one.SQL, one.Args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// undone says whether the database undid a transaction that may go well next time.
func undone(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "40001" || pg.Code == "40P01" // serialization, deadlock
	}
	if my, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return my.Number == 1213 || my.Number == 1412 // deadlock, definition has changed
	}
	return false
}
