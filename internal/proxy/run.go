package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what a proxy starts with.
type Options struct {
	// Control is an inherited listening Unix socket for the control API. Run
	// closes it. nil is allowed: such a proxy keeps the Config it began with.
	Control *os.File
	// Listeners are inherited listening TCP sockets by key. Run closes them.
	// Accepting on one begins when a Config names it.
	Listeners map[string]*os.File
	// Config is the first table; nil waits for Apply.
	Config *Config
	// Log gets what an operator should know; nil is slog.Default().
	Log *slog.Logger
	// Version is told back by Status.
	Version string
	// DrainTimeout is what exchanges get to end in when the proxy is told to
	// quit, where their service does not say; 0 is 30 s. After the longest such
	// time, what is still open is closed.
	DrainTimeout time.Duration
	// Flags evaluates flags; nil: a table's Flags are passed over.
	Flags FlagServer
	// Script is segue.js, which is given under /.segue/; "" is none.
	Script string
	// General keeps every connection off the fast path, for tests and
	// measurements.
	General bool
}

// proxy is one running proxy.
type proxy struct {
	log               *slog.Logger
	version           string
	script, scriptTag string
	began             time.Time
	table             atomic.Pointer[table]
	tick              atomic.Int64 // clock, to the second
	leaving           atomic.Bool  // told to quit
	hungUp            atomic.Int64 // the goodbyes after up to which time are said; never none
	quit              chan struct{}
	quitNow           sync.Once
	gone              chan struct{} // closed when listeners are closed

	conns  connSet
	certs  certs
	stats  stats
	logf   accessLog
	copies copies

	shedBell chan struct{} // has one when a table was applied

	keptOnDisk atomic.Int64 // bytes of uploads

	tasks sync.WaitGroup

	loops     []*loop // the fast path; none when it is off
	loopTasks sync.WaitGroup
	general   atomic.Int64 // requests on the general path

	mu        sync.Mutex // guards what follows, and orders Applies
	services  map[string]*service
	retired   []*instance // draining, and the last few that are gone
	listeners map[string]*listener
	leftAt    int64 // of clock: when it was told to quit; 0 not yet

	flagServer   FlagServer
	drainTimeout time.Duration // for services that do not say
}

// clock gives nanoseconds since the proxy began.
func (p *proxy) clock() int64 { return int64(time.Since(p.began)) }

// ballast is memory that nobody touches, and that therefore is never resident.
// The collector counts it as live, and so waits until a few ten megabytes have
// been allocated. A proxy keeps next to nothing: it would else collect every few
// megabytes, which took a tenth of its time.
const ballast = 16 << 20

// Run is the proxy. It serves until ctx is cancelled or [Client.Quit] is
// called, drains, and returns nil when all it started has stopped. An error
// means that it could not start.
func Run(ctx context.Context, o Options) error {
	defer runtime.KeepAlive(make([]byte, ballast))
	p := newProxy(o)
	defer p.endLoops()
	if err := p.start(o); err != nil {
		p.closeListeners()
		return err
	}
	endControl := func() {}
	if o.Control != nil {
		ln, err := net.FileListener(o.Control)
		o.Control.Close()
		if err != nil {
			p.closeListeners()
			return fmt.Errorf("control socket: %w", err)
		}
		control, end := p.controlServer()
		endControl = end
		p.tasks.Go(func() { control.Serve(ln) })
	}
	stop := make(chan struct{})
	p.tasks.Go(func() { p.housekeeping(stop) })
	p.tasks.Go(func() { p.watchLoad(stop) })

	select {
	case <-ctx.Done():
	case <-p.quit:
	}
	p.drain()
	p.copies.close()
	endControl()
	close(stop)
	p.tasks.Wait()
	p.logf.close()
	return nil
}

func newProxy(o Options) *proxy {
	p := &proxy{
		log: o.Log, version: o.Version, script: o.Script, scriptTag: tagOf(o.Script),
		began: time.Now(), drainTimeout: cmp.Or(o.DrainTimeout, 30*time.Second), flagServer: o.Flags,
		quit: make(chan struct{}), gone: make(chan struct{}), shedBell: make(chan struct{}, 1),
		services: map[string]*service{}, listeners: map[string]*listener{},
	}
	if p.log == nil {
		p.log = slog.Default()
	}
	p.certs.acme.log = p.log
	p.conns.open = map[*clientConn]struct{}{}
	p.table.Store(&table{})
	p.tick.Store(1)
	p.hungUp.Store(int64(never))
	return p
}

