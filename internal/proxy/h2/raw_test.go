package h2_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// raw is a client that sends the frames it is told to send.
type raw struct {
	t   testing.TB
	nc  net.Conn
	fr  *http2.Framer
	enc *hpack.Encoder
	hb  bytes.Buffer

	window int // of the connection, as the server has opened it
}

// dial connects, sends the preface and reads the server's.
func dial(t testing.TB, s served, settings ...http2.Setting) *raw {
	t.Helper()
	c := connect(t, s)
	io.WriteString(c.nc, http2.ClientPreface)
	c.ok(c.fr.WriteSettings(settings...))
	for acked := false; !acked; {
		f, _ := c.read().(*http2.SettingsFrame)
		acked = f != nil && f.IsAck()
	}
	return c
}

func connect(t testing.TB, s served) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	if s.tls {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	c := &raw{t: t, nc: nc, fr: http2.NewFramer(nc, nc), window: 65535}
	c.fr.AllowIllegalWrites = true
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.enc = hpack.NewEncoder(&c.hb)
	return c
}

func (c *raw) ok(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *raw) read() http2.Frame {
	c.t.Helper()
	f, err := c.fr.ReadFrame()
	c.ok(err)
	if w, ok := f.(*http2.WindowUpdateFrame); ok && w.StreamID == 0 {
		c.window += int(w.Increment)
	}
	return f
}

// block encodes "name: value" lines.
func (c *raw) block(lines ...string) []byte {
	c.hb.Reset()
	for _, l := range lines {
		k, v, _ := strings.Cut(l[1:], ": ")
		c.enc.WriteField(hpack.HeaderField{Name: l[:1] + k, Value: v})
	}
	return bytes.Clone(c.hb.Bytes())
}

var getFields = []string{":method: GET", ":scheme: http", ":authority: shop.example", ":path: /"}

func (c *raw) headers(id uint32, end bool, lines ...string) {
	c.t.Helper()
	c.ok(c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(lines...), EndStream: end, EndHeaders: true}))
}

func (c *raw) get(id uint32) { c.t.Helper(); c.headers(id, true, getFields...) }

func (c *raw) post(id uint32, more ...string) {
	c.t.Helper()
	c.headers(id, false, append([]string{":method: POST", ":scheme: http", ":authority: shop.example", ":path: /"}, more...)...)
}

// until reads up to the first frame of a type on a stream, passing others over.
func until[F http2.Frame](c *raw, id uint32) F {
	c.t.Helper()
	for {
		if f, ok := c.read().(F); ok && f.Header().StreamID == id {
			return f
		}
	}
}

func (c *raw) status(id uint32) string {
	c.t.Helper()
	return until[*http2.MetaHeadersFrame](c, id).PseudoValue("status")
}

func (c *raw) wantReset(id uint32, code http2.ErrCode) {
	c.t.Helper()
	if f := until[*http2.RSTStreamFrame](c, id); f.ErrCode != code {
		c.t.Errorf("stream %d was reset with %v, not %v", id, f.ErrCode, code)
	}
}

// wantGoAway reads up to GOAWAY, and then to the end of the connection, which
// must not be a reset of TCP.
func (c *raw) wantGoAway(code http2.ErrCode) {
	c.t.Helper()
	if f := until[*http2.GoAwayFrame](c, 0); f.ErrCode != code {
		c.t.Errorf("GOAWAY with %v, not %v", f.ErrCode, code)
	}
	c.wantEnd()
}

func (c *raw) wantEnd() {
	c.t.Helper()
	for {
		_, err := c.fr.ReadFrame()
		var se http2.StreamError
		if err == io.EOF {
			return
		}
		if err != nil && !errors.As(err, &se) {
			c.t.Fatal("connection ended in", err)
		}
	}
}

// wantCut waits for the end of the connection, however it comes.
func (c *raw) wantCut() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.nc); errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Error("the connection was not cut")
	}
}

// ping waits until everything sent before has been dealt with.
func (c *raw) ping() {
	c.t.Helper()
	c.ok(c.fr.WritePing(false, [8]byte{7}))
	until[*http2.PingFrame](c, 0)
}

// flood writes until it is told to stop, or the server has had enough.
func (c *raw) flood(write func(i int) error) {
	go func() {
		for i := range 200_000 {
			if write(i) != nil {
				return
			}
		}
	}()
}

func receive[T any](t testing.TB, ch <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(10 * time.Second):
		t.Fatal("did not come about: " + what)
	}
	return v
}

func want(t testing.TB, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
