package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// clientConn is a client's connection. It notices by itself when the client
// goes away and when it does not take what is written.
type clientConn struct {
	*net.TCPConn
	p        *proxy
	listener *listener
	sender   sender
	tls      bool
	header   proxyHeader // of the PROXY protocol, if there was one
	known    bool        // it comes from the fast path: HTTP has begun
	early    []byte      // read already, to be read again first

	gate  atomic.Pointer[gate] // before net/http; nil when that is not who serves it
	heard atomic.Int64         // bytes read
	quiet atomic.Int64         // heard, when net/http began to wait for a request

	left    atomic.Bool  // a read has failed for good
	writing atomic.Int64 // since when a write is under way, of clock; 0 none
	closed  atomic.Bool

	mu      sync.Mutex
	up      *upConn  // to be aborted when the client goes away
	waiting func()   // called off by cut; nil nothing is
	resumed *resumed // what the first request is to go on with; nil begins anew
}

// clientOf gives the client's connection under what is spoken on it.
func clientOf(c net.Conn) *clientConn {
	if g, ok := c.(*gate); ok {
		return g.client
	}
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	client, _ := c.(*clientConn)
	return client
}

func (c *clientConn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		return c.again(b), nil
	}
	n, err := c.TCPConn.Read(b)
	c.heard.Add(int64(n))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.left.Store(true)
		c.mu.Lock()
		if c.up != nil {
			c.up.abort()
		}
		c.mu.Unlock()
	}
	return n, err
}

// again gives what was read already.
func (c *clientConn) again(b []byte) int {
	n := copy(b, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n
}

func (c *clientConn) Write(b []byte) (int, error) {
	c.writing.Store(c.p.tick.Load())
	n, err := c.TCPConn.Write(b)
	c.writing.Store(0)
	return n, err
}

// ReadFrom and WriteTo keep splice(2) for upgraded connections.
func (c *clientConn) ReadFrom(r io.Reader) (int64, error) { return c.TCPConn.ReadFrom(r) }

func (c *clientConn) WriteTo(w io.Writer) (int64, error) {
	var early int
	if len(c.early) > 0 {
		n, err := w.Write(c.early)
		if c.early = nil; err != nil {
			return int64(n), err
		}
		early = n
	}
	n, err := c.TCPConn.WriteTo(w)
	return int64(early) + n, err
}

func (c *clientConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.takeResumed().drop()
		c.p.conns.remove(c)
	}
	return c.TCPConn.Close()
}

// onCut sets what cut calls off besides.
func (c *clientConn) onCut(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = f
}

// cut ends the connection, whatever is on it. Whoever serves it notices, and
// calls Close.
func (c *clientConn) cut() {
	c.TCPConn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		c.waiting()
	}
}

// takeResumed gives what the fast path has left, once.
func (c *clientConn) takeResumed() *resumed {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.resumed
	c.resumed = nil
	return r
}

// gone tells whether the client has closed the connection.
func (c *clientConn) gone() bool { return c.left.Load() }

func (c *clientConn) watch(up *upConn) {
	c.mu.Lock()
	c.up = up
	if c.left.Load() {
		up.abort()
	}
	c.mu.Unlock()
}

// unwatch tells whether up was left alone.
func (c *clientConn) unwatch() bool {
	c.mu.Lock()
	c.up = nil
	c.mu.Unlock()
	return !c.left.Load()
}

// connSet is all client connections.
type connSet struct {
	mu    sync.Mutex
	open  map[*clientConn]struct{} // on the general path
	empty bell                     // rings when there may be none left

	looped   atomic.Int64 // on the fast path, or on their way from it
	accepted atomic.Int64
}

func (s *connSet) add(c *clientConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
}

// arrive and depart count the connections of the fast path.
func (s *connSet) arrive() {
	s.looped.Add(1)
	s.accepted.Add(1)
}

func (s *connSet) depart() {
	if s.looped.Add(-1) == 0 {
		s.empty.ring()
	}
}

func (s *connSet) remove(c *clientConn) {
	s.mu.Lock()
	delete(s.open, c)
	n := len(s.open)
	s.mu.Unlock()
	if n == 0 {
		s.empty.ring()
	}
}

func (s *connSet) count() (open int, accepted int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) + int(s.looped.Load()), s.accepted.Load()
}

func (s *connSet) all() []*clientConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*clientConn, 0, len(s.open))
	for c := range s.open {
		out = append(out, c)
	}
	return out
}

// dropStuck closes the connections of clients that have not taken anything of
// a write for longer than their listener's bound.
func (p *proxy) dropStuck() {
	t, now := p.table.Load(), p.tick.Load()
	p.conns.mu.Lock()
	defer p.conns.mu.Unlock()
	for c := range p.conns.open {
		since := c.writing.Load()
		v := t.listeners[c.listener.key]
		if since != 0 && v != nil && v.limits.body > 0 && now-since > int64(v.limits.body) {
			c.SetWriteDeadline(time.Unix(1, 0))
		}
	}
}
