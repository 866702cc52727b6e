package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// full is an instance that has as many requests in it as it is asked to keep, until
// let go: those for /keep.
type full struct {
	proxy.Instance
	kept    atomic.Int32
	reached atomic.Int32 // by others
	letGo   func()
}

func newFull(t testing.TB, id string) *full {
	f := &full{}
	gone := make(chan struct{})
	f.letGo = sync.OnceFunc(func() { close(gone) })
	f.Instance = backend(t, id, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keep" {
			f.kept.Add(1)
			<-gone
			return
		}
		f.reached.Add(1)
		io.WriteString(w, "ok")
	})
	t.Cleanup(f.letGo) // before the instance is closed
	return f
}

// crowd sends n requests that the instance keeps, and waits until it has them.
func (r *running) crowd(f *full, n int) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	r.t.Cleanup(func() { cancel(); all.Wait() })
	want := f.kept.Load() + int32(n)
	client := &http.Client{Transport: &http.Transport{}}
	r.t.Cleanup(client.CloseIdleConnections)
	for range n {
		all.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, "GET", r.url("/keep"), nil)
			if res, err := client.Do(req); err == nil {
				res.Body.Close()
			}
		})
	}
	eventually(r.t, "the instance is full", func() bool { return f.kept.Load() == want })
}

func (r *running) shedding() proxy.SheddingStatus {
	r.t.Helper()
	if st := r.status().Services[0].Shedding; st != nil {
		return *st
	}
	return proxy.SheddingStatus{}
}

// A service with too much in flight turns away what matters least, on every kind of
// connection, and nothing that is critical.
func TestSheddingByImportance(t *testing.T) {
	f := newFull(t, "a")
	p := start(t, proxy.Service{Instances: []proxy.Instance{f.Instance}, Shedding: &proxy.Shedding{InFlight: 3, Routes: []proxy.Ranked{
		{Path: "/keep", Importance: "critical"}, {Path: "/pay/", Importance: "critical"}, {Path: "/pay/hints", Importance: "low"}, {Path: "/hints", Importance: "low"},
	}}})
	ways := map[string]*http.Client{"kept alive": kept(t), "fresh": fresh(), "HTTP/2": over2(t)}
	for name, c := range ways {
		for _, path := range []string{"/pay", "/hints", "/other"} {
			res, _ := get(t, c, p.url(path))
			want(t, name+" "+path+" before", res.StatusCode, 200)
		}
	}
	want(t, "level before", p.shedding().Level, "")
	p.crowd(f, 9)
	eventually(t, "all of rank normal are turned away", func() bool {
		st := p.shedding()
		return st.Level == "high" || st.Level == "normal" && st.Percent == 100
	})
	st := p.shedding()
	want(t, "why", fmt.Sprint(st.Because, " ", st.InFlight, st.Most), "in flight 9 3")
	f.reached.Store(0)
	for name, c := range ways {
		for path, status := range map[string]int{"/pay": 200, "/pay/now": 200, "/pa%79/now": 200, "/pay/hints": 503, "/pay/hints/1": 503, "/pay/hintsandmore": 200, "/hints": 503, "/payday": 503, "/": 503} {
			res, body := get(t, c, p.url(path))
			want(t, name+" "+path, res.StatusCode, status)
			if status == 200 {
				continue
			}
			after, _ := strconv.Atoi(res.Header.Get("Retry-After"))
			if res.Header.Get("Segue-Error") != "shed" || after < 2 || after > 5 || !strings.Contains(body, `"error":"shed"`) {
				t.Errorf("%s %s: %v %s", name, path, res.Header, body)
			}
		}
		res, _ := sendAs(t, c, "POST", p.url("/hints"), strings.Repeat("x", 200_000))
		want(t, name+" with a large body", res.StatusCode, 503)
		_, page := sendAs(t, c, "GET", p.url("/hints"), "", "Accept", "text/html")
		if !strings.Contains(page, "<h1>503") {
			t.Errorf("%s: page %s", name, page)
		}
	}
	want(t, "reached the instance", f.reached.Load(), 4*len(ways))

	st = p.shedding()
	want(t, "counted", fmt.Sprint(st.Shed["low"], st.Shed["normal"], st.Shed["critical"]), "15 6 0")
	s := p.status().Services[0]
	want(t, "errors of the release", s.Releases[0].Errors, 0)
	text, err := p.client.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`segue_shed_total{service="shop",importance="low"} 15`,
		`segue_shed_total{service="shop",importance="normal"} 6`,
		`segue_shedding{service="shop",importance="low"} 1`,
		`segue_refusals_total{reason="shed"} 21`,
	} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("metrics have no line %s", line)
		}
	}

	p.change(func(s *proxy.Service) { s.Shedding = nil })
	res, _ := get(t, ways["kept alive"], p.url("/hints"))
	want(t, "without shedding", res.StatusCode, 200)
}

// A streak of requests by one client is let in again when there is room: a whole
// rank comes back by itself.
func TestSheddingGivesBack(t *testing.T) {
	f := newFull(t, "a")
	p := start(t, proxy.Service{Instances: []proxy.Instance{f.Instance}, Shedding: &proxy.Shedding{InFlight: 3, Routes: []proxy.Ranked{
		{Path: "/keep", Importance: "critical"}, {Path: "/hints", Importance: "low"}}}})
	p.crowd(f, 4)
	c := kept(t)
	eventually(t, "somebody is turned away", func() bool { res, _ := get(t, c, p.url("/hints")); return res.StatusCode == 503 })
	f.letGo()
	deadline := time.Now().Add(time.Minute)
	for p.shedding().Level != "" {
		if time.Now().After(deadline) {
			t.Fatal("requests are still turned away: ", p.shedding())
		}
		time.Sleep(10 * time.Millisecond)
	}
	for range 200 {
		if res, _ := get(t, c, p.url("/hints")); res.StatusCode != 200 {
			t.Fatal("turned away when all is over")
		}
	}
}

// Exchanges that stay open are no load, however many.
func TestSheddingPassesOverStreams(t *testing.T) {
	done := make(chan struct{})
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/events" {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-done
	})
	t.Cleanup(func() { close(done) })
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}, Shedding: &proxy.Shedding{InFlight: 2}})
	for range 6 {
		res, err := kept(t).Get(p.url("/events"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
	}
	eventually(t, "the proxy has measured", func() bool { st := p.shedding(); return st.Most == 2 && st.InFlight == 0 })
	want(t, "in flight", p.status().Services[0].Instances[0].InFlight, 6)
	want(t, "level", p.shedding().Level, "")
}

// Slow answers and errors are signs, too.
func TestSheddingBySlownessAndErrors(t *testing.T) {
	for what, s := range map[string]*proxy.Shedding{
		"p95":    {P95: time.Millisecond},
		"errors": {Errors: 5},
	} {
		t.Run(what, func(t *testing.T) {
			in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
				if what == "errors" {
					w.WriteHeader(500)
					return
				}
				<-time.After(5 * time.Millisecond) // as slow as that
			})
			p := start(t, proxy.Service{Instances: []proxy.Instance{in}, Shedding: s})
			c := kept(t)
			deadline := time.Now().Add(time.Minute)
			for {
				res, _ := get(t, c, p.url("/"))
				if res.StatusCode == 503 {
					want(t, "word", res.Header.Get("Segue-Error"), "shed")
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("nobody is turned away: ", p.shedding())
				}
			}
			want(t, "because", p.shedding().Because, what)
		})
	}
}
