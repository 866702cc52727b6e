package drill

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"
)

var (
	onlyFresh = Mix{Fresh: 1}
	onlyKept  = Mix{KeptAlive: 1}
)

// TestClasses: a server that fails each request in one known way; every one of
// them must be counted in that class, and the server must have received each.
func TestClasses(t *testing.T) {
	tests := []struct {
		name  string
		serve reply
		class Class
	}{
		{"reset before response", sayAndReset(""), ResetBeforeResponse},
		{"reset in header", sayAndReset("HTTP/1.1 200 OK\r\nContent-Le"), ResetInResponse},
		{"reset in body", sayAndReset("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"), ResetInResponse},
		{"closed without answer", sayAndClose(""), EOFFresh},
		{"truncated header", sayAndClose("HTTP/1.1 200 OK\r\nContent-"), Truncated},
		{"truncated body", sayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"), Truncated},
		{"truncated chunk", sayAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), Truncated},
		{"missing last chunk", sayAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), Truncated},
		{"503 with Retry-After", say("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"), Unavailable},
		{"503 without", say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"), ServerError},
		{"500", say("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), ServerError},
		{"404", say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), UnexpectedStatus},
		{"101 that nobody asked for", say("HTTP/1.1 101 Switching Protocols\r\n\r\n"), UnexpectedStatus},
		{"garbage", sayAndClose("SSH-2.0-OpenSSH_9.9\r\n\r\n"), Malformed},
		{"bad chunk", sayAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Malformed},
		{"endless 1xx", sayAndClose(string(bytes.Repeat([]byte("HTTP/1.1 102 Processing\r\n\r\n"), 20))), Malformed},
		{"right", say(right), ""},
		{"right after 1xx", say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + right), ""},
		{"right, by close", sayAndClose("HTTP/1.1 200 OK\r\n\r\nok"), ""},
		{"right, HTTP/1.0", sayAndClose("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), ""},
		{"no content", say("HTTP/1.1 204 No Content\r\n\r\n"), ""},
		{"redirect", say("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), ""},
	}
	for _, tt := range tests {
		for mode, mix := range map[string]Mix{"fresh": onlyFresh, "kept": onlyKept} {
			t.Run(tt.name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				var l ledger
				r := run(t, few(scripted(t, &l, tt.serve), mix))
				l.agrees(t, r, fewRequests)
				if tt.class == "" {
					want(t, r, "", 0, fewRequests)
					return
				}
				want(t, r, tt.class, fewRequests, 0)
			})
		}
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	p := few("http://"+l.Addr().String(), Mix{Fresh: 1, KeptAlive: 1, HTTP2: 2})
	r := run(t, p)
	want(t, r, Refused, fewRequests, 0)
	if got := r.ByMode[HTTP2].Lost; got != fewRequests/2 {
		t.Errorf("%d lost over HTTP/2, want %d", got, fewRequests/2)
	}
}

func TestTimeouts(t *testing.T) {
	hang := func(c *net.TCPConn, _ *http.Request, _ int) bool {
		io.Copy(io.Discard, c) // until the client gives up
		return false
	}
	half := func(c *net.TCPConn, r *http.Request, n int) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")
		return hang(c, r, n)
	}
	for name, f := range map[string]reply{"no answer": hang, "half an answer": half} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l ledger
			p := few(scripted(t, &l, f), Mix{Fresh: 1, KeptAlive: 1})
			p.Timeout = 150 * time.Millisecond
			r := run(t, p)
			want(t, r, Timeout, fewRequests, 0)
			l.agrees(t, r, fewRequests)
		})
	}
	t.Run("connect", func(t *testing.T) {
		t.Parallel()
		p := few("http://127.0.0.1:1", Mix{1, 1, 1})
		p.Timeout = 100 * time.Millisecond
		p.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		want(t, run(t, p), ConnectTimeout, fewRequests, 0)
	})
	t.Run("connect failed", func(t *testing.T) {
		t.Parallel()
		p := few("http://127.0.0.1:1", Mix{1, 1, 1})
		p.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "x"}
		}
		want(t, run(t, p), ConnectFailed, fewRequests, 0)
	})
}

// TestKeptAliveRace: each connection answers once, and is closed as its second
// request arrives.
func TestKeptAliveRace(t *testing.T) {
	once := func(end reply) reply {
		return func(c *net.TCPConn, r *http.Request, nth int) bool {
			if nth > 1 {
				return end(c, r, nth)
			}
			return say(right)(c, r, nth)
		}
	}
	for class, end := range map[Class]reply{EOFReused: sayAndClose(""), ResetBeforeResponse: sayAndReset("")} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			var l ledger
			p := few(scripted(t, &l, once(end)), onlyKept)
			p.Connections = 4
			r := oneByOne(t, p, fewRequests, nil)
			// Four connections have answered once when the drill ends.
			lost := int64(fewRequests-4) / 2
			want(t, r, class, lost, fewRequests-lost)
			l.agrees(t, r, fewRequests)
			for _, f := range r.Failures {
				if !f.Reused || f.OnConn != 2 || f.ConnAge <= 0 || f.Conn == 0 || f.Local == "" {
					t.Fatalf("wrong connection details: %+v", f)
				}
			}
		})
	}
}

