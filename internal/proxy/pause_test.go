package proxy_test

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// pause gives the proxy the table it has, with a pause or without.
func (r *running) pause(p *proxy.Pause) {
	r.t.Helper()
	r.change(func(s *proxy.Service) { s.Paused = p })
}

// change gives the proxy the table it has, with one thing changed.
func (r *running) change(change func(*proxy.Service)) {
	r.t.Helper()
	r.cfg.Services = slices.Clone(r.cfg.Services) // the other is the proxy's
	change(&r.cfg.Services[0])
	r.cfg.Version++
	if err := r.client.Apply(r.t.Context(), r.cfg); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) parked(n int64) {
	r.t.Helper()
	eventually(r.t, strconv.FormatInt(n, 10)+" parked", func() bool { return r.status().Services[0].Held == n })
}

// Whatever comes on whatever connection is parked, reaches no instance, and is
// answered once the service is resumed.
func TestPauseParksEveryKindOfRequest(t *testing.T) {
	var reached atomic.Int32
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		if r.Header.Get("Upgrade") != "" {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
				c.Close()
			}
			return
		}
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	c := kept(t)
	get(t, c, p.url("/")) // its connection is kept
	reached.Store(0)
	p.pause(&proxy.Pause{Until: time.Now().Add(time.Minute)})

	big := strings.Repeat("x", 200_000)
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	over2 := &http.Client{Transport: &http.Transport{Protocols: h2c}}
	defer over2.CloseIdleConnections()
	got := make(chan string, 5)
	ask := func(c *http.Client, method, body string) {
		req, err := http.NewRequest(method, p.url("/"), strings.NewReader(body))
		if err != nil {
			t.Error(err)
		}
		res, err := c.Do(req)
		if err != nil {
			got <- err.Error()
			return
		}
		if b := read(t, res); b != body {
			t.Errorf("%s: %d bytes came back of %d", method, len(b), len(body))
		}
		got <- res.Status
	}
	go ask(c, "GET", "")
	go ask(fresh(), "POST", "small")
	go ask(fresh(), "POST", big)
	go ask(over2, "POST", "streamed")
	go func() {
		got <- strings.TrimPrefix(strings.SplitAfter(talk(t, p.addr, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"), "\r\n")[0], "HTTP/1.1 ")
	}()
	p.parked(5)
	want(t, "reached an instance", reached.Load(), 0)
	p.pause(nil)
	for range 5 {
		if s := strings.TrimSpace(<-got); s != "200 OK" && s != "101 Switching Protocols" {
			t.Error(s)
		}
	}
	want(t, "reached an instance", reached.Load(), 5)
}

// What is in flight when the pause begins goes on.
func TestPauseLeavesRequestsInFlight(t *testing.T) {
	proceed := make(chan struct{})
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) { <-proceed; io.WriteString(w, "done") })
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	got := make(chan string)
	go func() {
		_, body := get(t, fresh(), p.url("/"))
		got <- body
	}()
	eventually(t, "a request in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 1 })
	p.pause(&proxy.Pause{Until: time.Now().Add(time.Minute)})
	close(proceed)
	want(t, "the request in flight", <-got, "done")
	// The client has its answer a moment before it is counted as gone.
	eventually(t, "nothing in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 0 })
}

// A pause ends by itself, with nobody there to resume it.
func TestPauseEndsByItself(t *testing.T) {
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}})
	until := time.Now().Add(300 * time.Millisecond)
	p.pause(&proxy.Pause{Until: until})
	if left := p.status().Services[0].Paused; left > 300*time.Millisecond || left <= 0 && time.Now().Before(until) {
		t.Error("left of the pause:", left)
	}
	res, _ := get(t, fresh(), p.url("/"))
	want(t, "status", res.StatusCode, 200)
	if early := time.Until(until); early > 5*time.Millisecond {
		t.Error("answered within the pause,", early, "before its end")
	}
	want(t, "left of the pause", p.status().Services[0].Paused, time.Duration(0))
}

// Beyond the bound requests are refused, and told when to come again.
func TestPauseIsBounded(t *testing.T) {
	p := start(t, proxy.Service{HoldTimeout: -1, Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}})
	p.pause(&proxy.Pause{Until: time.Now().Add(50 * time.Second), Max: 2})
	got := make(chan int, 2)
	for range 2 {
		go func() {
			res, _ := get(t, fresh(), p.url("/"))
			got <- res.StatusCode
		}()
	}
	p.parked(2)
	res, body := get(t, fresh(), p.url("/"))
	want(t, "the third", res.StatusCode, 503)
	want(t, "word", res.Header.Get("Segue-Error"), "hold-full")
	if n, _ := strconv.Atoi(res.Header.Get("Retry-After")); n < 40 || n > 50 {
		t.Errorf("Retry-After: %d, of a pause of 50 s", n)
	}
	if !strings.Contains(body, "paused") {
		t.Errorf("the refusal does not tell why: %s", body)
	}
	p.pause(nil)
	for range 2 {
		want(t, "parked", <-got, 200)
	}
}

// Instances are replaced while nobody may reach the service; the requests go
// to those that are there in the end.
func TestPauseOutlastsADeploy(t *testing.T) {
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }
	}
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", say("old"))}})
	p.pause(&proxy.Pause{Until: time.Now().Add(time.Minute)})
	got := make(chan string)
	go func() {
		_, body := get(t, fresh(), p.url("/"))
		got <- body
	}()
	p.parked(1)
	next := backend(t, "b", say("new"))
	p.route(p.cfg.Services[0].Instances[0], next)
	p.route(next)
	p.parked(1)
	p.pause(nil)
	want(t, "answered by", <-got, "new")
}

// A parked client that gives up leaves its place.
func TestPauseForgetsWhoLeaves(t *testing.T) {
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}})
	p.pause(&proxy.Pause{Until: time.Now().Add(time.Minute)})
	c := dial(t, p.addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	p.parked(1)
	c.Close()
	p.parked(0)
}

// What is parked in a proxy that leaves is answered from there, though the pause
// is longer than its drain.
func TestPauseOutlastsTheProxy(t *testing.T) {
	ln := listen(t)
	never := make(chan struct{})
	defer close(never)
	cfg := proxy.Config{Version: 1, Services: []proxy.Service{
		{Name: "shop", Listen: []string{key}, Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}},
		{Name: "slow", Listen: []string{key}, Routes: []proxy.Route{{Path: "/slow"}},
			Instances: []proxy.Instance{backend(t, "s", func(w http.ResponseWriter, r *http.Request) { <-never })}},
	}}
	p := startConfig(t, ln, cfg, 10*time.Millisecond)
	p.pause(&proxy.Pause{Until: time.Now().Add(time.Hour)})
	ask := func(path string) chan int {
		got := make(chan int, 1)
		go func() {
			res, err := fresh().Get(p.url(path))
			if err != nil {
				t.Error(err)
				got <- 0
				return
			}
			res.Body.Close()
			got <- res.StatusCode
		}()
		return got
	}
	slow, parked := ask("/slow"), ask("/")
	p.parked(1)
	eventually(t, "a request in flight", func() bool { return p.status().Services[1].Instances[0].InFlight == 1 })
	if err := p.client.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, "in flight, as the drain is over", <-slow, 503)
	p.parked(1)
	// Another instance has another time: ten milliseconds may not be enough for it.
	p.change(func(s *proxy.Service) {
		s.Paused, s.DrainTimeout = nil, time.Minute
		s.Instances = []proxy.Instance{backend(t, "b", func(w http.ResponseWriter, r *http.Request) {})}
	})
	want(t, "parked", <-parked, 200)
}
