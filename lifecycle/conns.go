package lifecycle

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// connections are those that an HTTP server has accepted and that are not
// closed yet, hijacked ones among them.
type connections struct {
	// those of HTTP/2 end by themselves, as goodbye is said to them; otherwise they
	// are http.Server.Shutdown's
	goodbyes bool

	mu      sync.Mutex
	open    map[*connection]struct{}
	changed chan struct{} // holds one if something has changed since it was looked at
}

// A connection as it was accepted. Its fields are guarded by the mutex of
// connections.
type connection struct {
	net.Conn
	of    *connections
	state http.ConnState
	since time.Time // when it came into the state
	http2 bool
	outer net.Conn // what net/http speaks on: this one, or TLS over it
}

func newConnections() *connections {
	return &connections{open: map[*connection]struct{}{}, changed: make(chan struct{}, 1)}
}

func (cs *connections) add(c net.Conn) net.Conn {
	conn := &connection{Conn: c, of: cs, state: http.StateNew, since: time.Now()}
	conn.outer = conn
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.open[conn] = struct{}{}
	return conn
}

func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	c.of.tell()
	return c.Conn.Close()
}

// ReadFrom keeps sendfile(2) and splice(2) for answers in the clear.
func (c *connection) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite lets net/http end a connection in an orderly way.
func (c *connection) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// SyscallConn is for those who poll a hijacked connection by themselves.
func (c *connection) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// NetConn is the connection itself, for those who need its type.
func (c *connection) NetConn() net.Conn { return c.Conn }

func (cs *connections) tell() {
	select {
	case cs.changed <- struct{}{}:
	default:
	}
}

// note takes in what net/http says of a connection, and returns what a hook of
// the user's is to see.
func (cs *connections) note(c net.Conn, state http.ConnState) net.Conn {
	outer := c
	g, isHTTP2 := c.(spoken)
	if isHTTP2 {
		outer = g.goodbyes().Conn
	}
	conn, _ := outer.(*connection)
	if t, ok := outer.(*tls.Conn); ok {
		conn, _ = t.NetConn().(*connection)
		isHTTP2 = isHTTP2 || t.ConnectionState().NegotiatedProtocol == "h2"
	}
	if conn == nil {
		return outer
	}
	cs.mu.Lock()
	conn.state, conn.since, conn.outer = state, time.Now(), outer
	conn.http2 = conn.http2 || isHTTP2
	cs.mu.Unlock()
	cs.tell()
	return outer
}

// lookAgain keeps ten thousand goodbyes from being as many looks at all that are
// left.
const lookAgain = 5 * time.Millisecond

// A patience is how long a connection of HTTP/1 may be without a request.
type patience struct {
	used  time.Duration // after its last one
	fresh time.Duration // before its first one, which is mostly on its way
}

// hurriedly is the patience with fresh connections when nothing is waited for.
const hurriedly = 200 * time.Millisecond

// quiet returns when no connection is left on which requests may come. It closes
// those of HTTP/1 on which none comes for too long.
func (cs *connections) quiet(ctx context.Context, most patience, hurried <-chan struct{}) {
	began := time.Now()
	for {
		idle, next, left := cs.overdue(began, most)
		for _, c := range idle {
			_ = c.Close() // the client is gone, or goes by this
		}
		if left == 0 {
			return
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-cs.changed:
			pause(ctx, lookAgain, nil)
		case <-timer.C:
		case <-hurried:
			hurried, most = nil, patience{fresh: min(most.fresh, hurriedly)}
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// overdue are the connections to close, when to look again, and how many others
// are left on which requests may come.
func (cs *connections) overdue(began time.Time, most patience) (idle []net.Conn, next time.Time, left int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	now := time.Now()
	next = now.Add(time.Minute)
	for c := range cs.open {
		if c.state == http.StateHijacked || c.http2 && !cs.goodbyes {
			continue
		}
		if due, ok := c.due(began, most); ok && !due.After(now) {
			if !hasInput(c.Conn) {
				idle = append(idle, c.outer)
				continue
			}
			c.since = now // a request has come, and will be seen at once
			next = now.Add(time.Millisecond)
		} else if ok && due.Before(next) {
			next = due
		}
		left++
	}
	return idle, next, left
}

// due is when a connection of HTTP/1 has been idle for too long.
func (c *connection) due(began time.Time, most patience) (time.Time, bool) {
	since := c.since
	if since.Before(began) {
		since = began
	}
	switch {
	case c.http2:
		return time.Time{}, false
	case c.state == http.StateIdle:
		return since.Add(most.used), true
	case c.state == http.StateNew:
		return since.Add(most.fresh), true
	}
	return time.Time{}, false
}

func (cs *connections) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open)
}

// empty waits until all connections are closed.
func (cs *connections) empty(ctx context.Context) error {
	for cs.count() > 0 {
		select {
		case <-cs.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (cs *connections) closeAll() {
	cs.mu.Lock()
	var all []*connection
	for c := range cs.open {
		all = append(all, c)
	}
	cs.mu.Unlock()
	for _, c := range all {
		_ = c.Close() // it is given up
	}
}
