package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// mortal is an instance that says back what it is told, and can be killed.
type mortal struct {
	proxy.Instance
	ln    *net.TCPListener
	mu    sync.Mutex
	conns map[net.Conn]bool // nil when it is dead
}

func newMortal(t *testing.T, id string) *mortal {
	m := &mortal{ln: listen(t), conns: map[net.Conn]bool{}}
	m.Instance = proxy.Instance{ID: id, Addr: m.ln.Addr().String(), Release: "r"}
	go func() {
		for {
			c, err := m.ln.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			if m.conns == nil {
				c.Close()
			} else {
				m.conns[c] = true
				go m.serve(c)
			}
			m.mu.Unlock()
		}
	}()
	return m
}

// serve answers in every form that an answer may have.
func (m *mortal) serve(c net.Conn) {
	defer func() {
		c.Close()
		m.mu.Lock()
		delete(m.conns, c)
		m.mu.Unlock()
	}()
	r := bufio.NewReader(c)
	for n := 0; ; n++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		said := req.Header.Get("X-Id") + " " + string(body)
		half := len(said) / 2
		answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(said), said)
		switch n % 4 {
		case 2:
			answer = fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n",
				half, said[:half], len(said)-half, said[half:])
		case 3:
			answer = fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(said), said)
		}
		m.mu.Lock() // an answer that has begun is not cut off by kill: that one would be lost
		alive := m.conns != nil
		if alive {
			io.WriteString(c, answer)
		}
		m.mu.Unlock()
		if !alive || n%4 == 3 {
			return
		}
	}
}

// kill ends it, whatever it was asked.
func (m *mortal) kill() {
	m.ln.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		c.Close()
	}
	m.conns = nil
}

// Instances die, come and are drained while clients of all kinds ask: every
// request that may be repeated is answered, every answer is the one to its
// request, in order, and nothing is left claimed at the end.
func TestStress(t *testing.T) {
	rounds := proxy.Rounds(60, 24)
	live := []*mortal{newMortal(t, "m0"), newMortal(t, "m1"), newMortal(t, "m2")}
	p := start(t, proxy.Service{Retry: &proxy.Retry{Budget: 100, Least: 1000}, Instances: []proxy.Instance{live[0].Instance, live[1].Instance, live[2].Instance}})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var asked atomic.Int64
	for w := range 12 {
		wg.Go(func() { talkUntil(t, stop, p.addr, w, &asked) })
	}
	route := func() {
		var in []proxy.Instance
		for _, m := range live {
			in = append(in, m.Instance)
		}
		p.route(in...)
	}
	for n := range rounds {
		before := asked.Load()
		eventually(t, "load", func() bool { return asked.Load() > before+40 })
		next := newMortal(t, fmt.Sprint("m", n+3))
		i := rand.IntN(len(live))
		old := live[i]
		live[i] = next
		switch n % 3 {
		case 0: // replaced with care
			route()
			if left, err := p.client.WaitIdle(t.Context(), old.ID); left != 0 || err != nil {
				t.Error(left, err)
			}
			old.kill()
		case 1: // killed, and noticed by whoever meets it
			old.kill()
			if err := p.client.Down(t.Context(), old.ID); err != nil {
				t.Error(err)
			}
			route()
		case 2: // nobody for a moment: requests are held
			p.route()
			if left, err := p.client.WaitIdle(t.Context(), old.ID); left != 0 || err != nil {
				t.Error(left, err)
			}
			old.kill()
			route()
		}
	}
	close(stop)
	wg.Wait()
	for _, in := range p.status().Services[0].Instances {
		eventually(t, "nothing is in flight at "+in.ID, func() bool { return p.instance(in.ID).InFlight == 0 })
	}
	p.route()
	for _, m := range live {
		if left, err := p.client.WaitIdle(t.Context(), m.ID); left != 0 || err != nil {
			t.Error(left, err)
		}
	}
	st := p.status()
	t.Logf("%d requests; the proxy counts %d fast, %d general", asked.Load(), st.Fast, st.General)
	if !general && st.Fast < st.General {
		t.Error("most requests were not on the fast path: connections do not come back to it")
	}
}

// talkUntil is a client of the w-th kind.
func talkUntil(t *testing.T, stop <-chan struct{}, addr string, w int, asked *atomic.Int64) {
	var c net.Conn
	var r *bufio.Reader
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		if c == nil {
			var err error
			if c, err = net.Dial("tcp", addr); err != nil {
				t.Error(err)
				return
			}
			c.SetDeadline(time.Now().Add(time.Minute))
			r = bufio.NewReader(c)
		}
		var text strings.Builder
		var said []string
		for i := range 1 + w%3 { // pipelined, some of them
			id, body := fmt.Sprintf("%d-%d-%d", w, n, i), ""
			method := "GET"
			if w%2 == 1 {
				method, body = "PUT", strings.Repeat("b", rand.IntN(1<<rand.IntN(16)))
			}
			fmt.Fprintf(&text, "%s /%s HTTP/1.1\r\nHost: x\r\nX-Id: %s\r\nContent-Length: %d\r\n\r\n%s", method, id, id, len(body), body)
			said = append(said, id+" "+body)
		}
		if w == 11 { // in pieces
			half := text.Len() / 2
			io.WriteString(c, text.String()[:half])
			time.Sleep(time.Millisecond)
			io.WriteString(c, text.String()[half:])
		} else {
			go io.WriteString(c, text.String()) // beside the reading, or both sides may block
		}
		for _, s := range said {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Errorf("client %d: lost: %v", w, err)
				return
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 200 || string(body) != s {
				t.Errorf("client %d: %s %s, %d bytes for %d, %v", w, res.Status, res.Header.Get("Segue-Error"), len(body), len(s), err)
				return
			}
			asked.Add(1)
		}
		if w >= 9 && n%5 == 4 {
			c.Close()
			c = nil
		}
	}
}
