package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

func httpProbe(path string) deploy.Probe { return deploy.Probe{HTTP: path, Timeout: 5 * time.Second} }

func addrOf(srv *httptest.Server) string { return srv.Listener.Addr().String() }

func TestHTTPStatus(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		if r.Host != "localhost" || r.UserAgent() != "segue-probe" || r.Method != http.MethodGet {
			t.Errorf("asked %s %s by %s", r.Method, r.Host, r.UserAgent())
		}
		w.Header().Set("Location", "/500")
		w.WriteHeader(status)
		if status != 204 && status != 304 {
			io.WriteString(w, "the database\nis away\x1b[31m "+strings.Repeat("x", 1000))
		}
	}))
	defer srv.Close()
	for status, ok := range map[int]bool{200: true, 204: true, 301: true, 302: true, 304: true, 399: true, 400: false, 404: false, 500: false, 503: false} {
		err := Ask(t.Context(), httpProbe(fmt.Sprintf("/%d", status)), Target{Addr: addrOf(srv)})
		if (err == nil) != ok {
			t.Errorf("%d: %v", status, err)
		}
		if err != nil && (!strings.Contains(err.Error(), fmt.Sprintf("answered %d", status)) || !strings.Contains(err.Error(), "the database is away [31m x")) {
			t.Errorf("%d is told as %q", status, err)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%d is told in %d bytes", status, len(err.Error()))
		}
	}
}

func TestHTTPQueryAndInterimResponses(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		if r.URL.RawQuery != "deep=1" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	if err := Ask(t.Context(), httpProbe("/x?deep=1"), Target{Addr: addrOf(srv)}); err != nil {
		t.Error(err)
	}
}

// TestHTTPConnections checks that each question has a connection of its own,
// which is closed when Ask returns.
func TestHTTPConnections(t *testing.T) {
	var mu sync.Mutex
	states := map[http.ConnState]int{}
	closed := make(chan struct{}, 10)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		mu.Lock()
		states[s]++
		mu.Unlock()
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	srv.Start()
	defer srv.Close()
	for range 3 {
		if err := Ask(t.Context(), httpProbe("/"), Target{Addr: addrOf(srv)}); err != nil {
			t.Fatal(err)
		}
		<-closed
	}
	mu.Lock()
	defer mu.Unlock()
	if states[http.StateNew] != 3 || states[http.StateIdle] != 0 {
		t.Errorf("%v", states)
	}
}

func TestH2C(t *testing.T) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	var seen atomic.Value
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Proto + " " + r.Host)
		if r.URL.Path == "/bad" {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}
	}))
	srv.Config.Protocols = &protocols
	srv.Start()
	defer srv.Close()
	target := Target{Addr: addrOf(srv), H2C: true}
	if err := Ask(t.Context(), httpProbe("/good"), target); err != nil {
		t.Error(err)
	}
	if seen.Load() != "HTTP/2.0 localhost" {
		t.Errorf("seen %v", seen.Load())
	}
	if err := Ask(t.Context(), httpProbe("/bad"), target); err == nil || !strings.Contains(err.Error(), "answered 503 Service Unavailable: not yet") {
		t.Error(err)
	}
	target.H2C = false
	if err := Ask(t.Context(), httpProbe("/good"), target); err == nil {
		t.Error("HTTP/1.1 was answered by a server that only speaks HTTP/2")
	}
}

// serve answers each connection to a listener by f.
func serve(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer conn.Close(); f(conn) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

func readRequest(conn net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(conn)) }

func TestHTTPStrangeAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"closes at once":   {func(c net.Conn) { readRequest(c) }, "closed without a full response header"},
		"half a header":    {func(c net.Conn) { readRequest(c); io.WriteString(c, "HTTP/1.1 200 OK\r\nA: b") }, "closed without a full response header"},
		"no HTTP":          {func(c net.Conn) { readRequest(c); io.WriteString(c, "SSH-2.0-OpenSSH\r\n\r\n") }, "no HTTP/1.1 response"},
		"endless header":   {func(c net.Conn) { readRequest(c); writeForever(c, "HTTP/1.1 200 OK\r\n", "A: b\r\n") }, "connected, but"},
		"endless interims": {func(c net.Conn) { readRequest(c); writeForever(c, "", "HTTP/1.1 103 Early Hints\r\n\r\n") }, "without a full response header"},
		"silence":          {func(c net.Conn) { readRequest(c); _, _ = io.Copy(io.Discard, c) }, "no answer within 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			p := httpProbe("/")
			if name == "silence" {
				p.Timeout = 50 * time.Millisecond
			}
			err := Ask(t.Context(), p, Target{Addr: serve(t, c.serve)})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "http /: ") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func writeForever(c net.Conn, first, then string) {
	_, err := io.WriteString(c, first)
	for err == nil {
		_, err = io.WriteString(c, then)
	}
}

// TestHTTPEndlessBody: the status is the answer; a body that never ends delays
// it, but does not turn it.
func TestHTTPEndlessBody(t *testing.T) {
	for name, f := range map[string]func(net.Conn){
		"stalls": func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab")
			_, _ = io.Copy(io.Discard, c)
		},
		"floods": func(c net.Conn) {
			readRequest(c)
			writeForever(c, "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 4096))
		},
	} {
		if err := Ask(t.Context(), httpProbe("/"), Target{Addr: serve(t, f)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHTTPPathCannotSmuggle(t *testing.T) {
	for _, path := range []string{"health", "/a b", "/a\r\nX: y"} {
		for _, h2c := range []bool{false, true} {
			if err := Ask(t.Context(), httpProbe(path), Target{Addr: "127.0.0.1:1", H2C: h2c}); err == nil || !strings.Contains(err.Error(), "cannot be asked for") {
				t.Errorf("%q: %v", path, err)
			}
		}
	}
}

func TestCancelledQuestion(t *testing.T) {
	asked := make(chan struct{})
	addr := serve(t, func(c net.Conn) { readRequest(c); close(asked); _, _ = io.Copy(io.Discard, c) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if err := Ask(ctx, httpProbe("/"), Target{Addr: addr}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTCP(t *testing.T) {
	addr := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	p := deploy.Probe{TCP: true}
	if err := Ask(t.Context(), p, Target{Addr: addr}); err != nil {
		t.Error(err)
	}
	if err := Ask(t.Context(), p, Target{}); err == nil {
		t.Error("a worker was connected to")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	err = Ask(t.Context(), p, Target{Addr: ln.Addr().String()})
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestSelfConnect makes a connection to itself, and checks that it is known for
// one. (Waiting for the kernel to choose the port by chance would take long.)
func TestSelfConnect(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr)
	ln.Close()
	conn, err := net.DialTCP("tcp", addr, addr)
	if err != nil {
		t.Fatal(err)
	}
	if !selfConnected(conn) {
		t.Errorf("%v to %v is not known for a connection to itself", conn.LocalAddr(), conn.RemoteAddr())
	}
	reset(conn)
	again, err := net.ListenTCP("tcp", addr)
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	again.Close()
}

func BenchmarkHTTP(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	defer srv.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := Ask(b.Context(), httpProbe("/"), Target{Addr: addrOf(srv)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTCP(b *testing.B) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := Ask(b.Context(), deploy.Probe{TCP: true}, Target{Addr: addrOf(srv)}); err != nil {
			b.Fatal(err)
		}
	}
}
