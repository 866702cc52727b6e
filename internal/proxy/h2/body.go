package h2

import (
	"cmp"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// body is a request's body: what has arrived of it and was not yet read. The
// connection's lock guards it. Read may be called by one goroutine at a time,
// Close by any.
type body struct {
	s       *stream
	cond    sync.Cond
	buf     []byte
	r       int   // buf[r:] is unread
	err     error // what a reader gets after that; io.EOF at the whole end
	closed  bool  // nobody reads any more
	length  int64 // Content-Length; -1 none
	got     int64
	credit  int // read and not yet given back to the stream's window
	expects bool
	trailer http.Header // that has arrived
	limit   deadline
}

func (b *body) init(s *stream, h *head) {
	b.s, b.length, b.cond.L = s, h.length, &s.c.mu
	if e := h.header["Expect"]; len(e) == 1 && strings.EqualFold(e[0], "100-continue") {
		b.expects = true
	}
}

// Read reads what has arrived, and waits if that is nothing. Room is given back
// to the client as it reads. The first Read sends 100 Continue if that is
// expected and nothing was answered.
func (b *body) Read(p []byte) (int, error) {
	c := b.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.expects {
		b.expects = false
		c.sayContinue(b.s)
	}
	for b.r == len(b.buf) || b.limit.past || b.closed {
		switch {
		case b.closed:
			return 0, cmp.Or(b.s.err, http.ErrBodyReadAfterClose)
		case b.limit.past:
			return 0, os.ErrDeadlineExceeded
		case b.err != nil:
			b.passTrailer()
			return 0, b.err
		case len(p) == 0:
			return 0, nil
		}
		b.limit.wait(&b.cond)
	}
	n := copy(p, b.buf[b.r:])
	if b.r += n; b.r == len(b.buf) {
		b.empty()
	}
	b.giveBack(n)
	if c.out != nil {
		c.kick()
	}
	return n, nil
}

// passTrailer shows the trailer section, which stands behind the body.
func (b *body) passTrailer() {
	if b.err != io.EOF || b.trailer == nil {
		return
	}
	if b.s.req.Trailer == nil {
		b.s.req.Trailer = http.Header{}
	}
	for k, v := range b.trailer {
		b.s.req.Trailer[k] = v
	}
	b.trailer = nil
}

// Close drops what is not read. The rest of the body is dropped as it comes.
func (b *body) Close() error {
	b.s.c.mu.Lock()
	defer b.s.c.mu.Unlock()
	b.discard()
	return nil
}

func (b *body) discard() {
	if b.closed {
		return
	}
	b.closed = true
	b.s.c.giveBack(len(b.buf) - b.r)
	b.empty()
	b.cond.Broadcast()
}

func (b *body) end(err error) {
	if b.err == nil {
		b.err = err
		b.cond.Broadcast()
	}
}

// keptBody is the largest buffer that is kept for more of the same body.
const keptBody = 64 << 10

func (b *body) empty() {
	b.buf, b.r = b.buf[:0], 0
	if cap(b.buf) > keptBody || b.closed {
		b.buf = nil
	}
}

// add takes data in; the window has room for it.
func (b *body) add(p []byte) {
	if b.closed {
		b.s.c.giveBack(len(p))
		return
	}
	if b.r > 0 && len(b.buf)+len(p) > cap(b.buf) && b.r >= len(b.buf)/2 {
		b.buf = b.buf[:copy(b.buf, b.buf[b.r:])]
		b.r = 0
	}
	b.buf = append(b.buf, p...)
	b.cond.Signal()
}

// giveBack gives room to the client for n bytes that were read.
func (b *body) giveBack(n int) {
	c, s := b.s.c, b.s
	c.giveBack(n)
	if s.gotEnd || s.closed {
		return
	}
	if b.credit += n; b.credit >= streamWindow/4 {
		by := b.credit
		s.recvWindow += int64(by)
		b.credit = 0
		c.appendOut(func(out []byte) []byte { return appendWindow(out, s.id, by) })
	}
}

// giveBack gives room for n bytes on the connection; c.mu is held.
func (c *conn) giveBack(n int) {
	if c.credit += n; c.credit >= connWindow/4 {
		by := c.credit
		c.recvWindow += int64(by)
		c.credit = 0
		c.appendOut(func(out []byte) []byte { return appendWindow(out, 0, by) })
	}
}

// takeData is RFC 9113 §6.1.
func (c *conn) takeData(f frame, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.id == 0 {
		return connError{codeProtocol, "DATA on the connection"}
	}
	data, err := f.unpad(p)
	if err != nil {
		return err
	}
	if int64(len(p)) > c.recvWindow {
		return connError{codeFlow, "more DATA than the connection's window has room for"}
	}
	c.recvWindow -= int64(len(p))
	s := c.streams[f.id]
	if s == nil || s.gotEnd || int64(len(p)) > s.recvWindow {
		c.giveBack(len(p))
		return c.badData(f, s)
	}
	return c.addData(s, f, data, len(p)-len(data))
}

// badData says what is wrong with DATA that no stream can take.
func (c *conn) badData(f frame, s *stream) error {
	if s != nil && !s.gotEnd {
		return streamError{f.id, codeFlow, "more DATA than the stream's window has room for"}
	}
	if err := c.isIdle(f.id, "DATA"); err != nil {
		return err
	}
	if s == nil && c.howClosed(f.id) == closedHere {
		return c.noise()
	}
	return streamError{f.id, codeClosed, "DATA on a closed stream"}
}

func (c *conn) addData(s *stream, f frame, data []byte, padding int) error {
	b := &s.body
	s.recvWindow -= int64(len(data) + padding)
	b.giveBack(padding)
	b.got += int64(len(data))
	if b.length >= 0 && b.got > b.length {
		c.giveBack(len(data))
		return streamError{s.id, codeProtocol, "body is longer than its Content-Length"}
	}
	if len(data) > 0 {
		c.idleFrames.earn(noisePerData)
		b.add(data)
	} else if !f.has(flagEndStream) {
		if err := c.noise(); err != nil {
			return err
		}
	}
	if f.has(flagEndStream) {
		return c.endRequest(s)
	}
	return nil
}

// deadline is a time until which a goroutine may wait for a cond. Its timer
// runs only while somebody does. The connection's lock guards it.
type deadline struct {
	at    time.Time
	past  bool
	timer *time.Timer
}

// set takes a new time; zero is none. Whoever waits looks again.
func (d *deadline) set(t time.Time, cond *sync.Cond) {
	d.at = t
	d.past = !t.IsZero() && time.Until(t) <= 0
	cond.Broadcast()
}

// wait waits for cond, and tells whether the deadline has passed.
func (d *deadline) wait(cond *sync.Cond) (past bool) {
	if d.at.IsZero() {
		cond.Wait()
		return d.past
	}
	left := time.Until(d.at)
	if left <= 0 {
		d.past = true
		return true
	}
	if d.timer == nil {
		d.timer = time.AfterFunc(left, func() {
			cond.L.Lock()
			cond.Broadcast()
			cond.L.Unlock()
		})
	} else {
		d.timer.Reset(left)
	}
	cond.Wait()
	d.timer.Stop()
	if !d.at.IsZero() && time.Until(d.at) <= 0 {
		d.past = true
	}
	return d.past
}
