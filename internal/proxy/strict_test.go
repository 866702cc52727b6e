package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// What is not sound is refused in our own words, and nothing of it reaches an
// instance; a sound request before it on the same connection is answered first.
func TestRefusesUnsoundRequests(t *testing.T) {
	a := newStrict(t, "a")
	p := start(t, proxy.Service{Instances: []proxy.Instance{a.Instance}})
	const first = "GET /first HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, c := range map[string]struct {
		text   string
		status int
	}{
		"bare lf":        {"GET / HTTP/1.1\nHost: x\n\n", 400},
		"fold":           {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
		"space":          {"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400},
		"cl.te":          {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"two equal cl":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
		"unknown coding": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
		"version":        {"GET / HTTP/1.3\r\nHost: x\r\n\r\n", 505},
		"no host":        {"GET / HTTP/1.1\r\n\r\n", 400},
		"connect":        {"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 400},
		"asterisk":       {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"too large":      {"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 1<<20+10) + "\r\n\r\n", 431},
	} {
		for _, before := range []string{"", first} {
			t.Run(name+before[:min(4, len(before))], func(t *testing.T) {
				served := a.served.Load()
				conn := dial(t, p.addr)
				go io.WriteString(conn, before+c.text)
				r := bufio.NewReader(conn)
				if before != "" {
					res, err := http.ReadResponse(r, nil)
					if err != nil || res.StatusCode != 200 {
						t.Fatal(res, err)
					}
					io.Copy(io.Discard, res.Body)
					served++
				}
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				word := map[bool]string{false: "bad-request", true: "header-too-large"}[c.status == 431]
				want(t, "answer", fmt.Sprint(res.StatusCode, res.Header.Get("Segue-Error"), res.Close), fmt.Sprint(c.status, word, true))
				if b, err := io.ReadAll(res.Body); err != nil || !strings.HasPrefix(string(b), "{") {
					t.Errorf("body %q, %v", b, err)
				}
				if n, _ := r.Read(make([]byte, 1)); n != 0 {
					t.Error("there is more behind the refusal")
				}
				want(t, "requests at the instance", a.served.Load(), served)
			})
		}
	}
}

// An absolute target's authority is the host, whatever Host says.
func TestAbsoluteTarget(t *testing.T) {
	p := start(t, proxy.Service{Instances: []proxy.Instance{echoHead(t)}})
	got := talk(t, p.addr, "GET http://shop.example:81?q=1 HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n")
	if !strings.Contains(got, "GET /?q=1 HTTP/1.1\r\nHost: shop.example:81\r\n") {
		t.Errorf("the instance saw %q", got)
	}
}

// Sound requests pass whatever pieces they come in, bodies of all framings
// included, and over TLS as over plaintext.
func TestGateInPieces(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, b, r.Trailer.Get("X-Sum"))
	})
	const text = "\r\nGET /1 HTTP/1.1\r\nHost: x\r\n\r\n" +
		"POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" +
		"PUT /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n" +
		"GET /4 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n" +
		"POST /5 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	answers := []string{"GET  ", "POST hello ", "PUT abcde 9", "GET  ", "POST  "}
	check := func(t *testing.T, c net.Conn, size int) {
		go func() {
			for rest := text; rest != ""; {
				n := min(size, len(rest))
				io.WriteString(c, rest[:n])
				if rest = rest[n:]; size < 100 {
					time.Sleep(50 * time.Microsecond) // so that pieces stay pieces
				}
			}
		}()
		r := bufio.NewReader(c)
		for _, answer := range answers {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			want(t, "answer", read(t, res), answer)
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Error("the connection goes on:", err)
		}
	}
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	cert, certKey := writeCert(t, t.TempDir(), "x")
	s := start(t, proxy.Service{Instances: []proxy.Instance{in}, CertFile: cert, KeyFile: certKey})
	for _, size := range []int{1, 2, 7, 64, len(text)} {
		check(t, dial(t, p.addr), size)
		c := tls.Client(dial(t, s.addr), &tls.Config{InsecureSkipVerify: true})
		check(t, c, size)
	}
}
