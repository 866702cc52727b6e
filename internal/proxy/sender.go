package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// keep reads a small body whole, so that it can be sent with its header in one
// write and sent again to another instance.
func (x *exchange) keep() bool {
	rc := http.NewResponseController(x.w)
	pause := x.target.cfg.BodyTimeout
	x.body = make([]byte, 0, min(x.length, 4<<10)) // grows as it arrives: a claim of a length costs nothing
	for int64(len(x.body)) < x.length {
		if len(x.body) == cap(x.body) {
			grown := make([]byte, len(x.body), min(x.length, 4*int64(cap(x.body))))
			copy(grown, x.body)
			x.body = grown
		}
		if pause > 0 {
			rc.SetReadDeadline(time.Now().Add(pause))
		}
		n, err := x.r.Body.Read(x.body[len(x.body):cap(x.body)])
		x.body = x.body[:len(x.body)+n]
		x.rcv += int64(n)
		if err != nil && int64(len(x.body)) < x.length {
			x.refuseUnread(err)
			return false
		}
	}
	return true
}

func (x *exchange) refuseUnread(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.refuse(refuseSlowBody)
		return
	}
	if x.conn.gone() || x.r.Context().Err() != nil {
		x.broken("client-gone")
	}
	x.refuse(refuseBodyBroken)
}

// bodySender passes a request's body on, to one instance, beside the reading of
// the answer.
type bodySender struct {
	upload  *upload
	target  *target
	state   int // underWay, sentAll or movedOn; upload.mu guards it
	done    chan struct{}
	wholeAt atomic.Int64  // when its last piece was sent, of clock
	proceed chan struct{} // closed when the instance wants the body (100 Continue)
	stop    chan struct{} // closed when it will not be wanted any more

	// set before done is closed
	unsent  bool     // nothing of it was asked for
	err     error    // nil when all of it was sent
	failure *refusal // what to tell the client, when it was the client's doing

	mu     sync.Mutex
	headIn bool // the answer has begun: no deadline for it any more
}

// expectWait is how long a body is held back for the instance's 100 Continue;
// then it is sent all the same (RFC 9110 §10.1.1).
const expectWait = time.Second

func (x *exchange) startSender(c *upConn) {
	if x.upload == nil {
		x.upload = x.newUpload()
	}
	x.upload.patience.renew()
	s := &bodySender{upload: x.upload, target: x.target, done: make(chan struct{}), proceed: make(chan struct{}), stop: make(chan struct{})}
	x.sender = s
	x.flight.become(waiting, func() { x.moving = s })
	if x.r.ProtoMajor == 1 {
		http.NewResponseController(x.w).EnableFullDuplex()
	}
	if x.r.Header["Expect"] == nil || len(x.former) > 0 {
		close(s.proceed)
	}
	go func() {
		defer close(s.done)
		if !s.wanted() {
			s.unsent, s.err = true, errors.New("body was not wanted")
			return
		}
		s.err = x.sendBody(c, s)
		if s.err == nil {
			s.startAnswerTimeout(c, s.target.cfg.AnswerTimeout)
		}
	}()
}

func (x *exchange) newUpload() *upload {
	most := x.target.cfg.Replay
	if x.length > most {
		most = 0
	}
	return &upload{body: x.r.Body, patience: x.readsBody(), kept: keptBody{most: most, disk: &x.p.keptOnDisk, lost: most == 0}}
}

func (s *bodySender) wanted() bool {
	select {
	case <-s.proceed:
		return true
	default:
	}
	t := time.NewTimer(expectWait)
	defer t.Stop()
	select {
	case <-s.proceed:
	case <-t.C:
	case <-s.stop:
		return false
	}
	return true
}

func (s *bodySender) startAnswerTimeout(c *upConn, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d > 0 && !s.headIn {
		c.Conn.SetReadDeadline(time.Now().Add(d))
	}
}

// continueSender passes on the instance's 100 Continue: reading the body makes
// the server send one to the client.
func (x *exchange) continueSender() {
	if s := x.sender; s != nil {
		select {
		case <-s.proceed:
		default:
			close(s.proceed)
		}
	}
}

// headArrived ends the waiting of a sender for its turn, and of the answer's
// deadline.
func (x *exchange) headArrived(c *upConn) {
	s := x.sender
	if s == nil {
		return
	}
	s.mu.Lock()
	s.headIn = true
	s.mu.Unlock()
	s.upload.forget()
	x.sentAt = s.wholeAt.Load()
	c.readBy = 0
	c.SetReadDeadline(time.Time{})
	close(s.stop)
}

// chunkRoom is what the framing of a chunk takes before and behind its data.
const chunkBefore, chunkBehind = 8, 2

