package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Codes of Close frames (RFC 6455 §7.4.1 and its IANA registry).
const (
	closeGoingAway = 1001
	closeRestart   = 1012 // clients come back at once
)

// closeWait is how long a WebSocket that was asked to end waits for the rest of
// a frame, and then for the other side's Close frame.
const closeWait = 5 * time.Second

// afterClose is how long a peer that has sent and seen a Close frame may take
// to close its connection (RFC 6455 §7.1.1).
const afterClose = time.Second

// webSocket passes frames both ways. Asked to end, it sends the client a Close
// frame behind the last whole one of the instance, passes on what the client
// still sends, up to its own Close, to the instance, and closes towards the
// client first.
type webSocket struct {
	x                *exchange
	client, instance net.Conn
	down, up         frames      // from the instance, from the client
	answered         atomic.Bool // the client has sent its Close frame
	upDone           chan struct{}

	mu sync.Mutex
	by time.Time // the deadline for what the instance sends, once it was asked to end
}

// serveWebSocket returns when both directions have ended; early is what the
// client sent behind its request, first what the instance sent behind its 101.
func (x *exchange) serveWebSocket(client net.Conn, c *upConn, first, early []byte) {
	ws := &webSocket{x: x, client: client, instance: c.Conn, upDone: make(chan struct{})}
	ws.down.follow(first, false)
	ws.up.follow(early, false)
	x.flight.become(socket, func() { x.up, x.peer = c, client })
	go func() {
		defer close(ws.upDone)
		ws.passUp()
	}()
	ws.passDown()
	<-ws.upDone
}

// passDown passes on what the instance sends.
func (ws *webSocket) passDown() {
	r := newReader(ws.instance)
	defer r.free()
	hurried := false
	for {
		asked := ws.x.flight.why() != stays
		if asked && ws.down.between() {
			ws.part()
			return
		}
		if asked && !hurried {
			hurried = true
			ws.hurry(closeWait)
		}
		piece, err := r.read()
		if asked {
			piece = piece[:ws.down.follow(piece, true)]
		} else {
			ws.down.follow(piece, false)
		}
		if !ws.toClient(piece) {
			ws.breakOff()
			return
		}
		switch {
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded) && !hurried:
		default:
			ws.downEnded(err)
			return
		}
	}
}

func (ws *webSocket) toClient(piece []byte) bool {
	if len(piece) == 0 {
		return true
	}
	n, err := ws.client.Write(piece)
	ws.x.out += int64(n)
	return err == nil
}

func (ws *webSocket) toInstance(piece []byte) bool {
	if len(piece) == 0 {
		return true
	}
	n, err := ws.instance.Write(piece)
	ws.x.rcv += int64(n)
	return err == nil
}

// part is the goodbye: the last word to the client, between two frames. What the
// instance says after that has nobody to hear it.
func (ws *webSocket) part() {
	ws.x.word = "restart-1012"
	if !ws.down.closed {
		ws.x.said("websocket")
		ws.client.SetWriteDeadline(time.Now().Add(closeWait))
		if _, err := ws.client.Write(closeFrame(closeRestart, restartReason, false)); err != nil {
			ws.breakOff()
			return
		}
	}
	ws.client.SetReadDeadline(time.Now().Add(closeWait))
	if ws.answered.Load() { // and passUp may have looked before it was asked to end
		ws.client.SetReadDeadline(longAgo)
	}
	ws.hurry(closeWait + afterClose)
	io.Copy(io.Discard, ws.instance)
	<-ws.upDone
	leaveOrderly(ws.client)
}

// downEnded deals with an instance that sends no more. One that was told to
// end, and did so without a word, is spoken for.
func (ws *webSocket) downEnded(err error) {
	gone := !ws.x.in.routed.Load() || ws.x.flight.why() != stays
	switch {
	case gone && ws.down.between() && !ws.down.closed:
		ws.part()
	case err != io.EOF || !closeWrite(ws.client):
		ws.breakOff()
	}
}

