package drill

import (
	"net"
	"syscall"
	"time"
)

// pending is what a look at a connection finds, without taking it.
type pending int

const (
	pendingNothing pending = iota
	pendingData
	pendingEnd // closed or reset by the server
)

// stale reports whether an idle connection can be seen to be of no more use:
// closed, reset, or with bytes that no request asked for (a server's parting
// "408 Request Timeout", RFC 9110 §15.5.9).
func (c *conn1) stale() bool {
	if c.in.Buffered() > 0 {
		return true
	}
	switch peek(c.Conn) {
	case pendingNothing:
		return false
	case pendingData:
		return !c.onlyTLS()
	default:
		return true
	}
}

// onlyTLS reports whether the bytes that wait are TLS's own (session tickets),
// and so no sign of an end.
func (c *conn1) onlyTLS() bool {
	if _, ok := c.Conn.(interface{ NetConn() net.Conn }); !ok {
		return false
	}
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	c.room = maxHeaderBytes
	_, err := c.in.Peek(1)
	return isTimeout(err)
}

// peek looks at the connection below any TLS.
func peek(c net.Conn) pending {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return pendingNothing
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return pendingEnd
	}
	return peekRaw(raw)
}
