package proxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
)

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
		ConnState: func(c net.Conn, s http.ConnState) {
			if g, ok := c.(*gate); ok {
				g.turn(s)
			}
		},
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, clientOf(c))
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
