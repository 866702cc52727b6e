package proxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/seguehq/segue/internal/proxy/h2"
)

// front is the servers of a listener: net/http's for HTTP/1.1, our own for
// HTTP/2. Their bounds cannot change, so a table with other ones brings a new
// front for new connections.
type front struct {
	limits limits
	h1     *http.Server
	h2     *h2.Server
	conns  chan net.Conn // that speak HTTP/1.1
	ended  chan struct{}
}

type connKey struct{}

func (p *proxy) newFront(l limits) *front {
	return &front{limits: l, h1: p.newH1(l), h2: p.newH2(l), conns: make(chan net.Conn), ended: make(chan struct{})}
}

func (p *proxy) newH1(l limits) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           p,
		Protocols:         protocols,
		ReadHeaderTimeout: l.header,
		IdleTimeout:       l.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ConnContext:       func(_ context.Context, c net.Conn) context.Context { return connContext(c) },
		ConnState: func(c net.Conn, s http.ConnState) {
			if g, ok := c.(*gate); ok {
				g.turn(s)
			}
		},
	}
}

func (p *proxy) newH2(l limits) *h2.Server {
	return h2.New(h2.Config{
		Handler:       p,
		Context:       connContext,
		HeaderTimeout: orNone(l.header),
		IdleTimeout:   orNone(l.idle),
		WriteTimeout:  orNone(l.body),
		MaxHeader:     l.headerList(),
		Log:           p.log,
	})
}

// connContext is where a request finds its client's connection.
func connContext(c net.Conn) context.Context {
	return context.WithValue(context.Background(), connKey{}, clientOf(c))
}

// orNone says none as package h2 does.
func orNone(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// headerList is the most that HTTP/2 takes of a header: twice what a service
// does, since it counts 32 bytes more for each field (RFC 9113 §6.5.2), and the
// service's own bound gives the better answer.
func (l limits) headerList() int {
	if l.head == 0 {
		return maxHeaderBytes
	}
	return int(min(2*l.head, maxHeaderBytes))
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
