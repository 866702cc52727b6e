package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// The two causes for which exchanges are asked to end.
var partings = []struct {
	name  string
	begin func(p *running, in, other proxy.Instance)
}{
	{"drain", func(p *running, in, other proxy.Instance) {
		p.route(other)
		if err := p.client.Drain(p.t.Context(), in.ID, 20*time.Millisecond); err != nil {
			p.t.Error(err)
		}
	}},
	{"replacement", func(p *running, _, _ proxy.Instance) {
		if err := p.client.Quit(p.t.Context()); err != nil {
			p.t.Error(err)
		}
	}},
}

// eachParting runs a test with a proxy in front of an instance, once for each cause.
func eachParting(t *testing.T, s proxy.Service, in proxy.Instance, test func(t *testing.T, p *running, part func())) {
	other := backend(t, "other", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "other") })
	other.Protocol = proxy.HTTP1
	for _, c := range partings {
		t.Run(c.name, func(t *testing.T) {
			s := s
			s.Instances = []proxy.Instance{in}
			p := startOn(t, listen(t), s, 20*time.Millisecond)
			test(t, p, func() { c.begin(p, in, other) })
		})
	}
}

// masked is a frame as clients send it, with a mask of zeros.
func masked(opcode byte, text string) []byte {
	return append([]byte{0x80 | opcode, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
}

func unmasked(opcode byte, text string) []byte {
	return append([]byte{0x80 | opcode, byte(len(text))}, text...)
}

var restartFrame = unmasked(8, "\x03\xf4service restart")

// openSocket opens a WebSocket through the proxy.
func openSocket(t *testing.T, p *running) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := dial(t, p.addr)
	io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(c)
	if head := readHead(r); !strings.HasPrefix(head, "HTTP/1.1 101") {
		t.Fatal(head)
	}
	return c, r
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"

func readBytes(t *testing.T, r io.Reader, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatalf("%v after %q", err, b)
	}
	return b
}

// The client of a WebSocket gets a Close frame, answers it, and sees the
// connection closed in order; the instance sees the client's Close frame.
func TestWebSocketGoodbye(t *testing.T) {
	got := make(chan string, 10)
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, switching)
		b := make([]byte, 8)
		io.ReadFull(r, b)
		c.Write(unmasked(1, string(b[6:])))
		rest, _ := io.ReadAll(r)
		got <- string(rest)
	})
	eachParting(t, proxy.Service{}, in, func(t *testing.T, p *running, part func()) {
		c, r := openSocket(t, p)
		c.Write(masked(1, "hi"))
		want(t, "echo", readBytes(t, r, 4), unmasked(1, "hi"))
		part()
		want(t, "goodbye", readBytes(t, r, len(restartFrame)), restartFrame)
		late, bye := masked(1, "late"), masked(8, "\x03\xf4")
		c.Write(append(late, bye...))
		if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
		want(t, "the instance saw", <-got, string(late)+string(bye))
		metrics(t, p, `segue_goodbyes_total{kind="websocket"} 1`)
	})
}

// metrics looks for a line in the proxy's metrics, while there is a proxy.
func metrics(t *testing.T, p *running, line string) {
	t.Helper()
	text, err := p.client.Metrics(t.Context())
	if err == nil && !strings.Contains(string(text), line+"\n") {
		t.Errorf("no %q among the metrics", line)
	}
}

