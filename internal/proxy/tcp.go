package proxy

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A relay passes the bytes of one client's connection to an instance and back.
// It is counted like a request: the instance is claimed for as long as the
// connection lasts.
type relay struct {
	p      *proxy
	c      *clientConn
	client duplex // c, or what TLS makes of it
	up     duplex // to the instance
	target *target
	in     *instance
	tried  []*instance
	start  int64

	flight   flight
	out, rcv int64 // bytes to and from the client
	active   atomic.Int64
	status   int // for the metrics, as if it were HTTP
	broken   atomic.Bool

	mu    sync.Mutex
	word  string // why it did not end by itself
	grace *time.Timer
	over  bool // both directions have ended
}

// duplex is a connection whose two directions end one by one.
type duplex interface {
	net.Conn
	CloseWrite() error
}

// takesBytes gives the service that gets a listener's connections as they are,
// or nil where they speak HTTP.
func (l *listener) takesBytes() *target {
	if v := l.p.table.Load().listeners[l.key]; v != nil {
		return v.bytes
	}
	return nil
}

// serveTCP serves a connection of a listener whose service takes bytes, after
// its TLS handshake if there is one to be made.
func (l *listener) serveTCP(c *clientConn, t *target) {
	defer c.Close()
	r := &relay{p: l.p, c: c, client: c.TCPConn, target: t, start: l.p.clock()}
	if c.tls {
		conn, _, err := l.handshake(c, t.cfg.HeaderTimeout)
		if err != nil {
			l.greetings.Done()
			return
		}
		r.client = conn.(duplex)
	}
	l.greetings.Done()
	t.requests.Add(1)
	defer r.record()
	if err := r.connect(); err != nil {
		r.refuse(err)
		return
	}
	defer r.in.release()
	defer r.in.pool.lose(r.up)
	r.run()
}

// connect claims an instance and opens a connection to it: nothing is lost by
// trying one after another.
func (r *relay) connect() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.c.onCut(cancel)
	defer r.c.onCut(nil)
	var so waits
	w := wish{listen: r.c.listener.key, lot: drawLot()}
	if s := r.target.cfg.Split; s != nil && s.Address {
		w.lot = lotOf(r.target.name, r.c.sender.addr)
	}
	for {
		in, t, err := r.p.obtain(ctx, r.target.name, &w, r.tried, &so)
		if t != nil {
			r.target = t
		}
		if err != nil {
			return err
		}
		in.requests.Add(1)
		r.in = in
		if err = r.dial(ctx); err == nil {
			in.accepted()
			in.stats.users.answered(r.status, 0, 0)
			return nil
		}
		in.failures.Add(1)
		in.aside(r.p.clock())
		in.release()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		in.stats.users.unanswered()
		r.p.log.Debug("an instance takes no connection", "instance", in.ID, "error", err)
		r.tried = append(r.tried, in)
		r.target.retries.Add(1)
	}
}

// dial opens the connection and tells the instance whose it is, where it wants
// to know.
func (r *relay) dial(ctx context.Context) error {
	nc, err := r.in.pool.dialNet(ctx)
	if err != nil {
		return err
	}
	up, ok := nc.(duplex)
	if !ok {
		nc.Close()
		return errors.ErrUnsupported
	}
	if version := r.target.cfg.SendProxy; version != "" {
		from, to := r.c.ends()
		if _, err := up.Write(appendProxyHeader(nil, version, from, to)); err != nil {
			up.Close()
			return err
		}
	}
	r.up = up
	r.in.pool.keep(up)
	return nil
}

// refuse resets a connection that no instance takes: an orderly end would look
// like an empty answer.
func (r *relay) refuse(err error) {
	r.status = 503
	switch {
	case errors.Is(err, errHoldFull):
		r.word = refuseHoldFull.word
	case errors.Is(err, context.Canceled):
		r.word = "client-gone"
	default:
		r.word = refuseNoInstance.word
	}
	r.p.stats.refusals.count(r.word)
	r.c.SetLinger(0)
}

// run passes bytes until both directions have ended.
func (r *relay) run() {
	r.status = 200
	r.active.Store(r.p.clock())
	if len(r.c.early) > 0 && !r.c.tls {
		r.up.Write(r.c.early) // a failure is met again by the next write
		r.rcv, r.c.early = int64(len(r.c.early)), nil
	}
	r.flight.enter(r, &r.in.farewell, r.target.drain, relayed)
	defer r.flight.leave()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.rcv += r.pass(r.up, r.client)
	}()
	r.out = r.pass(r.client, r.up)
	<-done
	if r.broken.Load() {
		r.status = 499
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.grace != nil {
		r.grace.Stop()
	}
}

// pass copies one direction, by splice(2) where it can, and passes its end on.
func (r *relay) pass(to, from duplex) (n int64) {
	for {
		moved, err := r.move(to, from)
		n += moved
		switch {
		case err == nil:
			to.CloseWrite() // a failure means that it is closed already
			return n
		case !errors.Is(err, os.ErrDeadlineExceeded):
			r.failed(to, from)
			return n
		case r.isIdle(moved):
			r.end("idle") // and go on, for both ends may yet say something
		}
	}
}