// passUp passes on what the client sends, also after it was said goodbye to.
func (ws *webSocket) passUp() {
	r := newReader(ws.client)
	defer r.free()
	for {
		piece, err := r.read()
		ws.up.follow(piece, false)
		sent := ws.toInstance(piece)
		ws.answered.Store(ws.up.closed)
		parting := ws.x.flight.why() != stays
		switch {
		case parting && (ws.up.closed || err != nil || !sent):
			ws.upParted()
			return
		case !sent:
			ws.breakOff()
			return
		case err == nil:
		case err == io.EOF && closeWrite(ws.instance):
			return
		default:
			ws.breakOff()
			return
		}
	}
}

// upParted ends the direction to the instance of a WebSocket that was asked to
// end: with the client's Close frame, or with ours where that did not come.
func (ws *webSocket) upParted() {
	if !ws.up.closed && ws.up.between() {
		ws.instance.SetWriteDeadline(time.Now().Add(afterClose))
		ws.instance.Write(closeFrame(closeGoingAway, restartReason, true))
	}
	ws.hurry(afterClose)
}

// hurry gives the instance so much time at most, counted from now.
func (ws *webSocket) hurry(d time.Duration) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if by := time.Now().Add(d); ws.by.IsZero() || by.Before(ws.by) {
		ws.by = by
	}
	ws.instance.SetReadDeadline(ws.by)
}

func (ws *webSocket) breakOff() {
	ws.client.Close()
	ws.instance.Close()
}

func closeWrite(c net.Conn) bool {
	cw, ok := c.(interface{ CloseWrite() error })
	return ok && cw.CloseWrite() == nil
}

// leaveOrderly ends a connection so that what was written arrives: a close with
// unread bytes would be a reset that overtakes it.
func leaveOrderly(c net.Conn) {
	if closeWrite(c) {
		c.SetReadDeadline(time.Now().Add(afterClose))
		io.Copy(io.Discard, c)
	}
	c.Close()
}

// socketBuffer is for pieces of WebSocket traffic on their way through.
type socketBuffer [16 << 10]byte

var socketBuffers = sync.Pool{New: func() any { return new(socketBuffer) }}

// reader reads from a connection that mostly rests: where the connection allows
// it, a buffer is taken only when there is something to read.
type reader struct {
	conn net.Conn
	raw  syscall.RawConn
	buf  *socketBuffer
	n    int
	err  error
	fn   func(fd uintptr) bool
}

func newReader(c net.Conn) *reader {
	r := &reader{conn: c}
	r.fn = r.recv
	return r
}

// rawOf gives a connection's descriptor if all that is to be read comes from
// there; else nil.
func rawOf(c net.Conn) syscall.RawConn {
	switch c := c.(type) {
	case *gate:
		if c.r == c.w {
			return rawOf(c.Conn)
		}
	case *clientConn:
		if len(c.early) == 0 {
			return rawOf(c.TCPConn)
		}
	case *net.TCPConn:
		raw, _ := c.SyscallConn()
		return raw
	case *net.UnixConn:
		raw, _ := c.SyscallConn()
		return raw
	}
	return nil
}

// read gives the next piece, which is valid until the next call.
func (r *reader) read() ([]byte, error) {
	if r.raw == nil { // what was read ahead may be used up by now
		r.raw = rawOf(r.conn)
	}
	if r.raw == nil {
		r.take()
		n, err := r.conn.Read(r.buf[:])
		return r.buf[:n], err
	}
	r.n, r.err = 0, nil
	err := r.raw.Read(r.fn)
	switch {
	case err != nil:
		return nil, err
	case r.err != nil:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: r.err}
	case r.n == 0:
		return nil, io.EOF
	}
	return r.buf[:r.n], nil
}

func (r *reader) recv(fd uintptr) bool {
	for {
		r.take()
		n, err := syscall.Read(int(fd), r.buf[:])
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			r.free()
			return false
		}
		r.n, r.err = max(n, 0), err
		return true
	}
}

func (r *reader) take() {
	if r.buf == nil {
		r.buf = socketBuffers.Get().(*socketBuffer)
	}
}

func (r *reader) free() {
	if r.buf != nil {
		socketBuffers.Put(r.buf)
		r.buf = nil
	}
}
