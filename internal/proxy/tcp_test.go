package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// overTCP starts a proxy whose service takes bytes.
func overTCP(t *testing.T, change func(*proxy.Service), in ...proxy.Instance) *running {
	t.Helper()
	s := proxy.Service{Protocol: proxy.TCP, Instances: in}
	if change != nil {
		change(&s)
	}
	return start(t, s)
}

// echo says back what it hears until the client ends.
func echo(t testing.TB, id string) proxy.Instance {
	return raw(t, id, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(c, r) })
}

// summer answers with the hash of all that it has heard, once the client has
// said that this was all.
func summer(t testing.TB, id string) proxy.Instance {
	return raw(t, id, func(_ int, c net.Conn, r *bufio.Reader) {
		h := sha256.New()
		io.Copy(h, r)
		fmt.Fprintf(c, "%x", h.Sum(nil))
	})
}

func sumOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Each direction ends by itself, whichever ends first.
func TestTCPHalfClose(t *testing.T) {
	big := make([]byte, 5<<20)
	rand.Read(big)
	t.Run("client first", func(t *testing.T) {
		c := dial(t, overTCP(t, nil, summer(t, "a")).addr).(*net.TCPConn)
		if _, err := c.Write(big); err != nil {
			t.Fatal(err)
		}
		c.CloseWrite()
		got, err := io.ReadAll(c)
		want(t, "error", err, nil)
		want(t, "sum", string(got), sumOf(big))
	})
	t.Run("instance first", func(t *testing.T) {
		heard := make(chan string, 1)
		p := overTCP(t, nil, raw(t, "a", func(_ int, c net.Conn, r *bufio.Reader) {
			c.Write(big)
			c.(*net.TCPConn).CloseWrite()
			b, _ := io.ReadAll(r)
			heard <- string(b)
		}))
		c := dial(t, p.addr).(*net.TCPConn)
		got, err := io.ReadAll(c)
		want(t, "error", err, nil)
		want(t, "same bytes", bytes.Equal(got, big), true)
		io.WriteString(c, "thanks")
		c.CloseWrite()
		want(t, "heard after its own end", <-heard, "thanks")
	})
}

// An instance that speaks first is heard, without a word from the client.
func TestTCPServerSpeaksFirst(t *testing.T) {
	p := overTCP(t, nil, raw(t, "a", func(_ int, c net.Conn, r *bufio.Reader) {
		io.WriteString(c, "220 ready\r\n")
		r.ReadString('\n')
	}))
	line, err := bufio.NewReader(dial(t, p.addr)).ReadString('\n')
	want(t, "greeting", line, "220 ready\r\n")
	want(t, "error", err, nil)
}

// A reset passes as a reset, in both directions.
func TestTCPReset(t *testing.T) {
	t.Run("by the instance", func(t *testing.T) {
		p := overTCP(t, nil, raw(t, "a", func(_ int, c net.Conn, r *bufio.Reader) {
			r.ReadByte()
			c.(*net.TCPConn).SetLinger(0)
		}))
		c := dial(t, p.addr)
		io.WriteString(c, "x")
		_, err := c.Read(make([]byte, 1))
		want(t, "reset", errors.Is(err, syscall.ECONNRESET), true)
	})
	t.Run("by the client", func(t *testing.T) {
		heard := make(chan error, 1)
		p := overTCP(t, nil, raw(t, "a", func(_ int, c net.Conn, r *bufio.Reader) {
			r.ReadByte()
			io.WriteString(c, "y")
			_, err := r.ReadByte()
			heard <- err
		}))
		c := dial(t, p.addr)
		io.WriteString(c, "x")
		c.Read(make([]byte, 1))
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		want(t, "reset", errors.Is(<-heard, syscall.ECONNRESET), true)
	})
}

