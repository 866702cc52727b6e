package drill

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	// maxHeaderBytes bounds a response's header, so that a hostile server
	// cannot fill our memory.
	maxHeaderBytes = 1 << 20
	// maxInterim bounds the 1xx responses before the real one.
	maxInterim = 8
	// inlineBody is what surely fits a socket's buffer: a longer request is
	// written beside reading, as the server may answer before it has read all
	// (RFC 9112 §9.5).
	inlineBody = 16 << 10
	// lingerTime is how long a fresh connection waits, after its answer, for
	// the server to close first.
	lingerTime = 200 * time.Millisecond
)

var errHeaderTooLarge = errors.New("response header is larger than 1 MiB")

// conn1 is one HTTP/1.1 connection; one request at a time.
type conn1 struct {
	net.Conn
	id   int64
	born time.Time
	used int
	in   *bufio.Reader
	got  int64 // bytes read since the request began
	room int64 // bytes that may still be read before it is too much
	end  error // of reading from the network, once there is one
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

func newConn1(c net.Conn, id int64) *conn1 {
	k := &conn1{Conn: c, id: id, born: time.Now(), in: readers.Get().(*bufio.Reader)}
	k.in.Reset(counted{k})
	return k
}

// close ends the connection; it must not be used after.
func (c *conn1) close() {
	c.Conn.Close()
	c.in.Reset(nil)
	readers.Put(c.in)
	c.in = nil
}

// counted reads from the connection and counts.
type counted struct{ c *conn1 }

func (r counted) Read(p []byte) (int, error) {
	if r.c.room <= 0 {
		return 0, errHeaderTooLarge
	}
	n, err := r.c.Conn.Read(p)
	r.c.got += int64(n)
	r.c.room -= int64(n)
	if err != nil {
		r.c.end = err
	}
	return n, err
}

// cause is what is behind a failure to read a response: where the connection
// had ended, that, and not what the parser made of the piece it got.
func (c *conn1) cause(err error) error {
	if err == nil || c.end == nil || errors.Is(err, c.end) || isEOF(err) && isEOF(c.end) {
		return err
	}
	return fmt.Errorf("%w (%w)", c.end, err)
}

// use notes that a request begins, and tells on what.
func (c *conn1) use() connUse {
	c.used++
	c.got, c.room, c.end = 0, maxHeaderBytes, nil
	return connUse{id: c.id, age: time.Since(c.born), ordin: c.used, local: c.LocalAddr()}
}

// exchange sends j's request and reads its response. It reports whether the
// connection may carry another request.
func (d *Drill) exchange(c *conn1, j job, m message, o *outcome) (keep bool) {
	o.conn, o.proto = c.use(), "HTTP/1.1"
	c.SetDeadline(d.deadline(j))
	sent := c.send(m, j.id)
	resp, err := readResponse(c.in, j.target.shape)
	err = c.cause(err)
	if err == nil {
		o.proto = resp.Proto
		keep = d.receive(c, resp, j.target, o)
	}
	if werr := sent(); werr != nil {
		keep = false
		if err != nil && !c.began() && errors.Is(werr, syscall.ECONNRESET) {
			err = werr // it took the reset; reading then saw no more than an end
		}
	}
	o.bytesRead = c.got
	if err != nil {
		o.lose(classOfBreak(err, c.began(), o.conn.reused()), err)
	}
	return keep && o.class != Malformed
}

func (c *conn1) began() bool { return c.got > 0 }

var requestBuffers = sync.Pool{New: func() any { return new([]byte) }}

// send writes the request, at once or beside, and returns a function that
// waits for its end. A failed write does not yet mean a lost request: the
// server may have answered early, and its answer may have arrived.
func (c *conn1) send(m message, id string) (wait func() error) {
	if len(m.after) > inlineBody {
		return c.sendBeside(m, id)
	}
	buf := requestBuffers.Get().(*[]byte)
	*buf = m.appendTo((*buf)[:0], id)
	_, err := c.Write(*buf)
	requestBuffers.Put(buf)
	return func() error { return err }
}

func (c *conn1) sendBeside(m message, id string) (wait func() error) {
	done := make(chan error, 1)
	go func() {
		_, err := c.Write(m.appendTo(nil, id))
		done <- err
	}()
	return func() error {
		select {
		case err := <-done:
			return err
		default: // answered before all was sent: stop sending
			c.SetWriteDeadline(time.Unix(1, 0))
			return <-done
		}
	}
}

// readResponse reads the final response's header, passing over 1xx ones
// (RFC 9110 §15.2).
func readResponse(in *bufio.Reader, shape *http.Request) (*http.Response, error) {
	for range maxInterim {
		resp, err := http.ReadResponse(in, shape)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, text("more than 8 interim (1xx) responses")
}

// receive reads the body and judges the answer.
func (d *Drill) receive(c *conn1, resp *http.Response, t *target, o *outcome) (keep bool) {
	c.room = 1 << 62
	a := answer{resp.StatusCode, resp.Header, newSink(t.expect, t.keepBody)}
	err := c.cause(a.body.fill(resp.Body))
	resp.Body.Close()
	if err != nil {
		o.take(a.status, a.header)
		o.release = clean(a.header.Get(d.plan.ReleaseHeader), 64)
		o.lose(classOfBreak(err, true, o.conn.reused()), err)
		return false
	}
	d.finish(o, t, a)
	// Bytes after the end of a response belong to nothing: whoever sends them
	// would have them taken for the next answer.
	return !resp.Close && resp.StatusCode != http.StatusSwitchingProtocols && c.in.Buffered() == 0
}

// fresh sends j on a connection of its own. What it returns beside the outcome
// is left to be done when that is recorded.
func (d *Drill) fresh(j job) (o outcome, after func()) {
	c, ok := d.connect1(j, &o)
	if !ok {
		return o, nil
	}
	d.exchange(c, j, j.target.fresh, &o)
	return o, c.lingerAndClose
}

// connect1 opens an HTTP/1.1 connection for j, or says in o why there is none.
func (d *Drill) connect1(j job, o *outcome) (*conn1, bool) {
	nc, id, err := d.dialer.dial(j.target.origin, "http/1.1", d.deadline(j))
	if err != nil {
		o.conn.id = id
		o.lose(classOfDial(err), err)
		return nil, false
	}
	return newConn1(nc, id), true
}

// lingerAndClose lets the server close first, as it was asked to, for a short
// while: whoever closes first keeps the port in TIME_WAIT (RFC 9293 §3.6), and
// ours are few.
func (c *conn1) lingerAndClose() {
	c.SetReadDeadline(time.Now().Add(lingerTime))
	c.room = 64 << 10
	io.Copy(io.Discard, c.in)
	c.close()
}
