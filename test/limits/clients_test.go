// Package limits_test holds promise 5: whoever is slow, huge, hostile or too
// many gets a clear error, and everybody else is served.
package limits_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/test/harness"
)

const bounds = "proxy: { timeouts: { header: 1s, body: 1s }, max_header: 8KiB, max_body: 100KB }"

func up(t *testing.T) *harness.World {
	w := harness.New(t)
	w.Web(2, "", bounds)
	w.Agent()
	w.Must(0, "deploy")
	return w
}

// raw sends bytes on a connection and returns the status of the answer, 0 if
// the connection was closed without one.
func raw(t *testing.T, w *harness.World, text string) (status int, res *http.Response) {
	t.Helper()
	conn := dial(t, w)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return answer(t, conn)
}

func dial(t *testing.T, w *harness.World) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func answer(t *testing.T, conn net.Conn) (int, *http.Response) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Fatal("neither an answer nor the end of the connection in half a minute")
		}
		return 0, nil
	}
	res.Body.Close()
	return res.StatusCode, res
}

func TestSlowClients(t *testing.T) {
	w := up(t)
	d := w.Drill(200)
	var slow []net.Conn
	for n := range 100 {
		conn := dial(t, w)
		text := "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if n%2 == 1 {
			text = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbegun"
		}
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	for _, conn := range slow {
		if status, _ := answer(t, conn); status != http.StatusRequestTimeout && status != 0 {
			t.Errorf("a client that never finishes its request is answered %d", status)
		}
	}
	d.None()
}

func TestTooLarge(t *testing.T) {
	w := up(t)
	d := w.Drill(100)
	huge := "GET / HTTP/1.1\r\nHost: x\r\nX-Huge: " + strings.Repeat("x", 20<<10) + "\r\n\r\n"
	if status, _ := raw(t, w, huge); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a huge header is answered %d", status)
	}
	long := "POST /echo HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nContent-Length: 200000\r\n\r\n"
	status, res := raw(t, w, long)
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too long is answered %d", status)
	} else if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		t.Errorf("a program that accepts JSON gets %s", ct)
	}
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 50000, strings.Repeat("x", 50000))
	chunked := "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, 3)
	if status, _ := raw(t, w, chunked); status/100 == 2 {
		t.Errorf("a chunked body that is too long is answered %d", status)
	}
	d.None()
}

// TestHostile sends what must never be understood in two ways.
func TestHostile(t *testing.T) {
	w := up(t)
	d := w.Drill(100)
	for name, text := range map[string]string{
		"two lengths":                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"negative length":            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"length with sign":           "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
		"unknown encoding":           "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"chunked not last":           "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
		"space before colon":         "GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
		"no host":                    "GET / HTTP/1.1\r\n\r\n",
		"two hosts":                  "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"bare carriage return":       "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
		"zero byte":                  "GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
		"no version":                 "GET /\r\n\r\n",
		"version two":                "GET / HTTP/2.1\r\nHost: x\r\n\r\n",
		"no request at all":          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"chunk size not hexadecimal": "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if status, _ := raw(t, w, text); status/100 == 2 || status/100 == 3 {
				t.Errorf("answered %d", status)
			}
		})
	}
	d.None()
}

// TestOneMeaning sends what RFC 9112 lets a server understand in one way, and
// shows that this is what the instance sees: nothing is left over that it could
// take for another request. (net/http reads them; a stricter reader of our own
// will refuse them.)
func TestOneMeaning(t *testing.T) {
	w := up(t)
	for name, text := range map[string]string{
		"length and chunked": "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"folded line":        "GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n GET /smuggled HTTP/1.1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			before := requests(w)
			conn := dial(t, w)
			if _, err := io.WriteString(conn, text+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(conn)
			if err != nil {
				t.Fatal(err)
			}
			answers := int64(strings.Count(string(all), "HTTP/1.1 "))
			if got := requests(w) - before; answers > 2 || got > answers {
				t.Errorf("%d answers, and the instances saw %d requests:\n%s", answers, got, all)
			}
		})
	}
}

// requests is how many the instances were sent.
func requests(w *harness.World) (n int64) {
	for _, i := range w.Service("web").Instances {
		n += i.Requests
	}
	return n
}

// TestDescriptors: a proxy that can open no more goes on with what it has, and
// with everybody again when others go.
func TestDescriptors(t *testing.T) {
	w := up(t)
	d := w.Drill(100)
	d.More(50)
	pid := w.Status().Proxy.PID
	var was unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: 150, Max: was.Max}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	var idle []net.Conn
	for range 300 {
		idle = append(idle, dial(t, w))
	}
	d.More(50) // those that are let in wait in the queue
	for _, conn := range idle {
		conn.Close()
	}
	d.More(100)
	r := d.Result()
	t.Logf("%s", r.Verdict())
	if r.ByClass["refused"] > 0 {
		t.Errorf("%d connections were refused\n%s", r.ByClass["refused"], harness.Explain(r, 10))
	}
	if kept := r.ByMode["kept_alive"]; kept.Lost > 0 {
		t.Errorf("%d requests on connections that were there already were lost\n%s", kept.Lost, harness.Explain(r, 10))
	}
	again := w.Drill(100)
	again.More(50)
	again.None()
}
