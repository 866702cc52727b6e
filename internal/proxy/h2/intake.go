package h2

import (
	"errors"
	"net/http"

	"golang.org/x/net/http2/hpack"
)

// takeHeaders is RFC 9113 §6.2.
func (c *conn) takeHeaders(f frame, p []byte) error {
	if f.id%2 == 0 {
		return connError{codeProtocol, "HEADERS on a stream that no client opens"}
	}
	p, err := c.block.begin(f, p)
	if err != nil {
		return err
	}
	if c.block.open {
		c.mu.Lock()
		c.headSince = c.srv.tick.Load()
		c.mu.Unlock()
		return nil
	}
	return c.endBlock(p)
}

// takeContinuation is RFC 9113 §6.10.
func (c *conn) takeContinuation(f frame, p []byte) error {
	if !c.block.open {
		return connError{codeProtocol, "CONTINUATION without HEADERS"}
	}
	if err := c.block.add(f, p); err != nil || c.block.open {
		return err
	}
	c.mu.Lock()
	c.headSince = 0
	c.mu.Unlock()
	return c.endBlock(c.block.part)
}

// endBlock deals with a whole header block: a new stream or a trailer section.
func (c *conn) endBlock(p []byte) error {
	fields, tooLarge, err := c.block.decode(p)
	defer c.block.release()
	if err != nil {
		return err
	}
	id := c.block.id
	c.mu.Lock()
	s := c.streams[id]
	if s == nil {
		err = c.admit(id)
	}
	c.mu.Unlock()
	switch {
	case err == errIgnored:
		return nil
	case err != nil:
		return err
	case s != nil:
		return c.takeTrailer(s, fields, tooLarge)
	case c.block.loop:
		return streamError{id, codeProtocol, "stream depends on itself"}
	case tooLarge:
		return c.refuseHeader(id)
	}
	return c.takeRequest(id, fields)
}

var errIgnored = errors.New("h2: frame of a stream that was reset here")

// admit decides about the header of a stream that is not open; c.mu is held.
func (c *conn) admit(id uint32) error {
	if id <= c.maxID {
		switch c.howClosed(id) {
		case closedHere:
			return errIgnored
		case closedThere:
			return streamError{id, codeClosed, "HEADERS on a stream that was reset"}
		case closedBoth:
			return connError{codeClosed, "HEADERS on a closed stream"}
		}
		return connError{codeProtocol, "stream id that is lower than one before"}
	}
	c.maxID = id
	if c.step == 2 || c.active >= c.srv.cfg.MaxStreams {
		if err := c.noise(); err != nil {
			return err
		}
		return streamError{id, codeRefused, "no more streams"}
	}
	return nil
}

func (c *conn) takeRequest(id uint32, fields []hpack.HeaderField) error {
	h, err := readHead(fields)
	if err != nil {
		return streamError{id, codeProtocol, err.Error()}
	}
	if c.block.end && h.length > 0 {
		return streamError{id, codeProtocol, "Content-Length of a request without a body"}
	}
	s, err := c.newStream(id, h, c.block.end)
	if err != nil {
		return streamError{id, codeProtocol, err.Error()}
	}
	c.mu.Lock()
	s.sendWindow = c.firstWindow
	c.streams[id] = s
	c.active++
	c.idleSince = 0
	c.idleFrames.earn(noisePerStream)
	if c.parting {
		c.sayGoodbye(c.grace)
	}
	c.mu.Unlock()
	c.srv.workers.do(s)
	return nil
}

func (c *conn) newStream(id uint32, h *head, end bool) (*stream, error) {
	u, err := h.target()
	if err != nil {
		return nil, err
	}
	s := &stream{c: c, id: id, running: true, gotEnd: end, recvWindow: streamWindow}
	s.ctx.base = c.ctx
	s.body.init(s, h)
	s.w.init(s)
	r := http.Request{
		Method: h.method, URL: u, Proto: "HTTP/2.0", ProtoMajor: 2, Header: h.header, Trailer: h.trailer,
		Host: h.authority, RequestURI: h.requestURI(), ContentLength: h.length, RemoteAddr: c.remote, TLS: c.tls,
		Body: &s.body,
	}
	if end {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	s.req = r.WithContext(&s.ctx)
	return s, nil
}

// refuseHeader answers 431 to a header that is too large (RFC 6585 §5).
func (c *conn) refuseHeader(id uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.appendHead(id, 431, nil, true)
	if !c.block.end {
		c.appendOut(func(b []byte) []byte { return appendReset(b, id, codeNo) })
	}
	c.remember(id, closedHere)
	if !c.resets.spend() {
		return errResets
	}
	return c.answered()
}