// What an instance said before it hung up arrives, though the client was still
// sending.
func TestTCPAnswerBeforeTheEnd(t *testing.T) {
	answer := strings.Repeat("enough! ", 1000)
	p := overTCP(t, nil, raw(t, "a", func(_ int, c net.Conn, r *bufio.Reader) {
		r.ReadByte()
		io.WriteString(c, answer) // and ends with most of the upload unread
	}))
	c := dial(t, p.addr)
	go func() {
		for b := make([]byte, 64<<10); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	got, _ := io.ReadAll(c) // it may end by a reset: the client has not stopped sending
	want(t, "bytes of the answer", len(got), len(answer))
}

// An instance that takes no connection costs nothing while there is another;
// without any the client waits.
func TestTCPConnects(t *testing.T) {
	ln := listen(t)
	nobody := proxy.Instance{ID: "dead", Addr: ln.Addr().String()}
	ln.Close()
	p := overTCP(t, nil, nobody, echo(t, "a"))
	for range 20 {
		c := dial(t, p.addr)
		io.WriteString(c, "hello")
		c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(c)
		want(t, "echo", string(got), "hello")
		want(t, "error", err, nil)
	}
	p.route()
	c := dial(t, p.addr)
	io.WriteString(c, "held")
	c.(*net.TCPConn).CloseWrite()
	eventually(t, "the connection is held", func() bool { return p.status().Services[0].Held == 1 })
	p.route(echo(t, "b"))
	got, err := io.ReadAll(c)
	want(t, "echo", string(got), "held")
	want(t, "error", err, nil)
}

// With no instance within the hold time the connection is reset.
func TestTCPNobodyComes(t *testing.T) {
	p := overTCP(t, func(s *proxy.Service) { s.HoldTimeout = 50 * time.Millisecond })
	_, err := dial(t, p.addr).Read(make([]byte, 1))
	want(t, "reset", errors.Is(err, syscall.ECONNRESET), true)
}

// A connection stays with its instance through its drain, and counts as in flight.
func TestTCPDrain(t *testing.T) {
	a := echo(t, "a")
	p := overTCP(t, nil, a)
	c := dial(t, p.addr)
	say := func(c net.Conn, word string) {
		t.Helper()
		io.WriteString(c, word)
		got := make([]byte, len(word))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != word {
			t.Fatalf("%q, %v", got, err)
		}
	}
	say(c, "one")
	p.route(echo(t, "b"))
	say(c, "two")
	say(dial(t, p.addr), "three")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	n, _ := p.client.WaitIdle(ctx, "a")
	want(t, "in flight to the drained one", n, 1)
	c.Close()
	n, err := p.client.WaitIdle(t.Context(), "a")
	want(t, "in flight after the client's end", n, 0)
	want(t, "error", err, nil)
	want(t, "requests", p.status().Services[0].Requests, 2)
}

// When its time is up a connection is ended in order, at both ends, busy or
// silent, in the clear or over TLS; and by force where an end does not end.
func TestTCPGoodbye(t *testing.T) {
	dir := t.TempDir()
	cert, key2 := writeCert(t, dir, "db.example")
	secure := func(s *proxy.Service) { s.CertFile, s.KeyFile = cert, key2 }
	heard := make(chan error, 10)
	talker := func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := io.WriteString(c, strings.Repeat("bla ", 1000)); err != nil {
				break
			}
		}
		_, err := io.Copy(io.Discard, r)
		heard <- err
	}
	silent := func(_ int, c net.Conn, r *bufio.Reader) {
		_, err := io.Copy(io.Discard, r)
		heard <- err
	}
	for name, c := range map[string]struct {
		instance func(int, net.Conn, *bufio.Reader)
		change   func(*proxy.Service)
		stubborn bool
	}{
		"silent":           {silent, nil, false},
		"silent over TLS":  {silent, secure, false},
		"busy":             {talker, nil, false},
		"busy over TLS":    {talker, secure, false},
		"client goes on":   {silent, nil, true},
		"one does not end": {func(int, net.Conn, *bufio.Reader) { <-t.Context().Done() }, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := overTCP(t, c.change, raw(t, "a", c.instance))
			conn := dial(t, p.addr)
			if c.change != nil {
				conn = tls.Client(conn, &tls.Config{ServerName: "db.example", RootCAs: pool(t, cert)})
			}
			io.WriteString(conn, "hello")
			eventually(t, "it is connected", func() bool { return p.status().Services[0].Instances[0].InFlight == 1 })
			ended := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, conn)
				ended <- err
				if !c.stubborn {
					conn.Close()
				}
			}()
			p.route()
			if err := p.client.Drain(t.Context(), "a", 100*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			want(t, "the client hears the end", <-ended, nil)
			n, err := p.client.WaitIdle(t.Context(), "a")
			want(t, "in flight", n, 0)
			want(t, "error", err, nil)
		})
	}
}

// Only a connection on which nothing moves in either direction is idle.
func TestTCPIdle(t *testing.T) {
	const idle = time.Second // longer than a busy machine makes the busy one wait
	p := overTCP(t, func(s *proxy.Service) { s.IdleTimeout = idle }, echo(t, "a"))
	busy, silent := dial(t, p.addr), dial(t, p.addr)
	began := time.Now()
	over := make(chan time.Duration, 1)
	go func() {
		if _, err := io.ReadAll(silent); err != nil {
			t.Error("the silent one was not ended in order:", err)
		}
		over <- time.Since(began)
	}()
	ticker := time.NewTicker(idle / 10)
	defer ticker.Stop()
	for time.Since(began) < 2*idle {
		<-ticker.C
		io.WriteString(busy, "x")
		if _, err := io.ReadFull(busy, make([]byte, 1)); err != nil {
			t.Fatalf("the busy one, after %s: %v", time.Since(began), err)
		}
	}
	if took := <-over; took < idle {
		t.Errorf("the silent one was ended after %s", took)
	}
}

