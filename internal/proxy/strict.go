package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/internal/proxy/wire"
)

// gate stands before net/http's HTTP/1.1 and lets through only what wire finds
// sound: whole heads, and bodies as they are framed. net/http would repair some
// of the rest, and two servers that repair may see two different requests.
//
// It also knows what net/http does not tell: whether a byte of a next request
// has arrived. So an idle connection can be hung up, or go over to the fast
// path, with nothing lost.
type gate struct {
	net.Conn // a *tls.Conn or a *clientConn
	client   *clientConn
	limits   limits

	// What follows belongs to whoever reads; net/http sees to it that it is one
	// at a time.
	buf     []byte // what was read; nil when that is nothing
	start   int    // where the head begins that is not yet judged
	r, w    int    // what is in buf and was not handed on
	pass    int    // up to where it may be
	scanned int
	at      gateState
	left    int64 // of a body whose length is known
	chunks  wire.Chunks
	timed   bool // the head has its deadline
	served  bool // there was a request
	fd      int  // to be given to a loop by Close; -1 none

	ahead atomic.Bool // bytes of a next request were read

	mu       sync.Mutex
	wanted   bool      // net/http waits for a request
	open     bool      // hijacked: everything passes
	kicked   bool      // the deadline is hangUp's
	deadline time.Time // as net/http has set it
}

type gateState uint8

const (
	atHead    gateState = iota
	atLength            // in a body whose length is known
	atChunks            // in a chunked body
	atTrailer           // behind its last chunk
	atError             // in a body that was malformed
)

func newGate(c net.Conn, limits limits) *gate {
	g := &gate{Conn: c, client: clientOf(c), limits: limits, wanted: true, fd: -1}
	g.client.quiet.Store(g.client.heard.Load())
	g.client.gate.Store(g)
	return g
}

// turn is told by net/http what becomes of a connection.
func (g *gate) turn(s http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch s {
	case http.StateIdle:
		g.served, g.wanted = true, true
		g.client.quiet.Store(g.client.heard.Load())
		g.kick()
	case http.StateActive:
		g.wanted = false
	case http.StateHijacked:
		g.open = true
	}
}

func (g *gate) is() (wanted, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wanted, g.open
}

// Read hands on what is sound. While a handler is at work and its request's body
// has ended, net/http reads a single byte ahead, to notice when the client goes
// away: it gets one, unjudged. What stands before the next head in its buffer is
// then that byte and no more.
func (g *gate) Read(p []byte) (int, error) {
	n, err := g.read(p)
	g.ahead.Store(g.at == atHead && g.w > g.start)
	return n, err
}

func (g *gate) read(p []byte) (int, error) {
	for {
		if g.r < g.pass {
			n := copy(p, g.buf[g.r:g.pass])
			g.r += n
			g.tidy()
			return n, nil
		}
		wanted, open := g.is()
		switch {
		case open:
			if g.pass = g.w; g.r == g.w {
				return g.Conn.Read(p)
			}
			continue
		case g.at == atHead && !wanted:
			if g.r < g.w {
				g.pass = g.r + 1
				continue
			}
		default:
			if moved, err := g.advance(); err != nil {
				return 0, err
			} else if moved {
				continue
			}
		}
		if g.at == atLength || g.at == atChunks {
			if n, err := g.readBody(p); n > 0 || err != nil {
				return n, err
			}
			continue
		}
		if err := g.fill(p); err != nil {
			return 0, err
		}
	}
}

var errBody = errors.New("malformed body")

// advance judges what is in buf. moved tells that more of it may pass.
func (g *gate) advance() (moved bool, err error) {
	switch have := g.buf[g.pass:g.w]; g.at {
	case atHead:
		return g.judge()
	case atLength:
		n := min(int64(len(have)), g.left)
		g.pass += int(n)
		g.took(n)
		return n > 0, nil
	case atChunks:
		n, last, err := g.chunks.Scan(have)
		g.pass += n
		g.followed(last, err)
		return n > 0 || last || err != nil, nil
	case atTrailer:
		return g.judgeTrailer(have)
	}
	return false, errBody
}

