package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/internal/proxy"
)

// strict is an instance that notices every request that comes after it was
// told that it is idle.
type strict struct {
	proxy.Instance
	stopped atomic.Bool
	late    atomic.Int32
	served  atomic.Int32
}

func newStrict(t testing.TB, id string) *strict {
	s := &strict{}
	s.Instance = raw(t, id, func(n int, c net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			if s.stopped.Load() {
				s.late.Add(1)
			}
			s.served.Add(1)
			io.WriteString(c, okAnswer)
		}
	})
	return s
}

// Instances come and go under load; once WaitIdle has said 0, not one more
// request reaches an instance, and no request is lost.
func TestDrainIsExact(t *testing.T) {
	rounds := proxy.Rounds(150, 50)
	a := newStrict(t, "i0")
	p := start(t, proxy.Service{Instances: []proxy.Instance{a.Instance}})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var sent atomic.Int64
	for w := range 8 {
		c := kept(t)
		if w%2 == 0 {
			c = fresh()
		}
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var res *http.Response
				var err error
				if w < 4 {
					res, err = c.Post(p.url("/"), "text/plain", strings.NewReader("hello"))
				} else {
					res, err = c.Get(p.url("/"))
				}
				if err != nil {
					t.Error(err)
					return
				}
				if body := read(t, res); res.StatusCode != 200 || body != "ok" {
					t.Error(res.Status, res.Header.Get("Segue-Error"), body)
				}
				sent.Add(1)
			}
		})
	}
	old := a
	for i := range rounds {
		next := newStrict(t, fmt.Sprint("i", i+1))
		if i%5 == 0 {
			p.route() // nobody for a moment: requests are held
		} else {
			p.route(old.Instance, next.Instance)
		}
		p.route(next.Instance)
		n, err := p.client.WaitIdle(t.Context(), old.ID)
		if n != 0 || err != nil {
			t.Fatal(n, err)
		}
		old.stopped.Store(true)
		defer func(s *strict) {
			if n := s.late.Load(); n > 0 {
				t.Errorf("%s got %d requests after its drain", s.ID, n)
			}
		}(old)
		old = next
	}
	close(stop)
	wg.Wait()
	if sent.Load() == 0 {
		t.Error("no requests were sent")
	}
	t.Logf("%d requests over %d replacements", sent.Load(), rounds)
}

func TestWaitIdleOfRoutedAndUnknown(t *testing.T) {
	a := newStrict(t, "a")
	p := start(t, proxy.Service{Instances: []proxy.Instance{a.Instance}})
	if _, err := p.client.WaitIdle(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "still routed") {
		t.Error(err)
	}
	if n, err := p.client.WaitIdle(t.Context(), "nobody"); n != 0 || err != nil {
		t.Error(n, err)
	}
	if err := p.client.Cut(t.Context(), "a"); err == nil {
		t.Error("a routed instance was cut")
	}
}

func TestCut(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	res, err := fresh().Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p.route()
	if err := p.client.Cut(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the cut is not visible")
	}
	if n, err := p.client.WaitIdle(t.Context(), "a"); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// An instance that is rolled back to while it drains goes on.
func TestRevived(t *testing.T) {
	a := newStrict(t, "a")
	p := start(t, proxy.Service{Instances: []proxy.Instance{a.Instance}})
	get(t, fresh(), p.url("/"))
	p.route()
	p.route(a.Instance)
	get(t, fresh(), p.url("/"))
	st := p.status().Services[0]
	want(t, "instances", len(st.Instances), 1)
	want(t, "requests", st.Instances[0].Requests, 2)
}

func TestListenersBothWays(t *testing.T) {
	a := newStrict(t, "a")
	p := start(t, proxy.Service{Instances: []proxy.Instance{a.Instance}})
	many := map[string]*os.File{}
	for i := range 450 {
		f := file(t, listen(t))
		defer f.Close()
		many[fmt.Sprint("extra", i)] = f
	}
	if err := p.client.AddListeners(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	if err := p.client.AddListeners(t.Context(), map[string]*os.File{"extra1": many["extra1"]}); err == nil {
		t.Error("a key was taken twice")
	}
	p.cfg.Services[0].Listen = []string{key, "extra7"}
	p.route(a.Instance)
	back, err := p.client.Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "listeners", len(back), 451)
	ln, err := net.FileListener(back["extra7"])
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, body := get(t, fresh(), "http://"+addr)
	want(t, "over the new listener", body, "ok")
	for _, f := range back {
		f.Close()
	}
	if err := p.client.RemoveListeners(t.Context(), []string{"extra7"}); err != nil {
		t.Fatal(err)
	}
	want(t, "left", len(p.status().Listeners), 450)
}

// A proxy without its agent goes on, and one with broken control connections too.
func TestNeedsNobody(t *testing.T) {
	a := newStrict(t, "a")
	p := start(t, proxy.Service{Instances: []proxy.Instance{a.Instance}})
	ctx, cancel := context.WithCancel(t.Context())
	p.route(a.Instance)
	go p.client.WaitIdle(ctx, "a")
	cancel()
	_, body := get(t, fresh(), p.url("/"))
	want(t, "body", body, "ok")
}

func TestMetricsAndStatus(t *testing.T) {
	a := newStrict(t, "a")
	p := start(t, proxy.Service{Instances: []proxy.Instance{a.Instance}})
	get(t, fresh(), p.url("/"))
	var b []byte
	eventually(t, "the request is counted", func() bool { // a moment after its answer
		var err error
		if b, err = p.client.Metrics(t.Context()); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(b), "segue_requests_total{")
	})
	for _, s := range []string{
		`segue_requests_total{service="shop",release="r-a",code="2xx"} 1`,
		`segue_request_duration_seconds_count{service="shop",release="r-a"} 1`,
		`segue_in_flight{service="shop",release="r-a",instance="a",state="routed"} 0`,
	} {
		if !strings.Contains(string(b), s+"\n") {
			t.Errorf("%s is not in\n%s", s, b)
		}
	}
	st := p.status()
	want(t, "version", st.Version, "test")
	want(t, "pid", st.PID, os.Getpid())
	want(t, "table", st.ConfigVersion, 1)
	want(t, "requests", st.Services[0].Requests, 1)
}

func TestRefusesBadConfig(t *testing.T) {
	p := start(t, proxy.Service{})
	for name, s := range map[string][]proxy.Service{
		"no name":        {{}},
		"twice":          {{Name: "a"}, {Name: "a"}},
		"protocol":       {{Name: "a", Protocol: "spdy"}},
		"route":          {{Name: "a", Routes: []proxy.Route{{Path: "x"}}}},
		"trusted":        {{Name: "a", Trusted: []string{"x"}}},
		"instance twice": {{Name: "a", Instances: []proxy.Instance{{ID: "i", Addr: "x"}}}, {Name: "b", Instances: []proxy.Instance{{ID: "i", Addr: "y"}}}},
		"no address":     {{Name: "a", Instances: []proxy.Instance{{ID: "i"}}}},
		"half a pair":    {{Name: "a", CertFile: "x"}},
	} {
		if err := p.client.Apply(t.Context(), proxy.Config{Services: s}); err == nil {
			t.Error(name, "was accepted")
		}
	}
	want(t, "table", p.status().ConfigVersion, 1)
}
