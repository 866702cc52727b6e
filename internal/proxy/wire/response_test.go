package wire

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func TestResponse(t *testing.T) {
	head := []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKeep-Alive: max=3, Timeout=\"7\"\r\nDate: x\r\nConnection: close\r\n\r\n")
	var r Response
	if err := r.Parse(head); err != nil {
		t.Fatal(err)
	}
	if r.Status != 200 || r.Length != 5 || r.IdleSeconds != 7 || !r.Dated || !r.Close || r.Chunked || r.Line != 17 {
		t.Errorf("%+v", r)
	}
	for _, s := range []string{
		"HTTP/1.1 204\r\n\r\n", "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n\r\n",
	} {
		if err := r.Parse([]byte(s)); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	if !r.Events {
		t.Error("events were not seen")
	}
	for _, s := range []string{
		"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 O\rK\r\n\r\n", "hello, this is no answer\r\n\r\n",
	} {
		if r.Parse([]byte(s)) == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

// What we take for the head of an answer, net/http takes for the same.
func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 304 x\r\nConnection: keep-alive, y\r\nKeep-Alive: timeout=5\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Response
		end, _, err := HeadEnd(b, 0)
		if err != nil || end == 0 || r.Parse(b[:end]) != nil {
			return
		}
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", b, err)
		}
		same(t, "status", res.StatusCode, r.Status)
		if !r.Bodiless(false) {
			same(t, "length", res.ContentLength, r.Length)
			same(t, "chunked", len(res.TransferEncoding) > 0, r.Chunked)
		}
	})
}

// Each byte may come by itself.
func TestChunksInPieces(t *testing.T) {
	const body = "5;name=\"value\"\r\nhello\r\nA\r\n0123456789\r\n000\r\n"
	for size := 1; size < len(body); size++ {
		var c Chunks
		var last bool
		total := 0
		for rest := body + "\r\nGET"; len(rest) > 0 && !last; {
			n, l, err := c.Scan([]byte(rest[:min(size, len(rest))]))
			if err != nil {
				t.Fatal(err)
			}
			rest, last, total = rest[n:], l, total+n
		}
		if !last || total != len(body) || c.Data != 15 {
			t.Errorf("pieces of %d: last %v, %d bytes, %d of data", size, last, total, c.Data)
		}
	}
}

func TestBadChunks(t *testing.T) {
	for _, s := range []string{
		"\r\n", ";x\r\n", "5 \r\n", " 5\r\n", "0x5\r\n", "+5\r\n", "-5\r\n", "5\n", "5\rx", "g\r\n", "5_0\r\n", "1000000000000000\r\n",
		"2\r\nabc", "2\r\nab\n", "2\r\nab\rx", "5;a\nb\r\n", "5;a\x00\r\n", "5;\r\rx", "5;" + strings.Repeat("x", mostExtra+1) + "\r\n", "5,\r\n",
	} {
		var c Chunks
		if _, _, err := c.Scan([]byte(s)); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestTrailer(t *testing.T) {
	if f, err := ParseTrailer(nil, []byte("X-Sum: 1\r\nGrpc-Status: 0\r\n\r\n")); err != nil || len(f) != 2 || !AllTrail(f) {
		t.Error(f, err)
	}
	for _, s := range []string{
		"Content-Length: 5\r\n\r\n", "transfer-encoding: chunked\r\n\r\n", "Host: x\r\n\r\n", "Set-Cookie: x\r\n\r\n",
		"Authorization: x\r\n\r\n", "X: y\r\n z\r\n\r\n", "X : y\r\n\r\n", "X: \x00\r\n\r\n",
	} {
		if f, err := ParseTrailer(nil, []byte(s)); err == nil && AllTrail(f) {
			t.Errorf("%q was accepted", s)
		}
	}
}
