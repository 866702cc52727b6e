package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// The proxy is replaced again and again on the same socket; POSTs, which cannot
// be repeated, all arrive, on fresh and on kept connections.
func TestHandover(t *testing.T) {
	rounds := proxy.Rounds(200, 60)
	a := newStrict(t, "a")
	ln := listen(t)
	svc := proxy.Service{Instances: []proxy.Instance{a.Instance}}
	old := startOn(t, ln, svc, 10*time.Second)
	ln2 := file(t, ln)
	defer ln2.Close()
	addr := ln.Addr().String()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var sent atomic.Int64
	for w := range 6 {
		wg.Go(func() { sent.Add(postUntil(t, stop, addr, w%2 == 0)) })
	}
	for range rounds {
		next := startOn(t, ln, svc, 10*time.Second)
		before := a.served.Load()
		eventually(t, "load", func() bool { return a.served.Load() > before+10 })
		if err := old.client.Quit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-old.ended; err != nil { // all clients get their one more message
			t.Fatal(err)
		}
		old = next
	}
	close(stop)
	wg.Wait()
	if int64(a.served.Load()) != sent.Load() {
		t.Errorf("%d sent, %d arrived", sent.Load(), a.served.Load())
	}
	t.Logf("%d requests over %d hand-overs", sent.Load(), rounds)
}

// postUntil is a client without any second chance: a connection of its own, and
// a request that fails is lost.
func postUntil(t *testing.T, stop <-chan struct{}, addr string, keep bool) (sent int64) {
	var c net.Conn
	var r *bufio.Reader
	for {
		select {
		case <-stop:
			if c != nil {
				c.Close()
			}
			return sent
		default:
		}
		if c == nil {
			var err error
			if c, err = net.Dial("tcp", addr); err != nil {
				t.Error(err)
				return sent
			}
			c.SetDeadline(time.Now().Add(60 * time.Second))
			r = bufio.NewReader(c)
		}
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Errorf("lost: %v", err)
			return sent
		}
		if res.StatusCode != 200 {
			t.Error(res.Status, res.Header.Get("Segue-Error"))
		}
		io.Copy(io.Discard, res.Body)
		sent++
		if res.Close || !keep {
			c.Close()
			c = nil
		}
	}
}

// A connection that was accepted before the hand-over and sends its first
// request after it is served.
func TestHandoverServesSilentConnections(t *testing.T) {
	a := newStrict(t, "a")
	p := start(t, proxy.Service{Instances: []proxy.Instance{a.Instance}})
	silent := dial(t, p.addr)
	idle := dial(t, p.addr)
	ri := bufio.NewReader(idle)
	io.WriteString(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, err := http.ReadResponse(ri, nil); err != nil {
		t.Fatal(err)
	} else {
		read(t, res)
	}
	eventually(t, "both accepted", func() bool { return p.status().Connections == 2 })
	if err := p.client.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", p.addr); err == nil {
		c.Close()
		t.Error("the listener is still open")
	}
	for _, c := range []net.Conn{silent, idle} {
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
		b, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(b), "HTTP/1.1 200") || !strings.Contains(string(b), "Connection: close\r\n") {
			t.Errorf("got %q", b)
		}
	}
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
}

// HTTP/2 clients are told to leave, idle or not.
func TestHandoverH2(t *testing.T) {
	a := newStrict(t, "a")
	p := startOn(t, listen(t), proxy.Service{Instances: []proxy.Instance{a.Instance}}, 20*time.Second)
	c := h2Only(t)
	res, _ := get(t, c, p.url("/"))
	want(t, "protocol", res.ProtoMajor, 2)
	if err := p.client.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ended; err != nil { // long before the drain timeout
		t.Error(err)
	}
}

// What is left at the end of the drain time is closed.
func TestDrainTimeout(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	p := startOn(t, listen(t), proxy.Service{Instances: []proxy.Instance{in}}, 50*time.Millisecond)
	res, err := fresh().Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	dial(t, p.addr)
	p.stop()
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the cut is not visible")
	}
}
