package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// A client that takes its answer slowly gets all of it, and the proxy does not
// read ahead without bound meanwhile.
func TestBackpressure(t *testing.T) {
	const size = 64 << 20
	sent := make(chan int64, 1)
	for _, chunked := range []bool{false, true} {
		in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
			if !chunked {
				w.Header().Set("Content-Length", fmt.Sprint(size))
			}
			piece := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
			var n int64
			for n < size {
				m, err := w.Write(piece)
				if n += int64(m); err != nil {
					break
				}
				select {
				case sent <- n:
				default:
				}
			}
		})
		p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
		c := dial(t, p.addr)
		c.(*net.TCPConn).SetReadBuffer(64 << 10)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		r := bufio.NewReaderSize(c, 16)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		last := int64(-1)
		eventually(t, "the instance is held back", func() bool { // nothing is read: the sender must come to rest
			select {
			case n := <-sent:
				last = n
				return false
			case <-time.After(100 * time.Millisecond):
				return last > 0
			}
		})
		if last > size/2 {
			t.Errorf("%d bytes were taken from the instance for a client that reads nothing", last)
		}
		n, err := io.Copy(io.Discard, res.Body)
		want(t, "bytes", fmt.Sprint(n, err), fmt.Sprint(size, nil))
		for len(sent) > 0 {
			<-sent
		}
	}
}

// A client that takes nothing is given up after the body's bound.
func TestStuckClientIsDropped(t *testing.T) {
	gone := make(chan struct{})
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 1<<20)
		for {
			if _, err := w.Write(piece); err != nil {
				close(gone)
				return
			}
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}, BodyTimeout: 300 * time.Millisecond})
	c := dial(t, p.addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-gone:
	case <-time.After(15 * time.Second):
		t.Error("it is waited for still")
	}
	eventually(t, "nothing is in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 0 })
}

// Fields that must not come behind a body do not get through there.
func TestForbiddenTrailers(t *testing.T) {
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 5\r\nX-Sum: 1\r\nSet-Cookie: a\r\n\r\n")
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	for range 3 {
		got := talk(t, p.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if !strings.Contains(got, "X-Sum: 1\r\n") || strings.Contains(got, "Set-Cookie") || strings.Contains(got, "Content-Length") || !strings.HasSuffix(got, "\r\n\r\n") {
			t.Errorf("got %q", got)
		}
	}
}

// What is behind an answer is no answer to the next request.
func TestExtraBytesEndTheConnection(t *testing.T) {
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			io.WriteString(c, okAnswer+"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	c := kept(t)
	for range 20 {
		_, body := get(t, c, p.url("/"))
		want(t, "body", body, "ok")
	}
}

func TestInstanceOnUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "u")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}
	go s.Serve(ln)
	defer s.Close()
	p := start(t, proxy.Service{Instances: []proxy.Instance{{ID: "a", Addr: ln.Addr().String()}}})
	for range 5 {
		res, body := send(t, fresh(), "POST", p.url("/"), "hello", nil)
		want(t, "answer", fmt.Sprint(res.StatusCode, body), "200hello")
	}
}

// The answers that no instance has dated get a date (RFC 9110 §6.6.1).
func TestDatesAnswers(t *testing.T) {
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			io.WriteString(c, okAnswer)
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	res, _ := get(t, fresh(), p.url("/"))
	if d, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(d).Abs() > 5*time.Second {
		t.Errorf("Date: %q, %v", res.Header.Get("Date"), err)
	}
}

// HTTP/2 by prior knowledge is recognised, whatever pieces its preface comes
// in, and its connection is counted once.
func TestPrefaceLeavesTheFastPath(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	c := dial(t, p.addr)
	for _, piece := range []string{"PRI * HT", "TP/2.0\r\n", "\r\nS", "M\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"} {
		io.WriteString(c, piece)
		time.Sleep(time.Millisecond) // so that pieces stay pieces
	}
	frame := make([]byte, 9)
	if _, err := io.ReadFull(c, frame); err != nil || frame[3] != 4 {
		t.Errorf("no SETTINGS: %x, %v", frame, err)
	}
	want(t, "connections", p.status().Connections, 1)
	want(t, "accepted", p.status().Accepted, 1)
}

// Plain exchanges stay on the fast path, and a connection that had to leave it
// comes back.
func TestComesBackToTheFastPath(t *testing.T) {
	if general {
		t.Skip("there is no fast path")
	}
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	c := dial(t, p.addr)
	r := bufio.NewReader(c)
	ask := func(text, answer string) {
		t.Helper()
		io.WriteString(c, text)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "answer", read(t, res), answer)
	}
	const plain = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
	back := func() { // it goes back unless the next request is there too soon
		t.Helper()
		eventually(t, "a plain request takes the fast path", func() bool {
			before := p.status().Fast
			ask(plain, "hi")
			return p.status().Fast > before
		})
	}
	ask(plain, "hi")
	want(t, "requests on the general path", p.status().General, 0)
	ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nyo\r\n0\r\n\r\n", "yo")
	want(t, "requests on the general path", p.status().General, 1)
	back()
	p.route() // the next is held, which the general path does
	routed := make(chan struct{})
	go func() {
		defer close(routed)
		eventually(t, "one is held", func() bool { return p.status().Services[0].Held == 1 })
		p.route(in)
	}()
	ask(plain, "hi")
	<-routed
	back()
	want(t, "accepted", p.status().Accepted, 1)
	want(t, "connections", p.status().Connections, 1)
}
