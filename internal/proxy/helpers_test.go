package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// running is a proxy under test.
type running struct {
	t      testing.TB
	addr   string
	client *proxy.Client
	stop   context.CancelFunc
	ended  chan error
	cfg    proxy.Config
}

const key = ":80"

func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

func file(t testing.TB, ln interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// start runs a proxy with one service on one listener. The service's Name and
// Listen are filled in.
func start(t testing.TB, s proxy.Service) *running {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	return startOn(t, ln, s, 5*time.Second)
}

func startOn(t testing.TB, ln *net.TCPListener, s proxy.Service, drain time.Duration) *running {
	t.Helper()
	s.Name, s.Listen = "shop", []string{key}
	cfg := proxy.Config{Version: 1, Services: []proxy.Service{s}}
	return startConfig(t, ln, cfg, drain)
}

func startConfig(t testing.TB, ln *net.TCPListener, cfg proxy.Config, drain time.Duration) *running {
	t.Helper()
	dir, err := os.MkdirTemp("", "p")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "c")
	control, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	control.(*net.UnixListener).SetUnlinkOnClose(false)
	own := cfg // the proxy's; tests change theirs
	own.Services = slices.Clone(cfg.Services)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, addr: ln.Addr().String(), client: proxy.NewClient(path), stop: cancel, ended: make(chan error, 1), cfg: cfg}
	o := proxy.Options{
		Control: file(t, control.(*net.UnixListener)), Listeners: map[string]*os.File{key: file(t, ln)},
		Config: &own, Log: quiet(), Version: "test", DrainTimeout: drain, General: general, Flags: fakeFlags, Script: "/* a script */",
	}
	control.Close()
	go func() { r.ended <- proxy.Run(ctx, o); close(r.ended) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.ended; err != nil {
			t.Error("Run:", err)
		}
		os.RemoveAll(dir)
	})
	return r
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (r *running) url(path string) string { return "http://" + r.addr + path }

// route replaces the instances.
func (r *running) route(in ...proxy.Instance) {
	r.t.Helper()
	s := r.cfg.Services[0]
	s.Instances = in
	r.cfg.Services = []proxy.Service{s}
	r.cfg.Version++
	if err := r.client.Apply(r.t.Context(), r.cfg); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) status() proxy.Status {
	r.t.Helper()
	st, err := r.client.Status(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return st
}

// eventually waits for a condition that no channel tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("did not come about: " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

// backend is a net/http instance.
func backend(t testing.TB, id string, h http.HandlerFunc) proxy.Instance {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return proxy.Instance{ID: id, Addr: s.Listener.Addr().String(), Release: "r-" + id}
}

// raw is an instance that does what script says on each connection.
func raw(t testing.TB, id string, script func(n int, c net.Conn, r *bufio.Reader)) proxy.Instance {
	t.Helper()
	ln := listen(t)
	go func() {
		for n := 1; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				script(n, c, bufio.NewReader(c))
			}()
		}
	}()
	return proxy.Instance{ID: id, Addr: ln.Addr().String(), Release: "r-" + id}
}

// readHead reads one request's header and returns it.
func readHead(r *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// fresh is a client without kept connections.
func fresh() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
}

func kept(t testing.TB) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

func get(t testing.TB, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return res, read(t, res)
}

func read(t testing.TB, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal("body:", err)
	}
	return string(b)
}

// talk sends text over a fresh connection and returns all that comes back.
func talk(t testing.TB, addr, text string) string {
	t.Helper()
	c := dial(t, addr)
	go io.WriteString(c, text)
	b, _ := io.ReadAll(c)
	return string(b)
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(15 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

func want(t testing.TB, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
