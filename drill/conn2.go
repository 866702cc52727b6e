package drill

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// recvWindow is what a server may send ahead, on a stream and on the
	// connection. Bodies are consumed as they come, so it only has to be
	// larger than a network's bandwidth × delay.
	recvWindow = 4 << 20
	// streamsAssumed until the server's SETTINGS say (RFC 9113 §6.5.2 advises
	// servers not to allow fewer).
	streamsAssumed = 100
	maxStreamID    = 1<<31 - 1
)

// conn2 is an HTTP/2 connection: a client on x/net's Framer rather than its
// Transport, because it has to know which stream a GOAWAY means, and must not
// repeat anything by itself.
type conn2 struct {
	nc      net.Conn
	id      int64
	born    time.Time
	patient time.Duration // how long a write may take

	// wmu guards what writes. It is taken before mu, never after.
	wmu  sync.Mutex
	out  *bufio.Writer
	fr   *http2.Framer
	henc *hpack.Encoder
	hbuf bytes.Buffer

	mu         sync.Mutex
	grew       chan struct{} // closed and replaced when a send window grows
	streams    map[uint32]*stream2
	nextID     uint32
	opened     int
	maxStreams int
	maxFrame   int
	initWindow int64 // of the server, for new streams
	sendWindow int64 // of the connection
	frames     int64 // read so far: is anybody there?
	leaving    bool  // no new streams
	goAway     bool
	ended      bool
	writeErr   error

	consumed uint32 // of the connection's receive window; reader only
}

// stream2 is one request on a conn2. Its fields are guarded by conn2.mu until
// done is closed, and do not change after.
type stream2 struct {
	id         uint32
	use        connUse
	body       *sink
	status     int
	header     http.Header
	length     int64 // by Content-Length; -1 when unknown
	head       bool  // the request's method was HEAD
	got        int64
	consumed   uint32
	sendWindow int64
	frames     int64 // conn2.frames when it began
	over       bool
	refused    bool // declared unprocessed by the server
	reset      bool // by the server
	err        error
	done       chan struct{}
}

// errNoStream: the connection takes no new stream; nothing was sent.
var errNoStream = errors.New("connection takes no new stream")

func newConn2(nc net.Conn, id int64, patient time.Duration) (*conn2, error) {
	c := &conn2{
		nc: nc, id: id, born: time.Now(), patient: patient, out: bufio.NewWriter(nc),
		streams: map[uint32]*stream2{}, grew: make(chan struct{}), nextID: 1,
		maxStreams: streamsAssumed, maxFrame: 16 << 10, initWindow: 65535, sendWindow: 65535,
	}
	c.fr = http2.NewFramer(c.out, bufio.NewReader(nc))
	c.fr.SetReuseFrames()
	c.fr.SetMaxReadFrameSize(16 << 10) // as we announce no other
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.fr.MaxHeaderListSize = maxHeaderBytes
	c.henc = hpack.NewEncoder(&c.hbuf)
	if err := c.write(c.preface); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// preface is RFC 9113 §3.4.
func (c *conn2) preface() error {
	c.out.WriteString(http2.ClientPreface)
	err := c.fr.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: recvWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeaderBytes})
	return errors.Join(err, c.fr.WriteWindowUpdate(0, recvWindow-65535))
}

// write runs f with the writer held, and flushes.
func (c *conn2) write(f func() error) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.nc.SetWriteDeadline(time.Now().Add(c.patient))
	if err := f(); err != nil {
		return err
	}
	return c.out.Flush()
}

// room reports whether a new stream may be opened, and whether c is of no more use.
func (c *conn2) room() (room, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.roomLocked(), c.ended
}

func (c *conn2) roomLocked() bool {
	return !c.leaving && !c.ended && len(c.streams) < c.maxStreams && c.nextID < maxStreamID
}

// open sends the header of j's request on a new stream. An error means that
// there is no stream, and that nothing was sent.
func (c *conn2) open(j job, body *sink) (*stream2, error) {
	var s *stream2
	err := c.write(func() error {
		if s = c.register(j, body); s == nil {
			return errNoStream
		}
		return c.writeHeaders(s, j)
	})
	if s == nil {
		return nil, errNoStream
	}
	if err != nil {
		c.writeFailed(err)
	}
	return s, nil
}

// await sends the request's body and waits for the stream's end, at deadline
// at the latest.
func (c *conn2) await(s *stream2, body []byte, deadline time.Time) {
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	whole := c.sendBody(s, body, t.C)
	select {
	case <-s.done:
	case <-t.C:
		c.expire(s)
	}
	if s.err == errExpired || !whole {
		c.write(func() error { return c.fr.WriteRSTStream(s.id, http2.ErrCodeCancel) })
	}
}

// writeFailed leaves it to the reader to end the streams: a GOAWAY that
// explains the failure may have arrived and not been read yet.
func (c *conn2) writeFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
	if c.writeErr == nil {
		c.writeErr = err
	}
	c.nc.SetReadDeadline(time.Now().Add(time.Second))
}

