package h2

import (
	"crypto/tls"
	"time"
)

const (
	// farewellPing goes behind the first GOAWAY: when it comes back, the
	// client has seen that. It may still be about to send a request that it
	// had begun before (Go's client numbers a stream before it writes it, and
	// answers a PING in between), so another while passes before step two.
	farewellPing = "segue:by"
	// linger is how long a client may go on sending when it has got all: a
	// connection that is closed with bytes unread is reset, and the reset may
	// overtake the last answer.
	linger = time.Second
)

// goodbye begins to end a connection.
func (c *conn) goodbye(grace time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sayGoodbye(grace)
	c.kick()
}

// goodbyeSoon is for a client that has only just come, surely with a request: it
// is told when that has been taken, or has not come for a while. (Go's client
// may close the request's body when the connection is taken from under it, and
// then cannot send it elsewhere.) c.mu is held.
func (c *conn) goodbyeSoon() {
	grace := c.grace
	c.farewell = time.AfterFunc(grace, func() { c.goodbye(grace) })
}

// sayGoodbye is step one (RFC 9113 §6.8): leave, and whatever you have sent by
// now will be answered. c.mu is held.
func (c *conn) sayGoodbye(grace time.Duration) {
	if c.step != 0 || c.err != nil || c.final {
		return
	}
	c.step, c.grace = 1, grace
	if c.farewell != nil {
		c.farewell.Stop()
	}
	c.appendOut(func(b []byte) []byte {
		b = appendGoAway(b, maxStreamID, codeNo)
		return appendPing(b, 0, []byte(farewellPing))
	})
	c.farewell = time.AfterFunc(2*grace, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lastCall()
	})
}

// heard is the answer to farewellPing; c.mu is held.
func (c *conn) heard() {
	if c.step == 1 && c.err == nil {
		c.farewell.Reset(c.grace)
	}
}

// lastCall is step two: what was taken until now is finished, and nothing more
// is taken. c.mu is held.
func (c *conn) lastCall() {
	if c.step != 1 || c.err != nil || c.final {
		return
	}
	c.step = 2
	c.farewell.Stop()
	c.appendOut(func(b []byte) []byte { return appendGoAway(b, c.maxID, codeNo) })
	c.closeIfLeft()
	c.kick()
}

// closeIfLeft closes the connection when the last stream of a client that was
// said goodbye to has ended; c.mu is held.
func (c *conn) closeIfLeft() {
	if c.step == 2 && c.active == 0 && !c.final {
		c.final = true
		c.kick()
	}
}

// fail tells the client why its connection ends, breaks off its streams, and
// closes (RFC 9113 §5.4.1).
func (c *conn) fail(e connError) {
	c.log("connection error", e)
	c.mu.Lock()
	if c.final {
		c.mu.Unlock()
		return
	}
	c.block.open = false
	c.headSince = 0
	c.appendOut(func(b []byte) []byte { return appendGoAway(b, c.maxID, e.code) })
	c.final = true
	broken := c.breakStreams(e)
	c.kick()
	c.mu.Unlock()
	for _, s := range broken {
		s.ctx.cancel()
	}
}

// breakStreams ends every stream; c.mu is held. The caller cancels their
// contexts.
func (c *conn) breakStreams(err error) []*stream {
	broken := make([]*stream, 0, len(c.streams))
	for _, s := range c.streams {
		broken = append(broken, s)
		c.abandon(s, err)
	}
	return broken
}

// hangUp closes our side. The reader goes on for a while, and then closes all.
func (c *conn) hangUp() {
	nc := c.nc
	c.nc.SetReadDeadline(time.Now().Add(linger))
	if t, ok := nc.(*tls.Conn); ok {
		t.CloseWrite() // close_notify
		nc = t.NetConn()
	}
	if cw, ok := nc.(interface{ CloseWrite() error }); ok {
		cw.CloseWrite()
		return
	}
	nc.Close()
}
