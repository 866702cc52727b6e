package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/proxy"
)

func send(t testing.TB, c *http.Client, method, url, body string, h http.Header) (*http.Response, string) {
	t.Helper()
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, rd)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range h {
		req.Header[k] = v
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res, read(t, res)
}

// closedPort gives an address that refuses connections: the port is taken, so that
// nobody else gets it, and nobody listens.
func closedPort(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", addr.(*unix.SockaddrInet4).Port)
}

// Nothing was sent to an instance that refuses, so any request goes elsewhere.
func TestRefusedGoesElsewhere(t *testing.T) {
	var got atomic.Int32
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Add(1)
		w.Write(b)
	})
	dead := proxy.Instance{ID: "dead", Addr: closedPort(t)}
	p := start(t, proxy.Service{Instances: []proxy.Instance{dead, in}})
	big := strings.Repeat("b", 300_000)
	for i := range 40 {
		body := "x"
		if i%2 == 1 {
			body = big
		}
		res, b := send(t, fresh(), "POST", p.url("/"), body, nil)
		if res.StatusCode != 200 || b != body {
			t.Fatalf("%d: %s", i, res.Status)
		}
	}
	want(t, "requests at the instance", got.Load(), 40)
}

// A connection that closes before any byte of the answer: repeated if that is
// safe, refused if not, and never done twice.
func TestClosedBeforeAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		method, body string
		header       http.Header
		status       int
	}{
		"get":             {"GET", "", nil, 200},
		"head":            {"HEAD", "", nil, 200},
		"delete":          {"DELETE", "", nil, 200},
		"put small":       {"PUT", "hello", nil, 200},
		"put large":       {"PUT", strings.Repeat("x", 100_000), nil, 502},
		"post":            {"POST", "hello", nil, 502},
		"post empty":      {"POST", "", nil, 502},
		"patch":           {"PATCH", "x", nil, 502},
		"post with a key": {"POST", "hello", http.Header{"Idempotency-Key": {"1"}}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			var bad, good atomic.Int32
			closer := raw(t, "closer", func(n int, conn net.Conn, r *bufio.Reader) {
				if req, err := http.ReadRequest(r); err == nil && req.URL.Path == "/closed" {
					bad.Add(1)
					io.Copy(io.Discard, req.Body)
				}
			})
			p := start(t, proxy.Service{Instances: []proxy.Instance{closer}})
			in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				good.Add(1)
				if string(b) != c.body {
					t.Errorf("body is %d bytes", len(b))
				}
			})
			p.route(closer, in)
			for bad.Load() == 0 {
				res, _ := send(t, fresh(), c.method, p.url("/closed"), c.body, c.header)
				if bad.Load() == 0 {
					continue
				}
				if res.StatusCode != c.status {
					st := p.status()
					t.Logf("%+v", st.Services)
				}
				want(t, "status", res.StatusCode, c.status)
				if c.status == 502 {
					want(t, "word", res.Header.Get("Segue-Error"), "closed-before-answer")
				}
			}
		})
	}
}

// The instance closes idle connections at once, without saying so: no request
// may be lost to that, be it safe to repeat or not.
func TestKeepAliveRace(t *testing.T) {
	var served atomic.Int32
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		for range 3 {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			served.Add(1)
			io.WriteString(c, okAnswer)
		}
		// closed here, behind an answer that promised to stay
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	c := kept(t)
	for i := range 300 {
		before := served.Load()
		res, _ := send(t, c, "GET", p.url("/"), "", nil)
		want(t, "get", res.StatusCode, 200)
		_ = before
		_ = i
	}
}

// A POST does not go on a connection that its peer has closed.
func TestPostLooksBeforeItLeaps(t *testing.T) {
	closed := make(chan struct{})
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		io.WriteString(c, okAnswer)
		c.Close()
		closed <- struct{}{}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	for range 50 {
		res, _ := send(t, fresh(), "POST", p.url("/"), "x", nil)
		want(t, "post", res.StatusCode, 200)
		<-closed
	}
}