func (c *conn2) register(j job, body *sink) *stream2 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.roomLocked() {
		return nil
	}
	c.opened++
	s := &stream2{
		id: c.nextID, body: body, length: -1, head: j.target.method == http.MethodHead,
		sendWindow: c.initWindow, frames: c.frames, done: make(chan struct{}),
		use: connUse{id: c.id, age: time.Since(c.born), ordin: c.opened, local: c.nc.LocalAddr()},
	}
	c.nextID += 2
	c.streams[s.id] = s
	return s
}

func (c *conn2) writeHeaders(s *stream2, j job) error {
	c.hbuf.Reset()
	for _, f := range j.target.fields {
		c.henc.WriteField(f)
	}
	if n := len(j.target.body); n > 0 {
		c.henc.WriteField(hpack.HeaderField{Name: "content-length", Value: strconv.Itoa(n)})
	}
	// Never the same twice: keep it out of the compression's table.
	c.henc.WriteField(hpack.HeaderField{Name: "segue-drill-id", Value: j.id, Sensitive: true})
	return c.writeBlock(s.id, c.hbuf.Bytes(), len(j.target.body) == 0)
}

// writeBlock writes HEADERS, and CONTINUATION as needed.
func (c *conn2) writeBlock(id uint32, block []byte, end bool) error {
	const most = 16 << 10 // every server takes that (RFC 9113 §4.2)
	first := block[:min(most, len(block))]
	rest := block[len(first):]
	err := c.fr.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: len(rest) == 0,
	})
	for err == nil && len(rest) > 0 {
		part := rest[:min(most, len(rest))]
		rest = rest[len(part):]
		err = c.fr.WriteContinuation(id, len(rest) == 0, part)
	}
	return err
}

// sendBody sends within the server's flow control windows (RFC 9113 §5.2),
// until the stream is over (a server may answer before it has read all), and
// reports whether it sent everything.
func (c *conn2) sendBody(s *stream2, body []byte, late <-chan time.Time) (whole bool) {
	for len(body) > 0 {
		n := c.claim(s, len(body), late)
		if n == 0 {
			return false
		}
		part := body[:n]
		body = body[n:]
		err := c.write(func() error { return c.fr.WriteData(s.id, len(body) == 0, part) })
		if err != nil {
			c.writeFailed(err)
			return true // there is nobody left to tell
		}
	}
	return true
}

// claim waits for a piece of the send windows; 0 means that the stream is over.
func (c *conn2) claim(s *stream2, want int, late <-chan time.Time) int {
	for {
		n, grew := c.tryClaim(s, want)
		if n > 0 || grew == nil {
			return n
		}
		select {
		case <-grew:
		case <-s.done:
		case <-late:
			c.expire(s)
		}
	}
}

func (c *conn2) tryClaim(s *stream2, want int) (int, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.over {
		return 0, nil
	}
	n := min(int64(want), int64(c.maxFrame), s.sendWindow, c.sendWindow)
	if n <= 0 {
		return 0, c.grew
	}
	s.sendWindow -= n
	c.sendWindow -= n
	return int(n), nil
}

func (c *conn2) growLocked() {
	close(c.grew)
	c.grew = make(chan struct{})
}

// endLocked closes the stream's account. Later frames for it are passed over.
func (c *conn2) endLocked(s *stream2, err error) {
	if s.over {
		return
	}
	s.over, s.err = true, err
	delete(c.streams, s.id)
	close(s.done)
	if c.leaving && len(c.streams) == 0 {
		hangUp(c.nc) // the reader ends by it
	}
}

// errExpired is the end of a stream by its deadline.
var errExpired = fmt.Errorf("no complete response on the stream: %w", os.ErrDeadlineExceeded)

// expire gives the stream up. A connection on which nothing at all came since
// the stream began is likely dead: new requests go elsewhere.
func (c *conn2) expire(s *stream2) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.over && c.frames == s.frames {
		c.leaving = true
	}
	c.endLocked(s, errExpired)
}

// fail ends the connection and all its streams. Only the reader calls it.
func (c *conn2) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeErr != nil && (isTimeout(err) || errors.Is(c.writeErr, syscall.ECONNRESET)) {
		err = c.writeErr // what went wrong first; reading then only sees an end
	}
	c.ended, c.leaving = true, true
	for _, s := range c.streams {
		c.endLocked(s, err)
	}
	hangUp(c.nc)
}

// hangUp closes without TLS's farewell, which may block.
func hangUp(nc net.Conn) {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn()
	}
	nc.Close()
}

// goodbye closes an idle connection as a client should (RFC 9113 §5.4.1).
func (c *conn2) goodbye() {
	c.write(func() error { return c.fr.WriteGoAway(0, http2.ErrCodeNo, nil) })
	c.nc.Close()
}

// classOf tells how a stream was lost.
func (c *conn2) classOf(s *stream2) Class {
	c.mu.Lock()
	promised := c.goAway
	c.mu.Unlock()
	switch {
	case s.refused:
		return StreamRefused
	case s.reset:
		return StreamReset
	case promised && s.status == 0 && (isEOF(s.err) || isReset(s.err)):
		return GoAway
	default:
		return classOfBreak(s.err, s.got > 0, s.use.reused())
	}
}
