package lifecycle

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// HTTP is a component that serves hs: HTTP/1, HTTP/2 and what runs over them.
//
// It accepts on an inherited socket if there is one for it (see [WithName]), else
// at hs.Addr, else on the port in the environment variable PORT. It serves TLS if
// hs.TLSConfig has certificates, or with [WithTLS]. It takes hs over: nobody else
// may start or stop it, and hs.Handler, hs.BaseContext and hs.ConnState are called
// by handlers and hooks of its own.
//
// The drain is, in this order:
//
//  1. Readiness says no, and answers of HTTP/1 say Connection: close, so that
//     clients go when it suits them.
//  2. Where another process accepts on the same socket, the own copy is closed at
//     once. A socket of our own accepts for the delay ([WithDelay]); then it takes
//     no more, what is in its queue is accepted, and it is closed.
//  3. Long-lived handlers are told ([Stopping]). Clients of HTTP/2 get a first
//     GOAWAY, which disowns nothing, and a second later the final one (RFC 9113
//     §6.8).
//  4. Each idle connection of HTTP/1 is kept for one more request, and closed if
//     none comes for longer than the idle gap ([WithIdleGap], [WithStrategy]).
//     Requests in flight are waited for, and so are hijacked connections.
//  5. hs.Shutdown. At the deadline the contexts of what still runs are called
//     off, and it is cut.
//
// The order is what loses nothing. A Shutdown at once loses requests on all
// connections that are in use; one before which Connection: close was said for a
// moment still loses those of clients that ask less often, and what is in the
// listening socket's queue.
func HTTP(hs *http.Server, opts ...Option) Component {
	h := &httpServer{server: newServer("http", hs.Addr, opts), hs: hs}
	return Component{Name: h.name, Start: h.start, Stop: h.stop, server: h.server}
}

type httpServer struct {
	*server
	hs     *http.Server
	conns  *connections
	cancel context.CancelFunc // of what requests' contexts descend from
	h2     *http2Goodbye      // nil when somebody else speaks HTTP/2
}

func (h *httpServer) start(ctx context.Context) error {
	if err := h.open(ctx); err != nil {
		return err
	}
	h.conns = newConnections()
	h.listener.wrap = h.conns.add
	h.hookIn()
	h.h2 = speakHTTP2(h.hs)
	h.conns.goodbyes = h.h2 != nil
	h.begin(ctx, h.serve)
	return nil
}

// hookIn puts our handler and hooks before those of the server.
func (h *httpServer) hookIn() {
	handler, base, state := h.hs.Handler, h.hs.BaseContext, h.hs.ConnState
	if handler == nil {
		handler = http.DefaultServeMux
	}
	h.hs.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.answer(handler, w, r) })
	var root context.Context
	root, h.cancel = context.WithCancel(context.Background())
	h.hs.BaseContext = func(l net.Listener) context.Context {
		ctx := root
		if base != nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(base(l))
			context.AfterFunc(root, cancel)
		}
		return context.WithValue(ctx, serverKey{}, h.server)
	}
	h.hs.ConnState = func(c net.Conn, s http.ConnState) {
		c = h.conns.note(c, s)
		if state != nil {
			state(c, s)
		}
	}
}

func (h *httpServer) answer(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	if h.leaving.Load() && r.ProtoMajor == 1 && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close") // RFC 9112 §9.6
	}
	if path := h.o.readiness; path != "" && r.URL.Path == path {
		Ready(w, r)
		return
	}
	handler.ServeHTTP(w, r)
}

func (h *httpServer) serve(l net.Listener) error {
	if c := h.hs.TLSConfig; h.o.cert != "" || c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil) {
		return h.hs.ServeTLS(l, h.o.cert, h.o.key)
	}
	return h.hs.Serve(l)
}

func (h *httpServer) stop(ctx context.Context) error {
	defer h.cancel()
	h.leaving.Store(true)
	h.takeOut(ctx)
	if h.h2 != nil {
		h.h2.sayFirst()
		defer h.h2.saying.Wait()
		final := time.AfterFunc(roundTrip, h.h2.sayFinal)
		defer final.Stop()
		h.hs.RegisterOnShutdown(h.h2.sayFinal)
	}
	most := patience{used: h.o.gap, fresh: h.o.gap}
	if h.o.strategy == HangUp {
		most.used = 0
	}
	h.conns.quiet(ctx, most, runningOf(ctx).hurried())
	err := h.hs.Shutdown(ctx)
	if err == nil {
		err = h.conns.empty(ctx)
	}
	if err == nil {
		return nil
	}
	return h.cut()
}

// cutsOff is what handlers get to end in when their contexts have been called
// off, before their connections are closed.
const cutsOff = 500 * time.Millisecond

// cut ends what the deadline has found, and says what it was.
func (h *httpServer) cut() error {
	busy := h.conns.count()
	h.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), cutsOff)
	defer cancel()
	if h.conns.empty(ctx) == nil {
		return fmt.Errorf("%d connections were still in use when the time was over; their handlers were called off", busy)
	}
	_ = h.hs.Close() // each connection is closed below
	h.conns.closeAll()
	return fmt.Errorf("%d connections were still in use when the time was over, and have been cut", busy)
}
