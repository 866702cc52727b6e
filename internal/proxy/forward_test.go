package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

func TestPassesRequestAndAnswer(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Method+" "+r.RequestURI+" "+r.Host)
		w.Header()["X-Two"] = []string{"1", "2"}
		w.Header().Set("X-Drill", r.Header.Get("Segue-Drill"))
		w.WriteHeader(201)
		w.Write(b)
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	for _, size := range []int{0, 1, 5000, 70_000, 1 << 20} {
		for _, chunked := range []bool{false, true} {
			body := bytes.Repeat([]byte("x"), size)
			var rd io.Reader = bytes.NewReader(body)
			if chunked {
				rd = io.MultiReader(rd)
			}
			req, _ := http.NewRequest("POST", p.url("/a%2Fb?x=1"), rd)
			req.Host = "shop.example"
			req.Header.Set("Segue-Drill", "1")
			res, err := fresh().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got := read(t, res)
			want(t, "status", res.StatusCode, 201)
			want(t, "seen", res.Header.Get("X-Seen"), "POST /a%2Fb?x=1 shop.example")
			want(t, "two", res.Header["X-Two"], "[1 2]")
			want(t, "drill header at the instance", res.Header.Get("X-Drill"), "")
			want(t, "release", res.Header.Get("Segue-Release"), "r-a")
			want(t, "instance", res.Header.Get("Segue-Instance"), "a")
			if got != string(body) {
				t.Errorf("size %d chunked %v: body differs: %d bytes", size, chunked, len(got))
			}
		}
	}
}

func TestReusesConnections(t *testing.T) {
	var conns atomic.Int32
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		conns.Add(1)
		for readHead(r) != "" {
			io.WriteString(c, okAnswer)
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	for range 20 {
		_, body := get(t, fresh(), p.url("/"))
		want(t, "body", body, "ok")
	}
	if n := int(conns.Load()); n > 1 && (general || n > runtime.GOMAXPROCS(0)) { // each loop has its own
		t.Errorf("%d connections", n)
	}
}

func TestAnswerForms(t *testing.T) {
	big := strings.Repeat("z", 200_000)
	for name, c := range map[string]struct{ method, answer, body string }{
		"http/1.0 to eof":      {"GET", "HTTP/1.0 200 OK\r\nServer: SimpleHTTP\r\n\r\n" + big, big},
		"http/1.1 to eof":      {"GET", "HTTP/1.1 200 OK\r\n\r\nhello", "hello"},
		"chunked":              {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"},
		"big":                  {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + big, big},
		"big chunk":            {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + big + "\r\n0\r\n\r\n", big},
		"head":                 {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", ""},
		"no content":           {"GET", "HTTP/1.1 204 No Content\r\n\r\n", ""},
		"not modified":         {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", ""},
		"close":                {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok"},
		"bare lf":              {"GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok"},
		"no reason, long head": {"GET", "HTTP/1.1 200\r\nX: " + big[:50_000] + "\r\nContent-Length: 2\r\n\r\nok", "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			in := raw(t, "a", func(n int, conn net.Conn, r *bufio.Reader) {
				readHead(r)
				io.WriteString(conn, c.answer)
			})
			p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
			for range 2 {
				req, _ := http.NewRequest(c.method, p.url("/"), nil)
				res, err := fresh().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if got := read(t, res); got != c.body {
					t.Errorf("body has %d bytes, want %d", len(got), len(c.body))
				}
				if c.method == "HEAD" {
					want(t, "length", res.ContentLength, 1234)
				}
			}
		})
	}
}

// An answer that ends too early must be seen to.
func TestTruncationIsVisible(t *testing.T) {
	for name, answer := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
				readHead(r)
				io.WriteString(c, answer)
			})
			p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
			res, err := fresh().Get(p.url("/"))
			if err != nil {
				return
			}
			defer res.Body.Close()
			if _, err := io.ReadAll(res.Body); err == nil {
				t.Error("a truncated answer was passed off as whole")
			}
		})
	}
}

func TestBadAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"garbage":        "hello\r\n\r\n",
		"two lengths":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
		"negative":       "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
		"coding":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"fold":           "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
		"space":          "HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 2\r\n\r\nok",
		"cr":             "HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 2\r\n\r\nok",
		"cut":            "HTTP/1.1 200 OK\r\nContent-Le",
		"unasked switch": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
				readHead(r)
				io.WriteString(c, answer)
			})
			p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
			res, body := get(t, fresh(), p.url("/"))
			want(t, "status", res.StatusCode, 502)
			want(t, "word", res.Header.Get("Segue-Error"), "bad-answer")
			if strings.Contains(body, in.Addr) {
				t.Error("the instance's address got out")
			}
		})
	}
}

// Each chunk must reach the client before the instance sends the next.
func TestStreamsAtOnce(t *testing.T) {
	next := make(chan struct{})
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 5 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-next
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	res, err := kept(t).Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	for i := range 5 {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		want(t, "event", line, fmt.Sprintf("data: %d\n", i))
		r.ReadString('\n')
		next <- struct{}{}
	}
}

