package h2

import (
	"os"
	"runtime"
	"sync"
)

// outRoom is how many bytes of DATA are made ready for one write.
const outRoom = 64 << 10

type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, 4<<10)} }}

// appendOut adds frames to what is to be written; c.mu is held.
func (c *conn) appendOut(add func([]byte) []byte) {
	if c.err == nil && !c.shut {
		c.room()
		c.out.b = add(c.out.b)
	}
}

func (c *conn) room() {
	if c.out == nil {
		c.out = buffers.Get().(*buffer)
	}
}

func (c *conn) dropOut() {
	if c.out != nil {
		if cap(c.out.b) <= 2*outRoom {
			c.out.b = c.out.b[:0]
			buffers.Put(c.out)
		}
		c.out = nil
	}
}

// ready tells whether there is something to do for a writer; c.mu is held.
func (c *conn) ready() bool {
	return c.err == nil && !c.shut && (c.out != nil && len(c.out.b) > 0 || c.final)
}

// kick has a worker write what is there: the reader never writes, since a
// client may well read nothing until it is read from. c.mu is held.
func (c *conn) kick() {
	if !c.writing && c.ready() {
		c.writing = true
		c.srv.workers.do((*writer)(c))
	}
}

// writer is a connection in the hands of a worker that writes for it.
type writer conn

func (w *writer) run(*scratch) {
	c := (*conn)(w)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeAll()
}

func (c *conn) writeAll() {
	for c.ready() {
		c.writeOnce()
	}
	c.rest()
}

// flush writes what is there on the goroutine of s's handler, until all of s is
// out; a worker does the rest. c.mu is held, but not while it writes.
func (c *conn) flush(s *stream) {
	if c.writing || !c.ready() {
		return
	}
	c.writing = true
	if c.active > 1 {
		// Other handlers that can run may have answers for the same write.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	for c.ready() {
		c.writeOnce()
		if !s.waits {
			break
		}
	}
	if c.ready() {
		c.srv.workers.do((*writer)(c))
		return
	}
	c.rest()
}

// rest ends a turn of writing.
func (c *conn) rest() {
	c.dropOut()
	c.writing = false
	if c.err != nil {
		c.empty.Broadcast()
	}
}

// writeOnce writes what is ready in one go, and makes more of it ready.
func (c *conn) writeOnce() {
	if c.final && (c.out == nil || len(c.out.b) == 0) {
		c.shut = true
		c.mu.Unlock()
		c.hangUp()
		c.mu.Lock()
		return
	}
	out := c.out
	c.out, c.unread = nil, 0
	c.writeSince = c.srv.tick.Load()
	c.mu.Unlock()
	_, err := c.nc.Write(out.b)
	c.mu.Lock()
	c.writeSince = 0
	if c.out == nil {
		out.b = out.b[:0]
		c.out = out
	}
	if err != nil {
		c.breakOff(err)
		c.nc.Close() // wakes the reader
		return
	}
	c.fill()
}

// fill makes frames of the DATA that waits, a frame of each stream in turn.
// c.mu is held.
func (c *conn) fill() {
	for c.queue.first != nil && (c.out == nil || len(c.out.b) < outRoom) {
		s := c.queue.first
		if !s.waits {
			c.queue.pop()
			continue
		}
		n := min(int64(len(s.pending)), maxFrame, s.sendWindow, c.sendWindow)
		if n <= 0 && len(s.pending) > 0 {
			if c.sendWindow <= 0 {
				return
			}
			c.queue.pop() // until its window opens
			continue
		}
		c.queue.pop()
		c.frameData(s, s.pending[:n])
		if s.pending = s.pending[n:]; len(s.pending) > 0 {
			c.queue.push(s)
			continue
		}
		s.waits = false
		s.w.room.Broadcast()
	}
}

func (c *conn) frameData(s *stream, p []byte) {
	var flags uint8
	if s.lastData && len(p) == len(s.pending) {
		flags = flagEndStream
		s.sentEnd = true
	}
	s.sendWindow -= int64(len(p))
	c.sendWindow -= int64(len(p))
	s.waitSince = c.srv.tick.Load()
	c.idleFrames.earn(noisePerData)
	c.room()
	c.out.b = appendFrame(c.out.b, len(p), frameData, flags, s.id)
	c.out.b = append(c.out.b, p...)
}

// unblock puts a stream whose window has opened back into the queue.
func (c *conn) unblock(s *stream) {
	if s.waits && s.sendWindow > 0 {
		c.queue.push(s)
	}
}

// send has p sent as DATA of s and returns when that stands in frames, which
// may not be written yet. It flushes if it has to wait. c.mu is held.
func (c *conn) send(s *stream, p []byte, last bool) error {
	if s.err != nil {
		return s.err
	}
	s.pending, s.lastData, s.waits = p, last, true
	s.waitSince = c.srv.tick.Load()
	c.queue.push(s)
	c.fill()
	if !s.waits {
		return nil
	}
	c.blocked++
	defer func() { c.blocked-- }()
	for s.waits && s.err == nil {
		c.flush(s)
		if !s.waits || s.err != nil {
			break
		}
		if s.w.deadline.wait(&s.w.room) {
			s.waits, s.pending = false, nil
			return os.ErrDeadlineExceeded
		}
	}
	return s.err
}

// sendQueue is the streams with DATA to send, in the order of their turns.
type sendQueue struct{ first, last *stream }

func (q *sendQueue) push(s *stream) {
	if s.queued {
		return
	}
	s.queued = true
	if q.last == nil {
		q.first = s
	} else {
		q.last.next = s
	}
	q.last = s
}

func (q *sendQueue) pop() {
	s := q.first
	q.first, s.next, s.queued = s.next, nil, false
	if q.first == nil {
		q.last = nil
	}
}

// drop takes out a stream that has ended, wherever it stands.
func (q *sendQueue) drop(s *stream) {
	if !s.queued {
		return
	}
	var before *stream
	for at := q.first; at != s; at = at.next {
		before = at
	}
	if before == nil {
		q.pop()
		return
	}
	if before.next = s.next; q.last == s {
		q.last = before
	}
	s.next, s.queued = nil, false
}
