package proxy

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/proxy/wire"
)

// entrance is a listening socket as one loop watches it.
type entrance struct {
	loop     *loop
	listener *listener
	fd       int
	place    int32
	resting  bool // descriptors have run out: not watched for a moment
}

// How many connections a loop accepts before it looks after those that it has:
// few at first, so that the other loops get their share; more when it has many, as
// it is then long before it comes back.
const (
	admitLeast = 8
	admitMost  = 128
	admitPart  = 16 // of those that it has
)

// listen begins to accept from a listener.
func (l *loop) listen(ln *listener, fd int) {
	e := &entrance{loop: l, listener: ln, fd: fd}
	l.waiting[ln] = e
	e.open()
}

func (e *entrance) open() {
	place, err := e.loop.watch(e.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, e)
	e.place, e.resting = place, err != nil
	if err != nil {
		e.loop.p.log.Error("cannot watch a listener; trying again", "listener", e.listener.key, "error", err)
	}
}

// unlisten ends accepting. What was accepted stays.
func (l *loop) unlisten(ln *listener) {
	e := l.waiting[ln]
	if e == nil {
		return
	}
	delete(l.waiting, ln)
	if !e.resting {
		pollDel(l.epoll, e.fd)
		l.forget(e.place)
	}
}

func (e *entrance) ready(uint32) {
	for range min(max(e.loop.open/admitPart, admitLeast), admitMost) {
		fd, peer, errno := acceptOne(e.fd)
		switch errno {
		case 0:
			e.loop.admit(e.listener, fd, newSender(peer, false))
		case syscall.EAGAIN:
			return
		case syscall.EINTR, syscall.ECONNABORTED:
		default:
			e.rest(errno)
			return
		}
	}
}

// rest ends the watching until the next scan, since the readiness would not.
func (e *entrance) rest(errno syscall.Errno) {
	e.listener.cannotAccept(errno)
	pollDel(e.loop.epoll, e.fd)
	e.loop.forget(e.place)
	e.resting = true
	e.loop.scanAt = min(e.loop.scanAt, e.loop.now+int64(acceptPause))
}

// client is a client's connection on a loop. Between its requests it holds no
// buffer.
type client struct {
	loop     *loop
	listener *listener
	fd       int
	place    int32
	sender   sender

	in       []byte // what was read is in[r:w]; nil when that is nothing
	r, w     int
	scanned  int   // of in[r:w], where to go on looking for the header's end
	since    int64 // when the state began, of clock
	trip     *trip // under way, or nil
	served   bool  // it had a request
	readable bool  // there may be more to read
	hup      bool  // it will send no more
	dead     bool  // nor read any more
	full     bool  // it does not take more of the answer at this moment
	state    clientState
}

type clientState uint8

const (
	inHead   clientState = iota // waits for a request's header, or the rest of it
	inBody                      // waits for the rest of a small body
	onTrip                      // its request is with an instance
	parting                     // answered for the last time; what it still sends is thrown away
	departed                    // not the loop's any more
)

// admit takes a connection in. Where TLS is spoken it is greeted elsewhere.
func (l *loop) admit(ln *listener, fd int, s sender) {
	ln.p.conns.arrive()
	ln.greetings.Add(1)
	v := l.p.table.Load().listeners[ln.key]
	if v == nil || !v.fast() {
		l.p.greetFD(ln, fd, nil, nil)
		return
	}
	c := &client{loop: l, listener: ln, fd: fd, sender: s, since: l.now}
	l.take(c)
}

// take begins to watch a client.
func (l *loop) take(c *client) {
	place, err := l.watch(c.fd, always, c)
	if err != nil {
		l.p.greetFD(c.listener, c.fd, c.in, nil)
		return
	}
	c.place = place
	l.open++
	l.hurry()
}

func (c *client) ready(events uint32) {
	if events&unix.EPOLLIN != 0 {
		c.readable = true
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.hup, c.readable = true, true
		c.dead = c.dead || events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	}
	switch c.state {
	case inHead, inBody:
		c.read()
	case onTrip:
		if c.full && events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			c.full = false
			c.trip.pump()
		} else if c.hup {
			c.left()
		}
	case parting:
		c.linger()
	}
}

// read takes what has come and serves it, until nothing more is there or a
// request is on its way.
func (c *client) read() {
	for c.readable && (c.state == inHead || c.state == inBody) {
		b := c.room()
		n, errno := receive(c.fd, b, 0)
		if errno == syscall.EAGAIN {
			c.readable = false
			return
		}
		if errno != 0 || n == 0 {
			c.close()
			return
		}
		if n < len(b) && !c.hup {
			c.readable = false
		}
		c.keep(b[:n])
		c.serve()
	}
	if c.state == onTrip && c.hup {
		c.left()
	}
}

// room gives space to read into: its own if it has begun to collect, else the
// loop's, so that only what was read takes memory.
func (c *client) room() []byte {
	if c.in == nil {
		return c.loop.scratch[:]
	}
	if c.w == len(c.in) {
		c.grow(len(c.in) + 1)
	}
	return c.in[c.w:]
}

