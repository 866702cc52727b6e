package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// echoHead is an instance that answers with the header it was sent.
func echoHead(t testing.TB) proxy.Instance {
	return raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		for {
			head := readHead(r)
			if head == "" {
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(head), head)
		}
	})
}

func TestHopByHopAndForwarded(t *testing.T) {
	h := http.Header{
		"Connection": {"x-mine, close"}, "X-Mine": {"1"}, "Keep-Alive": {"3"}, "Te": {"gzip"}, "Proxy-Authorization": {"p"},
		"X-Forwarded-For": {"6.6.6.6"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil"}, "Forwarded": {"for=6.6.6.6"},
		"X-Kept": {"yes"}, "Upgrade": {"h2c"},
	}
	p := start(t, proxy.Service{Instances: []proxy.Instance{echoHead(t)}})
	_, head := send(t, fresh(), "GET", p.url("/"), "", h)
	for _, s := range []string{"X-Mine", "Keep-Alive", "Te:", "Proxy-", "6.6.6.6", "evil", "Upgrade", "Connection"} {
		if strings.Contains(head, s) {
			t.Errorf("%s got through: %s", s, head)
		}
	}
	for _, s := range []string{
		"X-Kept: yes\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: http\r\n",
		"X-Forwarded-Host: " + p.addr + "\r\n", `Forwarded: for=127.0.0.1;host="` + p.addr + `";proto=http` + "\r\n",
	} {
		if !strings.Contains(head, s) {
			t.Errorf("%q is missing: %s", s, head)
		}
	}
	p = start(t, proxy.Service{Instances: []proxy.Instance{echoHead(t)}, Trusted: []string{"10.0.0.0/8", "127.0.0.1"}})
	_, head = send(t, fresh(), "GET", p.url("/"), "", h)
	for _, s := range []string{
		"X-Forwarded-For: 6.6.6.6, 127.0.0.1\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Host: evil\r\n",
		"Forwarded: for=6.6.6.6, for=127.0.0.1;host=",
	} {
		if !strings.Contains(head, s) {
			t.Errorf("%q is missing: %s", s, head)
		}
	}
}

// Whatever a client sends, an instance sees as many requests as the proxy
// answered, and never two framings in one.
func TestSmuggling(t *testing.T) {
	seen := make(chan string, 100)
	in := raw(t, "a", func(n int, c net.Conn, r *bufio.Reader) {
		for {
			head := readHead(r)
			if head == "" {
				return
			}
			seen <- head
			req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), r)))
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, okAnswer)
		}
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	const evil = "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, text := range map[string]string{
		"cl.te":         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
		"two cl":        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde" + evil,
		"te list":       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + evil,
		"te space":      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + evil,
		"bare lf chunk": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello0\r\n\r\n" + evil,
		"chunk size":    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + evil,
		"two hosts":     "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + evil,
		"connect":       "CONNECT x:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"plus cl":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd" + evil,
	} {
		t.Run(name, func(t *testing.T) {
			answer := talk(t, p.addr, text)
			answers := strings.Count(answer, "HTTP/1.1 200")
			for range answers {
				head := <-seen
				if strings.Contains(head, "/evil") {
					t.Errorf("a request got through: %q", head)
				}
				if strings.Contains(head, "Content-Length") && strings.Contains(head, "Transfer-Encoding") {
					t.Errorf("two framings: %q", head)
				}
			}
			for len(seen) > 0 {
				if head := <-seen; strings.Contains(head, "/evil") {
					t.Errorf("a request got through unanswered: %q", head)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	p := start(t, proxy.Service{
		Instances: []proxy.Instance{in}, MaxHeader: 2000, MaxBody: 100_000,
		HeaderTimeout: 100 * time.Millisecond, BodyTimeout: 100 * time.Millisecond,
	})
	refused := func(what string, res *http.Response, status int, word string) {
		t.Helper()
		want(t, what, fmt.Sprint(res.StatusCode, res.Header.Get("Segue-Error")), fmt.Sprint(status, word))
	}
	res, _ := send(t, fresh(), "GET", p.url("/"), "", http.Header{"X": {strings.Repeat("x", 3000)}})
	refused("header", res, 431, "header-too-large")
	res, _ = send(t, fresh(), "POST", p.url("/"), strings.Repeat("x", 100_001), nil)
	refused("body", res, 413, "body-too-large")
	// One that waits for the answer before it sends the body.
	if got := talk(t, p.addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 413") {
		t.Errorf("a body that is announced as too long: %q", got)
	}
	req, _ := http.NewRequest("POST", p.url("/"), io.MultiReader(strings.NewReader(strings.Repeat("x", 200_000))))
	if res, err := fresh().Do(req); err == nil {
		refused("chunked body", res, 413, "body-too-large")
		res.Body.Close()
	}
	for what, text := range map[string]string{
		"kept body":     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
		"streamed body": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		if got := talk(t, p.addr, text); !strings.HasPrefix(got, "HTTP/1.1 408") {
			t.Errorf("%s: %q", what, got)
		}
	}
	talk(t, p.addr, "GET / HTTP/1.1\r\nHo")                                                   // returns when the proxy has closed it
	talk(t, p.addr, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 2<<20)+"\r\n\r\n") // 431, if it is not cut by its own flood
}

func TestRoutesByHostAndPath(t *testing.T) {
	service := func(name string, routes ...proxy.Route) proxy.Service {
		return proxy.Service{Name: name, Listen: []string{key}, Routes: routes, Instances: []proxy.Instance{
			backend(t, name, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) }),
		}}
	}
	ln := listen(t)
	p := startConfig(t, ln, proxy.Config{Services: []proxy.Service{
		service("any", proxy.Route{Path: "/any"}),
		service("shop", proxy.Route{Host: "shop.example"}),
		service("api", proxy.Route{Host: "shop.example", Path: "/api/"}),
		service("wild", proxy.Route{Host: "*.example"}),
		service("deep", proxy.Route{Host: "*.deep.example", Path: "/x"}),
	}}, time.Second)
	for url, name := range map[string]string{
		"shop.example/": "shop", "SHOP.example.:80/apix": "shop", "shop.example/api": "api", "shop.example/api/x/y": "api",
		"a.example/": "wild", "a.b.example/": "wild", "a.deep.example/x/y": "deep", "a.deep.example/y": "wild",
		"other/any/x": "any", "other/": "404", "shop.example/any": "shop", "[::1]:80/any": "any",
	} {
		host, path, _ := strings.Cut(url, "/")
		req, _ := http.NewRequest("GET", p.url("/"+path), nil)
		req.Host = host
		res, err := fresh().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, res); res.StatusCode == 404 {
			want(t, url, "404", name)
		} else {
			want(t, url, got, name)
		}
	}
}

func TestAccessLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	ln := listen(t)
	cfg := proxy.Config{AccessLog: path, Services: []proxy.Service{{Name: "shop", Listen: []string{key}, Instances: []proxy.Instance{in}}}}
	p := startConfig(t, ln, cfg, time.Second)
	req, _ := http.NewRequest("GET", p.url("/q?\"x"), nil)
	req.Header.Set("Connection", "close")
	res, err := fresh().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	read(t, res)
	eventually(t, "the first request is logged", func() bool {
		log, _ := os.ReadFile(path)
		return len(log) > 0
	})
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	p.route(in) // rotates
	get(t, fresh(), p.url("/second"))
	eventually(t, "the second request is logged", func() bool {
		log, _ := os.ReadFile(path)
		return len(log) > 0
	})
	p.stop()
	<-p.ended
	first, _ := os.ReadFile(path + ".1")
	second, _ := os.ReadFile(path)
	for _, s := range []string{`"uri":"/q?\"x"`, `"status":200`, `"bytes":5`, `"instance":"a"`, `"release":"r-a"`, `"service":"shop"`} {
		if !strings.Contains(string(first), s) {
			t.Errorf("%s is not in %q", s, first)
		}
	}
	if !strings.Contains(string(second), "/second") {
		t.Errorf("second: %q", second)
	}
}
