package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// named is an instance that answers its name and the cookies that it sees.
func named(t testing.TB, id string) proxy.Instance {
	return backend(t, id, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, id+" "+strings.Join(r.Header["Cookie"], "|"))
	})
}

func TestRateLimit(t *testing.T) {
	p := start(t, proxy.Service{Rate: &proxy.Rate{Requests: 5, Per: time.Minute}, Trusted: []string{"127.0.0.0/8", "10.0.0.0/8"},
		Instances: []proxy.Instance{named(t, "a")}})
	from := func(addr string) (ok int, last *http.Response) {
		for range 20 {
			res, _ := send(t, fresh(), "GET", p.url("/"), "", http.Header{"X-Forwarded-For": {addr}})
			if last = res; res.StatusCode != 200 {
				return ok, last
			}
			ok++
		}
		return ok, last
	}
	n, res := from("203.0.113.1")
	want(t, "answered", n, 5)
	want(t, "status", res.StatusCode, 429)
	want(t, "word", res.Header.Get("Segue-Error"), "rate-limited")
	if s, _ := strconv.Atoi(res.Header.Get("Retry-After")); s < 1 || s > 12 {
		t.Errorf("Retry-After: %q, of one in 12 s", res.Header.Get("Retry-After"))
	}
	for _, c := range []struct {
		addr string
		most int
	}{
		{"203.0.113.2", 5},           // another client
		{"1.2.3.4, 203.0.113.1", 0},  // what the client has made up stands before what is trusted
		{"203.0.113.1, 10.1.1.1", 0}, // by way of another forwarder that is trusted
		{"1.2.3.4, 203.0.113.3, 10.1.1.1:4444", 5},
		{"2001:db8:0:1::1", 5},
		{"2001:db8:0:1:ffff::2", 0}, // the same /64
	} {
		if n, _ := from(c.addr); n != c.most {
			t.Errorf("%s: %d answered, want %d", c.addr, n, c.most)
		}
	}
}

// From a peer that is not trusted, what it says of others counts for nothing.
func TestRateLimitBelievesNobody(t *testing.T) {
	p := start(t, proxy.Service{Rate: &proxy.Rate{Requests: 5, Per: time.Minute}, Instances: []proxy.Instance{named(t, "a")}})
	ok := 0
	for i := range 20 {
		res, _ := send(t, fresh(), "POST", p.url("/"), "body", http.Header{"X-Forwarded-For": {fmt.Sprint("203.0.113.", i)}})
		if res.StatusCode == 200 {
			ok++
		}
	}
	want(t, "answered", ok, 5)
}

// A client with a cookie jar stays with its instance, is given to another when
// that leaves, and stays there; instances see nothing of it.
func TestSticky(t *testing.T) {
	a, b, c := named(t, "a"), named(t, "b"), named(t, "c")
	p := start(t, proxy.Service{Sticky: &proxy.Sticky{Cookie: "segue", TTL: time.Hour}, Instances: []proxy.Instance{a, b, c}})
	seen := map[string]int{}
	for range 30 {
		jar, _ := cookiejar.New(nil)
		client := fresh()
		client.Jar = jar
		_, first := get(t, client, p.url("/"))
		seen[first]++
		for range 5 {
			res, body := get(t, client, p.url("/some/where"))
			want(t, "instance", body, first)
			want(t, "another cookie", len(res.Cookies()), 0)
		}
	}
	if len(seen) < 2 {
		t.Errorf("new clients all go to one instance: %v", seen)
	}
	jar, _ := cookiejar.New(nil)
	client := kept(t)
	client.Jar = jar
	res, first := get(t, client, p.url("/"))
	set := res.Header.Get("Set-Cookie")
	if !strings.HasSuffix(set, "; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600") || strings.Contains(set, strings.TrimSpace(first)+";") {
		t.Errorf("cookie: %q", set)
	}
	left := []proxy.Instance{}
	for _, in := range []proxy.Instance{a, b, c} {
		if in.ID != strings.TrimSpace(first) {
			left = append(left, in)
		}
	}
	p.route(left...)
	res, second := get(t, client, p.url("/"))
	if second == first || len(res.Cookies()) != 1 {
		t.Errorf("%s answers, that has left, or gives no new cookie: %v", second, res.Header)
	}
	p.route(a, b, c)
	for range 10 {
		_, again := get(t, client, p.url("/"))
		want(t, "instance", again, second)
	}
}