// grow makes in hold n bytes from r on.
func (c *client) grow(n int) {
	if c.r+n <= len(c.in) {
		return
	}
	b := c.loop.buffers.get(n)
	c.w = copy(b, c.in[c.r:c.w])
	c.loop.buffers.put(c.in)
	c.in, c.r = b, 0
}

func (c *client) keep(b []byte) {
	if c.in == nil {
		c.in, c.r = c.loop.buffers.get(len(b)), 0
		c.w = copy(c.in, b)
		c.loop.hurry()
		if c.served {
			c.since = c.loop.now // of a fresh connection, the time runs from its acceptance
		}
		return
	}
	c.w += len(b)
}

// dropIn lets the buffer go; there is nothing in it any more.
func (c *client) dropIn() {
	c.loop.buffers.put(c.in)
	c.in, c.r, c.w, c.scanned = nil, 0, 0, 0
}

// mostHead is the largest header that the fast path reads.
const mostHead = 16 << 10

// serve starts the request that stands at the beginning of in, if it is whole.
func (c *client) serve() {
	if c.scanned == 0 {
		c.r += wire.Leading(c.in[c.r:c.w])
	}
	b := c.in[c.r:c.w]
	end, next, err := wire.HeadEnd(b, c.scanned)
	if c.scanned = next; err != nil || max(end, next) > mostHead || end == 0 && len(b) >= mostHead {
		c.leave(nil)
		return
	}
	if end == 0 {
		return
	}
	r := &c.loop.request
	if r.Parse(b[:end]) != nil || !isPlain(r) {
		c.leave(nil)
		return
	}
	if whole := end + int(r.Length); len(b) < whole {
		c.grow(whole)
		if c.scanned = 0; c.state != inBody {
			c.state, c.since = inBody, c.loop.now
		}
		return
	}
	c.depart(r, end)
}

// isPlain tells whether the fast path knows all that a request asks for.
func isPlain(r *wire.Request) bool {
	return r.Minor == 1 && !r.Absolute && !r.Expects && !r.Upgrades && r.Length >= 0 && r.Length <= keepBody
}

// left deals with a client that will send no more while its request is under
// way. One that has asked for more before still reads; any other counts as
// gone, as net/http sees it.
func (c *client) left() {
	if !c.dead {
		if some, _ := unread(c.fd); some || c.w > c.r+c.trip.end {
			return
		}
	}
	c.trip.lose("client-gone")
}

// sentMore tells whether a byte of another request has arrived behind the one
// that is under way. A goodbye is not said then: the client would have to send
// that one again, on another connection, and may have no safe way to.
func (c *client) sentMore() bool {
	if c.w > c.r+c.trip.end {
		return true
	}
	some, _ := unread(c.fd)
	return some
}

// next goes on behind a request that was answered.
func (c *client) next() {
	c.served, c.state, c.since, c.scanned = true, inHead, c.loop.now, 0
	if c.r == c.w {
		c.dropIn()
	} else {
		c.serve()
	}
	if c.state == inHead || c.state == inBody {
		c.read()
	}
	c.hangUp()
}

// lingerFor is how long a client may take to read its last answer when it has
// sent what nobody will read.
const lingerFor = 500 * time.Millisecond

// partWith closes the connection behind its last answer. Unread bytes would
// make the kernel reset it, and the answer might never be read; so they are
// read first.
func (c *client) partWith() {
	if c.in != nil {
		c.dropIn()
	}
	if some, _ := unread(c.fd); !some {
		c.close()
		return
	}
	syscall.Shutdown(c.fd, syscall.SHUT_WR)
	c.state, c.since, c.readable = parting, c.loop.now, true
	c.linger()
}

func (c *client) linger() {
	for range 16 { // more than that is a flood, which the bound of time ends
		n, errno := receive(c.fd, c.loop.scratch[:], 0)
		if errno == syscall.EAGAIN {
			return
		}
		if errno != 0 || n == 0 {
			c.close()
			return
		}
	}
}

// close ends the connection, which has nothing under way.
func (c *client) close() {
	c.forget()
	closeFD(c.fd)
	c.listener.greetings.Done()
	c.loop.p.conns.depart()
}

// forget takes the client off the loop.
func (c *client) forget() {
	c.loop.forget(c.place)
	c.loop.open--
	c.state = departed
	if c.in != nil {
		c.loop.buffers.put(c.in)
		c.in = nil
	}
}

// closeClients closes every connection, whatever is on it.
func (l *loop) closeClients() {
	for _, s := range l.slots {
		if c, ok := s.who.(*client); ok {
			c.cut()
		}
	}
}

// cut closes the connection in the middle of whatever is on it.
func (c *client) cut() {
	if c.trip != nil {
		c.trip.lose("client-gone")
		return
	}
	c.close()
}

// hangUp closes the connections of some listeners that wait for a request, but
// never one on which a byte of it has arrived.
func (l *loop) hangUp() {
	for _, s := range l.slots {
		if c, ok := s.who.(*client); ok {
			c.hangUp()
		}
	}
}

func (c *client) hangUp() {
	if c.state != inHead || c.in != nil || !c.listener.isOver() {
		return
	}
	if some, _ := unread(c.fd); !some {
		c.close()
	}
}
