package h2

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how a server serves. The zero value of each field is the default
// named beside it; a negative duration is none.
type Config struct {
	// Handler is called once for each stream, on a goroutine of its own.
	Handler http.Handler
	// Context gives the values of the contexts of a connection's requests; nil
	// is context.Background. That it ends means nothing: a request's context
	// ends with its stream.
	Context func(net.Conn) context.Context
	// MaxStreams is how many streams a connection may have at once; 250. One
	// that the client has reset counts until its handler has returned.
	MaxStreams uint32
	// MaxHeader is the size of a request's header list as RFC 9113 §6.5.2
	// counts it, in bytes; 64 KiB. A larger one is answered 431.
	MaxHeader int
	// HeaderTimeout is for the client's preface and first SETTINGS, and for a
	// header block from its first frame to its last; 20 s.
	HeaderTimeout time.Duration
	// IdleTimeout is how long a connection may be without streams before it is
	// said goodbye to; 120 s.
	IdleTimeout time.Duration
	// WriteTimeout is how long a client may take nothing of what there is for
	// it: then its connection is cut, or its stream reset if it is only that
	// stream's window that does not open; 60 s.
	WriteTimeout time.Duration
	// Log gets the panics of handlers, and at the debug level why connections
	// were ended; nil is slog.Default().
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.MaxStreams = cmp.Or(c.MaxStreams, 250)
	c.MaxHeader = cmp.Or(c.MaxHeader, 64<<10)
	c.HeaderTimeout = orDefault(c.HeaderTimeout, 20*time.Second)
	c.IdleTimeout = orDefault(c.IdleTimeout, 120*time.Second)
	c.WriteTimeout = orDefault(c.WriteTimeout, 60*time.Second)
	c.Log = cmp.Or(c.Log, slog.Default())
	if c.Context == nil {
		c.Context = func(net.Conn) context.Context { return context.Background() }
	}
	return c
}

// orDefault makes 0 of none, and d of what is not given.
func orDefault(v, d time.Duration) time.Duration {
	if v == 0 {
		return d
	}
	return max(v, 0)
}

// Server serves connections that speak HTTP/2. Its methods may be called at
// the same time.
type Server struct {
	cfg     Config
	began   time.Time
	tick    atomic.Int64 // nanoseconds since began, up to a tick old
	workers workers
	today   atomic.Pointer[dateText]

	mu      sync.Mutex
	conns   map[*conn]struct{}
	stop    chan struct{} // ends the watch; nil without connections
	watch   sync.WaitGroup
	leaving bool
	grace   time.Duration
}

// New gives a server. It starts nothing.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg.withDefaults(), began: time.Now(), conns: map[*conn]struct{}{}}
	s.tick.Store(1)
	return s
}

// Serve serves a connection on which nothing has been read of HTTP/2: not the
// client's preface either. It returns when the connection is closed and every
// handler has returned.
//
// A TLS connection must have shaken hands.
func (s *Server) Serve(nc net.Conn) {
	c := newConn(s, nc)
	s.add(c)
	defer s.remove(c)
	c.serve()
}

func (s *Server) add(c *conn) {
	s.workers.join()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	c.parting, c.grace = s.leaving, s.grace
	if s.stop == nil {
		s.stop = make(chan struct{})
		s.tick.Store(max(int64(time.Since(s.began)), 1))
		stop := s.stop
		s.watch.Go(func() { s.watchConns(stop) })
	}
}

// remove takes off a connection; the last one ends the watch and the idle workers.
func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	if len(s.conns) == 0 {
		close(s.stop)
		s.stop = nil
	}
	s.mu.Unlock()
	s.workers.leave()
}

// Goodbye asks the client of every connection to leave, also of those that are
// served from now on. Each is told first that the server is leaving, with
// every stream id still valid and a PING behind; then, grace (0 is a second)
// after that is answered, or twice that after it was sent, which stream was the
// last that was taken (RFC 9113 §6.8). Those streams are finished, and then the connection is
// closed. Goodbye does not wait for that: Serve does.
func (s *Server) Goodbye(grace time.Duration) {
	s.mu.Lock()
	s.leaving, s.grace = true, cmp.Or(grace, time.Second)
	conns := s.list()
	s.mu.Unlock()
	for _, c := range conns {
		c.goodbye(s.grace)
	}
}

// list gives the connections; s.mu is held.
func (s *Server) list() []*conn {
	out := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// watchConns looks at every connection now and then, so that no request has to
// set a timer.
func (s *Server) watchConns(stop <-chan struct{}) {
	t := time.NewTicker(s.pace())
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			now := int64(time.Since(s.began))
			s.tick.Store(now)
			s.mu.Lock()
			conns := s.list()
			s.mu.Unlock()
			for _, c := range conns {
				c.check(now)
			}
		}
	}
}

// pace is how often bounds on time are looked at: often enough for the
// shortest, and once a second at least.
func (s *Server) pace() time.Duration {
	pace := time.Second
	for _, d := range []time.Duration{s.cfg.HeaderTimeout, s.cfg.IdleTimeout, s.cfg.WriteTimeout} {
		if d > 0 {
			pace = min(pace, d/4)
		}
	}
	return max(pace, time.Millisecond)
}

// late tells whether bound has passed since a moment of the tick; 0 is none.
func late(now, since int64, bound time.Duration) bool {
	return since != 0 && bound > 0 && now-since > int64(bound)
}
