package h2_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/seguehq/segue/internal/proxy/h2"
)

// A handler sees what a client has sent.
func TestRequestAsSent(t *testing.T) {
	got := make(chan *http.Request, 1)
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		want(t, "body", string(b), "hello")
		want(t, "error", err, nil)
		got <- r
	})})
	c := dial(t, s)
	c.headers(1, false, ":method: POST", ":path: /a%20b?q=1", ":scheme: http", ":authority: shop.example",
		"cookie: a=1", "accept: text/html", "cookie: b=2", "accept: */*", "te: trailers", "trailer: x-sum, content-length")
	c.ok(c.fr.WriteData(1, false, []byte("hel")))
	c.ok(c.fr.WriteDataPadded(1, false, []byte("lo"), make([]byte, 20)))
	c.headers(1, true, "x-sum: 42", "x-more: 43")
	r := receive(t, got, "request")
	want(t, "host", r.Host, "shop.example")
	want(t, "path", r.URL.Path, "/a b")
	want(t, "query", r.URL.RawQuery, "q=1")
	want(t, "target", r.RequestURI, "/a%20b?q=1")
	want(t, "protocol", r.Proto, "HTTP/2.0")
	want(t, "cookie", strings.Join(r.Header["Cookie"], "|"), "a=1; b=2")
	want(t, "accept", strings.Join(r.Header["Accept"], "|"), "text/html|*/*")
	want(t, "te", r.Header.Get("Te"), "trailers")
	want(t, "length", r.ContentLength, int64(-1))
	want(t, "trailer", r.Trailer.Get("X-Sum")+r.Trailer.Get("X-More"), "4243")
	if _, ok := r.Trailer["Content-Length"]; ok {
		t.Error("Content-Length was declared as a trailer")
	}
	want(t, "status", c.status(1), "200")
	receive(t, r.Context().Done(), "end of the context")
	want(t, "ended", r.Context().Err(), context.Canceled)
}

func TestMalformedReachesNoHandler(t *testing.T) {
	var called atomic.Bool
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called.Store(true)
		io.Copy(io.Discard, r.Body)
	})})
	with := func(more ...string) []string { return append(append([]string{}, getFields...), more...) }
	for name, lines := range map[string][]string{
		"no method":               {":scheme: http", ":authority: a", ":path: /"},
		"bad method":              {":method: G T", ":scheme: http", ":authority: a", ":path: /"},
		"no path":                 {":method: GET", ":scheme: http", ":authority: a"},
		"empty path":              {":method: GET", ":scheme: http", ":authority: a", ":path: "},
		"no scheme":               {":method: GET", ":authority: a", ":path: /"},
		"relative path":           {":method: GET", ":scheme: http", ":authority: a", ":path: x"},
		"asterisk with GET":       {":method: GET", ":scheme: http", ":authority: a", ":path: *"},
		"space in path":           {":method: GET", ":scheme: http", ":authority: a", ":path: /a b"},
		"fragment":                {":method: GET", ":scheme: http", ":authority: a", ":path: /#x"},
		"bad escape":              {":method: GET", ":scheme: http", ":authority: a", ":path: /%zz"},
		"no authority":            {":method: GET", ":scheme: http", ":path: /"},
		"empty authority":         {":method: GET", ":scheme: http", ":authority: ", ":path: /", "host: a"},
		"user information":        {":method: GET", ":scheme: http", ":authority: u@a", ":path: /"},
		"CONNECT with path":       {":method: CONNECT", ":authority: a:1", ":path: /"},
		"twice":                   with(":path: /"),
		"unknown pseudo":          with(":status: 200"),
		"pseudo after field":      {":method: GET", "a: b", ":scheme: http", ":authority: a", ":path: /"},
		"upper case":              with("Accept: x"),
		"space in name":           with("a b: x"),
		"NUL":                     with("a: x\x00y"),
		"CR":                      with("a: x\ry"),
		"LF":                      with("a: x\ny"),
		"leading space":           with("a:  x"),
		"trailing tab":            with("a: x\t"),
		"connection":              with("connection: close"),
		"proxy-connection":        with("proxy-connection: x"),
		"keep-alive":              with("keep-alive: x"),
		"transfer-encoding":       with("transfer-encoding: chunked"),
		"upgrade":                 with("upgrade: x"),
		"te":                      with("te: gzip"),
		"another host":            with("host: other"),
		"length twice":            with("content-length: 0", "content-length: 0"),
		"length signed":           with("content-length: +0"),
		"length without body":     with("content-length: 3"),
		"length overflows":        with("content-length: 99999999999999999999"),
		"userinfo in host":        {":method: GET", ":scheme: http", ":path: /", "host: u@a"},
		"pseudo only in trailers": nil,
	} {
		t.Run(name, func(t *testing.T) {
			called.Store(false)
			c := dial(t, s)
			if lines != nil {
				c.headers(1, true, lines...)
				c.wantReset(1, http2.ErrCodeProtocol)
				want(t, "handler was called", called.Load(), false)
			} else {
				c.post(1)
				c.headers(1, true, ":path: /")
				c.wantReset(1, http2.ErrCodeProtocol)
			}
			c.get(3)
			want(t, "next", c.status(3), "200")
		})
	}
}

