package proxy

import (
	"errors"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// rest is called when net/http waits for a request and no byte of it is here. A
// connection that the fast path could have goes back to it: as its end, for
// net/http, which then calls Close.
func (g *gate) rest() error {
	if g.fd >= 0 {
		return errGoesBack
	}
	if !g.served || g.client.tls || !g.client.listener.takesBack() {
		return nil
	}
	fd, err := g.client.dup()
	if err != nil {
		g.client.listener.greetings.Done()
		return nil
	}
	g.fd = fd
	return errGoesBack
}

var errGoesBack = errors.New("the connection goes back to its event loop")

// Close ends the connection, or gives it back to a loop.
func (g *gate) Close() error {
	if g.fd >= 0 {
		c := g.client
		fd := g.fd
		g.fd = -1
		c.p.conns.looped.Add(1)
		c.p.loops[rand.IntN(len(c.p.loops))].readmit(c.listener, fd, c.sender)
	}
	return g.Conn.Close()
}

// takesBack tells whether the loops may have a connection back; it then counts
// as one that may yet be handed to the general path.
func (l *listener) takesBack() bool {
	if !l.looped || l.p.leaving.Load() {
		return false
	}
	if v := l.p.table.Load().listeners[l.key]; v == nil || !v.fast() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.greetings.Add(1)
	return true
}

// dup gives a descriptor of the connection that outlives it.
func (c *clientConn) dup() (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	if e := raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return -1, e
	}
	return fd, err
}

// readmit takes a connection back between two requests. It was counted already.
func (l *loop) readmit(ln *listener, fd int, s sender) {
	ok := l.post(func() {
		l.take(&client{loop: l, listener: ln, fd: fd, sender: s, since: l.now, served: true})
	})
	if !ok { // the proxy has ended
		closeFD(fd)
		ln.greetings.Done()
		ln.p.conns.depart()
	}
}

// hangUp closes the connection if it waits for a request and no byte of that has
// arrived. It only kicks whoever reads, since nobody else can be sure.
func (g *gate) hangUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kick()
}

// kick is hangUp; mu is held.
func (g *gate) kick() {
	if g.wanted && !g.open && g.client.listener.isOver() {
		g.kicked = true
		g.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// wasKicked tells whether a deadline was hangUp's; if so it is net/http's again.
// silent tells that the connection may be hung up.
func (g *gate) wasKicked() (kicked, silent bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.kicked {
		return false, false
	}
	g.kicked = false
	g.Conn.SetReadDeadline(g.deadline)
	return true, g.wanted && g.buf == nil && g.client.isSilent()
}

// sentMore tells whether a byte of another request has arrived behind the one
// that is being answered.
func (g *gate) sentMore() bool {
	return g.ahead.Load() || g.client.hasUnread()
}

func (c *clientConn) hasUnread() (some bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) { some, _ = unread(int(fd)) })
	return err == nil && some
}

// isSilent tells whether nothing has come since the last request: nothing waits
// in the kernel, and TLS holds no beginning of a record.
func (c *clientConn) isSilent() bool {
	if c.heard.Load() != c.quiet.Load() || len(c.early) > 0 {
		return false
	}
	return !c.hasUnread()
}
