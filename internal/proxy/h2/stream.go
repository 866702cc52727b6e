package h2

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"

	"golang.org/x/net/http2/hpack"
)

var (
	errReset     = errors.New("h2: stream was reset by the client")
	errMalformed = errors.New("h2: stream was reset, for the client sent what it must not")
	errStuck     = errors.New("h2: stream was reset, for the client takes nothing of it")
	errReturned  = errors.New("h2: handler has returned")
)

// stream is one request and its answer. It is allocated as one and never used
// again, since a handler may keep the request and its context.
type stream struct {
	c    *conn
	id   uint32
	req  *http.Request
	ctx  requestContext
	body body
	w    responseWriter

	// c.mu guards what follows, and the body.
	running  bool  // the handler has not returned
	gotEnd   bool  // of the client: half-closed (remote)
	sentEnd  bool  // of ours: half-closed (local)
	closed   bool  // both, or reset
	reset    bool  // by us
	released bool  // its place is another's
	err      error // why, if not both

	sendWindow, recvWindow int64

	pending   []byte // DATA to be sent
	waits     bool   // there is some, maybe empty
	lastData  bool   // END_STREAM goes with its last byte
	waitSince int64  // when the client last took some
	queued    bool
	next      *stream // in the queue
}

// takeTrailer is the end of a request with a trailer section (RFC 9113 §8.1).
func (c *conn) takeTrailer(s *stream, fields []hpack.HeaderField, tooLarge bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.gotEnd:
		return streamError{s.id, codeClosed, "HEADERS after END_STREAM"}
	case !c.block.end:
		return streamError{s.id, codeProtocol, "trailer section without END_STREAM"}
	case tooLarge:
		return streamError{s.id, codeCalm, "trailer section is too large"}
	}
	t, err := readTrailer(nil, fields)
	if err != nil {
		return streamError{s.id, codeProtocol, err.Error()}
	}
	s.body.trailer = t
	return c.endRequest(s)
}

// endRequest is END_STREAM of the client; c.mu is held.
func (c *conn) endRequest(s *stream) error {
	if b := &s.body; b.length >= 0 && b.got != b.length {
		return streamError{s.id, codeProtocol, "body is shorter than its Content-Length"}
	}
	s.gotEnd = true
	s.body.end(io.EOF)
	c.closeWhole(s)
	return nil
}

// breakStream ends a stream for what the client did wrong.
func (c *conn) breakStream(e streamError) error {
	c.log("stream reset", e)
	c.mu.Lock()
	s := c.streams[e.id]
	c.appendOut(func(b []byte) []byte { return appendReset(b, e.id, e.code) })
	err := c.answered()
	if e.code != codeRefused && !c.resets.spend() {
		err = errResets
	}
	if s == nil {
		c.remember(e.id, closedHere)
	} else {
		s.reset = true
		c.abandon(s, errMalformed)
	}
	c.mu.Unlock()
	if s != nil {
		s.ctx.cancel()
	}
	return err
}

// abandon ends a stream before its time; c.mu is held. The caller cancels its
// context when c.mu is not held any more.
func (c *conn) abandon(s *stream, err error) {
	if s.closed {
		return
	}
	s.err = err
	s.waits, s.pending = false, nil
	c.queue.drop(s)
	s.w.room.Broadcast()
	s.body.end(err)
	s.body.discard()
	c.close(s)
}

// closeWhole closes a stream that has ended both ways; c.mu is held.
func (c *conn) closeWhole(s *stream) {
	if s.gotEnd && s.sentEnd && !s.closed {
		c.resets.earn(1)
		c.close(s)
	}
}

func (c *conn) close(s *stream) {
	s.closed = true
	delete(c.streams, s.id)
	how := closedBoth
	switch {
	case s.reset:
		how = closedHere
	case s.err != nil:
		how = closedThere
	}
	c.remember(s.id, how)
	c.release(s)
}

// release lets the next stream have the place of one that is closed and whose
// handler has returned; c.mu is held.
func (c *conn) release(s *stream) {
	if !s.closed || s.running || s.released {
		return
	}
	s.released = true
	if c.active--; c.active > 0 {
		return
	}
	c.idleSince = c.srv.tick.Load()
	c.empty.Broadcast()
	c.closeIfLeft()
}

// ending is how a stream was closed. What still arrives on one that was reset
// here may have been sent before the client knew (RFC 9113 §5.1).
type ending uint8

const (
	closedLong  ending = iota // nothing is remembered
	closedBoth                // by END_STREAM both ways
	closedThere               // by the client's RST_STREAM
	closedHere                // by ours
)

// remembered is how many closed streams are known by how they were closed.
const remembered = 64

func (c *conn) remember(id uint32, how ending) {
	d := closing{id, how}
	if len(c.done) < remembered {
		c.done = append(c.done, d)
		return
	}
	c.done[c.doneAt] = d
	c.doneAt = (c.doneAt + 1) % remembered
}

type closing struct {
	id  uint32
	how ending
}

func (c *conn) howClosed(id uint32) ending {
	for _, d := range c.done {
		if d.id == id {
			return d.how
		}
	}
	return closedLong
}

// run calls the handler.
func (s *stream) run(sc *scratch) {
	sc.ready()
	s.w.sc = sc
	whole := false
	defer func() {
		if !whole {
			s.abort(recover())
		}
		s.ctx.cancel()
		sc.reset()
	}()
	s.c.srv.cfg.Handler.ServeHTTP(&s.w, s.req)
	whole = true
	s.finish()
}

// finish ends the answer, and with it the stream.
func (s *stream) finish() {
	c := s.c
	s.w.prepare()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.w.end()
	s.w.sc = nil
	s.running = false
	s.body.discard()
	if !s.closed && !s.gotEnd && s.sentEnd { // RFC 9113 §8.1: the rest of the request is not wanted
		c.reset(s, codeNo)
	}
	c.closeWhole(s)
	c.release(s)
	c.flush(s)
}

// abort ends a stream whose handler has panicked.
func (s *stream) abort(cause any) {
	c := s.c
	if cause != nil && cause != http.ErrAbortHandler {
		c.srv.cfg.Log.Error("h2: handler panicked", "client", c.remote, "panic", fmt.Sprint(cause), slog.String("stack", string(debug.Stack())))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.w.sc = nil
	s.running = false
	if s.closed {
		c.release(s)
	} else {
		c.reset(s, codeInternal)
	}
	c.flush(s)
}

// reset ends a stream from this side; c.mu is held.
func (c *conn) reset(s *stream, why code) {
	c.appendOut(func(b []byte) []byte { return appendReset(b, s.id, why) })
	s.reset = true
	c.abandon(s, errReturned)
}

// checkBlocked resets the streams whose client takes nothing; c.mu is held.
func (c *conn) checkBlocked(now int64) {
	for _, s := range c.streams {
		if s.waits && late(now, s.waitSince, c.srv.cfg.WriteTimeout) {
			c.appendOut(func(b []byte) []byte { return appendReset(b, s.id, codeCancel) })
			s.reset = true
			c.abandon(s, errStuck)
		}
	}
	c.kick()
}
