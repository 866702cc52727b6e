package drill

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

var onlyHTTP2 = Mix{HTTP2: 1}

// peer2 is the server's end of an HTTP/2 connection, for misbehaving on it.
type peer2 struct {
	net.Conn
	*http2.Framer
	n       int // number of the connection, from 1
	acked   bool
	waiting []uint32
	henc    *hpack.Encoder
	hbuf    bytes.Buffer
}

// frames2 serves cleartext HTTP/2 by hand: f is called with each request's
// stream, and ends the connection by returning false.
func frames2(t *testing.T, l *ledger, f func(p *peer2, stream uint32) bool) (url string) {
	return rawServer(t, func(c *net.TCPConn, n int) {
		p := newPeer2(c, n)
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 50})
		for {
			streams, err := p.next(l)
			if err != nil {
				return
			}
			for _, s := range streams {
				if !f(p, s) {
					return
				}
			}
		}
	})
}

// next reads a frame and returns the requests to answer: none until the client
// has acknowledged our SETTINGS, as a close with that unread would be a reset.
func (p *peer2) next(l *ledger) (streams []uint32, err error) {
	frame, err := p.ReadFrame()
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		p.acked = p.acked || f.IsAck()
	case *http2.MetaHeadersFrame:
		p.waiting = append(p.waiting, f.StreamID)
		for _, field := range f.Fields {
			if field.Name == "segue-drill-id" {
				l.note(field.Value)
			}
		}
	}
	if p.acked {
		streams, p.waiting = p.waiting, nil
	}
	return streams, err
}

func newPeer2(c net.Conn, n int) *peer2 {
	p := &peer2{Conn: c, Framer: http2.NewFramer(c, c), n: n}
	p.henc = hpack.NewEncoder(&p.hbuf)
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return p
}

func (p *peer2) headers(stream uint32, end bool, pairs ...string) {
	p.hbuf.Reset()
	for i := 0; i < len(pairs); i += 2 {
		p.henc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.hbuf.Bytes(), EndHeaders: true, EndStream: end})
}

func (p *peer2) answer(stream uint32) {
	p.headers(stream, false, ":status", "200", "content-length", "2", "segue-release", "7")
	p.WriteData(stream, true, []byte("ok"))
}

// TestHTTP2Classes: each request fails in one known way.
func TestHTTP2Classes(t *testing.T) {
	tests := []struct {
		name  string
		serve func(p *peer2, stream uint32) bool
		class Class
	}{
		{"right", func(p *peer2, s uint32) bool { p.answer(s); return true }, ""},
		{"right after 103", func(p *peer2, s uint32) bool {
			p.headers(s, false, ":status", "103")
			p.answer(s)
			return true
		}, ""},
		{"right with trailers", func(p *peer2, s uint32) bool {
			p.headers(s, false, ":status", "200")
			p.WriteData(s, false, []byte("ok"))
			p.headers(s, true, "x-sum", "1")
			return true
		}, ""},
		{"stream reset", func(p *peer2, s uint32) bool { p.WriteRSTStream(s, http2.ErrCodeInternal); return true }, StreamReset},
		{"reset in response", func(p *peer2, s uint32) bool {
			p.headers(s, false, ":status", "200")
			p.WriteRSTStream(s, http2.ErrCodeCancel)
			return true
		}, StreamReset},
		{"truncated by END_STREAM", func(p *peer2, s uint32) bool {
			p.headers(s, false, ":status", "200", "content-length", "9")
			p.WriteData(s, true, []byte("half"))
			return true
		}, Truncated},
		{"503 with Retry-After", func(p *peer2, s uint32) bool {
			p.headers(s, true, ":status", "503", "retry-after", "2")
			return true
		}, Unavailable},
		{"500", func(p *peer2, s uint32) bool { p.headers(s, true, ":status", "500"); return true }, ServerError},
		{"DATA before HEADERS", func(p *peer2, s uint32) bool { p.WriteData(s, true, []byte("ok")); return true }, Malformed},
		{"no status", func(p *peer2, s uint32) bool { p.headers(s, true, "x", "y"); return true }, Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var l ledger
			r := run(t, few(frames2(t, &l, tt.serve), onlyHTTP2))
			l.agrees(t, r, fewRequests)
			if tt.class == "" {
				want(t, r, "", 0, fewRequests)
			} else {
				want(t, r, tt.class, fewRequests, 0)
			}
			if r.Retried != 0 {
				t.Errorf("%d retried", r.Retried)
			}
		})
	}
}

