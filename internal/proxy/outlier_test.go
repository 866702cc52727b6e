package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// closer is an instance that closes each connection in place of an answer, for
// as long as it is told to.
func closer(t testing.TB, id string, got *atomic.Int32, well *atomic.Bool) proxy.Instance {
	return raw(t, id, func(n int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			got.Add(1)
			if !well.Load() {
				return
			}
			io.WriteString(c, okAnswer)
		}
	})
}

func (r *running) instance(id string) proxy.InstanceStatus {
	for _, in := range r.status().Services[0].Instances {
		if in.ID == id {
			return in
		}
	}
	r.t.Fatal("no instance", id)
	return proxy.InstanceStatus{}
}

// Repeats end with their budget, and clients are told so.
func TestRetryBudget(t *testing.T) {
	for name, c := range map[string]struct {
		retry *proxy.Retry
		least int // repeats at the least and most, of 300 requests that all fail
		most  int
	}{
		"default": {nil, 100, 170},
		"none":    {&proxy.Retry{}, 0, 0},
		"all":     {&proxy.Retry{Budget: 100, Least: 10}, 300, 300},
	} {
		t.Run(name, func(t *testing.T) {
			var got atomic.Int32
			var well atomic.Bool
			p := start(t, proxy.Service{Retry: c.retry, Instances: []proxy.Instance{closer(t, "a", &got, &well)}})
			words := map[string]int{}
			for range 300 {
				res, _ := get(t, fresh(), p.url("/"))
				want(t, "status", res.StatusCode, 502)
				words[res.Header.Get("Segue-Error")]++
			}
			if n := int(got.Load()) - 300; n < c.least || n > c.most {
				t.Errorf("%d repeats, want %d to %d", n, c.least, c.most)
			}
			if n := 300 - int(got.Load()-300); words["retry-budget"] != n {
				t.Errorf("%d times out of budget, but told %v", n, words)
			}
		})
	}
}

// An instance that fails again and again gets nothing for a while, then another
// chance, and a longer pause when it fails again.
func TestOutlierIsEjectedAndComesBack(t *testing.T) {
	var got atomic.Int32
	var well atomic.Bool
	good := backend(t, "good", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	p := start(t, proxy.Service{Outlier: &proxy.Outlier{Failures: 3, For: 300 * time.Millisecond},
		Instances: []proxy.Instance{good, closer(t, "bad", &got, &well)}})
	ejected := func() time.Duration { return p.instance("bad").Ejected }
	ask := func() { // idempotent: repeated, so that no client sees the failures
		res, _ := get(t, fresh(), p.url("/"))
		want(t, "status", res.StatusCode, 200)
	}
	eventually(t, "ejection", func() bool { ask(); return ejected() > 0 })
	want(t, "requests to the bad one", got.Load(), 3)
	b, _ := p.client.Metrics(t.Context())
	if !strings.Contains(string(b), `segue_ejected{service="shop"} 1`) {
		t.Errorf("not in the metrics:\n%s", b)
	}
	eventually(t, "its return", func() bool { return ejected() == 0 })
	eventually(t, "another ejection", func() bool { ask(); return ejected() > 300*time.Millisecond })
	well.Store(true)
	eventually(t, "its return", func() bool { return ejected() == 0 })
	before := got.Load()
	eventually(t, "requests to the one that is well", func() bool { ask(); return got.Load() > before+5 })
	want(t, "ejected", ejected(), time.Duration(0))
}

// Never more than the share that may be spared; a success in between begins the
// count anew; 5xx count only on request.
func TestOutlierBounds(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/bad" {
				w.WriteHeader(code)
			}
		}
	}
	for name, c := range map[string]struct {
		outlier proxy.Outlier
		paths   string // asked again and again
		code    int
		ejected int // of three
	}{
		"half of three":   {proxy.Outlier{Failures: 2, Errors: true}, "/bad", 500, 1},
		"two thirds":      {proxy.Outlier{Failures: 2, Errors: true, Most: 67}, "/bad", 503, 2},
		"all":             {proxy.Outlier{Failures: 2, Errors: true, Most: 100}, "/bad", 500, 3},
		"not asked for":   {proxy.Outlier{Failures: 2}, "/bad", 500, 0},
		"client's errors": {proxy.Outlier{Failures: 2, Errors: true}, "/bad", 404, 0},
		"in turns":        {proxy.Outlier{Failures: 20, Errors: true}, "/bad /good", 500, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, proxy.Service{Outlier: &c.outlier, Instances: []proxy.Instance{
				backend(t, "a", status(c.code)), backend(t, "b", status(c.code)), backend(t, "c", status(c.code))}})
			client := kept(t)
			for range 40 {
				for path := range strings.FieldsSeq(c.paths) {
					if res, _ := get(t, client, p.url(path)); res.StatusCode != c.code && path == "/bad" {
						t.Fatal(res.Status)
					}
				}
			}
			n := 0
			for _, in := range p.status().Services[0].Instances {
				if in.Ejected > 0 {
					n++
				}
			}
			want(t, "ejected", n, c.ejected)
		})
	}
}

// All that is in flight to an instance that dies is repeated, though the budget
// alone would not allow a single one.
func TestDeathIsWithinTheBudget(t *testing.T) {
	const clients = 200
	proceed := make(chan struct{})
	slow := backend(t, "slow", func(w http.ResponseWriter, r *http.Request) { <-proceed; io.WriteString(w, "ok") })
	var conns sync.Map
	var arrived atomic.Int32
	dying := raw(t, "dying", func(n int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			conns.Store(c, true)
			arrived.Add(1)
		}
	})
	p := start(t, proxy.Service{Retry: &proxy.Retry{Budget: 1}, Instances: []proxy.Instance{slow, dying}})
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			res, err := fresh().Get(p.url("/"))
			if err != nil {
				t.Error(err)
				return
			}
			want(t, "answered", res.Status+read(t, res), "200 OKok")
		})
	}
	eventually(t, "all in flight", func() bool {
		n := p.instance("dying").InFlight
		return p.instance("slow").InFlight+n == clients && int(arrived.Load()) == n
	})
	conns.Range(func(c, _ any) bool {
		c.(*net.TCPConn).SetLinger(0)
		c.(*net.TCPConn).Close()
		return true
	})
	p.route(slow)
	close(proceed)
	group.Wait()
}
