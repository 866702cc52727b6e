package proxy

import (
	"io"
	"net/http"
	"time"
)

// answer passes the final answer to the client, and gives the connection back
// or closes it.
func (x *exchange) answer(c *upConn, a *answer) {
	x.passHead(a)
	err := x.passBody(c, a)
	whole := err == nil && x.finishSender()
	x.flight.leave() // from here on nobody touches the connection
	whole = whole && x.flight.why() == stays
	if x.unwatch(c) && whole && !a.close && c.r == c.w {
		c.giveBack(x.target.cfg.UpstreamIdle, a)
	} else {
		c.Close()
		x.joinSender()
	}
	if err != nil && err != errSaidGoodbye {
		panic(http.ErrAbortHandler) // the client must see that it is not whole
	}
	if err == errSaidGoodbye && x.p.leaving.Load() && x.r.ProtoMajor == 1 {
		x.hangUp()
		return
	}
	x.leaveBody()
}

// giveBack puts a connection into its pool; bound is ours for its idleness.
func (c *upConn) giveBack(bound time.Duration, a *answer) {
	c.maxIdle = bound
	if c.maxIdle == 0 {
		c.maxIdle = time.Hour // the bound is the instance's
	}
	if a.keepAlive >= 0 {
		c.maxIdle = min(c.maxIdle, a.keepAlive-time.Second)
	}
	c.pool.put(c)
}

// passHead sends on the answer's status and fields, which stand in the
// response's header already.
func (x *exchange) passHead(a *answer) {
	h := x.w.Header()
	if !a.hasType {
		h["Content-Type"] = nil // or net/http guesses one
	}
	x.signRelease(h)
	x.signPage(h, a.status)
	x.stick(h)
	x.sayGoodbye(h)
	x.answered(a.status)
	x.w.WriteHeader(a.status)
}

func (x *exchange) signRelease(h http.Header) {
	drill := x.r.Header[drillHeader] != nil
	if drill || x.target.cfg.Skew != nil {
		h[releaseName] = []string{x.in.Release}
	}
	if drill {
		h["Segue-Instance"] = []string{x.in.ID}
	}
}

// sayGoodbye asks the client to leave after this answer when the proxy is
// being replaced (RFC 9112 §9.6), unless its next request is here already. It
// is nothing to HTTP/2, where GOAWAY says it.
func (x *exchange) sayGoodbye(h http.Header) {
	if g := x.conn.gate.Load(); x.p.leaving.Load() && (g == nil || !g.sentMore()) {
		h["Connection"] = []string{"close"}
	}
}

// passBody copies the body, flushing whenever the instance pauses. A whole
// small body is not flushed but left to net/http to send with its header.
func (x *exchange) passBody(c *upConn, a *answer) error {
	b := c.body(a, x.r.Method == http.MethodHead)
	flusher, _ := x.w.(http.Flusher)
	if !b.isHere() {
		c.noDeadline()
	}
	defer func() {
		c.onBlock = nil
		c.dropBig()
	}()
	for {
		if !b.done {
			c.onBlock = flusher
		}
		piece, err := b.next()
		piece, over := x.pastSeam(piece)
		if len(piece) > 0 {
			x.compareBody(piece)
			n, err := x.w.Write(piece)
			x.out += int64(n)
			if err != nil {
				x.clientGone()
				return err
			}
		}
		if over {
			return x.lastWords()
		}
		if err == io.EOF {
			x.passTrailer(b.trailer)
			return nil
		}
		if err != nil && x.flight.why() != stays {
			return x.lastWords()
		}
		if err != nil {
			x.bodyBroke()
			return err
		}
	}
}

// clientGone names the cause of an answer that could not be written.
func (x *exchange) clientGone() {
	x.word = "client-gone"
	if x.flight.why() != stays {
		x.lastWords() // it was asked to end, and its client did not take it fast enough
	}
}

// bodyBroke says why the answer's body ended too early.
func (x *exchange) bodyBroke() {
	if x.conn.gone() || x.r.Context().Err() != nil {
		x.word = "client-gone"
		return
	}
	x.word = "answer-cut"
	x.failed()
}

func (x *exchange) flush() { x.w.(http.Flusher).Flush() }

func (x *exchange) passTrailer(t http.Header) {
	h := x.w.Header()
	for k, v := range t {
		h[http.TrailerPrefix+k] = v
	}
}