// took counts bytes of a body whose length is known.
func (g *gate) took(n int64) {
	if g.left -= n; g.left == 0 {
		g.endMessage()
	}
}

// followed notes how far a chunked body was followed.
func (g *gate) followed(last bool, err error) {
	switch {
	case err != nil:
		g.at = atError
	case last:
		g.at = atTrailer
	}
}

// endMessage begins anew behind a whole message.
func (g *gate) endMessage() {
	g.at, g.start, g.scanned, g.timed = atHead, g.pass, 0, false
}

// judge looks for a whole head.
func (g *gate) judge() (moved bool, err error) {
	if g.start == g.w {
		return false, g.rest()
	}
	if g.r == g.start && g.scanned == 0 {
		n := wire.Leading(g.buf[g.start:g.w])
		g.start, g.r, g.pass = g.start+n, g.r+n, g.r+n
	}
	have := g.buf[g.start:g.w]
	end, next, err := wire.HeadEnd(have, g.scanned)
	if g.scanned = next; err != nil {
		return false, g.refuse(err)
	}
	if end > maxHeaderBytes || end == 0 && len(have) > maxHeaderBytes {
		return false, g.refuse(&wire.Error{Status: http.StatusRequestHeaderFieldsTooLarge})
	}
	if end == 0 {
		g.timeHead()
		return false, nil
	}
	r := requests.Get().(*wire.Request)
	defer requests.Put(r)
	if err := r.Parse(have[:end]); err != nil {
		return false, g.refuse(err)
	}
	g.pass = g.start + end
	switch {
	case r.Length > 0:
		g.at, g.left = atLength, r.Length
	case r.Length < 0:
		g.at, g.chunks = atChunks, wire.Chunks{}
	default:
		g.endMessage()
	}
	return true, nil
}

// requests are for parsing; what is parsed into them is judged and forgotten.
var requests = sync.Pool{New: func() any { return new(wire.Request) }}

// mostTrailing is the longest trailer section of a request: net/http's buffer
// has room for no more.
const mostTrailing = 4 << 10

func (g *gate) judgeTrailer(have []byte) (moved bool, err error) {
	end, _, err := wire.HeadEnd(have, 0)
	if err == nil && end == 0 && len(have) < mostTrailing {
		return false, nil
	}
	if err == nil && end > 0 && end < mostTrailing {
		fields, err := wire.ParseTrailer(nil, have[:end])
		if err == nil && wire.AllTrail(fields) {
			g.pass += end
			g.endMessage()
			return true, nil
		}
	}
	g.at = atError
	return false, errBody
}

// readBody reads a body past buf, which is empty.
func (g *gate) readBody(p []byte) (int, error) {
	if g.at == atLength {
		n, err := g.readRaw(p[:min(int64(len(p)), g.left)])
		g.took(int64(n))
		return n, err
	}
	n, err := g.readRaw(p)
	if n == 0 {
		return 0, err
	}
	body, last, err := g.chunks.Scan(p[:n])
	g.hold(p[body:n])
	g.followed(last, err)
	return body, nil
}

// hold puts b into buf, which is empty.
func (g *gate) hold(b []byte) {
	g.start, g.r, g.pass, g.w, g.scanned = 0, 0, 0, len(b), 0
	if len(b) > 0 {
		g.buf = append(make([]byte, 0, max(len(b), 512)), b...)
		g.buf = g.buf[:cap(g.buf)]
	}
}

// tidy lets buf go when nothing is in it.
func (g *gate) tidy() {
	if g.r == g.w && (g.at != atHead || g.start == g.w) {
		g.buf = nil
		g.hold(nil)
	}
}

