package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener accepts on one inherited socket, as soon as a table names it.
type listener struct {
	p   *proxy
	key string
	ln  *net.TCPListener

	mu    sync.Mutex // held while a connection is handed on
	front *front     // nil until a table names the listener

	ended chan struct{} // closed when the accept loop has ended
}

// front is the net/http side of a listener. Its bounds cannot change, so a
// table with other ones brings a new front for new connections.
//
// Connections that turn out to speak HTTP/2 are served by a server of their
// own, because http.Server.Shutdown is the only way to have a GOAWAY sent on idle
// HTTP/2 connections, and would close the idle HTTP/1.1 ones.
type front struct {
	limits limits
	h1, h2 *http.Server
	conns  chan net.Conn
	ended  chan struct{}
}

type connKey struct{}

func (p *proxy) newFront(l limits) *front {
	f := &front{limits: l, conns: make(chan net.Conn), ended: make(chan struct{})}
	f.h1, f.h2 = p.newServer(l), p.newServer(l)
	f.h2.Serve(endedListener{}) // returns at once; sets up HTTP/2
	f.h1.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	for proto, serve := range f.h2.TLSNextProto {
		f.h1.TLSNextProto[proto] = func(_ *http.Server, c *tls.Conn, h http.Handler) { serve(f.h2, c, h) }
	}
	return f
}

func (p *proxy) newServer(l limits) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           p,
		Protocols:         protocols,
		ReadHeaderTimeout: l.header,
		IdleTimeout:       l.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tls.Conn); ok {
				c = t.NetConn()
			}
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

func (f *front) serve() {
	defer close(f.ended)
	f.h1.Serve(f)
}

// Accept, Close and Addr make the front the listener of its http.Server.
func (f *front) Accept() (net.Conn, error) {
	c, ok := <-f.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (f *front) Close() error   { return nil }
func (f *front) Addr() net.Addr { return &net.TCPAddr{} }

type endedListener struct{}

func (endedListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (endedListener) Close() error              { return nil }
func (endedListener) Addr() net.Addr            { return &net.TCPAddr{} }

// acceptPause is how long accepting rests when descriptors run out.
const acceptPause = 5 * time.Millisecond

// accept hands every connection to the front, until the listener is closed. A
// connection that was accepted is always handed on.
func (l *listener) accept() {
	defer close(l.ended)
	var told time.Time
	for {
		c, err := l.ln.AcceptTCP()
		if err == nil {
			l.mu.Lock()
			l.front.conns <- l.p.adopt(l, c)
			l.mu.Unlock()
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if time.Since(told) > time.Second {
			told = time.Now()
			l.p.log.Error("cannot accept connections; trying again", "listener", l.key, "error", err)
		}
		time.Sleep(acceptPause)
	}
}

func (l *listener) match(t *table, r *http.Request) *target {
	v := t.listeners[l.key]
	if v == nil {
		return nil
	}
	return v.match(r.Host, r.URL.Path)
}

// adopt makes an accepted connection one of ours.
func (p *proxy) adopt(l *listener, tcp *net.TCPConn) net.Conn {
	c := &clientConn{TCPConn: tcp, p: p, listener: l}
	v := p.table.Load().listeners[l.key]
	c.tls = v != nil && v.tls
	var peer netip.AddrPort
	if a, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		peer = a.AddrPort()
	}
	c.sender = newSender(peer.Addr(), c.tls)
	p.conns.add(c)
	if c.tls {
		return tls.Server(c, p.certs.config(p, l.key))
	}
	return c
}

// clientConn is a client's connection. It notices by itself when the client
// goes away and when it does not take what is written.
type clientConn struct {
	*net.TCPConn
	p        *proxy
	listener *listener
	sender   sender
	tls      bool

	left    atomic.Bool  // a read has failed for good
	writing atomic.Int64 // since when a write is under way, of clock; 0 none
	closed  atomic.Bool

	mu sync.Mutex
	up *upConn // to be aborted when the client goes away
}

func (c *clientConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
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

func (c *clientConn) Write(b []byte) (int, error) {
	c.writing.Store(c.p.tick.Load())
	n, err := c.TCPConn.Write(b)
	c.writing.Store(0)
	return n, err
}

// ReadFrom keeps splice(2) for upgraded connections.
func (c *clientConn) ReadFrom(r io.Reader) (int64, error) { return c.TCPConn.ReadFrom(r) }

func (c *clientConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.p.conns.remove(c)
	}
	return c.TCPConn.Close()
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
	mu       sync.Mutex
	open     map[*clientConn]struct{}
	accepted int64
	empty    bell
}

func (s *connSet) add(c *clientConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
	s.accepted++
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
	return len(s.open), s.accepted
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

// nonblocking makes sure that a listening socket does not block: its flags are
// shared with every process that holds it, and os.File.Fd clears O_NONBLOCK.
func (l *listener) nonblocking() {
	raw, err := l.ln.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { syscall.SetNonblock(int(fd), true) })
	}
}
