package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// answerOver reads one answer that arrives in pieces of n bytes.
func answerOver(data []byte, n int) (a answer, h http.Header, body []byte, err error) {
	c := &upConn{Conn: &pieces{data: data, n: n}, buf: make([]byte, 64)}
	h = http.Header{}
	if err = c.readHead(h, &a); err != nil {
		return a, h, nil, err
	}
	b := c.body(&a, false)
	for {
		piece, err := b.next()
		body = append(body, piece...)
		if err == io.EOF {
			return a, h, body, nil
		}
		if err != nil {
			return a, h, body, err
		}
	}
}

type pieces struct {
	net.Conn
	data []byte
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), p.n)], p.data)
	p.data = p.data[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// What our parser takes, net/http takes for the same answer, however it is cut
// into pieces.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\nhello",
		"HTTP/1.1 204 No Content\n\n",
		"HTTP/1.1 200 OK\r\nConnection: x, close\r\nX: y\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		n = max(n%64, 1)
		a, h, body, err := answerOver(data, n)
		a2, _, body2, err2 := answerOver(data, 1<<20)
		if (err == nil) != (err2 == nil) || a != a2 || !bytes.Equal(body, body2) {
			t.Fatalf("in pieces of %d: %v %v %q; whole: %v %v %q", n, err, a, body, err2, a2, body2)
		}
		if err != nil {
			return
		}
		for k, values := range h {
			for _, v := range values {
				if !isToken(k) || strings.ContainsAny(v, "\r\n\x00") {
					t.Fatalf("field %q: %q", k, v)
				}
			}
		}
		if a.status < 200 {
			return
		}
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), &http.Request{Method: "GET"})
		if err != nil {
			return // stricter than we in what does not change the framing
		}
		std, err := io.ReadAll(res.Body)
		if err == nil && !bytes.Equal(std, body) {
			t.Fatalf("body %q, net/http reads %q", body, std)
		}
	})
}

func FuzzForwarded(f *testing.F) {
	f.Add("shop.example:80", "1.2.3.4", "for=x")
	f.Add("[::1]", "fe80::1", "")
	f.Fuzz(func(t *testing.T, host, addr, old string) {
		if !isHost(host) || strings.ContainsAny(old, "\r\n") {
			return
		}
		a, err := netip.ParseAddr(addr)
		if err != nil {
			return
		}
		s := newSender(a, false)
		tg := &target{trusted: []netip.Prefix{netip.PrefixFrom(a.Unmap().WithZone(""), a.Unmap().BitLen())}}
		r := &http.Request{Host: host, Header: http.Header{"Forwarded": {old}}}
		out := string(appendForwarded(nil, r, tg, &s))
		if strings.Count(out, "\r\n") != 4 || strings.Count(out, "\n") != 4 {
			t.Fatalf("%q", out)
		}
	})
}

func FuzzRoute(f *testing.F) {
	f.Add("shop.example:80", "/api/x", "*.example", "/api")
	f.Fuzz(func(t *testing.T, host, path, routeHost, routePath string) {
		v := &vhosts{exact: map[string]*paths{}, wildcards: map[string]*paths{}}
		want := &target{}
		v.add(Route{Host: routeHost, Path: "/" + routePath}, want)
		v.add(Route{}, &target{})
		if v.match(host, path) == nil {
			t.Fatal("the route for everything did not match")
		}
	})
}

func TestPick(t *testing.T) {
	for _, n := range []int{1, 2, 3, 100} {
		tg := &target{}
		for range n {
			tg.instances = append(tg.instances, &instance{})
		}
		counts := map[*instance]int{}
		for range 100 * n {
			in := tg.pick(0, nil)
			in.inflight.Add(1)
			counts[in]++
		}
		for _, c := range counts {
			if c < 80 || c > 120 {
				t.Errorf("%d instances: one got %d of 100", n, c)
			}
		}
		for _, in := range tg.instances {
			in.aside(0)
		}
		if tg.pick(1, nil) != nil {
			t.Error("an instance that is put aside was chosen")
		}
		if tg.pick(int64(asideFirst), nil) == nil {
			t.Error("it did not come back")
		}
		if n > 1 {
			tg.instances[0].accepted()
			if tg.pick(1, tg.instances[:1]) != tg.instances[0] {
				t.Error("the only one left was not tried again")
			}
		}
	}
}

func TestParseKeepAlive(t *testing.T) {
	for v, want := range map[string]float64{"timeout=5": 5, "max=3, timeout=7": 7, "": -1e-9, "timeout=x": -1e-9, `Timeout="2"`: 2} {
		if got := parseKeepAlive(v).Seconds(); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		tg := &target{}
		for range n {
			tg.instances = append(tg.instances, &instance{})
		}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				tg.pick(0, nil)
			}
		})
	}
}