// TestHTTP2Ends: the connection ends while a request is on it.
func TestHTTP2Ends(t *testing.T) {
	half := func(p *peer2, s uint32) {
		p.headers(s, false, ":status", "200")
		p.WriteData(s, false, []byte("half"))
	}
	tests := []struct {
		name  string
		serve func(p *peer2, stream uint32) bool
		class Class
	}{
		{"promised by GOAWAY, then closed", func(p *peer2, s uint32) bool {
			p.WriteGoAway(s, http2.ErrCodeNo, nil)
			return false
		}, GoAway},
		{"closed", func(*peer2, uint32) bool { return false }, EOFFresh},
		{"reset", func(p *peer2, _ uint32) bool { p.Conn.(*net.TCPConn).SetLinger(0); return false }, ResetBeforeResponse},
		{"closed half way", func(p *peer2, s uint32) bool { half(p, s); return false }, Truncated},
		{"reset half way", func(p *peer2, s uint32) bool {
			half(p, s)
			p.Conn.(*net.TCPConn).SetLinger(0)
			return false
		}, ResetInResponse},
		{"not HTTP/2", func(p *peer2, _ uint32) bool { io.WriteString(p.Conn, right); return false }, Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var l ledger
			r := oneByOne(t, http2Plan(frames2(t, &l, tt.serve)), 5, nil)
			want(t, r, tt.class, 5, 0)
			l.agrees(t, r, 5)
		})
	}
}

func http2Plan(url string) Plan {
	return Plan{URL: url, Mix: onlyHTTP2, Timeout: 5 * time.Second}
}

// TestHTTP2SafeRetry: what is declared unprocessed is repeated once, and counted.
func TestHTTP2SafeRetry(t *testing.T) {
	refuse := func(p *peer2, s uint32) bool { p.WriteRSTStream(s, http2.ErrCodeRefusedStream); return true }
	goAway := func(p *peer2, s uint32) bool {
		if p.n > 1 {
			p.answer(s)
			return true
		}
		p.WriteGoAway(s-1, http2.ErrCodeNo, nil)
		return false
	}
	odd := func(p *peer2, s uint32) bool { // refuses the first of each two
		if s%4 == 1 {
			return refuse(p, s)
		}
		p.answer(s)
		return true
	}
	t.Run("refused once", func(t *testing.T) {
		t.Parallel()
		var l ledger
		r := oneByOne(t, http2Plan(frames2(t, &l, odd)), 5, nil)
		want(t, r, "", 0, 5)
		if r.Retried != 5 {
			t.Errorf("%d retried, want 5", r.Retried)
		}
	})
	t.Run("refused twice", func(t *testing.T) {
		t.Parallel()
		var l ledger
		r := oneByOne(t, http2Plan(frames2(t, &l, refuse)), 5, nil)
		want(t, r, StreamRefused, 5, 0)
		if r.Retried != 5 {
			t.Errorf("%d retried, want 5", r.Retried)
		}
	})
	t.Run("above GOAWAY's last stream", func(t *testing.T) {
		t.Parallel()
		var l ledger
		r := oneByOne(t, http2Plan(frames2(t, &l, goAway)), 5, nil)
		want(t, r, "", 0, 5)
		if r.Retried != 1 || r.Connections.Opened != 2 {
			t.Errorf("%d retried on %d connections, want 1 on 2", r.Retried, r.Connections.Opened)
		}
	})
}