// What an instance announces by Keep-Alive is believed.
func TestHonoursKeepAliveTimeout(t *testing.T) {
	var conns atomic.Int32
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		conns.Add(1)
		for readHead(r) != "" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=5\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	for range 3 {
		res, _ := get(t, fresh(), p.url("/"))
		want(t, "keep-alive field", res.Header.Get("Keep-Alive"), "")
	}
	want(t, "connections", conns.Load(), 3)
}

// A killed instance costs no request that is safe to repeat.
func TestInstanceKilled(t *testing.T) {
	ok := backend(t, "ok", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	ln := listen(t)
	var conns sync.Map
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Store(c, true)
			go func() {
				r := bufio.NewReader(c)
				for readHead(r) != "" {
					io.WriteString(c, okAnswer)
				}
			}()
		}
	}()
	dying := proxy.Instance{ID: "dying", Addr: ln.Addr().String()}
	p := start(t, proxy.Service{Instances: []proxy.Instance{ok, dying}})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			c := kept(t)
			for i := range 300 {
				if w == 0 && i == 100 {
					ln.Close()
					conns.Range(func(c, _ any) bool {
						c.(*net.TCPConn).SetLinger(0)
						c.(*net.TCPConn).Close()
						return true
					})
				}
				if res, err := c.Get(p.url("/")); err != nil {
					t.Error(err)
				} else if body := read(t, res); res.StatusCode != 200 {
					t.Error(res.StatusCode, body)
				}
			}
		})
	}
	wg.Wait()
	if err := p.client.Down(t.Context(), "dying"); err != nil {
		t.Fatal(err)
	}
	for _, in := range p.status().Services[0].Instances {
		if in.ID == "dying" && in.State == proxy.StateRouted {
			t.Error("an instance that is down is still routed")
		}
	}
}

// The only instance refuses for a while: requests wait for it to come back.
func TestOnlyInstanceComesBack(t *testing.T) {
	addr := closedPort(t)
	p := start(t, proxy.Service{Instances: []proxy.Instance{{ID: "a", Addr: addr}}})
	got := make(chan int)
	go func() {
		res, err := fresh().Post(p.url("/"), "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Error(err)
			got <- 0
			return
		}
		res.Body.Close()
		got <- res.StatusCode
	}()
	eventually(t, "a failure", func() bool { return p.status().Services[0].Instances[0].Failures > 1 })
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skip("port was taken by another:", err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})}
	go s.Serve(ln)
	defer s.Close()
	want(t, "status", <-got, 200)
}

func TestHold(t *testing.T) {
	p := start(t, proxy.Service{HoldMax: 3, HoldTimeout: 20 * time.Second})
	got := make(chan string, 3)
	for range 3 {
		go func() {
			res, err := fresh().Get(p.url("/"))
			if err != nil {
				got <- err.Error()
				return
			}
			got <- read(t, res)
		}()
	}
	eventually(t, "three held", func() bool { return p.status().Services[0].Held == 3 })
	res, _ := get(t, fresh(), p.url("/"))
	want(t, "the fourth", res.StatusCode, 503)
	want(t, "word", res.Header.Get("Segue-Error"), "hold-full")
	want(t, "retry", res.Header.Get("Retry-After"), "1")
	p.route(backend(t, "a", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "at last") }))
	for range 3 {
		want(t, "held", <-got, "at last")
	}
	want(t, "held", p.status().Services[0].Held, 0)
}

func TestHoldEnds(t *testing.T) {
	p := start(t, proxy.Service{HoldTimeout: 30 * time.Millisecond})
	res, body := get(t, fresh(), p.url("/"))
	want(t, "status", res.StatusCode, 503)
	want(t, "word", res.Header.Get("Segue-Error"), "no-instance")
	if !bytes.HasPrefix([]byte(body), []byte("{")) {
		t.Errorf("not JSON: %q", body)
	}
	_, body = send(t, fresh(), "GET", p.url("/"), "", http.Header{"Accept": {"text/html,application/xhtml+xml"}})
	if !strings.HasPrefix(body, "<!doctype html>") {
		t.Errorf("not a page: %q", body)
	}
}
