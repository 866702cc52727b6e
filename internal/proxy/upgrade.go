package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// serveUpgrade passes on a 101 and then bytes both ways, each direction ending
// by itself. The instance counts as busy until both have ended.
func (x *exchange) serveUpgrade(c *upConn, a *answer) {
	defer c.Close()
	h := x.w.Header()
	x.signRelease(h)
	x.stick(h)
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", a.upgrade)
	x.answered(a.status)
	head := append([]byte(nil), "HTTP/1.1 101 Switching Protocols\r\n"...)
	for k, values := range h {
		for _, v := range values {
			head = appendField(head, k, v)
		}
	}
	head = append(head, "\r\n"...)
	client, early, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.word = "client-gone"
		return
	}
	defer client.Close()
	client.SetDeadline(time.Time{})
	c.onBlock = nil
	c.SetDeadline(time.Time{})
	c.readBy = 0
	first := c.buf[c.r:c.w]
	if _, err := client.Write(append(head, first...)); err != nil {
		return
	}
	ahead, _ := early.Reader.Peek(early.Reader.Buffered())
	if len(ahead) > 0 {
		if _, err := c.Write(ahead); err != nil {
			return
		}
	}
	if strings.EqualFold(a.upgrade, "websocket") {
		x.serveWebSocket(client, c, first, ahead)
		return
	}
	x.flight.become(tunnel, func() { x.up, x.peer = c, client })
	x.splice(client, c.Conn)
}

// splice copies both ways until both directions have ended, or one has failed.
func (x *exchange) splice(client, instance net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.rcv += pipe(instance, client)
	}()
	x.out += pipe(client, instance)
	<-done
	if x.flight.why() != stays {
		x.word = "drained"
		x.said("cut")
		leaveOrderly(client)
	}
}

// pipe copies one direction and passes its end on; a failure ends both. That
// the time is up is an end.
func pipe(to, from net.Conn) int64 {
	n, err := io.Copy(to, from)
	if cw, ok := to.(interface{ CloseWrite() error }); ok && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) {
		cw.CloseWrite()
		return n
	}
	to.Close()
	from.Close()
	return n
}