// closesIdle closes each connection after its answer, without a word, and then
// tells closed.
func closesIdle(closed chan<- struct{}) reply {
	return func(c *net.TCPConn, r *http.Request, nth int) bool {
		say(right)(c, r, nth)
		c.Close()
		closed <- struct{}{}
		return false
	}
}

func TestPeekAvoidsClosedConnections(t *testing.T) {
	var l ledger
	closed := make(chan struct{}, fewRequests)
	p := few(scripted(t, &l, closesIdle(closed)), onlyKept)
	p.Connections = 4
	r := oneByOne(t, p, fewRequests, func() { <-closed })
	want(t, r, "", 0, fewRequests)
	l.agrees(t, r, fewRequests)
	if r.Connections.Opened != fewRequests || r.Connections.ClosedIdle == 0 {
		t.Errorf("connections: %+v", r.Connections)
	}
}

// TestSkipPeek: a client that does not look loses every second request to such
// a server, and the server never sees those.
func TestSkipPeek(t *testing.T) {
	var l ledger
	closed := make(chan struct{}, fewRequests)
	p := few(scripted(t, &l, closesIdle(closed)), onlyKept)
	p.Connections, p.SkipPeek = 1, true
	n := 0
	r := oneByOne(t, p, fewRequests, func() {
		if n++; n%2 == 1 { // after each that was answered
			<-closed
		}
	})
	want(t, r, EOFReused, fewRequests/2, fewRequests/2)
	l.agrees(t, r, fewRequests/2)
}

func TestHonoursConnectionClose(t *testing.T) {
	var l ledger
	answer := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
	p := few(scripted(t, &l, func(c *net.TCPConn, r *http.Request, nth int) bool {
		if nth > 1 {
			t.Error("a request came after Connection: close")
		}
		return say(answer)(c, r, nth)
	}), onlyKept)
	r := run(t, p)
	want(t, r, "", 0, fewRequests)
	if r.Connections.Opened != fewRequests {
		t.Errorf("%d connections opened", r.Connections.Opened)
	}
}

// TestParting408: bytes that no request asked for mean that a connection is
// about to be closed.
func TestParting408(t *testing.T) {
	var l ledger
	p := few(scripted(t, &l, func(c *net.TCPConn, r *http.Request, nth int) bool {
		io.WriteString(c, right+"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
		return true
	}), onlyKept)
	want(t, run(t, p), "", 0, fewRequests)
}

// TestEarlyAnswer: a server may answer, and close, before it has read a large body.
func TestEarlyAnswer(t *testing.T) {
	url := rawServer(t, func(c *net.TCPConn, _ int) {
		c.Read(make([]byte, 1000))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		c.CloseWrite()
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		io.Copy(io.Discard, c)
	})
	p := few(url, Mix{Fresh: 1, KeptAlive: 1})
	p.Method, p.Body = "POST", make([]byte, 8<<20)
	p.Rate, p.Duration = 50, 200*time.Millisecond
	want(t, run(t, p), UnexpectedStatus, 10, 0)
}

func TestNotSent(t *testing.T) {
	release := make(chan struct{})
	var l ledger
	p := few(scripted(t, &l, func(c *net.TCPConn, r *http.Request, nth int) bool {
		<-release
		return say(right)(c, r, nth)
	}), onlyFresh)
	p.MaxInFlight = 3
	time.AfterFunc(300*time.Millisecond, func() { close(release) }) // after all were due
	r := run(t, p)
	if r.Sent != 3 || r.OK != 3 || r.NotSent != fewRequests-3 || r.ByClass[NotSent] != fewRequests-3 {
		t.Errorf("got %+v %v", r.Count, r.ByClass)
	}
	l.agrees(t, r, 3)
	if v := r.Verdict(); v.Pass || v.Caveat == "" {
		t.Errorf("that is no proof: %+v", v)
	}
}

func TestOwnLimitsAreNotTheServers(t *testing.T) {
	p := few("http://127.0.0.1:1", onlyFresh)
	p.Dial = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}
	r := run(t, p)
	if r.Sent != 0 || r.NotSent != fewRequests {
		t.Errorf("got %+v", r.Count)
	}
}