// The proxy may do the TLS; what protocol is inside is not its business.
func TestTCPOverTLS(t *testing.T) {
	cert, key2 := writeCert(t, t.TempDir(), "db.example")
	p := overTCP(t, func(s *proxy.Service) { s.CertFile, s.KeyFile = cert, key2 }, summer(t, "a"))
	c, err := tls.Dial("tcp", p.addr, &tls.Config{ServerName: "db.example", RootCAs: pool(t, cert), NextProtos: []string{"postgresql"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	big := bytes.Repeat([]byte("segue "), 300_000)
	if _, err := c.Write(big); err != nil {
		t.Fatal(err)
	}
	c.CloseWrite()
	got, err := io.ReadAll(c)
	want(t, "sum", string(got), sumOf(big))
	want(t, "error", err, nil)
}

// A line of the access log for each connection.
func TestTCPAccessLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	cfg := proxy.Config{Version: 1, AccessLog: path, Services: []proxy.Service{
		{Name: "db", Listen: []string{key}, Protocol: proxy.TCP, Instances: []proxy.Instance{echo(t, "a")}}}}
	p := startConfig(t, listen(t), cfg, time.Second)
	c := dial(t, p.addr)
	io.WriteString(c, "hello")
	c.(*net.TCPConn).CloseWrite()
	io.ReadAll(c)
	eventually(t, "a line is written", func() bool {
		b, _ := os.ReadFile(path)
		return strings.Contains(string(b), `"proto":"TCP","bytes":5,"received":5,`) && strings.Contains(string(b), `"service":"db","instance":"a"`)
	})
}

// An instance that wants to know hears whose connection it is.
func TestSendProxy(t *testing.T) {
	for version, begins := range map[string]string{proxy.ProxyV1: "PROXY TCP4 127.0.0.1 127.0.0.1 ", proxy.ProxyV2: "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01"} {
		p := overTCP(t, func(s *proxy.Service) { s.SendProxy = version }, echo(t, "a"))
		c := dial(t, p.addr)
		io.WriteString(c, "hello")
		c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(c)
		want(t, "error", err, nil)
		if !strings.HasPrefix(string(got), begins) || !strings.HasSuffix(string(got), "hello") {
			t.Errorf("%s: the instance heard %q", version, got)
		}
	}
}

// The address in a PROXY header is the client's, in front of everything.
func TestAcceptProxy(t *testing.T) {
	const header = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n"
	cert, key2 := writeCert(t, t.TempDir(), "shop.example")
	told := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Forwarded-For"), " ", r.Header.Get("X-Forwarded-Proto"))
	})
	const ask = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
	local := []string{"127.0.0.0/8"}
	t.Run("HTTP", func(t *testing.T) {
		p := start(t, proxy.Service{AcceptProxy: local, Instances: []proxy.Instance{told}})
		if got := talk(t, p.addr, header+ask); !strings.HasSuffix(got, "\r\n\r\n192.0.2.7 http") {
			t.Errorf("%q", got)
		}
		if got := talk(t, p.addr, "PROXY UNKNOWN\r\n"+ask); !strings.HasSuffix(got, "\r\n\r\n127.0.0.1 http") {
			t.Errorf("%q", got)
		}
		for _, bad := range []string{ask, "PROXY TCP4 192.0.2.7\r\n" + ask} {
			if got := talk(t, p.addr, bad); got != "" {
				t.Errorf("%q is answered: %q", bad, got)
			}
		}
	})
	t.Run("byte by byte", func(t *testing.T) {
		p := start(t, proxy.Service{AcceptProxy: local, Instances: []proxy.Instance{told}})
		c := dial(t, p.addr)
		c.(*net.TCPConn).SetNoDelay(true)
		for _, b := range []byte(header + ask) {
			c.Write([]byte{b})
		}
		got, _ := io.ReadAll(c)
		if !strings.HasSuffix(string(got), "192.0.2.7 http") {
			t.Errorf("%q", got)
		}
	})
	t.Run("TLS", func(t *testing.T) {
		p := start(t, proxy.Service{AcceptProxy: local, CertFile: cert, KeyFile: key2, Instances: []proxy.Instance{told}})
		c := dial(t, p.addr)
		io.WriteString(c, header)
		s := tls.Client(c, &tls.Config{ServerName: "shop.example", RootCAs: pool(t, cert)})
		io.WriteString(s, ask)
		got, _ := io.ReadAll(s)
		if !strings.HasSuffix(string(got), "192.0.2.7 https") {
			t.Errorf("%q", got)
		}
	})
	t.Run("TCP, sent on", func(t *testing.T) {
		p := overTCP(t, func(s *proxy.Service) { s.AcceptProxy, s.SendProxy = local, proxy.ProxyV1 }, echo(t, "a"))
		c := dial(t, p.addr)
		io.WriteString(c, header+"hello")
		c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(c)
		want(t, "echo", string(got), header+"hello")
		want(t, "error", err, nil)
	})
	t.Run("in time", func(t *testing.T) {
		p := start(t, proxy.Service{AcceptProxy: local, HeaderTimeout: 50 * time.Millisecond, Instances: []proxy.Instance{told}})
		want(t, "answer", talk(t, p.addr, "PROXY TCP4 1"), "")
	})
	t.Run("not from others", func(t *testing.T) {
		p := start(t, proxy.Service{AcceptProxy: []string{"10.0.0.0/8"}, Instances: []proxy.Instance{told}})
		if got := talk(t, p.addr, ask); !strings.HasSuffix(got, "127.0.0.1 http") {
			t.Errorf("without a header: %q", got)
		}
		if got := talk(t, p.addr, header+ask); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("with a header: %q", got)
		}
	})
}
