package lifecycle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunReturnsWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := Run(ctx, d.part("db")); err != nil {
			t.Error(err)
		}
		if got := d.String(); got != "+db -db" {
			t.Error(got)
		}
	})
}

func TestComponentThatFailsStopsTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		broken := errors.New("the queue is gone")
		err := Run(t.Context(), d.part("db"), Go("consumer", func(ctx context.Context) error {
			time.Sleep(3 * time.Second)
			return broken
		}).DependsOn("db"))
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "consumer") {
			t.Errorf("%v, want why the consumer has failed", err)
		}
		if got := d.String(); got != "+db -db" {
			t.Error(got)
		}
	})
}

func TestBackgroundWorkEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := false
		err := Run(ctx, Go("consumer", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return ctx.Err()
		}))
		if err != nil || !ended {
			t.Errorf("%v; ended: %v", err, ended)
		}
	})
}

// manager is a service manager's socket.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	dir, err := os.MkdirTemp("", "lc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return c
}

func hear(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 1<<10)
	n, err := c.Read(buf)
	if err != nil {
		t.Error(err)
	}
	return string(buf[:n])
}

func TestServiceManagerIsTold(t *testing.T) {
	c := manager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx) }()
	if got, want := hear(t, c), fmt.Sprintf("READY=1\nMAINPID=%d", os.Getpid()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for range 3 {
		if got := hear(t, c); got != "WATCHDOG=1" {
			t.Errorf("%q, want a sign of life", got)
		}
	}
	cancel()
	got := hear(t, c)
	for got == "WATCHDOG=1" {
		got = hear(t, c)
	}
	if got != "STOPPING=1" {
		t.Errorf("%q, want to hear that it stops", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A client on a connection of its own.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) get(path string) (*http.Response, error) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

// serveFor runs a server until stop, and returns where it listens.
func serveFor(t *testing.T, app App, hs *http.Server, opts ...Option) (addr string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan struct{})
	hs.Addr = "127.0.0.1:0"
	web := HTTP(hs, append(opts, WithHealth(func(serving bool) {
		if serving {
			close(ready)
		}
	}))...)
	app.Components = append(app.Components, web)
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return web.server.listener.Addr().String(), func() error { cancel(); return <-done }
}

func TestDeadlineComesBeforeTheAgentKills(t *testing.T) {
	for _, c := range []struct {
		own   time.Duration
		given string
		want  time.Duration
	}{
		{0, "", DefaultStopTimeout},
		{0, "10s", 9 * time.Second},
		{time.Minute, "10s", time.Minute},
		{0, "-1s", DefaultStopTimeout},
		{0, "soon", DefaultStopTimeout},
	} {
		t.Setenv("SEGUE_STOP_TIMEOUT", c.given)
		if got := (&App{StopTimeout: c.own}).stopTimeout(); got != c.want {
			t.Errorf("own %v, given %q: %v, want %v", c.own, c.given, got, c.want)
		}
	}
}

func TestDeadlineCallsHandlersOffAndSaysSo(t *testing.T) {
	t.Parallel()
	called := make(chan struct{})
	entered := make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(called)
	})
	addr, stop := serveFor(t, App{StopTimeout: 100 * time.Millisecond}, &http.Server{Handler: handler}, WithDelay(0))
	c := dial(t, addr)
	go func() { _, _ = c.get("/") }()
	<-entered
	if err := stop(); err == nil || !strings.Contains(err.Error(), "1 connections were still in use when the time was over") {
		t.Errorf("%v does not say what was cut", err)
	}
	<-called
}

func TestIdleConnectionIsKeptForOneMoreMessageOrHungUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		strategy Strategy
		answered bool
	}{{"one more message", OneMoreMessage, true}, {"hang up", HangUp, false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stopping := make(chan struct{})
			addr, stop := serveFor(t, App{}, &http.Server{Handler: http.NotFoundHandler()},
				WithDelay(0), WithStrategy(c.strategy), OnStopping(func() { close(stopping) }))
			used := dial(t, addr)
			if _, err := used.get("/"); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- stop() }()
			<-stopping
			if !c.answered {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			resp, err := used.get("/")
			if answered := err == nil; answered != c.answered {
				t.Errorf("answered: %v (%v), want %v", answered, err, c.answered)
			}
			if c.answered {
				if !resp.Close {
					t.Error("the answer does not say that it is the last")
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestReadinessFollowsTheService(t *testing.T) {
	t.Parallel()
	addr, stop := serveFor(t, App{}, &http.Server{}, WithDelay(300*time.Millisecond), WithIdleGap(100*time.Millisecond), WithReadiness("/ready"))
	if resp, err := dial(t, addr).get("/ready"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", resp, err)
	}
	done := make(chan error, 1)
	go func() { done <- stop() }()
	for {
		resp, err := dial(t, addr).get("/ready")
		if err != nil {
			t.Fatal("connections were refused before the probe said no")
		}
		if resp.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServerThatCannotListenSaysWhy(t *testing.T) {
	t.Setenv("PORT", "")
	if err := Run(t.Context(), HTTP(&http.Server{})); err == nil || !strings.Contains(err.Error(), "set Addr, or the environment variable PORT") {
		t.Errorf("%v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Run(t.Context(), HTTP(&http.Server{Addr: l.Addr().String()})); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v", err)
	}
}
