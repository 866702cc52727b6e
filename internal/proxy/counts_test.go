package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// counts gives what is told of a release.
func (r *running) counts(release string) (c proxy.ReleaseStatus) {
	r.t.Helper()
	for _, c := range r.status().Services[0].Releases {
		if c.Release == release {
			return c
		}
	}
	return c
}

// timed is how many of the requests have a time of at least d, but for a bucket's width.
func timed(c proxy.Counts, d time.Duration) (n int64) {
	for i, bound := range proxy.Bounds() {
		if bound > d {
			n += c.Times[i]
		}
	}
	return n + c.Times[proxy.Buckets-1]
}

// Errors are what is the instance's fault, whichever way the answer takes.
func TestCountsByFault(t *testing.T) {
	status := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); w.WriteHeader(n) }
	}
	die := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	cut := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(code)
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	stream := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 1\n\n")
	}
	for name, c := range map[string]struct {
		answer           http.HandlerFunc
		method, body     string
		requests, errors int64
		timed            int64
	}{
		"fine":              {status(200), "GET", "", 1, 0, 1},
		"fine with a body":  {status(200), "POST", "body", 1, 0, 1},
		"a long body":       {status(200), "POST", strings.Repeat("x", 1<<20), 1, 0, 1},
		"a stream":          {stream, "GET", "", 1, 0, 1},
		"the client's":      {status(404), "GET", "", 1, 0, 1},
		"the instance's":    {status(503), "GET", "", 1, 1, 1},
		"no answer":         {die, "POST", "", 1, 1, 0},
		"cut":               {cut(200), "GET", "", 1, 1, 1},
		"cut and an error":  {cut(500), "GET", "", 1, 1, 1},
		"asked for a close": {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") }, "GET", "", 1, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", c.answer)}})
			req, _ := http.NewRequest(c.method, p.url("/"), strings.NewReader(c.body))
			if res, err := fresh().Do(req); err == nil {
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			var got proxy.Counts
			eventually(t, "the count", func() bool {
				got = p.counts("r-a").Counts
				return got.Requests == c.requests && got.Errors == c.errors
			})
			want(t, "timed", timed(got, 0), c.timed)
		})
	}
}

// A request that is refused, resent or given up counts where it was, once.
func TestCountsOfRepeats(t *testing.T) {
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", say(200, "text/plain", "a")), {ID: "dead", Addr: closedPort(t), Release: "r-dead"}}})
	for range 20 {
		get(t, fresh(), p.url("/"))
	}
	good, bad := p.counts("r-a"), p.counts("r-dead")
	want(t, "of the good one", []int64{good.Requests, good.Errors}, []int64{20, 0})
	if bad.Requests == 0 || bad.Errors != bad.Requests {
		t.Errorf("of the dead one: %+v", bad.Counts)
	}
}

// The time is the instance's: neither a client that sends slowly nor one that
// reads slowly is in it. One that does not wait counts with as long as it did.
func TestCountsTimeOfTheInstance(t *testing.T) {
	const slow = 300 * time.Millisecond
	hang := make(chan struct{})
	defer close(hang)
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/slow":
			time.Sleep(slow)
		case "/hang":
			<-hang
		}
	})}})
	c := dial(t, p.addr)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nslow \r\n")
	time.Sleep(slow)
	io.WriteString(c, "6\r\nclient\r\n0\r\n\r\n")
	r := bufio.NewReader(c)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	got := p.counts("r-a").Counts
	want(t, "requests", got.Requests, 1)
	want(t, "slow ones", timed(got, slow), 0)

	get(t, kept(t), p.url("/slow"))
	want(t, "slow ones", timed(p.counts("r-a").Counts, slow), 1)

	c = dial(t, p.addr)
	io.WriteString(c, "GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
	eventually(t, "it is in flight", func() bool { return p.instance("a").InFlight == 1 })
	time.Sleep(slow)
	c.Close()
	eventually(t, "it is counted", func() bool { return p.counts("r-a").Gone == 1 })
	got = p.counts("r-a").Counts
	want(t, "requests, errors", []int64{got.Requests, got.Errors}, []int64{3, 0})
	want(t, "slow ones", timed(got, slow), 2)
}

// Copies are counted beside users' requests, for their own release.
func TestCountsOfCopies(t *testing.T) {
	p := shadowed(t, proxy.Mirror{}, say(200, "text/plain", "a"), say(500, "text/plain", "a"))
	for range 5 {
		get(t, kept(t), p.url("/"))
	}
	p.total(5)
	eventually(t, "the counts", func() bool {
		own, other := p.counts("r-original"), p.counts("r-copy")
		return own.Requests == 5 && own.Errors == 0 && own.Copies == nil &&
			other.Requests == 0 && other.Copies != nil && other.Copies.Requests == 5 && other.Copies.Errors == 5 && timed(*other.Copies, 0) == 5
	})
}

// A connection that the instance resets is its error; one that the client resets is not.
func TestCountsTCP(t *testing.T) {
	p := overTCP(t, nil, raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		if line, _ := r.ReadString('\n'); line == "reset\n" {
			c.(*net.TCPConn).SetLinger(0)
			return
		}
		io.Copy(io.Discard, r)
	}))
	c := dial(t, p.addr)
	io.WriteString(c, "reset\n")
	io.ReadAll(c)
	eventually(t, "an error", func() bool { got := p.counts("r-a"); return got.Requests == 1 && got.Errors == 1 })
	c = dial(t, p.addr)
	io.WriteString(c, "hello\n")
	eventually(t, "it is passed on", func() bool { return p.counts("r-a").Requests == 2 })
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	eventually(t, "it has ended", func() bool { return p.instance("a").InFlight == 0 })
	want(t, "errors", p.counts("r-a").Errors, 1)
}

// Answers of gRPC are judged by their own status, wherever it stands.
func TestCountsGRPC(t *testing.T) {
	p := start(t, proxy.Service{Protocol: proxy.H2C, Instances: []proxy.Instance{h2Backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		status := r.URL.Path[1:]
		if r.URL.RawQuery == "at-once" {
			w.Header().Set("Grpc-Status", status)
			return
		}
		w.Header().Set("Trailer", "Grpc-Status")
		io.WriteString(w, "answer")
		w.Header().Set("Grpc-Status", status)
	})}})
	requests, errors := int64(0), int64(0)
	for _, c := range []struct {
		status string
		fault  bool
	}{{"0", false}, {"5", false}, {"8", false}, {"13", true}, {"14", true}, {"16", false}} {
		for _, way := range []string{"", "?at-once"} {
			res, _ := get(t, h2Only(t), p.url("/"+c.status+way))
			want(t, "status", res.StatusCode, 200)
			if requests++; c.fault {
				errors++
			}
			eventually(t, "it is counted", func() bool { return p.counts("r-a").Requests == requests })
			eventually(t, "grpc-status "+c.status+way+" is judged", func() bool { return p.counts("r-a").Errors == errors })
		}
	}
	want(t, "timed", timed(p.counts("r-a").Counts, 0), requests)
}