// TestHTTP2Leaves: after a GOAWAY that names no stream of ours, answers still
// come, and new requests go to a new connection.
func TestHTTP2Leaves(t *testing.T) {
	var l ledger
	r := oneByOne(t, few(frames2(t, &l, func(p *peer2, s uint32) bool {
		if s == 21 { // the eleventh: as a graceful shutdown does
			p.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			p.WriteGoAway(s, http2.ErrCodeNo, nil)
		}
		p.answer(s)
		return true
	}), onlyHTTP2), fewRequests, nil)
	want(t, r, "", 0, fewRequests)
	l.agrees(t, r, fewRequests)
	if r.Connections.Opened != 4 || r.Retried != 0 {
		t.Errorf("%d connections opened, %d retried", r.Connections.Opened, r.Retried)
	}
}

// TestHTTP2Timeout: nothing comes back; and a dead connection is left.
func TestHTTP2Timeout(t *testing.T) {
	var l ledger
	p := few(frames2(t, &l, func(*peer2, uint32) bool { return true }), onlyHTTP2)
	p.Timeout = 100 * time.Millisecond
	r := run(t, p)
	want(t, r, Timeout, fewRequests, 0)
	l.agrees(t, r, fewRequests)
	if r.Connections.Opened < 2 {
		t.Error("the dead connection was used on and on")
	}
}

// TestHTTP2Full: more streams at once than the server allows go elsewhere.
func TestHTTP2Full(t *testing.T) {
	var l ledger
	var wait sync.WaitGroup
	wait.Add(60)
	h := counting(&l)
	url := goServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait.Done()
		wait.Wait() // for all 60 to be here at once
		h.ServeHTTP(w, r)
	}))
	p := Plan{URL: url, Rate: 600, Duration: 100 * time.Millisecond, Mix: onlyHTTP2}
	r := run(t, p)
	want(t, r, "", 0, 60)
	l.agrees(t, r, 60)
}

// TestHTTP2Body: bodies larger than the windows, both ways.
func TestHTTP2Body(t *testing.T) {
	url := goServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	}))
	p := few(url, Mix{1, 1, 2})
	p.Method, p.Body = "POST", bytes.Repeat([]byte("0123456789abcdef"), 400<<10/16)
	p.Expect.BodyEquals = p.Body
	want(t, run(t, p), "", 0, fewRequests)
}

func TestTLS(t *testing.T) {
	var l ledger
	s := httptest.NewUnstartedServer(counting(&l))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	p := few(s.URL, Mix{1, 1, 2})
	p.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
	r := run(t, p)
	want(t, r, "", 0, fewRequests)
	l.agrees(t, r, fewRequests)
	if r.ByMode[HTTP2].OK != fewRequests/2 {
		t.Errorf("by mode: %+v", r.ByMode)
	}
	// 10 fresh, at most 10 kept alive, 1 for HTTP/2: none was left for a ticket.
	if r.Connections.ClosedIdle != 0 {
		t.Errorf("%d connections taken for closed", r.Connections.ClosedIdle)
	}
}

func TestTLSWithoutHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	p := few(s.URL, onlyHTTP2)
	p.TLS = &tls.Config{InsecureSkipVerify: true}
	want(t, run(t, p), ConnectFailed, fewRequests, 0)
}

// TestHTTP2SharedDial: many wait for one connection, which fails for all.
func TestHTTP2SharedDial(t *testing.T) {
	p := few("http://127.0.0.1:1", onlyHTTP2)
	p.Timeout = time.Second
	p.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		select { // until all are due
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
		return nil, net.ErrClosed
	}
	r := run(t, p)
	want(t, r, ConnectFailed, fewRequests, 0)
	if r.Connections.Opened != 1 {
		t.Errorf("%d dials", r.Connections.Opened)
	}
}
