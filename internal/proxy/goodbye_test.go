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

// idleAndBegun gives two connections of a proxy that is told to quit: an idle
// one, and one on which half a request has arrived.
func idleAndBegun(t *testing.T, p *running) (idle, begun net.Conn) {
	idle, begun = dial(t, p.addr), dial(t, p.addr)
	for _, c := range []net.Conn{idle, begun} {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.ReadFull(c, make([]byte, len(okAnswer))); err != nil {
			t.Fatal(err)
		}
	}
	drop := make([]byte, 1000) // of the first answers
	idle.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	idle.Read(drop)
	begun.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	begun.Read(drop)
	idle.SetReadDeadline(time.Now().Add(15 * time.Second))
	begun.SetReadDeadline(time.Now().Add(15 * time.Second))
	io.WriteString(begun, "GET / HTTP/1.1\r\nHo")
	if err := p.client.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return idle, begun
}

// A connection on which a byte of a request has arrived is never hung up: its
// request is answered, and the answer is the last.
func isAnsweredForTheLastTime(t *testing.T, c net.Conn) {
	t.Helper()
	io.WriteString(c, "st: x\r\n\r\n")
	if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200") || !strings.Contains(string(b), "Connection: close\r\n") {
		t.Errorf("the begun request: %q, %v", b, err)
	}
}

func TestGoodbyeHangUp(t *testing.T) {
	a := newStrict(t, "a")
	p := startOn(t, listen(t), proxy.Service{Goodbye: proxy.HangUp, Instances: []proxy.Instance{a.Instance}}, 20*time.Second)
	idle, begun := idleAndBegun(t, p)
	if b, err := io.ReadAll(idle); err != nil || len(b) > 0 {
		t.Errorf("the idle connection: %q, %v", b, err)
	}
	isAnsweredForTheLastTime(t, begun)
	if err := <-p.ended; err != nil { // long before the drain timeout
		t.Error(err)
	}
}

func TestGoodbyeWaitsForOneMoreMessage(t *testing.T) {
	a := newStrict(t, "a")
	p := startOn(t, listen(t), proxy.Service{GoodbyeAfter: 300 * time.Millisecond, Instances: []proxy.Instance{a.Instance}}, 20*time.Second)
	other := dial(t, p.addr)
	eventually(t, "it is accepted", func() bool { return p.status().Connections == 1 })
	idle, begun := idleAndBegun(t, p)
	io.WriteString(other, "GET / HTTP/1.1\r\nHo")
	isAnsweredForTheLastTime(t, other)                        // the one more message
	if b, err := io.ReadAll(idle); err != nil || len(b) > 0 { // nothing came: hung up
		t.Errorf("the idle connection: %q, %v", b, err)
	}
	isAnsweredForTheLastTime(t, begun)
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
}

// An answer that had begun before the proxy was told to quit does not say that it
// is the last: its connection is hung up behind it.
func TestGoodbyeHangUpOfOneThatWasBusy(t *testing.T) {
	finish := make(chan struct{})
	b := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun")
		if r.URL.Path == "/slow" {
			w.(http.Flusher).Flush()
			<-finish
		}
	})
	p := startOn(t, listen(t), proxy.Service{Goodbye: proxy.HangUp, Instances: []proxy.Instance{b}}, 20*time.Second)
	busy, idle := dial(t, p.addr), dial(t, p.addr)
	io.WriteString(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	firstAnswer := bufio.NewReader(idle)
	if res, err := http.ReadResponse(firstAnswer, nil); err != nil {
		t.Fatal(err)
	} else if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	io.WriteString(busy, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	answer := bufio.NewReader(busy)
	res, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.client.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	idle.SetReadDeadline(time.Now().Add(15 * time.Second))
	if b, err := io.ReadAll(firstAnswer); err != nil || len(b) > 0 {
		t.Errorf("the idle connection: %q, %v", b, err)
	}
	close(finish)
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "begun" {
		t.Errorf("the answer: %q, %v", b, err)
	}
	busy.SetReadDeadline(time.Now().Add(15 * time.Second))
	if b, err := io.ReadAll(answer); err != nil || len(b) > 0 {
		t.Errorf("behind the answer: %q, %v", b, err)
	}
}
