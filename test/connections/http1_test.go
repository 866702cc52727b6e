package connections_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// TestKeepAlive: kept-alive connections under POSTs that nobody may repeat.
func TestKeepAlive(t *testing.T) {
	underReplacement(t, web(""), func(t *testing.T, w *harness.World) (more, end func()) {
		d := w.Drill(200, func(p *drill.Plan) {
			p.Method, p.URL, p.Body = http.MethodPost, p.URL+"/echo", []byte(strings.Repeat("x", 700))
			p.Expect.BodyEquals = p.Body
			p.Mix = drill.Mix{KeptAlive: 1}
			p.Connections = 48
		})
		return func() { d.More(100) }, func() { d.None() }
	})
}

// TestConnectionIsKept: a deploy is nothing that a client's connection notices;
// an upgrade ends it once, with an answer that says so.
func TestConnectionIsKept(t *testing.T) {
	for _, r := range replacements(web(""))[:2] {
		t.Run(r.name, func(t *testing.T) {
			w := harness.New(t)
			web("")(w, 1)
			w.Agent()
			w.Must(0, "deploy")
			var dials atomic.Int64
			trace := &httptrace.ClientTrace{ConnectDone: func(string, string, error) { dials.Add(1) }}
			client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			ask := func() {
				t.Helper()
				ctx := httptrace.WithClientTrace(t.Context(), trace)
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL()+"/echo", strings.NewReader("hello"))
				if err != nil {
					t.Fatal(err)
				}
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if body, err := io.ReadAll(res.Body); err != nil || string(body) != "hello" {
					t.Fatalf("answer %q, %v", body, err)
				}
			}
			ask()
			for n := 1; n <= times; n++ {
				r.do(w, n)
				ask() // after an upgrade, its answer ends the connection
				ask()
			}
			want := int64(1)
			if r.name == "upgrades" {
				want += times
			}
			if got := dials.Load(); got != want {
				t.Errorf("the client dialled %d times, want %d", got, want)
			}
		})
	}
}

// TestPipelined: requests sent without waiting for answers are answered in
// their order, and those that came before a goodbye was said are answered too.
func TestPipelined(t *testing.T) {
	underReplacement(t, working(15*time.Millisecond, ""), func(t *testing.T, w *harness.World) (more, end func()) {
		var wg sync.WaitGroup
		var batches atomic.Int64
		stop := make(chan struct{})
		for c := range 4 {
			wg.Go(func() {
				if err := pipeline(w, c, stop, &batches); err != nil {
					t.Error(err)
				}
			})
		}
		more = func() {
			from := batches.Load()
			w.Until("20 more batches are answered", func() bool { return batches.Load() >= from+20 || t.Failed() })
		}
		return more, func() { close(stop); wg.Wait() }
	})
}

// pipeline sends batches of requests, each batch in one write, and wants all
// of a batch answered: one that is there whole when the goodbye is said counts
// as received.
func pipeline(w *harness.World, client int, stop <-chan struct{}, batches *atomic.Int64) error {
	const batch = 8
	for n := 0; ; {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL(), "http://"))
		if err != nil {
			return err
		}
		in := bufio.NewReader(conn)
		for closing := false; !closing; n++ {
			select {
			case <-stop:
				return conn.Close()
			default:
			}
			var out bytes.Buffer
			for k := range batch {
				text := fmt.Sprintf("%d/%d/%d", client, n, k)
				fmt.Fprintf(&out, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
			}
			if _, err := conn.Write(out.Bytes()); err != nil {
				return err
			}
			for k := range batch {
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					return fmt.Errorf("client %d, batch %d, answer %d: %w", client, n, k, err)
				}
				body, err := io.ReadAll(res.Body)
				if want := fmt.Sprintf("%d/%d/%d", client, n, k); err != nil || string(body) != want {
					return fmt.Errorf("answer %q, %v; want %q", body, err, want)
				}
				closing = closing || res.Close
				if closing && k < batch-1 {
					return fmt.Errorf("client %d, batch %d: goodbye after %d of %d answers, though all requests were there", client, n, k+1, batch)
				}
			}
			batches.Add(1)
		}
		conn.Close()
	}
}

// TestGoodbyes: both ways to end kept-alive connections when the proxy is
// replaced. Neither cuts a connection on which a request has begun to arrive.
func TestGoodbyes(t *testing.T) {
	for _, c := range []struct {
		how     string
		settled time.Duration // an idle connection is certainly still there until then; 0: not at all
	}{
		{"one-more-message", 500 * time.Millisecond},
		{"hang-up", 0},
	} {
		t.Run(c.how, func(t *testing.T) {
			w := harness.New(t)
			web(fmt.Sprintf("proxy: { goodbye: %s, timeouts: { goodbye: 1500ms } }", c.how))(w, 1)
			w.Agent()
			w.Must(0, "deploy")
			idle, begun, asking := dialAndAsk(t, w), dialAndAsk(t, w), dialAndAsk(t, w)
			begun.write(t, "GET / HT")
			asked := time.Now()
			upgrading := w.Background("upgrade")
			if c.settled > 0 {
				for said := false; !said; { // one that is asked on again and again is never idle for long
					asking.write(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					said = asking.answer(t).Close
				}
				asking.ended(t)
			}
			idle.ended(t)
			if took := time.Since(asked); took < c.settled {
				t.Errorf("the idle connection was ended after %s", took)
			}
			begun.write(t, "TP/1.1\r\nHost: x\r\n\r\n")
			if res := begun.answer(t); !res.Close {
				t.Error("the answer to the request that had begun does not say goodbye")
			}
			begun.ended(t)
			if ran := upgrading.Ran(); ran.Code != 0 {
				t.Errorf("the upgrade: %s", ran)
			}
		})
	}
}

// A plain is a connection whose bytes the test writes itself.
type plain struct {
	net.Conn
	in *bufio.Reader
}

// dialAndAsk opens a connection and makes one request on it.
func dialAndAsk(t *testing.T, w *harness.World) *plain {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	c := &plain{conn, bufio.NewReader(conn)}
	c.write(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.answer(t)
	return c
}

func (c *plain) write(t *testing.T, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func (c *plain) answer(t *testing.T) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res
}

// ended waits for the connection's end, which must come without a reset.
func (c *plain) ended(t *testing.T) {
	t.Helper()
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("want the connection's end, got %v", err)
	}
}
