package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seguehq/segue/store"
)

const (
	// heartbeat is how long a connection may be silent before it is asked whether
	// it lives, and for how long it may think about that.
	heartbeat = 10 * time.Second
	// greeting is how long the first notification may take.
	greeting = 5 * time.Second
)

// Watch implements store.Store. The first one opens a connection that listens for
// all watchers, until the store is closed. PostgreSQL tells nothing of what
// happened while it was broken: watchers have Missed then.
func (s *Store) Watch(ctx context.Context, prefix string) (store.Watcher, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	select {
	case _, first := <-s.listening:
		if first {
			if err := s.listen(ctx); err != nil {
				s.listening <- struct{}{}
				return nil, s.fail(ctx, "watch", prefix, err)
			}
			close(s.listening)
		}
	case <-ctx.Done():
		return nil, s.fail(ctx, "watch", prefix, ctx.Err())
	}
	w, err := s.hub.Watch(prefix, nil)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// listen begins to.
func (s *Store) listen(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	conn, err := s.subscribe(ctx)
	if err != nil {
		return err
	}
	if err := s.hello(ctx, conn); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return err
	}
	s.running.Go(func() { s.hear(conn) })
	return nil
}

// subscribe makes a connection that listens.
func (s *Store) subscribe(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.set.config.ConnConfig)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{s.set.channel()}.Sanitize(), pgx.QueryExecModeSimpleProtocol); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return conn, nil
}

// hello sees that notifications arrive. Behind PgBouncer in transaction mode
// LISTEN succeeds, and nothing is ever heard.
func (s *Store) hello(ctx context.Context, conn *pgx.Conn) error {
	nonce := "\x01hello" + rand.Text()
	if _, err := s.pool.Exec(ctx, "SELECT pg_notify($1::text, $2::text)", s.set.channel(), nonce); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(waiting)
		if err != nil && ctx.Err() == nil && waiting.Err() != nil {
			return errors.New("notifications do not arrive; a watcher needs a connection to PostgreSQL itself, or to a PgBouncer in session mode")
		}
		if err != nil {
			return err
		}
		if n.Payload == nonce {
			return nil
		}
	}
}

// hear tells the hub, and connects again when the connection breaks, until the
// store is closed.
func (s *Store) hear(conn *pgx.Conn) {
	for {
		_ = s.hearFrom(conn)
		_ = conn.Close(s.ctx)
		if conn = s.reconnect(); conn == nil {
			return
		}
		s.hub.Missed()
	}
}

// reconnect is nil when the store is closed.
func (s *Store) reconnect() *pgx.Conn {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
			return nil
		}
		ctx, cancel := context.WithTimeout(s.ctx, s.heartbeat)
		conn, err := s.subscribe(ctx)
		cancel()
		if err == nil {
			return conn
		}
	}
}

// hearFrom passes on what a connection says, until it breaks.
func (s *Store) hearFrom(conn *pgx.Conn) error {
	for {
		waiting, cancel := context.WithTimeout(s.ctx, s.heartbeat)
		n, err := conn.WaitForNotification(waiting)
		silent := waiting.Err() != nil
		cancel()
		switch {
		case err == nil:
			s.hub.Changed(n.Payload)
		case s.ctx.Err() != nil || !silent:
			return err
		default:
			if err := s.alive(conn); err != nil {
				return err
			}
		}
	}
}

func (s *Store) alive(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.heartbeat)
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}
