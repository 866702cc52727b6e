package proxy

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/proxy/wire"
)

// upstream is a loop's own connection to an instance: on a trip, or idle.
type upstream struct {
	loop  *loop
	in    *instance
	fd    int
	place int32
	state upState
	trip  *trip // nil when idle

	unsent   []byte // of the request, what the connection has not taken yet
	buf      []byte // what was read is buf[r:w]; of it, buf[r:pass] is body to be passed on
	r, w     int
	pass     int
	scanned  int  // where to go on looking for the end of a header
	readable bool // there may be something to read
	hup      bool // the instance will send no more
	reading  bool // read is under way
	reused   bool
	since    int64 // when it began to connect, to wait for an answer, or to be idle
	maxIdle  int64
}

type upState uint8

const (
	connecting upState = iota
	sending            // some of the request is unsent
	awaiting           // the request was sent, the answer's header is not whole
	answering          // its body is on its way
	resting            // idle
)

// upRead is how much of an answer is read at once. The buffer is the loop's
// again whenever the client has taken what is in it.
const upRead = 64 << 10

// sockaddr gives the address of an instance for the fast path, nil when it is
// a name that must be looked up.
func sockaddr(addr string) unix.Sockaddr {
	if strings.HasPrefix(addr, "/") {
		return &unix.SockaddrUnix{Name: addr}
	}
	a, err := netip.ParseAddrPort(addr)
	switch {
	case err != nil || a.Addr().Zone() != "":
		return nil
	case a.Addr().Unmap().Is4():
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// connect begins to open a connection.
func (l *loop) connect(in *instance) (*upstream, error) {
	addr, family := sockaddr(in.Addr), unix.AF_INET
	switch addr.(type) {
	case *unix.SockaddrInet6:
		family = unix.AF_INET6
	case *unix.SockaddrUnix:
		family = unix.AF_UNIX
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if family != unix.AF_UNIX {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	u := &upstream{loop: l, in: in, fd: fd, since: l.now}
	err = unix.Connect(fd, addr)
	if err != nil && err != unix.EINPROGRESS {
		closeFD(fd)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	if err == nil {
		u.state = sending
	}
	if u.place, err = l.watch(fd, always, u); err != nil {
		closeFD(fd)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	l.open++
	in.pool.looped.Add(1)
	return u, nil
}

// takeIdle gives a connection that can carry a request, by the rules of
// pool.get; nil when there is none.
func (l *loop) takeIdle(in *instance, once bool) *upstream {
	for {
		list := l.idle[in]
		n := len(list)
		if n == 0 {
			return nil
		}
		u := list[n-1]
		age := l.now - u.since
		if age < u.maxIdle && once && age >= int64(freshIdle) {
			return nil
		}
		list[n-1] = nil
		l.idle[in] = list[:n-1]
		if age < u.maxIdle && (!once || u.isQuiet()) {
			u.reused = true
			return u
		}
		u.close()
	}
}

// isQuiet looks whether the peer has neither closed the connection nor sent
// anything unasked.
func (u *upstream) isQuiet() bool {
	some, open := unread(u.fd)
	return open && !some
}

func (u *upstream) ready(events uint32) {
	ended := events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	u.hup = u.hup || ended
	if events&unix.EPOLLIN != 0 || ended {
		u.readable = true
	}
	switch u.state {
	case connecting:
		if ended || events&unix.EPOLLOUT != 0 {
			u.connected()
		}
	case sending:
		if events&unix.EPOLLOUT != 0 || ended {
			u.sendRest()
		}
	case awaiting, answering:
		if u.readable {
			u.read()
		}
	case resting:
		if u.readable {
			u.leaveIdle()
			u.close()
		}
	}
}

// connected looks how the opening of the connection has ended.
func (u *upstream) connected() {
	n, err := unix.GetsockoptInt(u.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = syscall.Errno(n)
	}
	if err != nil {
		u.trip.handOver(&resumed{err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}, unconnected: true})
		return
	}
	u.in.accepted()
	u.state = sending
	u.sendRest()
	if u.state == awaiting && u.readable {
		u.read()
	}
}

// write sends the request; what the connection does not take is sent later.
func (u *upstream) write(head, body []byte) {
	u.state, u.since = awaiting, u.loop.now
	var n int
	var errno syscall.Errno
	if len(body) == 0 {
		n, errno = transmit(u.fd, head)
	} else {
		n, errno = transmitBoth(u.fd, head, body)
	}
	switch {
	case errno != 0 && errno != syscall.EAGAIN:
		// The answer may have come before the end.
		u.trip.handOver(&resumed{sendErr: errno})
	case n < len(head)+len(body):
		u.state = sending
		u.unsent = u.unsent[:0]
		if n < len(head) {
			u.unsent = append(u.unsent, head[n:]...)
			n = len(head)
		}
		u.unsent = append(u.unsent, body[n-len(head):]...)
	}
}

func (u *upstream) sendRest() {
	n, errno := transmit(u.fd, u.unsent)
	switch {
	case errno != 0 && errno != syscall.EAGAIN:
		u.trip.handOver(&resumed{sendErr: errno})
		return
	case n == len(u.unsent):
		u.unsent = nil
		u.state, u.since = awaiting, u.loop.now
	default:
		u.unsent = u.unsent[n:]
	}
}

// mostTurns is how often an instance is read from before others have their turn.
const mostTurns = 8

// read takes what has come of an answer and passes it on.
func (u *upstream) read() {
	u.reading = true
	defer func() { u.reading = false }()
	for turn := 0; u.readable && u.trip != nil && (u.state == awaiting || u.state == answering && !u.trip.c.full); turn++ {
		if turn == mostTurns {
			u.loop.again = append(u.loop.again, u)
			return
		}
		b := u.room()
		if b == nil { // a header or trailer that is larger than the buffer
			u.trip.tooLarge()
			return
		}
		n, errno := receive(u.fd, b, 0)
		switch {
		case errno == syscall.EAGAIN:
			u.readable = false
			u.dropBuf()
			return
		case errno != 0 || n == 0:
			u.ended(errno)
			return
		}
		if n < len(b) && !u.hup { // an end that comes later is an event of its own
			u.readable = false
		}
		u.w += n
		u.take()
	}
}

// take goes on with what is in the buffer.
func (u *upstream) take() {
	if u.state == awaiting {
		u.trip.head()
	} else {
		u.trip.pump()
	}
}

func (u *upstream) room() []byte {
	if u.buf == nil {
		u.buf = u.loop.buffers.get(upRead)
		u.r, u.w, u.pass = 0, 0, 0
	}
	if u.r == u.w {
		u.r, u.w, u.pass, u.scanned = 0, 0, 0, 0
	}
	if u.w == len(u.buf) && u.r > 0 {
		u.w = copy(u.buf, u.buf[u.r:u.w])
		u.pass -= u.r
		u.r = 0
	}
	if u.w == len(u.buf) {
		return nil
	}
	return u.buf[u.w:]
}

// dropBuf gives the buffer back when nothing is in it.
func (u *upstream) dropBuf() {
	if u.buf != nil && u.r == u.w {
		u.loop.buffers.put(u.buf)
		u.buf, u.r, u.w, u.pass = nil, 0, 0, 0
	}
}

// ended deals with the end of the connection in the middle of a trip.
func (u *upstream) ended(errno syscall.Errno) {
	switch u.state {
	case answering:
		u.trip.cutOff()
		return
	case connecting:
		u.trip.handOver(&resumed{err: errno, unconnected: true})
		return
	}
	var err error = errNoAnswer
	if errno != 0 {
		err = errors.Join(errNoAnswer, errno)
	}
	if u.w > u.r {
		err = errHeadCut
	}
	u.trip.handOver(&resumed{err: err})
}

// errHeadCut is an answer's header that ended in the middle.
const errHeadCut = malformed("it ended within the header")

// rest gives the connection back for other requests.
func (u *upstream) rest(maxIdle int64) {
	u.trip, u.state, u.since, u.maxIdle = nil, resting, u.loop.now, maxIdle
	u.dropBuf()
	if u.maxIdle <= 0 || !u.in.routed.Load() || u.hup || u.readable && !u.isQuiet() {
		u.close()
		return
	}
	u.readable = false
	u.loop.idle[u.in] = append(u.loop.idle[u.in], u)
}

// leaveIdle takes an idle connection out of the list.
func (u *upstream) leaveIdle() {
	list := u.loop.idle[u.in]
	for i, other := range list {
		if other == u {
			u.loop.idle[u.in] = append(list[:i], list[i+1:]...)
			break
		}
	}
	if len(u.loop.idle[u.in]) == 0 {
		delete(u.loop.idle, u.in)
	}
}

// close ends the connection.
func (u *upstream) close() {
	u.forget()
	closeFD(u.fd)
	u.in.pool.unloop()
}

// forget takes it off the loop.
func (u *upstream) forget() {
	u.loop.forget(u.place)
	u.loop.open--
	if u.buf != nil {
		u.loop.buffers.put(u.buf)
		u.buf = nil
	}
}

// retire closes the idle connections to an instance.
func (l *loop) retire(in *instance) {
	for _, u := range l.idle[in] {
		u.close()
	}
	delete(l.idle, in)
}

// cut closes every connection to an instance.
func (l *loop) cut(in *instance) {
	l.retire(in)
	for _, s := range l.slots {
		if u, ok := s.who.(*upstream); ok && u.in == in && u.trip != nil {
			u.ended(syscall.ECONNABORTED)
		}
	}
}

// keepAliveOf gives how long a connection may be idle, by the rules of
// giveBack.
func keepAliveOf(t *target, r *wire.Response) int64 {
	most := t.cfg.UpstreamIdle
	if most == 0 {
		most = time.Hour // the bound is the instance's
	}
	if r.IdleSeconds >= 0 {
		most = min(most, time.Duration(r.IdleSeconds)*time.Second-time.Second)
	}
	return int64(most)
}
