package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listener accepts on one inherited socket, as soon as a table names it.
type listener struct {
	p   *proxy
	key string
	ln  *net.TCPListener

	mu    sync.Mutex // held while a connection is handed on
	front *front     // nil until a table names the listener

	greetings sync.WaitGroup // connections accepted and not yet handed on
	told      atomic.Int64   // when a failure to accept was last told of, of clock
	ended     chan struct{}  // closed when accept has ended
	looped    bool           // the event loops accept, not accept
	closing   bool           // the front is about to end; guarded by mu
}

// acceptPause is how long accepting rests when descriptors run out.
const acceptPause = 5 * time.Millisecond

// accept greets every connection, until the listener is closed. A connection
// that was accepted is always greeted.
func (l *listener) accept() {
	defer close(l.ended)
	for {
		tcp, err := l.ln.AcceptTCP()
		if err == nil {
			l.p.conns.accepted.Add(1)
			c := l.p.adopt(l, tcp)
			l.greetings.Add(1)
			l.p.tasks.Go(func() { l.greet(c) })
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		l.cannotAccept(err)
		time.Sleep(acceptPause)
	}
}

// cannotAccept tells, at most once a second, why accepting fails.
func (l *listener) cannotAccept(err error) {
	now, told := l.p.clock(), l.told.Load()
	if (told == 0 || now-told > int64(time.Second)) && l.told.CompareAndSwap(told, now) {
		l.p.log.Error("cannot accept connections; trying again", "listener", l.key, "error", err)
	}
}

// adopt makes an accepted connection one of ours.
func (p *proxy) adopt(l *listener, tcp *net.TCPConn) *clientConn {
	c := &clientConn{TCPConn: tcp, p: p, listener: l}
	v := p.table.Load().listeners[l.key]
	c.tls = v != nil && v.tls
	var peer netip.AddrPort
	if a, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		peer = a.AddrPort()
	}
	c.sender = newSender(peer.Addr(), c.tls)
	p.conns.add(c)
	return c
}

// greet finds out what a connection speaks, and hands it to whom serves that.
// What a connection says before it speaks HTTP is to be read here, first.
func (l *listener) greet(c *clientConn) {
	if !c.known {
		if err := l.introduce(c); err != nil {
			l.greetings.Done()
			c.Close()
			return
		}
		if t := l.takesBytes(); t != nil {
			l.serveTCP(c, t)
			return
		}
	}
	conn, h2, err := l.meet(c)
	if err == nil && !h2 {
		l.hand(conn)
	}
	f := l.current()
	l.greetings.Done()
	switch {
	case err != nil:
		c.Close()
	case h2:
		f.h2.Serve(conn)
	}
}

func (l *listener) current() *front {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.front
}

// hand gives a connection to the net/http side, which serves it from here on.
func (l *listener) hand(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.front.conns <- newGate(c, l.front.limits)
}

// meet does the TLS handshake, or looks at the first bytes of a plaintext
// connection; the listener's bound for headers is the bound of both. h2 tells
// that HTTP/2 follows.
func (l *listener) meet(c *clientConn) (conn net.Conn, h2 bool, err error) {
	bound := l.current().limits.header
	if c.tls {
		return l.handshake(c, bound)
	}
	h2, err = c.sniff(bound)
	return c, h2, err
}

func (l *listener) handshake(c *clientConn, bound time.Duration) (net.Conn, bool, error) {
	t := tls.Server(c, l.p.certs.config(l.p, l.key))
	ctx := context.Background()
	if bound > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, bound)
		defer cancel()
	}
	if err := t.HandshakeContext(ctx); err != nil {
		l.p.log.Debug("TLS handshake failed", "listener", l.key, "client", c.sender.text, "error", err)
		c.tellPlain(err)
		return nil, false, err
	}
	return t, t.ConnectionState().NegotiatedProtocol == "h2", nil
}

// tellPlain tells a client that speaks plaintext HTTP where TLS is expected.
func (c *clientConn) tellPlain(err error) {
	var header tls.RecordHeaderError
	if !errors.As(err, &header) || header.Conn == nil {
		return
	}
	switch string(header.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		io.WriteString(header.Conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 31\r\n\r\nThis port speaks TLS: https://.\n")
	}
}

// preface is what HTTP/2 by prior knowledge begins with (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// sniff reads until it is clear whether the client speaks HTTP/2. What it has
// read is read again by whoever comes next.
func (c *clientConn) sniff(bound time.Duration) (h2 bool, err error) {
	if bound > 0 {
		c.SetReadDeadline(time.Now().Add(bound))
		defer c.SetReadDeadline(time.Time{})
	}
	buf := append(make([]byte, 0, 512), c.early...)
	for {
		if n := min(len(buf), len(preface)); string(buf[:n]) != preface[:n] || n == len(preface) {
			c.early = bytes.Clone(buf)
			return n == len(preface) && string(buf[:n]) == preface, nil
		}
		n, err := c.TCPConn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return false, err
		}
		buf = buf[:len(buf)+n]
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

// prepare sets on the socket what the connections accepted from it inherit, as
// package net sets it on each, and gives its descriptor. It stays valid until
// the socket is closed.
func (l *listener) prepare() (fd int, err error) {
	raw, err := l.ln.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(s uintptr) {
		fd = int(s)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15)
		// Whoever else holds the socket may make it block (see nonblocking), and
		// then a loop that found no connection would wait for one.
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 1000})
	})
	return fd, err
}

func (l *listener) match(t *table, r *http.Request) *target {
	v := t.listeners[l.key]
	if v == nil {
		return nil
	}
	return v.match(r.Host, r.URL.Path)
}
