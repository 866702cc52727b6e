package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/internal/proxy"
)

// shadowed starts a proxy whose service is mirrored to an instance of its own.
func shadowed(t *testing.T, m proxy.Mirror, original, copied http.HandlerFunc) *running {
	m.Instances = append(m.Instances, backend(t, "copy", copied))
	if m.Percent == 0 {
		m.Percent = 100
	}
	return start(t, proxy.Service{Mirror: &m, Instances: []proxy.Instance{backend(t, "original", original)}})
}

func (r *running) mirrored() proxy.MirrorStatus { return *r.status().Services[0].Mirror }

// total waits until so many copies have come to a result.
func (r *running) total(n int64) proxy.MirrorStatus {
	r.t.Helper()
	var m proxy.MirrorStatus
	eventually(r.t, "all results", func() bool {
		m = r.mirrored()
		return m.Same+m.Status+m.Body+m.Failed+m.Skipped >= n
	})
	return m
}

func say(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// What is told of a copy follows from both answers, and the client sees the
// original's alone.
func TestMirrorCompares(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	for name, c := range map[string]struct {
		original, copied http.HandlerFunc
		want             proxy.MirrorStatus
	}{
		"same":          {say(200, "text/plain", "a"), say(200, "text/plain", "a"), proxy.MirrorStatus{Same: 1}},
		"same and long": {say(200, "text/plain", long), say(200, "text/plain", long), proxy.MirrorStatus{Same: 1}},
		"status":        {say(200, "text/plain", "a"), say(500, "text/plain", "a"), proxy.MirrorStatus{Status: 1}},
		"body":          {say(200, "text/plain", "a"), say(200, "text/plain", "b"), proxy.MirrorStatus{Body: 1}},
		"length":        {say(200, "text/plain", long), say(200, "text/plain", long+"x"), proxy.MirrorStatus{Body: 1}},
		"type":          {say(200, "text/plain", "a"), say(200, "text/html", "a"), proxy.MirrorStatus{Body: 1}},
		"no answer": {say(200, "text/plain", "a"), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			proxy.MirrorStatus{Failed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			p := shadowed(t, proxy.Mirror{}, c.original, c.copied)
			res, body := get(t, fresh(), p.url("/path?secret=1"))
			if res.StatusCode != 200 || body != "a" && body != long {
				t.Errorf("the client sees %s %.20q", res.Status, body)
			}
			m := p.total(1)
			if c.want.Status+c.want.Body > 0 {
				if len(m.Differences) != 1 || m.Differences[0].Path != "/path" || m.Differences[0].Status != 200 {
					t.Errorf("differences: %+v", m.Differences)
				}
			}
			m.Differences = nil
			want(t, "results", m, c.want)
		})
	}
}

// A copy says that it is one, and is otherwise the request.
func TestMirrorCopies(t *testing.T) {
	seen := make(chan *http.Request, 1)
	p := shadowed(t, proxy.Mirror{Unsafe: true}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header["Segue-Mirror"] != nil {
			t.Error("the original says that it is a copy")
		}
	}, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(b)))
		seen <- r
	})
	send(t, fresh(), "PUT", p.url("/p?q=1"), "hello", http.Header{"X-Own": {"1"}, "Segue-Mirror": {"made up"}})
	r := <-seen
	b, _ := io.ReadAll(r.Body)
	want(t, "copy", []any{r.Method, r.RequestURI, r.Host, r.Header.Get("X-Own"), r.Header["Segue-Mirror"], r.Header.Get("X-Forwarded-For"), string(b)},
		[]any{"PUT", "/p?q=1", p.addr, "1", []string{"1"}, "127.0.0.1", "hello"})
}

