package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/internal/proxy"
)

// TestMixedProtocols: during a rollout that changes what a service speaks,
// instances of both kinds answer side by side, with bodies of every kind.
func TestMixedProtocols(t *testing.T) {
	var one, two atomic.Int32
	echo := func(n *atomic.Int32) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		}
	}
	old := backend(t, "old", echo(&one))
	h2 := httptest.NewUnstartedServer(echo(&two))
	h2.Config.Protocols = new(http.Protocols)
	h2.Config.Protocols.SetUnencryptedHTTP2(true)
	h2.Start()
	t.Cleanup(h2.Close)
	fresh2 := proxy.Instance{ID: "new", Addr: h2.Listener.Addr().String(), Protocol: proxy.H2C}
	p := start(t, proxy.Service{Instances: []proxy.Instance{old, fresh2}})
	ask := func(rounds int) {
		t.Helper()
		for n := range rounds {
			for _, body := range []string{"", "small", strings.Repeat("x", 200_000)} {
				res, got := send(t, http.DefaultClient, []string{"POST", "PUT"}[n%2], p.url("/"), body, nil)
				if res.StatusCode != 200 || got != body {
					t.Fatalf("%s with %d bytes: status %d, %d bytes back", res.Request.Method, len(body), res.StatusCode, len(got))
				}
			}
		}
	}
	ask(20)
	if one.Load() == 0 || two.Load() == 0 {
		t.Errorf("HTTP/1.1 answered %d, h2c %d", one.Load(), two.Load())
	}
	p.route(fresh2)
	ask(2)
	p.route(old)
	ask(2)
}

// TestDeadlyRequest: a request that ends whoever answers it is not handed from
// instance to instance.
func TestDeadlyRequest(t *testing.T) {
	var attempts atomic.Int32
	var in []proxy.Instance
	for _, id := range []string{"a", "b", "c", "d"} {
		in = append(in, raw(t, id, func(_ int, c net.Conn, r *bufio.Reader) {
			readHead(r)
			attempts.Add(1)
			c.Close()
		}))
	}
	p := start(t, proxy.Service{Instances: in})
	res, _ := get(t, fresh(), p.url("/deadly"))
	want(t, "status", res.StatusCode, http.StatusBadGateway)
	want(t, "attempts", attempts.Load(), int32(2))
}