// A frame that has begun is passed on whole; nothing follows the Close frame.
func TestWebSocketEndsBehindAFrame(t *testing.T) {
	rest := make(chan struct{})
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, switching+string(unmasked(1, "whole")[:4]))
		<-rest
		io.WriteString(c, string(unmasked(1, "whole")[4:])+string(unmasked(1, "more")))
		io.Copy(io.Discard, r)
	})
	eachParting(t, proxy.Service{}, in, func(t *testing.T, p *running, part func()) {
		c, r := openSocket(t, p)
		want(t, "half a frame", readBytes(t, r, 4), unmasked(1, "whole")[:4])
		part()
		eventually(t, "its time is up", func() bool { return p.asked() })
		rest <- struct{}{}
		want(t, "the rest", string(readBytes(t, r, 3)), "ole")
		want(t, "goodbye", readBytes(t, r, len(restartFrame)), restartFrame)
		c.Write(masked(8, ""))
		if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// asked gives the drain time a moment to pass: nobody tells of it.
func (p *running) asked() bool {
	time.Sleep(60 * time.Millisecond)
	return true
}

// An instance that says goodbye itself has the last word.
func TestWebSocketOwnGoodbye(t *testing.T) {
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, switching)
		c.Write(unmasked(8, "\x03\xe8"))
		io.Copy(io.Discard, r)
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	c, r := openSocket(t, p)
	want(t, "goodbye", readBytes(t, r, 4), unmasked(8, "\x03\xe8"))
	partings[0].begin(p, in, backend(t, "b", nil))
	c.Write(masked(8, "\x03\xe8"))
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}

// What is no WebSocket is cut, in order.
func TestTunnelCut(t *testing.T) {
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi")
		io.Copy(io.Discard, r)
	})
	eachParting(t, proxy.Service{}, in, func(t *testing.T, p *running, part func()) {
		c := dial(t, p.addr)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		r := bufio.NewReader(c)
		readHead(r)
		part()
		if rest, err := io.ReadAll(r); string(rest) != "hi" || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// flow is an instance that sends what it is given.
type flow struct {
	kind  string
	parts chan string
}

func (f *flow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", f.kind)
	w.(http.Flusher).Flush()
	for {
		select {
		case s := <-f.parts:
			io.WriteString(w, s)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// Server-sent events end behind an event, and the answer is whole.
func TestEventsGoodbye(t *testing.T) {
	f := &flow{kind: "text/event-stream", parts: make(chan string)}
	for _, spoken := range []string{proxy.HTTP1, proxy.H2C} {
		in := backend(t, "a", f.ServeHTTP)
		if spoken == proxy.H2C {
			in = h2Backend(t, "a", f.ServeHTTP)
		}
		for client, c := range map[string]*http.Client{"HTTP/1": kept(t), "HTTP/2": h2Only(t)} {
			t.Run(client+" to "+spoken, func(t *testing.T) {
				eachParting(t, proxy.Service{Protocol: spoken}, in, func(t *testing.T, p *running, part func()) {
					defer c.CloseIdleConnections() // the proxy's own goodbye would wait for them
					res, err := c.Get(p.url("/"))
					if err != nil {
						t.Fatal(err)
					}
					f.parts <- "data: 1\n\ndata: "
					want(t, "events", string(readBytes(t, res.Body, 15)), "data: 1\n\ndata: ")
					part()
					p.asked()
					f.parts <- "2\n\ndata: 3\n\n"
					want(t, "the rest", read(t, res), "2\n\n")
				})
				eachParting(t, proxy.Service{Protocol: spoken}, in, func(t *testing.T, p *running, part func()) {
					defer c.CloseIdleConnections() // the proxy's own goodbye would wait for them
					res, err := c.Get(p.url("/"))
					if err != nil {
						t.Fatal(err)
					}
					f.parts <- "data: 1\n\n"
					want(t, "an event", string(readBytes(t, res.Body, 9)), "data: 1\n\n")
					part()
					want(t, "the rest", read(t, res), "")
				})
			})
		}
	}
}

// Half a line is no line: such an answer is cut where it does not end in time.
func TestHalfALineIsCut(t *testing.T) {
	f := &flow{kind: "application/x-ndjson", parts: make(chan string)}
	eachParting(t, proxy.Service{}, backend(t, "a", f.ServeHTTP), func(t *testing.T, p *running, part func()) {
		res, err := fresh().Get(p.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		f.parts <- "{}\n{"
		part()
		if b, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%q was passed off as whole", b)
		}
	})
}

// stuck is an instance that does not answer, until it is cut.
func stuck(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// A request without an answer goes to another instance if it can be repeated.
// When the proxy leaves, its client is told to come again.
func TestLongPoll(t *testing.T) {
	for _, spoken := range []string{proxy.HTTP1, proxy.H2C} {
		t.Run(spoken, func(t *testing.T) {
			in := backend(t, "a", stuck)
			if spoken == proxy.H2C {
				in = h2Backend(t, "a", stuck)
			}
			eachParting(t, proxy.Service{Protocol: spoken}, in, func(t *testing.T, p *running, part func()) {
				answer := inFlight(t, p, "GET", "/", "")
				part()
				if strings.HasSuffix(t.Name(), "drain") {
					want(t, "answer", <-answer, "200  other")
				} else if a := <-answer; !strings.HasPrefix(a, "503 drained") {
					t.Error(a)
				}
			})
		})
	}
}

// inFlight sends a request and returns when an instance has it.
func inFlight(t *testing.T, p *running, method, path, body string) <-chan string {
	t.Helper()
	before := p.status().Services[0].Instances[0].InFlight
	answer := make(chan string, 1)
	go func() {
		req, _ := http.NewRequest(method, p.url(path), strings.NewReader(body))
		res, err := fresh().Do(req)
		if err != nil {
			answer <- err.Error()
			return
		}
		b, err := io.ReadAll(res.Body)
		answer <- fmt.Sprint(res.StatusCode, " ", res.Header.Get("Segue-Error"), " ", string(b))
		if err != nil {
			t.Log(err)
		}
	}()
	eventually(t, "it is in flight", func() bool { return p.status().Services[0].Instances[0].InFlight > before })
	return answer
}

// A request that cannot be repeated is left to its instance; when that ends
// without an answer, the client learns that it may come again.
func TestPostLeftToItsInstance(t *testing.T) {
	release := make(chan struct{})
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case <-release:
			io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	answered, cut := inFlight(t, p, "POST", "/", "x"), inFlight(t, p, "POST", "/", "y")
	other := backend(t, "b", stuck)
	partings[0].begin(p, in, other)
	p.asked()
	release <- struct{}{}
	select {
	case a := <-answered:
		want(t, "answer", a, "200  done")
		answered = cut
	case a := <-cut:
		want(t, "answer", a, "200  done")
	}
	if err := p.client.Cut(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if a := <-answered; !strings.HasPrefix(a, "503 drained") {
		t.Error(a)
	}
}

// An answer without seams is cut when its time is up, which its route may set.
func TestDownloadCut(t *testing.T) {
	half := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "4")
		io.WriteString(w, "ab")
		w.(http.Flusher).Flush()
		select {
		case <-time.After(300 * time.Millisecond):
			io.WriteString(w, "cd")
		case <-r.Context().Done():
		}
	}
	s := proxy.Service{Routes: []proxy.Route{{}, {Path: "/films", DrainTimeout: 10 * time.Second}}}
	eachParting(t, s, backend(t, "a", half), func(t *testing.T, p *running, part func()) {
		film, song := open(t, p.url("/films/1")), open(t, p.url("/songs"))
		part()
		if b, err := io.ReadAll(song.Body); err == nil {
			t.Errorf("%q was passed off as whole", b)
		}
		want(t, "the film", read(t, film), "abcd")
	})
}

func open(t *testing.T, url string) *http.Response {
	t.Helper()
	res, err := fresh().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// gRPC streams end behind a message with UNAVAILABLE; calls without an answer
// end so, too.
func TestGRPCGoodbye(t *testing.T) {
	msg := []byte{0, 0, 0, 0, 2, 'h', 'i'}
	in := h2Backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			w.Header().Set("Content-Type", "application/grpc")
			w.Write(msg)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	eachParting(t, proxy.Service{Protocol: proxy.H2C}, in, func(t *testing.T, p *running, part func()) {
		call := func(path string) *http.Response {
			req, _ := http.NewRequest("POST", p.url(path), bytes.NewReader(msg))
			req.Header.Set("Content-Type", "application/grpc")
			req.Header.Set("Te", "trailers")
			res, err := h2Only(t).Do(req)
			if err != nil {
				t.Error(err)
				return &http.Response{Body: http.NoBody}
			}
			return res
		}
		stream := call("/stream")
		want(t, "a message", readBytes(t, stream.Body, len(msg)), msg)
		unary := make(chan *http.Response)
		go func() { unary <- call("/unary") }()
		eventually(t, "both are in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 2 })
		part()
		want(t, "the rest", read(t, stream), "")
		want(t, "status", stream.Trailer.Get("Grpc-Status"), "14")
		want(t, "message", stream.Trailer.Get("Grpc-Message"), "service restart")
		res := <-unary
		read(t, res)
		want(t, "status of a call", res.Header.Get("Grpc-Status"), "14")
	})
}