// Only what may be copied is.
func TestMirrorChooses(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	for name, c := range map[string]struct {
		m            proxy.Mirror
		method, body string
		copies       int64 // of 20 requests
		skipped      int64
	}{
		"all":                  {proxy.Mirror{}, "GET", "", 20, 0},
		"none":                 {proxy.Mirror{Percent: 1}, "POST", "", 0, 0},
		"unsafe, not allowed":  {proxy.Mirror{}, "DELETE", "", 0, 0},
		"unsafe, allowed":      {proxy.Mirror{Unsafe: true}, "POST", "abc", 20, 0},
		"a body that is small": {proxy.Mirror{Unsafe: true, MaxBody: 3}, "POST", "abc", 20, 0},
		"a larger body":        {proxy.Mirror{Unsafe: true, MaxBody: 3}, "POST", "abcd", 0, 20},
		"a streamed body":      {proxy.Mirror{Unsafe: true}, "POST", big, 0, 20},
	} {
		t.Run(name, func(t *testing.T) {
			nothing := func(http.ResponseWriter, *http.Request) {}
			p := shadowed(t, c.m, nothing, nothing)
			client := kept(t)
			for range 20 {
				send(t, client, c.method, p.url("/"), c.body, nil)
			}
			m := p.total(c.copies + c.skipped)
			want(t, "copies", m.Same, c.copies)
			want(t, "skipped", m.Skipped, c.skipped)
			want(t, "requests of the copy's instance", p.instance("copy").Requests, c.copies)
		})
	}
}

// A mirror that hangs neither delays the originals nor gathers copies.
func TestMirrorHangs(t *testing.T) {
	var arrived atomic.Int32
	hanging := raw(t, "hanging", func(n int, c net.Conn, r *bufio.Reader) {
		arrived.Add(1)
		readHead(r)
		io.Copy(io.Discard, r) // until the proxy hangs up
	})
	p := start(t, proxy.Service{Mirror: &proxy.Mirror{Percent: 100, Instances: []proxy.Instance{hanging}},
		Instances: []proxy.Instance{backend(t, "a", func(http.ResponseWriter, *http.Request) {})}})
	client := kept(t)
	for range 100 {
		res, _ := get(t, client, p.url("/"))
		want(t, "status", res.StatusCode, 200)
	}
	m := p.total(36)
	want(t, "skipped beyond 64", m.Skipped, 36)
	if n := p.instance("hanging").InFlight; n != 64 {
		t.Errorf("%d copies are in flight, want 64", n)
	}
}

// Copies go to another service of the table, over HTTP/2 too; what takes the
// copies is drained like anything else.
func TestMirrorToService(t *testing.T) {
	two := h2Backend(t, "two", say(200, "text/plain", "a"))
	one := backend(t, "one", say(200, "text/plain", "a"))
	ln := listen(t)
	cfg := proxy.Config{Version: 1, Services: []proxy.Service{
		{Name: "shop", Listen: []string{key}, Mirror: &proxy.Mirror{To: "next", Percent: 100}, Instances: []proxy.Instance{one}},
		{Name: "next", Protocol: proxy.H2C, Instances: []proxy.Instance{two}},
	}}
	p := startConfig(t, ln, cfg, 0)
	client := kept(t)
	for range 5 {
		get(t, client, p.url("/"))
	}
	want(t, "the same", p.total(5).Same, 5)
	cfg.Services = slices.Clone(cfg.Services)
	cfg.Services[1].Instances = nil
	if err := p.client.Apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n, err := p.client.WaitIdle(t.Context(), "two"); n != 0 || err != nil {
		t.Error(n, err)
	}
	get(t, client, p.url("/"))
	want(t, "without anybody there", p.total(6).Skipped, 1)
}

// A mirrored service whose instances of its own leave: they are drained, and
// the copies go on elsewhere.
func TestMirrorInstancesAreDrained(t *testing.T) {
	proceed := make(chan struct{})
	arrived := make(chan struct{}, 1)
	p := shadowed(t, proxy.Mirror{}, say(200, "text/plain", "a"), func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-proceed
	})
	get(t, fresh(), p.url("/"))
	<-arrived
	p.change(func(s *proxy.Service) { s.Mirror = nil })
	idle := make(chan error)
	go func() {
		_, err := p.client.WaitIdle(t.Context(), "copy")
		idle <- err
	}()
	select {
	case err := <-idle:
		t.Error("idle with a copy in flight", err)
	default:
	}
	close(proceed)
	if err := <-idle; err != nil {
		t.Error(err)
	}
}

// Nobody but the proxy marks a request as a copy, on whatever path it comes.
func TestMirrorMarkIsOurs(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Join(r.Header["Segue-Mirror"], ""))
	})
	for name, s := range map[string]proxy.Service{"fast": {}, "general": {Outlier: &proxy.Outlier{}}} {
		s.Instances = []proxy.Instance{in}
		_, body := send(t, fresh(), "GET", start(t, s).url("/"), "", http.Header{"Segue-Mirror": {"made up"}})
		want(t, name, body, "")
	}
}
