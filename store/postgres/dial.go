package postgres

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// grace is how long connections have, when the store is closed, to say goodbye to
// the server. pgx would wait for 15 s for one that has fallen silent.
const grace = time.Second

// wires are the connections that there are.
type wires struct {
	mu   sync.Mutex
	open map[net.Conn]bool
}

// over returns a function that dials as next does and remembers what it made.
func (w *wires) over(next pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		kept := &wire{c, w}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.open == nil {
			w.open = map[net.Conn]bool{}
		}
		w.open[kept] = true
		return kept, nil
	}
}

// cut closes all of them.
func (w *wires) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		_ = c.(*wire).Conn.Close()
	}
}

type wire struct {
	net.Conn
	wires *wires
}

func (c *wire) Close() error {
	c.wires.mu.Lock()
	delete(c.wires.open, c)
	c.wires.mu.Unlock()
	return c.Conn.Close()
}