// Made-up cookies are ignored, other cookies are passed on, and behind a
// trusted peer that speaks TLS the cookie is for TLS alone.
func TestStickyCookies(t *testing.T) {
	p := start(t, proxy.Service{Sticky: &proxy.Sticky{Cookie: "segue"}, Trusted: []string{"127.0.0.1"}, Instances: []proxy.Instance{named(t, "a")}})
	for _, made := range []string{"a", "", "../../x", strings.Repeat("x", 4000)} {
		res, body := send(t, fresh(), "GET", p.url("/"), "", http.Header{"Cookie": {"x=y; segue=" + made + "; z=1"}, "X-Forwarded-Proto": {"https"}})
		want(t, "status", res.StatusCode, 200)
		want(t, "cookies at the instance", body, "a x=y; z=1")
		if set := res.Header.Get("Set-Cookie"); !strings.HasSuffix(set, "SameSite=Lax; Secure") {
			t.Errorf("cookie: %q", set)
		}
	}
}

// A sticky client whose instance is ejected is answered by another.
func TestStickyPassesOverTheBroken(t *testing.T) {
	dead := proxy.Instance{ID: "dead", Addr: closedPort(t)}
	p := start(t, proxy.Service{Sticky: &proxy.Sticky{Cookie: "segue"}, Instances: []proxy.Instance{named(t, "a"), dead}})
	jar, _ := cookiejar.New(nil)
	client := fresh()
	client.Jar = jar
	for range 20 {
		res, body := get(t, client, p.url("/"))
		want(t, "answered", res.Status+" "+strings.TrimSpace(body), "200 OK a")
	}
}

// A page takes the place of the proxy's own words for those who read HTML; the
// status and everything else stay.
func TestPages(t *testing.T) {
	p := start(t, proxy.Service{HoldTimeout: -1, Routes: []proxy.Route{{Path: "/shop"}},
		Pages: map[int]string{503: "<h1>Back soon</h1>", 404: "<h1>Not here</h1>"}})
	html := http.Header{"Accept": {"text/html,*/*"}}
	for _, c := range []struct {
		method, path string
		accept       http.Header
		status       int
		body         string
	}{
		{"GET", "/shop", html, 503, "<h1>Back soon</h1>"},
		{"POST", "/shop", html, 503, "<h1>Back soon</h1>"},
		{"HEAD", "/shop", html, 503, ""},
		{"GET", "/shop", nil, 503, `{"status":503,`},
		{"GET", "/elsewhere", html, 404, "<h1>Not here</h1>"},
		{"GET", "/elsewhere", nil, 404, `{"status":404,`},
	} {
		res, body := send(t, fresh(), c.method, p.url(c.path), "", c.accept)
		if res.StatusCode != c.status || !strings.HasPrefix(body, c.body) || c.body == "" && body != "" {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, res.StatusCode, body, c.status, c.body)
		}
		if c.accept != nil && res.Header.Get("Content-Type") != "text/html; charset=utf-8" || res.Header.Get("Segue-Error") == "" {
			t.Errorf("%s %s: %v", c.method, c.path, res.Header)
		}
	}
}

// The 101 of an upgrade gives a client its cookie, too.
func TestStickyUpgrade(t *testing.T) {
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
	})
	p := start(t, proxy.Service{Sticky: &proxy.Sticky{Cookie: "segue"}, Instances: []proxy.Instance{in}})
	answer := talk(t, p.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 101 ") || !strings.Contains(answer, "\r\nSet-Cookie: segue=") {
		t.Errorf("answer: %q", answer)
	}
}

// Clients that were parked come back to their own instances, which are still
// there.
func TestStickyAfterAPause(t *testing.T) {
	p := start(t, proxy.Service{Sticky: &proxy.Sticky{Cookie: "segue"}, Instances: []proxy.Instance{named(t, "a"), named(t, "b"), named(t, "c")}})
	const clients = 12
	type visit struct {
		client *http.Client
		first  string
	}
	visits := make([]visit, clients)
	for n := range visits {
		jar, _ := cookiejar.New(nil)
		visits[n].client = fresh()
		visits[n].client.Jar = jar
		_, visits[n].first = get(t, visits[n].client, p.url("/"))
	}
	p.pause(&proxy.Pause{Until: time.Now().Add(time.Minute)})
	var group sync.WaitGroup
	for n := range visits {
		group.Go(func() {
			res, err := visits[n].client.Get(p.url("/"))
			if err != nil {
				t.Error(err)
				return
			}
			want(t, "instance", read(t, res), visits[n].first)
		})
	}
	p.parked(clients)
	p.pause(nil)
	group.Wait()
}
