package lifecycle

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// net/http says goodbye on HTTP/2 in one step: its GOAWAY names the last stream
// that it has seen, and disowns those that are on their way. A client may send
// them again elsewhere, but not all can: Go's fails with a body that it cannot
// read a second time. RFC 9113 §6.8 has two steps for that: a GOAWAY with 2^31-1,
// which disowns nothing and lets clients turn away, and after a round trip the
// one that names the last stream.
//
// So the first is written by us, between two frames that the server writes. The
// final one is the server's own. It is asked for through a second http.Server,
// whose HTTP/2 all connections are given to: its Shutdown is told to them, and
// closes nothing.

// roundTrip is how long after the first GOAWAY the final one comes.
const roundTrip = time.Second

// unencryptedHTTP2 is the key by which net/http finds HTTP/2 in the clear.
const unencryptedHTTP2 = "unencrypted_http2"

// preface is what a client begins HTTP/2 with (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

type http2Goodbye struct {
	asked *http.Server // see above; it accepts nothing
	speak func(*http.Server, *tls.Conn, http.Handler)

	mu    sync.Mutex
	said  bool // the first
	conns map[*goodbyeConn]struct{}

	saying sync.WaitGroup
}

// speakHTTP2 lets the server speak HTTP/2 as it would by itself, but on
// connections on which goodbye can be said. It returns nil for a server that
// speaks none, or whose user has seen to it already, or with a net/http that
// keeps its HTTP/2 elsewhere: then there is one step.
func speakHTTP2(hs *http.Server) *http2Goodbye {
	if p := hs.Protocols; hs.TLSNextProto != nil || p != nil && !p.HTTP2() && !p.UnencryptedHTTP2() {
		return nil
	}
	g := &http2Goodbye{conns: map[*goodbyeConn]struct{}{}}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	g.asked = &http.Server{Protocols: &protocols, IdleTimeout: hs.IdleTimeout, ReadTimeout: hs.ReadTimeout}
	_ = g.asked.Serve(deaf{}) // which has it make its HTTP/2, and fails
	if g.speak = g.asked.TLSNextProto[unencryptedHTTP2]; g.speak == nil {
		return nil
	}
	hs.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": g.serveTLS,
		unencryptedHTTP2: func(hs *http.Server, c *tls.Conn, handler http.Handler) {
			if inner, ok := c.NetConn().(inTheClear); ok {
				g.serve(hs, &goodbyeConn{Conn: inner.UnencryptedNetConn()}, handler)
			}
		},
	}
	return g
}

// deaf is a listener that accepts nothing.
type deaf struct{ net.Listener }

func (deaf) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (deaf) Close() error              { return nil }
func (deaf) Addr() net.Addr            { return &net.TCPAddr{} }

// inTheClear is how net/http hands on a connection without TLS where a function
// wants a *tls.Conn.
type inTheClear interface{ UnencryptedNetConn() net.Conn }

type handedOn struct{ net.Conn }

func (h handedOn) UnencryptedNetConn() net.Conn { return h.Conn }

// serveTLS reads the preface, as net/http has done where there is no TLS.
func (g *http2Goodbye) serveTLS(hs *http.Server, c *tls.Conn, handler http.Handler) {
	got := make([]byte, len(preface))
	_ = c.SetReadDeadline(time.Now().Add(prefaceWithin)) // if it fails, so does the read
	if _, err := io.ReadFull(c, got); err != nil || string(got) != preface {
		_ = c.Close() // whoever this is, HTTP/2 is not what it speaks
		return
	}
	_ = c.SetReadDeadline(time.Time{}) // as above
	g.serve(hs, &goodbyeTLS{goodbyeConn: goodbyeConn{Conn: c}, tls: c}, handler)
}

// prefaceWithin is net/http's own limit.
const prefaceWithin = 10 * time.Second

// serve returns when the connection has ended.
func (g *http2Goodbye) serve(hs *http.Server, c spoken, handler http.Handler) {
	g.add(c.goodbyes())
	defer g.remove(c.goodbyes())
	g.speak(hs, tls.Client(handedOn{c}, nil), handler)
}

// spoken is a connection on which HTTP/2 is spoken.
type spoken interface {
	net.Conn
	goodbyes() *goodbyeConn
}

func (g *http2Goodbye) add(c *goodbyeConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = struct{}{}
	c.due = g.said
}

func (g *http2Goodbye) remove(c *goodbyeConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// sayFirst writes the first GOAWAY to all connections. One whose client does not
// read holds up nobody else.
func (g *http2Goodbye) sayFirst() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said = true
	for c := range g.conns {
		g.saying.Go(c.goodbye) // ends with the connection at the latest
	}
}

// sayFinal asks the server for its own. It may be called again, for connections
// that have come since.
func (g *http2Goodbye) sayFinal() {
	_ = g.asked.Shutdown(context.Background()) // it has no connections that it could wait for
}

// A goodbyeConn is a connection on which HTTP/2 is spoken. It knows where the
// frames are that are written, and can put one between them.
type goodbyeConn struct {
	net.Conn

	mu     sync.Mutex
	header []byte // of the frame that is being written, as far as it is
	rest   int    // of its payload
	begun  bool   // the first frame, which must be SETTINGS, has been written
	due    bool   // a goodbye is to be written
	broken error
}

func (c *goodbyeConn) goodbyes() *goodbyeConn { return c }

// goodbyeTLS has what the server asks of TLS besides (the version, the client's
// certificate).
type goodbyeTLS struct {
	goodbyeConn
	tls *tls.Conn
}

func (c *goodbyeTLS) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

func (c *goodbyeConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return 0, c.broken
	}
	n, err := c.Conn.Write(p)
	c.follow(p[:n])
	c.interject()
	return n, err
}

// goodbye writes the frame now, or behind the one that is being written.
func (c *goodbyeConn) goodbye() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = true
	c.interject()
}

// frameHeader is 24 bits of length, type, flags and stream (RFC 9113 §4.1).
const frameHeader = 9

func (c *goodbyeConn) follow(p []byte) {
	for len(p) > 0 {
		if c.rest > 0 {
			n := min(c.rest, len(p))
			c.rest -= n
			p = p[n:]
			continue
		}
		n := min(frameHeader-len(c.header), len(p))
		c.header = append(c.header, p[:n]...)
		p = p[n:]
		if len(c.header) == frameHeader {
			c.rest = int(c.header[0])<<16 | int(c.header[1])<<8 | int(c.header[2])
			c.header, c.begun = c.header[:0], true
		}
	}
}

// interject writes GOAWAY if it is due and no frame is half written.
func (c *goodbyeConn) interject() {
	if !c.due || !c.begun || c.rest > 0 || len(c.header) > 0 {
		return
	}
	c.due = false
	const typeGoAway, allStreams, noError = 0x7, 1<<31 - 1, 0
	frame := []byte{0, 0, 8, typeGoAway, 0, 0, 0, 0, 0}
	frame = binary.BigEndian.AppendUint32(frame, allStreams)
	frame = binary.BigEndian.AppendUint32(frame, noError)
	if n, err := c.Conn.Write(frame); err != nil && n > 0 {
		c.broken = errors.Join(errors.New("a frame was written by half"), err)
	}
}
