package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A server is what HTTP and gRPC servers have in common: where they listen, and
// how that ends.
type server struct {
	name string
	addr string
	o    options

	inherited socket // to accept on; without a file one is opened
	listener  *listener
	served    chan error // what Serve returned

	ready    atomic.Bool
	leaving  atomic.Bool   // the stop has begun
	stopping chan struct{} // closed when long-lived handlers are to end
}

func newServer(kind, addr string, opts []Option) *server {
	s := &server{addr: addr, served: make(chan error, 1), stopping: make(chan struct{})}
	s.o = options{delay: DefaultDelay, gap: DefaultIdleGap}
	if os.Getenv("SEGUE_INSTANCE") != "" {
		s.o.delay = 0
	}
	for _, o := range opts {
		o(&s.o)
	}
	s.name = cmp.Or(s.o.name, kind)
	return s
}

// open makes the listener: of the inherited socket, or of a new one.
func (s *server) open(ctx context.Context) error {
	if in := s.inherited; in.file != nil {
		l, err := net.FileListener(in.file) // of a copy
		if err = errors.Join(err, in.file.Close()); err != nil {
			return fmt.Errorf("the inherited socket %q: %w", in.Name, err)
		}
		s.listener = &listener{Listener: l, shared: in.Shared}
		return nil
	}
	addr := s.addr
	if port := os.Getenv("PORT"); addr == "" && port != "" {
		addr = ":" + port
	}
	if addr == "" {
		return errors.New("no address to listen on: set Addr, or the environment variable PORT, or pass a socket (LISTEN_FDS)")
	}
	l, err := listen(ctx, addr)
	if err != nil {
		return err
	}
	s.listener = &listener{Listener: l}
	return nil
}

// listen opens a socket that can be left without loss: one of Multipath TCP, as
// net opens by itself, takes no filter; see takesNoMore.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	return lc.Listen(ctx, "tcp", addr)
}

// begin serves in the background.
func (s *server) begin(ctx context.Context, serve func(net.Listener) error) {
	r := runningOf(ctx)
	go func() {
		err := serve(s.listener)
		if s.leaving.Load() {
			err = nil
		} else if err = cmp.Or(err, errors.New("it has stopped serving by itself")); r != nil {
			Fail(ctx, fmt.Errorf("%s: %w", s.name, err))
		}
		s.served <- err
	}()
}

// takeOut lets nobody connect any more. Where somebody else accepts on the same
// socket, our copy is closed at once; otherwise it is served on for the delay.
func (s *server) takeOut(ctx context.Context) {
	r := runningOf(ctx)
	shared := s.listener.shared || r != nil && r.because == replaced
	if !shared && r.delays() {
		pause(ctx, s.o.delay, r.hurried())
	}
	s.listener.leave(shared)
	<-s.served
	close(s.stopping)
	for _, f := range s.o.onStopping {
		f()
	}
}

// delays tells whether somebody may send requests who does not know of the stop.
func (r *running) delays() bool {
	return r == nil || r.wanted && r.because != byPerson && r.because != replaced
}

// hurried is closed when nothing idle is to be waited for.
func (r *running) hurried() <-chan struct{} {
	if r == nil {
		return nil
	}
	return r.hurry
}

// pause waits unless something happens before.
func pause(ctx context.Context, d time.Duration, hurried <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurried:
	case <-ctx.Done():
	}
}

// A listener can be left without losing a connection that is in its queue.
type listener struct {
	net.Listener
	shared bool // by other processes, which go on accepting
	wrap   func(net.Conn) net.Conn
	left   atomic.Bool
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	switch {
	case err != nil && l.left.Load():
		return nil, net.ErrClosed // a timeout would be tried again
	case err != nil || l.wrap == nil:
		return c, err
	}
	return l.wrap(c), nil
}

// lastLook is for how long the queue of a socket that is to close is emptied
// after it takes no more: connections that were half open then become whole.
const lastLook = 100 * time.Millisecond

// leave ends Accept, and with it what serves. On a socket of our own it takes
// what is in the queue before.
func (l *listener) leave(shared bool) {
	until := time.Unix(1, 0)
	if !shared && takesNoMore(l.Listener) {
		until = time.Now().Add(lastLook)
	}
	l.left.Store(true)
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); !ok || d.SetDeadline(until) != nil {
		_ = l.Close() // it cannot be ended otherwise
	}
}

// Close may be called by several: net/http closes what it has served on.
func (l *listener) Close() (err error) {
	l.once.Do(func() { err = l.Listener.Close() })
	return err
}