// sendBody copies the request's body to the instance. A failure of the client
// breaks off the exchange, one of the instance does not: its answer may have
// come before it hung up.
func (x *exchange) sendBody(c *upConn, s *bodySender) error {
	buf := copyBuffers.Get().(*copyBuffer)
	defer copyBuffers.Put(buf)
	data := buf[chunkBefore : len(buf)-chunkBehind]
	cfg := &s.target.cfg
	for at := int64(0); ; {
		s.upload.patience.lengthen(cfg.BodyTimeout)
		n, err := s.upload.read(data, at)
		if at += int64(n); cfg.MaxBody > 0 && at > cfg.MaxBody {
			s.failure = &refuseBody
			c.abort()
			return errors.New(refuseBody.text)
		}
		if (at == x.length || x.length < 0 && err == io.EOF) && !s.finish() {
			return errMoved
		}
		if err == io.EOF || at == x.length {
			s.wholeAt.CompareAndSwap(0, x.p.clock())
		}
		if n > 0 {
			if err := x.sendPiece(c, buf[:], n); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return x.endBody(c)
		}
		if err != nil {
			if err != errNotKept && !s.isStopped() { // else it is not the client's doing
				s.failure = &refuseBodyBroken
				if errors.Is(err, os.ErrDeadlineExceeded) {
					s.failure = &refuseSlowBody
				}
			}
			c.abort()
			return err
		}
	}
}

func (s *bodySender) isStopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// errMoved ends a sender whose body is sent to another instance.
var errMoved = errors.New("the body is sent elsewhere")

// sendPiece sends n bytes that stand in buf behind room for a chunk's size.
func (x *exchange) sendPiece(c *upConn, buf []byte, n int) error {
	from, to := chunkBefore, chunkBefore+n
	if x.length < 0 {
		var size [chunkBefore]byte
		s := append(strconv.AppendInt(size[:0], int64(n), 16), "\r\n"...)
		from -= copy(buf[chunkBefore-len(s):], s)
		to += copy(buf[to:], "\r\n")
	}
	_, err := c.Write(buf[from:to])
	return err
}

func (x *exchange) endBody(c *upConn) error {
	if x.length >= 0 {
		return nil
	}
	b := []byte("0\r\n")
	for k, values := range x.r.Trailer {
		if notInTrailer(k) {
			continue
		}
		for _, v := range values {
			b = appendField(b, k, v)
		}
	}
	_, err := c.Write(append(b, "\r\n"...))
	return err
}

// earlyGrace is how long a client may go on sending after the instance has
// answered all the same.
const earlyGrace = 5 * time.Second

// finishSender waits for the sender behind a complete answer, and tells
// whether the connection to the instance can be used again.
func (x *exchange) finishSender() bool {
	s := x.sender
	if s == nil {
		return true
	}
	select {
	case <-s.done:
		return s.err == nil
	default:
	}
	x.flush()
	t := time.NewTimer(earlyGrace)
	defer t.Stop()
	select {
	case <-s.done:
		return s.err == nil
	case <-t.C:
		return false
	}
}

// joinSender ends the sender; its connection was closed.
func (x *exchange) joinSender() {
	s := x.sender
	if s == nil {
		return
	}
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	select {
	case <-s.done:
		return
	default:
	}
	x.upload.patience.end()
	<-s.done
}

// senderFailure gives what the client did wrong, if that ended the exchange.
func (x *exchange) senderFailure() *refusal {
	if x.sender == nil || x.conn.gone() {
		return nil
	}
	return x.sender.failure
}

// lingering is how long an answered client may go on sending before its
// connection is closed.
const lingering = 500 * time.Millisecond

// leaveBody deals with an HTTP/1.1 request that is answered while (part of) its
// body has not been read.
func (x *exchange) leaveBody() {
	switch {
	case x.leavesClient():
		x.joinFormer()
		x.hangUp()
	case x.r.ProtoMajor == 1 && x.sender == nil && x.r.ContentLength > x.rcv:
		// net/http reads it, and the connection can go on.
		http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(lingering))
	}
}

// leavesClient tells whether the connection must end with this answer, as a part
// of the request is still to come. A client that is not told so while there is
// time sends its next request into the end.
func (x *exchange) leavesClient() bool {
	if x.r.ProtoMajor != 1 || x.r.ContentLength == 0 || x.r.Body == http.NoBody {
		return false
	}
	if len(x.former) > 0 {
		return true
	}
	if s := x.sender; s != nil {
		return s.err != nil && !s.unsent
	}
	n := x.r.ContentLength
	small := n > 0 && n <= 128<<10 && !x.r.Close && x.rcv == 0 && x.r.Header["Expect"] == nil
	return !small && (n < 0 || x.rcv != n)
}

// hangUp ends an HTTP/1.1 connection on which an answer stands complete but
// the request does not: what is left of the body must not be read as another
// request. The client gets a moment to take the answer before the reset that
// its unread bytes bring about. (net/http does so only in some cases.)
func (x *exchange) hangUp() {
	// Else net/http reads up to 256 KiB of the body before it sends the answer,
	// and waits for a client that is waiting for the answer.
	http.NewResponseController(x.w).EnableFullDuplex()
	x.flush()
	chunked := x.w.Header().Get("Content-Length") == "" && x.r.ProtoAtLeast(1, 1) &&
		x.r.Method != http.MethodHead && x.status != http.StatusNoContent && x.status != http.StatusNotModified
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	if chunked {
		io.WriteString(conn, "0\r\n\r\n")
	}
	if cw, ok := conn.(interface{ CloseWrite() error }); ok {
		cw.CloseWrite()
	}
	conn.SetReadDeadline(time.Now().Add(lingering))
	io.Copy(io.Discard, conn)
}