// A request's body streams up while the answer streams down.
func TestFullDuplex(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			if n > 0 {
				w.Write(bytes.ToUpper(b[:n]))
				w.(http.Flusher).Flush()
			}
			if err != nil {
				return
			}
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	pr, pw := io.Pipe()
	req, _ := http.NewRequest("POST", p.url("/"), pr)
	res, err := kept(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b := make([]byte, 10)
	for _, s := range []string{"one", "two", "three"} {
		io.WriteString(pw, s)
		if _, err := io.ReadFull(res.Body, b[:len(s)]); err != nil {
			t.Fatal(err)
		}
		want(t, "echo", string(b[:len(s)]), strings.ToUpper(s))
	}
	pw.Close()
	rest, err := io.ReadAll(res.Body)
	want(t, "rest", string(rest)+fmt.Sprint(err), "<nil>")
}

// An instance may answer before it has read the body, and hang up.
func TestEarlyAnswer(t *testing.T) {
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	for range 5 {
		res, err := fresh().Post(p.url("/"), "text/plain", bytes.NewReader(make([]byte, 8<<20)))
		if err != nil {
			t.Fatal(err)
		}
		want(t, "status", res.StatusCode, 401)
		want(t, "body", read(t, res), "no")
	}
	// What follows on such a connection is never taken for a request.
	got := talk(t, p.addr, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n")
	if n := strings.Count(got, "HTTP/1.1 "); n != 1 {
		t.Errorf("%d answers: %q", n, got)
	}
}

func TestTrailers(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "hello")
		w.Header().Set("X-Sum", "up:"+r.Trailer.Get("X-Up"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	req, _ := http.NewRequest("POST", p.url("/"), io.MultiReader(strings.NewReader("body")))
	req.Trailer = http.Header{"X-Up": {"42"}}
	res, err := fresh().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "body", read(t, res), "hello")
	want(t, "announced", res.Trailer.Get("X-Sum"), "up:42")
	want(t, "not announced", res.Trailer.Get("X-Late"), "yes")
}

func TestEarlyHints(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</x.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Del("Link")
		io.WriteString(w, "ok")
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	var hint string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hint = strconv.Itoa(code) + h.Get("Link")
		return nil
	}}
	req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", p.url("/"), nil)
	res, err := fresh().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "body", read(t, res), "ok")
	want(t, "hint", hint, "103</x.css>; rel=preload")
	want(t, "hint's field in the answer", res.Header.Get("Link"), "")
}

// The client is asked for its body when the instance asks, not before.
func TestExpectContinue(t *testing.T) {
	asked := make(chan string, 1)
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		head := readHead(r)
		asked <- head
		if strings.HasPrefix(head, "PUT /no") {
			io.WriteString(c, "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		b := make([]byte, 5)
		io.ReadFull(r, b)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"+string(b))
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	for path, answer := range map[string]string{"/yes": "200 OK", "/no": "417 Expectation Failed"} {
		c := dial(t, p.addr)
		r := bufio.NewReader(c)
		fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", path)
		if head := <-asked; !strings.Contains(head, "Expect: 100-continue") {
			t.Errorf("the instance did not see the expectation: %q", head)
		}
		line, _ := r.ReadString('\n')
		if path == "/yes" {
			want(t, "interim", line, "HTTP/1.1 100 Continue\r\n")
			r.ReadString('\n')
			io.WriteString(c, "hello")
			line, _ = r.ReadString('\n')
		}
		want(t, "answer", line, "HTTP/1.1 "+answer+"\r\n")
	}
}

func TestUpgrade(t *testing.T) {
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		head := readHead(r)
		if !strings.Contains(head, "Upgrade: websocket") || !strings.Contains(head, "Sec-Websocket-Key: k") {
			t.Errorf("upgrade did not arrive: %q", head)
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\nhi ")
		b, _ := io.ReadAll(r) // to the client's half-close
		c.Write(bytes.ToUpper(b))
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	c := dial(t, p.addr)
	io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n")
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "status", res.StatusCode, 101)
	want(t, "field", res.Header.Get("Sec-Websocket-Accept"), "a")
	eventually(t, "one in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 1 })
	io.WriteString(c, "hello")
	c.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(r)
	want(t, "bytes", string(b)+fmt.Sprint(err), "hi HELLO<nil>")
	eventually(t, "none in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 0 })
}

// When the client goes away, the instance learns of it.
func TestClientGone(t *testing.T) {
	came, left := make(chan struct{}), make(chan struct{})
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	c := dial(t, p.addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-came
	c.Close()
	<-left
}

func TestAnswerTimeout(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}, AnswerTimeout: 50 * time.Millisecond})
	for _, body := range []io.Reader{nil, strings.NewReader("x"), io.MultiReader(strings.NewReader("x"))} {
		req, _ := http.NewRequest("POST", p.url("/"), body)
		res, err := fresh().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "status", res.StatusCode, 504)
		read(t, res)
	}
}

// Who is refused while a large body is still on its way learns that the
// connection ends, and does not send the next request into its end.
func TestRefusalTellsOfItsHangUp(t *testing.T) {
	p := start(t, proxy.Service{MaxBody: 10, Instances: []proxy.Instance{backend(t, "a", say(200, "text/plain", "a"))}})
	for size, closes := range map[int]bool{20: false, 300_000: true} {
		c := dial(t, p.addr)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		read(t, res)
		if res.StatusCode != 413 || res.Close != closes {
			t.Errorf("%d bytes: %s, closes: %v", size, res.Status, res.Close)
		}
		if !closes {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 200 {
				t.Errorf("the next request: %v, %v", res, err)
			}
		}
	}
}
