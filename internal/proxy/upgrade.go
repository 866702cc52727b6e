package proxy

import (
	"io"
	"net"
	"net/http"
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
	x.began, x.status = true, a.status
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
	if _, err := client.Write(append(head, c.buf[c.r:c.w]...)); err != nil {
		return
	}
	if n := early.Reader.Buffered(); n > 0 {
		b, _ := early.Reader.Peek(n)
		if _, err := c.Write(b); err != nil {
			return
		}
	}
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
}

// pipe copies one direction and passes its end on; a failure ends both.
func pipe(to, from net.Conn) int64 {
	n, err := io.Copy(to, from)
	if cw, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		cw.CloseWrite()
		return n
	}
	to.Close()
	from.Close()
	return n
}
