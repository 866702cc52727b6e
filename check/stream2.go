package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A stream2 is one request on a conn2, and its answer. The connection's mu
// guards all but id.
type stream2 struct {
	id      uint32
	room    int // what the server takes now of the request's body
	status  int // of the answer; 0 before its header has come
	header  http.Header
	trailer http.Header
	body    []byte // no more than the first MiB
	length  int
	over    bool // the answer is whole
	reset   bool
	code    http2.ErrCode // of the reset
	at      time.Time     // of the last frame
}

const mostBody = 1 << 20

// Errors of streams that a correct client does not open.
var (
	errTold = errors.New("the connection has ended, or is about to")
	errFull = errors.New("the server takes no more streams at a time")
)

// get asks for a path.
func (c *conn2) get(path string) (*stream2, error) {
	return c.open(http.MethodGet, path, true, "accept: */*")
}

// open sends a request's header; whole, if no body follows. A stream is given
// with the error of a write: the server may have got it.
func (c *conn2) open(method, path string, whole bool, fields ...string) (*stream2, error) {
	c.out.Lock()
	defer c.out.Unlock()
	st, err := c.number()
	if err != nil {
		return nil, err
	}
	c.block.Reset()
	c.field(":method", method)
	c.field(":scheme", c.scheme)
	c.field(":authority", c.host)
	c.field(":path", path)
	c.field("user-agent", "segue-check")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		c.field(name, value)
	}
	return st, c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: st.id, BlockFragment: c.block.Bytes(), EndStream: whole, EndHeaders: true})
}

// field adds to the block; a bytes.Buffer takes everything.
func (c *conn2) field(name, value string) {
	_ = c.enc.WriteField(hpack.HeaderField{Name: name, Value: value})
}

// number makes the next stream.
func (c *conn2) number() (*stream2, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	open := 0
	for _, st := range c.streams {
		if !st.over && !st.reset {
			open++
		}
	}
	switch {
	case c.told():
		return nil, errTold
	case open >= c.most:
		return nil, errFull
	}
	st := &stream2{id: (c.last + 1) | 1, room: c.window}
	c.last = st.id
	c.streams[st.id] = st
	return st, nil
}

// send gives some of the request's body, as much at a time as the server takes
// (RFC 9113 §5.2).
func (c *conn2) send(ctx context.Context, st *stream2, body []byte, last bool) error {
	for {
		n := 0
		err := c.wait(ctx, func() bool {
			n = max(min(len(body), mostFrame, st.room, c.room), 0)
			return n > 0 || len(body) == 0 || st.over || st.reset
		})
		if err != nil || n == 0 && len(body) > 0 {
			return err // or the server wants no more
		}
		c.mu.Lock()
		st.room -= n
		c.room -= n
		c.mu.Unlock()
		c.out.Lock()
		err = c.fr.WriteData(st.id, last && n == len(body), body[:n])
		c.out.Unlock()
		if body = body[n:]; err != nil || len(body) == 0 {
			return err
		}
	}
}

// release takes the answer's body, on a connection that holds.
func (c *conn2) release(st *stream2) error {
	c.out.Lock()
	defer c.out.Unlock()
	return c.fr.WriteWindowUpdate(st.id, ownWindow)
}

// awaitHeader waits for the answer's header for a while. The handler may not
// have come to it, which does not matter to those who only want it to have begun.
func (c *conn2) awaitHeader(ctx context.Context, st *stream2) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c.opening(ctx, st)
}

// opening waits for the answer's header, for as long as ctx lasts.
func (c *conn2) opening(ctx context.Context, st *stream2) answer {
	err := c.wait(ctx, func() bool { return st.status != 0 || st.reset })
	c.mu.Lock()
	defer c.mu.Unlock()
	a := answer{ending: whole, status: st.status, header: st.header, at: st.at}
	switch {
	case st.reset:
		a.ending = resetWith(st.code)
	case err != nil:
		a.ending = ending(err.Error())
	}
	return a
}

func resetWith(code http2.ErrCode) ending {
	return ending(fmt.Sprintf("its stream was reset with %s", code))
}

// settled reports whether no more will come of the answer.
func (c *conn2) settled(st *stream2) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return st.over || st.reset
}

// answer waits for the whole answer, for as long as ctx lasts.
func (c *conn2) answer(ctx context.Context, st *stream2) answer {
	err := c.wait(ctx, func() bool { return st.over || st.reset })
	c.mu.Lock()
	defer c.mu.Unlock()
	a := answer{status: st.status, header: st.header, trailer: st.trailer, body: st.body, length: int64(st.length), framed: true, close: c.told(), at: st.at}
	switch {
	case st.over:
		a.ending = whole
	case st.reset:
		a.ending = resetWith(st.code)
	case err != nil && c.end == "":
		a.ending, a.at = timeout, c.now()
	case st.status != 0:
		a.ending, a.at = cut, c.endAt
	case c.end == closed || c.end == cut:
		a.ending, a.at = eof, c.endAt
	default:
		a.ending, a.at = c.end, c.endAt
	}
	return a
}

// atoi is for digits that somebody else has sent.
func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