// fill reads more. What comes first is read into p, so that an idle connection
// needs no buffer.
func (g *gate) fill(p []byte) error {
	if g.buf == nil {
		n, err := g.readRaw(p)
		if n > 0 {
			g.hold(p[:n])
			return nil
		}
		return err
	}
	if g.w == len(g.buf) {
		g.compact()
	}
	if g.w == len(g.buf) {
		g.buf = append(g.buf, make([]byte, len(g.buf))...)
	}
	n, err := g.readRaw(g.buf[g.w:])
	if g.w += n; n > 0 {
		return nil
	}
	return err
}

// compact makes room of what was handed on.
func (g *gate) compact() {
	done := g.r
	if g.at == atHead {
		done = min(g.start, g.r)
	}
	copy(g.buf, g.buf[done:g.w])
	g.start, g.r, g.pass, g.w = max(g.start-done, 0), g.r-done, g.pass-done, g.w-done
}

// timeHead bounds the rest of a head that has begun. For a connection's first,
// net/http does it.
func (g *gate) timeHead() {
	if !g.served || g.timed {
		return
	}
	g.timed = true
	var t time.Time
	if g.limits.header > 0 {
		t = time.Now().Add(g.limits.header)
	}
	g.SetReadDeadline(t)
}

// SetReadDeadline is net/http's. hangUp borrows it until whoever reads has noticed:
// net/http sets it just before it waits for a request, too.
func (g *gate) SetReadDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = t
	if g.kicked {
		return nil
	}
	return g.Conn.SetReadDeadline(t)
}

// SetDeadline sets both deadlines.
func (g *gate) SetDeadline(t time.Time) error {
	return errors.Join(g.SetReadDeadline(t), g.SetWriteDeadline(t))
}

// readRaw reads from the connection, whatever a kick has done to its deadline.
func (g *gate) readRaw(p []byte) (int, error) {
	for {
		n, err := g.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		kicked, silent := g.wasKicked()
		if !kicked {
			return 0, err
		}
		if silent {
			return 0, io.EOF
		}
	}
}

// refuse answers a message that is not sound. It is called while net/http waits
// for a request, so nobody else writes.
func (g *gate) refuse(err error) error {
	f := refuseBadRequest
	var e *wire.Error
	if errors.As(err, &e) {
		if f.status = e.Status; f.status == refuseHeader.status {
			f = refuseHeader
		}
	}
	p := g.client.p
	p.stats.refusals.count(f.word)
	p.log.Debug("request refused", "client", g.client.sender.text, "status", f.status, "error", err)
	if p.logf.on.Load() {
		e := &logEntry{client: g.client.sender.text, status: f.status, word: f.word}
		p.logf.add(e.append)
	}
	body := f.json()
	g.SetWriteDeadline(time.Now().Add(lingering))
	fmt.Fprintf(g.Conn, "HTTP/1.1 %d %s\r\n%s: %s\r\nCache-Control: no-store\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		f.status, http.StatusText(f.status), errorHeader, f.word, len(body), body)
	g.CloseWrite()
	g.SetReadDeadline(time.Now().Add(lingering)) // or what is unread has the kernel reset the connection
	io.CopyN(io.Discard, readerOnly{g.Conn}, maxHeaderBytes)
	return io.EOF
}

// readerOnly hides what else a connection can do.
type readerOnly struct{ io.Reader }

// CloseWrite ends the direction to the client.
func (g *gate) CloseWrite() error {
	if cw, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

// ReadFrom and WriteTo keep splice(2) for upgraded connections.
func (g *gate) ReadFrom(r io.Reader) (int64, error) { return io.Copy(g.Conn, r) }

func (g *gate) WriteTo(w io.Writer) (int64, error) {
	var held int
	if g.r < g.w {
		n, err := w.Write(g.buf[g.r:g.w])
		if g.r += n; err != nil {
			return int64(n), err
		}
		held = n
	}
	n, err := io.Copy(w, g.Conn)
	return n + int64(held), err
}
