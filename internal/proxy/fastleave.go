package proxy

import (
	"bytes"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// resumed is an exchange that the fast path has begun and the general path
// ends. The request has been sent, or could not be; the client has been told
// nothing.
type resumed struct {
	in     *instance // claimed
	wish   wish      // for which it was
	target *target
	start  int64
	sentAt int64
	reused bool // the connection had carried another request before

	cuts    int64   // of the pool, when the connection left its loop
	fd      int     // of the connection, if it still stands; then conn
	read    []byte  // what was read from it
	conn    *upConn // made of fd; nil when the connection has ended
	sendErr error   // the request was not sent whole; there may be an answer all the same

	err         error // what ended the connection
	unconnected bool  // it was never opened, and nothing was sent
}

// handOver leaves the rest of a trip to the general path. It is the caller's
// last act.
func (t *trip) handOver(r *resumed) {
	c, u := t.c, t.up
	r.in, r.wish, r.target, r.start = t.in, t.wish, t.target, t.start
	if u != nil {
		u.trip, r.reused = nil, u.reused
		if u.state == awaiting {
			r.sentAt = u.since
		}
		if r.err != nil {
			u.close()
		} else {
			r.fd, r.read, r.cuts = u.fd, bytes.Clone(u.buf[u.r:u.w]), u.in.pool.cuts.Load()
			pollDel(u.loop.epoll, u.fd)
			u.forget()
		}
	}
	c.trip = nil
	t.drop()
	c.leave(r)
}

// leave gives the client's connection to the general path, which reads the
// request again that stands at the beginning of in. It is the caller's last act.
func (c *client) leave(r *resumed) {
	early := bytes.Clone(c.in[c.r:c.w])
	pollDel(c.loop.epoll, c.fd)
	c.forget()
	c.loop.p.greetFD(c.listener, c.fd, early, r)
}

// greetFD greets a connection of which early was read already, and which may be
// in the middle of an exchange. It was counted by connSet.arrive.
func (p *proxy) greetFD(l *listener, fd int, early []byte, r *resumed) {
	p.tasks.Go(func() {
		r.adopt(p)
		nc, err := p.connOf(fd)
		tcp, ok := nc.(*net.TCPConn)
		if !ok {
			p.log.Error("a client's connection is lost", "listener", l.key, "error", err)
			r.drop()
			l.greetings.Done()
			p.conns.depart()
			return
		}
		c := p.adopt(l, tcp)
		p.conns.depart()
		if c.early, c.resumed, c.known = early, r, early != nil; c.known {
			c.tls, c.sender.proto = false, "http" // whatever the table says by now
		}
		l.greet(c)
	})
}

// adopt makes the descriptor a connection of the instance's pool.
func (r *resumed) adopt(p *proxy) {
	if r == nil || r.err != nil {
		return
	}
	nc, err := p.connOf(r.fd)
	if err != nil {
		r.err = errors.Join(errNoAnswer, err)
	} else {
		r.conn = r.in.pool.adopt(nc, r.read)
		r.conn.reused = r.reused
		if r.in.pool.cuts.Load() != r.cuts { // neither the loop nor the pool had it then
			r.conn.abort()
		}
	}
	r.in.pool.unloop()
}

// resume goes on where the fast path has left off, and gives false when another
// instance should be tried.
func (x *exchange) resume() (done bool) {
	r := x.resumed
	x.resumed = nil
	x.in, x.target, x.start, x.sentAt = r.in, r.target, r.start, r.sentAt
	if r.target.division != nil {
		x.wish.lot = r.wish.lot
	}
	defer r.wish.release(r.in)
	x.flight.write = x.wish.write
	x.flight.enter(x, &r.in.farewell, x.own, waiting)
	defer x.flight.leave()
	switch {
	case r.unconnected:
		done = x.notConnected(r.err)
	case r.conn == nil:
		done = x.noHead(&upConn{reused: r.reused}, r.err)
	default:
		if why := x.flight.become(waiting, func() { x.up = r.conn }); why != stays {
			r.conn.Close()
			done = x.takenBack(why)
			break
		}
		x.watch(r.conn)
		done = x.receive(r.conn, r.sendErr)
	}
	if !done {
		x.tried = append(x.tried, x.in)
		x.target.service.retries.Add(1)
	}
	return done
}

// drop releases what nobody will take up.
func (r *resumed) drop() {
	if r == nil {
		return
	}
	if r.conn != nil {
		r.conn.Close()
	}
	if r.in != nil { // else it was turned away before
		r.wish.release(r.in)
	}
}

// connOf makes a descriptor a net.Conn and closes it. That takes a second one
// for a moment: when there is none, it waits until there is.
func (p *proxy) connOf(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	for {
		c, err := net.FileConn(f)
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			return c, err
		}
		time.Sleep(acceptPause)
	}
}