func TestSoundTargets(t *testing.T) {
	got := make(chan *http.Request, 1)
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- r })})
	c := dial(t, s)
	for i, v := range []struct{ method, target, path, query string }{
		{"GET", "/", "/", ""}, {"GET", "//x/y", "//x/y", ""}, {"GET", "/a?", "/a", ""}, {"GET", "/a?b?c", "/a", "b?c"},
		{"GET", "/%2F(x)", "//(x)", ""}, {"OPTIONS", "*", "*", ""},
	} {
		c.headers(uint32(2*i+1), true, ":method: "+v.method, ":scheme: http", ":authority: a", ":path: "+v.target)
		r := receive(t, got, v.target)
		want(t, v.target, r.URL.Path+" "+r.URL.RawQuery, v.path+" "+v.query)
		want(t, "again", r.URL.RequestURI(), v.target)
	}
	c.headers(31, true, ":method: CONNECT", ":authority: a:443")
	r := receive(t, got, "CONNECT")
	want(t, "CONNECT", r.Method+" "+r.Host+" "+r.RequestURI, "CONNECT a:443 a:443")
}

func TestLengthAndBodyAgree(t *testing.T) {
	failed := make(chan error, 1)
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		failed <- err
	})})
	for name, send := range map[string]func(c *raw){
		"longer":          func(c *raw) { c.ok(c.fr.WriteData(1, false, []byte("four"))) },
		"shorter":         func(c *raw) { c.ok(c.fr.WriteData(1, true, []byte("ab"))) },
		"shorter, by end": func(c *raw) { c.headers(1, true, "x-t: 1") },
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s)
			c.post(1, "content-length: 3")
			send(c)
			c.wantReset(1, http2.ErrCodeProtocol)
			if err := receive(t, failed, "end of body"); err == nil || err == io.EOF {
				t.Error("the body seemed whole")
			}
		})
	}
}

func TestHeaderTooLarge(t *testing.T) {
	s := serve(t, h2.Config{MaxHeader: 4 << 10, Handler: http.NotFoundHandler()})
	c := dial(t, s)
	c.headers(1, true, append(getFields[:4:4], "x-long: "+strings.Repeat("x", 5<<10))...)
	want(t, "status", c.status(1), "431")
	c.headers(3, true, append(getFields[:4:4], "x-long: short")...)
	want(t, "next", c.status(3), "404")
}