// move copies until the direction ends, or for a part of the idle bound.
func (r *relay) move(to, from duplex) (int64, error) {
	if idle := r.target.cfg.IdleTimeout; idle > 0 {
		from.SetReadDeadline(time.Now().Add(idle / 4))
	}
	return io.Copy(to, from)
}

// isIdle tells whether neither direction has moved anything for so long. The
// connection ends no sooner than its bound, and at most a quarter of it later.
func (r *relay) isIdle(moved int64) bool {
	now := r.p.clock()
	if moved > 0 {
		r.active.Store(now)
	}
	return now-r.active.Load() >= int64(r.target.cfg.IdleTimeout)
}

const (
	// tcpGrace is how long a connection that is ended may take to do so in order.
	tcpGrace = 2 * time.Second
	// tcpLinger is how long the bytes of a sender are taken that nobody wants any more.
	tcpLinger = 2 * time.Second
	// tcpClose is TCP_CLOSE of Linux: reset, or ended on both sides.
	tcpClose = 7
)

// failed deals with a direction that broke. Where it is the receiver that has
// gone, what it has said before may still be on its way to the sender, who would
// be reset if its bytes were left unread. Else the receiver has to learn that
// this is no orderly end.
func (r *relay) failed(to, from duplex) {
	if !r.isEnding() {
		if isReset(from) || !isReset(to) {
			r.reset("reset")
			return
		}
		from.SetReadDeadline(time.Now().Add(tcpLinger))
	}
	io.Copy(io.Discard, from) // until it ends, or for a moment
}

// end ends the connection: in order, and if that is not done in a moment, by a
// reset. It may wait for a write over TLS, until then.
func (r *relay) end(word string) {
	if !r.ending(word) {
		return
	}
	r.mu.Lock()
	if !r.over {
		r.grace = time.AfterFunc(tcpGrace, r.cut)
	}
	r.mu.Unlock()
	r.client.CloseWrite()
	r.up.CloseWrite()
}

// canMove and askedToEnd implement guest.
func (r *relay) canMove() bool { return false }

func (r *relay) askedToEnd(kind) {
	r.p.stats.goodbyes.count("fin")
	r.p.tasks.Go(func() { r.end("drained") })
}

// reset ends the connection at once, and so that both ends see it.
func (r *relay) reset(word string) {
	if r.ending(word) {
		r.broken.Store(true)
		if isReset(r.up) {
			r.in.stats.users.cut(r.status)
		}
	}
	r.cut()
}

// ending notes why the connection ends; false means that it does already, or has.
func (r *relay) ending(word string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.word != "" || r.over {
		return false
	}
	r.word = word
	return true
}

func (r *relay) isEnding() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.word != ""
}

func (r *relay) cut() {
	for _, c := range []net.Conn{r.c.TCPConn, r.up} {
		if t, ok := c.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		c.Close()
	}
}

// isReset tells whether a connection is gone, which the error of a copy does
// not: it may be of either end.
func isReset(c net.Conn) bool {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	gone := true // and so it is if it is closed
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		gone = err == nil && info.State == tcpClose
	})
	return gone
}

// keep and lose count a connection that is no exchange's among an instance's.
func (p *pool) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.others == nil {
		p.others = map[net.Conn]struct{}{}
	}
	p.others[c] = struct{}{}
}

func (p *pool) lose(c net.Conn) {
	c.Close()
	p.mu.Lock()
	delete(p.others, c)
	p.mu.Unlock()
	p.left()
}

// record counts and logs a connection that has ended.
func (r *relay) record() {
	took := r.p.clock() - r.start
	stats := &r.target.service.stats.none
	if r.in != nil {
		stats = r.in.stats
	}
	stats.observe(r.status, took)
	if r.p.logf.on.Load() {
		r.p.logf.add(func(b []byte) []byte { return r.appendEntry(b, time.Duration(took)) })
	}
}

// appendEntry writes the record of a connection, with the keys of exchange's.
func (r *relay) appendEntry(b []byte, took time.Duration) []byte {
	b = append(b, `{"time":"`...)
	b = time.Now().UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, '"')
	b = appendJSON(b, "client", r.c.sender.text)
	b = appendJSON(b, "proto", cmp.Or(map[bool]string{true: "TLS"}[r.c.tls], "TCP"))
	b = appendNumber(b, "bytes", r.out)
	b = appendNumber(b, "received", r.rcv)
	b = appendNumber(b, "duration_us", took.Microseconds())
	b = appendJSON(b, "service", r.target.name)
	if r.in != nil {
		b = appendJSON(b, "instance", r.in.ID)
		b = appendJSON(b, "release", r.in.Release)
	}
	if n := len(r.tried); n > 0 {
		b = appendNumber(b, "retries", int64(n))
	}
	if r.word != "" {
		b = appendJSON(b, "error", r.word)
	}
	return append(b, "}\n"...)
}