func (p *proxy) start(o Options) error {
	if !o.General {
		if err := p.startLoops(); err != nil {
			return err
		}
	}
	if err := p.addListeners(o.Listeners); err != nil {
		return err
	}
	if o.Config != nil {
		return p.apply(*o.Config)
	}
	return nil
}

// addListeners takes listening sockets over; the files are closed.
func (p *proxy) addListeners(files map[string]*os.File) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for key, f := range files {
		errs = append(errs, p.addListener(key, f))
		f.Close()
	}
	p.openListeners(p.table.Load())
	return errors.Join(errs...)
}

func (p *proxy) addListener(key string, f *os.File) error {
	if p.listeners[key] != nil {
		return fmt.Errorf("listener %s is there already", key)
	}
	if p.leaving.Load() {
		return fmt.Errorf("listener %s: the proxy is leaving", key)
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("listener %s: %w", key, err)
	}
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		ln.Close()
		return fmt.Errorf("listener %s is not a TCP socket", key)
	}
	l := &listener{p: p, key: key, ln: tcp, ended: make(chan struct{})}
	l.nonblocking()
	p.listeners[key] = l
	return nil
}

// openListeners begins to accept where t wants it, and brings new bounds into
// force; p.mu is held.
func (p *proxy) openListeners(t *table) {
	for key, v := range t.listeners {
		l := p.listeners[key]
		if l == nil || p.leaving.Load() {
			continue
		}
		l.mu.Lock()
		old := l.front
		if old == nil || old.limits != v.limits {
			l.front = p.newFront(v.limits)
			p.tasks.Go(l.front.serve)
		}
		l.mu.Unlock()
		switch {
		case old == nil:
			p.accept(l, v)
		case old != l.front:
			old.retire()
		}
	}
}

// accept begins to accept: on the loops, if they can serve what comes.
func (p *proxy) accept(l *listener, v *vhosts) {
	if len(p.loops) == 0 || !v.fast() {
		p.tasks.Go(l.accept)
		return
	}
	fd, err := l.prepare()
	if err != nil {
		p.log.Error("listener is not for the fast path", "listener", l.key, "error", err)
		p.tasks.Go(l.accept)
		return
	}
	l.looped = true
	p.everyLoop(func(loop *loop) { loop.listen(l, fd) })
}

// retire ends a front for new connections; the HTTP/2 ones it has are asked to
// leave.
func (f *front) retire() {
	close(f.conns)
	<-f.ended
	f.h2.Goodbye(0)
}

func (p *proxy) removeListeners(keys []string) error {
	p.mu.Lock()
	var gone []*listener
	for _, k := range keys {
		if l := p.listeners[k]; l != nil {
			gone = append(gone, l)
			delete(p.listeners, k)
		}
	}
	p.mu.Unlock()
	for _, l := range gone {
		l.close()
	}
	return nil
}

// close closes our copy of the socket. What was accepted is served.
func (l *listener) close() {
	l.nonblocking()
	if l.looped {
		l.p.askLoops(func(loop *loop) { loop.unlisten(l) })
	}
	l.ln.Close()
	l.mu.Lock()
	l.closing = true
	f := l.front
	l.mu.Unlock()
	if f == nil {
		return
	}
	if !l.looped {
		<-l.ended
	}
	f.h2.Goodbye(0)
	l.p.tasks.Go(func() { // a greeting takes as long as the client likes, within its bound
		l.greetings.Wait()
		f.retire()
	})
}

func (p *proxy) closeListeners() {
	p.mu.Lock()
	keys := make([]string, 0, len(p.listeners))
	for k := range p.listeners {
		keys = append(keys, k)
	}
	p.mu.Unlock()
	p.removeListeners(keys)
}

// housekeeping does what is due each second.
func (p *proxy) housekeeping(stop <-chan struct{}) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			p.eachSecond()
		}
	}
}

func (p *proxy) eachSecond() {
	p.tick.Store(p.clock())
	for _, in := range p.table.Load().instances {
		in.pool.expire()
	}
	p.dropStuck()
	p.logf.flush()
	p.certs.refresh(p.log)
	p.certs.followTickets(p.table.Load().config.Tickets, p.log)
	p.mu.Lock()
	for _, l := range p.listeners {
		l.nonblocking()
	}
	for _, s := range p.services {
		s.budget.turn(second(p.clock()), s.requests.Load())
	}
	p.forgetGone()
	p.mu.Unlock()
}