// What is cancelled stops: the handler's context, its reading and its writing.
func TestResetCancels(t *testing.T) {
	for _, how := range []string{"reset", "connection"} {
		t.Run(how, func(t *testing.T) {
			began, ended := make(chan bool), make(chan error, 3)
			s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				context.AfterFunc(r.Context(), func() { ended <- nil })
				child, cancel := context.WithTimeout(r.Context(), time.Hour)
				defer cancel()
				began <- true
				_, err := r.Body.Read(make([]byte, 1))
				<-child.Done()
				_, werr := w.Write(make([]byte, 10<<10))
				ended <- err
				ended <- werr
			})})
			c := dial(t, s)
			c.post(1)
			receive(t, began, "handler")
			if how == "reset" {
				c.ok(c.fr.WriteRSTStream(1, http2.ErrCodeCancel))
			} else {
				c.nc.Close()
			}
			failures := 0
			for range 3 {
				if receive(t, ended, "end") != nil {
					failures++
				}
			}
			want(t, "failures of body and answer", failures, 2)
		})
	}
}

func TestReadDeadline(t *testing.T) {
	errs := make(chan error, 2)
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := r.Body.Read(make([]byte, 1))
		errs <- err
		rc.SetReadDeadline(time.Time{})
		time.AfterFunc(20*time.Millisecond, func() { rc.SetReadDeadline(time.Unix(1, 0)) })
		_, err = r.Body.Read(make([]byte, 1))
		errs <- err
	})})
	c := dial(t, s)
	c.post(1)
	for range 2 {
		want(t, "error", receive(t, errs, "deadline"), os.ErrDeadlineExceeded)
	}
}

// 100 Continue is sent when the body is asked for, and not otherwise.
func TestContinue(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			io.Copy(w, r.Body)
		}
	})})
	c := dial(t, s)
	c.post(1, "expect: 100-continue")
	want(t, "interim", c.status(1), "100")
	c.ok(c.fr.WriteData(1, true, []byte("x")))
	want(t, "final", c.status(1), "200")
	c.headers(3, false, ":method: PUT", ":scheme: http", ":authority: a", ":path: /", "expect: 100-continue")
	want(t, "unread", c.status(3), "200")
	c.wantReset(3, http2.ErrCodeNo)
}

// A client cannot send more ahead than the window; reading opens it again.
func TestBackpressure(t *testing.T) {
	read, done := make(chan bool), make(chan int64, 1)
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-read
		n, _ := io.Copy(io.Discard, r.Body)
		done <- n
	})})
	c := dial(t, s)
	c.post(1)
	piece := make([]byte, 16<<10)
	for range 512 << 10 / len(piece) {
		c.ok(c.fr.WriteData(1, false, piece))
	}
	c.ok(c.fr.WritePing(false, [8]byte{7}))
	for {
		f := c.read()
		if w, ok := f.(*http2.WindowUpdateFrame); ok && w.StreamID == 1 {
			t.Fatal("window was opened before anything was read")
		}
		if _, ok := f.(*http2.PingFrame); ok {
			break
		}
	}
	close(read)
	until[*http2.WindowUpdateFrame](c, 1)
	c.ok(c.fr.WriteData(1, true, piece))
	want(t, "received", receive(t, done, "body"), int64(512<<10+len(piece)))

	s = serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })})
	c = dial(t, s)
	c.post(1)
	for range 512<<10/len(piece) + 1 {
		c.ok(c.fr.WriteData(1, false, piece))
	}
	c.wantReset(1, http2.ErrCodeFlowControl)
}

// Uploads that nobody reads do not use up the connection's window.
func TestDiscardedDataIsGivenBack(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})})
	c := dial(t, s)
	piece := make([]byte, 16<<10)
	for id := uint32(1); id < 200; id += 2 {
		c.post(id)
		c.status(id)
		c.wantReset(id, http2.ErrCodeNo)
		for range 4 { // they were under way
			for c.window < len(piece) {
				until[*http2.WindowUpdateFrame](c, 0)
			}
			c.ok(c.fr.WriteData(id, false, piece))
			c.window -= len(piece)
		}
	}
	c.get(201)
	want(t, "status", c.status(201), "200")
}

func TestUploads(t *testing.T) {
	s := serve(t, h2.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })})
	cl := client(t)
	for _, size := range []int{1, 1000, 100_000, 3_000_000} {
		body := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		res, err := cl.Post("http://"+s.addr, "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes of %d, %v", len(got), size, err)
		}
	}
}
