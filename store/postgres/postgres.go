// Package postgres keeps a store in PostgreSQL 13 or newer: for services that have
// a database anyway, and for entries that must outlive a power cut.
//
// It promises what package store does, and nothing that was acknowledged is lost
// as long as the database has fsync and synchronous_commit on, as is its default.
// A failover to an asynchronous replica loses what had not reached it; revisions
// grow over that too, as long as the servers' clocks agree.
//
// Expiry goes by the server's clock. Expired rows are removed in small batches by
// whoever has the store open.
package postgres

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/internal/hub"
)

// Store is a store.Store in a PostgreSQL database. It must not be copied.
type Store struct {
	set    settings
	sql    statements
	pool   *pgxpool.Pool
	hub    hub.Hub
	wires  wires
	closed atomic.Bool

	ctx     context.Context // ends when the store is closed
	cancel  context.CancelFunc
	running sync.WaitGroup
	// listening holds one when nobody listens and nobody is about to. It is closed
	// when somebody does, or nobody ever will.
	listening chan struct{}
	heartbeat time.Duration // as the constant, but in tests
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Locker = (*Store)(nil)
)

// Open connects to the database of a URL, and makes schema and tables there if it
// has none:
//
//	postgres://user:password@host:5432/database?sslmode=require
//
// The parameter schema says where the tables are (segue); all others are those of
// pgxpool.ParseConfig, as are the environment variables PGPASSWORD, PGHOST and so
// on.
//
// Through PgBouncer in transaction mode everything works but Watch, which needs a
// connection of its own and says so.
//
// The server has to answer. Once open, the store outlives its restarts: calls
// fail while it is away, and work again when it is back.
func Open(ctx context.Context, url string) (*Store, error) {
	set, err := parse(url)
	if err != nil {
		return nil, err
	}
	s := &Store{set: set, sql: newStatements(set), listening: make(chan struct{}, 1), heartbeat: heartbeat}
	s.listening <- struct{}{}
	set.config.ConnConfig.DialFunc = s.wires.over(set.config.ConnConfig.DialFunc)
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, set.config); err != nil {
		return nil, s.fail(ctx, "open", "", err)
	}
	if err := s.pool.Ping(ctx); err != nil {
		s.pool.Close()
		return nil, s.fail(ctx, "open", "", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.running.Go(s.sweeping)
	return s, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.cancel()
	defer time.AfterFunc(grace, s.wires.cut).Stop()
	if _, nobody := <-s.listening; nobody { // whoever was about to listen has begun, or given up
		close(s.listening)
	}
	s.running.Wait()
	s.hub.Close()
	s.pool.Close()
	return nil
}

// enter is what every call begins with.
func (s *Store) enter(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}
