package backfill

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

// A canary feels what others feel, on a connection of its own.
type canary struct {
	db     *dialect.DB
	server server
	conn   *sql.Conn
	id     int64         // its number
	beside *atomic.Int64 // that of the connection that works
	read   string        // finds a row
}

// newCanary makes one, if there is a connection for it.
func newCanary(ctx context.Context, w *walk) (*canary, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if w.db.Stats().MaxOpenConnections == 1 {
		return nil, errors.New("the pool has but one connection")
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &canary{db: w.db, server: w.server, conn: conn, beside: &w.id}
	c.read = "SELECT count(*) FROM " + w.batches.Table + " WHERE " + w.key.at(w.end)
	id, err := w.db.SessionID(ctx, conn)
	if err != nil {
		drop(conn)
		return nil, err
	}
	c.id = id
	if err := w.server.prepare(ctx, conn); err != nil {
		w.options.Log.Info("a backfill measures less of what others feel", "why", w.db.Scrub(err).Error())
	}
	return c, nil
}

func (c *canary) probe(ctx context.Context) error { return c.server.probe(ctx, c.conn, c.read) }

func (c *canary) look(ctx context.Context) (view, error) {
	return c.server.look(ctx, c.conn, []int64{c.id, c.beside.Load()})
}

// blockers asks on a third connection: the pool has it for so long.
func (c *canary) blockers(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	who, err := c.db.Blockers(ctx, c.beside.Load())
	if err != nil {
		return ""
	}
	return who
}

// close takes away what it has made, on another connection: its own may have been
// cut off.
func (c *canary) close() {
	drop(c.conn)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = c.server.clear(ctx, c.db) // what is left is found and used the next time
}
