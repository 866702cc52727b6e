package proxy_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// of makes instances ones of a release.
func of(release string, list ...proxy.Instance) []proxy.Instance {
	for i := range list {
		list[i].Release = release
	}
	return list
}

// shares are of the releases "old" and "new".
func shares(old, new int) []proxy.Share {
	return []proxy.Share{{Release: "old", Weight: old}, {Release: "new", Weight: new}}
}

// divided starts a proxy with two instances of the release old, a and b, and one
// of new, n.
func divided(t testing.TB, s proxy.Split, change ...func(*proxy.Service)) *running {
	svc := proxy.Service{Split: &s, Instances: append(of("old", named(t, "a"), named(t, "b")), of("new", named(t, "n"))...)}
	for _, f := range change {
		f(&svc)
	}
	return start(t, svc)
}

func (r *running) split(s *proxy.Split) {
	r.t.Helper()
	svc := r.cfg.Services[0]
	svc.Split = s
	r.cfg.Services = []proxy.Service{svc}
	if err := r.client.Apply(r.t.Context(), r.cfg); err != nil {
		r.t.Fatal(err)
	}
}

// answerer asks once and tells who has answered.
func (r *running) answerer(c *http.Client, h http.Header) string {
	r.t.Helper()
	res, body := send(r.t, c, "GET", r.url("/"), "", h)
	want(r.t, "status", res.StatusCode, 200)
	return strings.Fields(body)[0]
}

// newOf tells how many of n requests the release new answers.
func (r *running) newOf(n int, c *http.Client, h http.Header) (got int) {
	r.t.Helper()
	for range n {
		if r.answerer(c, h) == "n" {
			got++
		}
	}
	return got
}

// All and nothing are exact, and everything else is as chance has it.
func TestSplitShares(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(100, 0)})
	c := kept(t)
	n := proxy.Rounds(2000, 800)
	for _, weight := range []struct{ old, new int }{{100, 0}, {95, 5}, {1, 1}, {0, 7}} {
		p.split(&proxy.Split{Shares: shares(weight.old, weight.new)})
		share := float64(weight.new) / float64(weight.old+weight.new)
		mean, deviation := float64(n)*share, math.Sqrt(float64(n)*share*(1-share))
		got := p.newOf(n, c, nil)
		if d := math.Abs(float64(got) - mean); d > 5*deviation { // one in a million runs
			t.Errorf("%d : %d: %d of %d went to the new one", weight.old, weight.new, got, n)
		}
	}
	if !general {
		want(t, "requests on the general path", p.status().General, 0)
	}
}

// When Apply has returned, not one request that begins later goes to a release
// that has no share any more. (To one that has, the very next may go.)
func TestSplitIsInForceWhenApplyReturns(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(1, 0)})
	var stage atomic.Int64 // even: new has nothing; odd: it is changing, or new has all
	var stop atomic.Bool
	var judged, wrong atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		c := kept(t)
		workers.Go(func() {
			for !stop.Load() {
				before := stage.Load()
				res, err := c.Get(p.url("/"))
				if err != nil {
					t.Error(err)
					return
				}
				b, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if before%2 == 0 && stage.Load() == before {
					judged.Add(1)
					if strings.HasPrefix(string(b), "n") {
						wrong.Add(1)
					}
				}
			}
		})
	}
	for range 100 {
		stage.Add(1)
		p.split(&proxy.Split{Shares: shares(0, 1)})
		want(t, "the next request", p.answerer(fresh(), nil), "n")
		p.split(&proxy.Split{Shares: shares(1, 0)})
		stage.Add(1)
		if got := p.answerer(fresh(), nil); got == "n" {
			t.Error("the next request went to a release without a share")
		}
	}
	stop.Store(true)
	workers.Wait()
	if wrong.Load() > 0 || judged.Load() < 50 {
		t.Errorf("%d of %d requests went to a release that had no share when they began", wrong.Load(), judged.Load())
	}
}

// Matches go before shares; all others are divided as without them, and stay on
// the event loops.
func TestSplitMatches(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(1, 0), Matches: []proxy.SplitMatch{
		{Release: "new", Header: "x-canary", Value: "yes"},
		{Release: "new", Header: "X-Any"},
		{Release: "new", Cookie: "beta", Value: "1"},
		{Release: "new", Cookie: "staff"},
		{Release: "new", Header: "X-Both", Cookie: "both"},
	}})
	for _, c := range []struct {
		h   http.Header
		new bool
	}{
		{nil, false},
		{http.Header{"X-Canary": {"yes"}}, true},
		{http.Header{"X-Canary": {"no"}}, false},
		{http.Header{"X-Canary": {"no", "yes"}}, true},
		{http.Header{"X-Any": {""}}, true},
		{http.Header{"Cookie": {"a=b; beta=1"}}, true},
		{http.Header{"Cookie": {"beta=2; beta=1"}}, true},
		{http.Header{"Cookie": {"beta=2", "alphabeta=1"}}, false},
		{http.Header{"Cookie": {"staff"}}, true},
		{http.Header{"Cookie": {"both=1"}}, false},
		{http.Header{"X-Both": {"1"}}, false},
		{http.Header{"X-Both": {"1"}, "Cookie": {"both=1"}}, true},
	} {
		if got := p.answerer(fresh(), c.h) == "n"; got != c.new {
			t.Errorf("%v: new is %v, want %v", c.h, got, c.new)
		}
	}
	before := p.status().General
	want(t, "without a match", p.newOf(20, kept(t), http.Header{"X-Other": {"yes"}, "Cookie": {"a=b"}}), 0)
	if !general {
		want(t, "requests on the general path", p.status().General-before, 0)
	}
	res, body := send(t, fresh(), "GET", p.url("/"), "", http.Header{"Cookie": {"staff=1; a=b"}})
	want(t, "a matched cookie is the instance's to see", body+res.Header.Get("Set-Cookie"), "n staff=1; a=b")
}

// A listener of its own leads to a release, whatever host it is reached by.
func TestSplitByListener(t *testing.T) {
	ln := listen(t)
	p := divided(t, proxy.Split{Shares: shares(1, 0)}, func(s *proxy.Service) { s.Routes = []proxy.Route{{Host: "shop.example"}} })
	if err := p.client.AddListeners(t.Context(), map[string]*os.File{"preview": file(t, ln)}); err != nil {
		t.Fatal(err)
	}
	p.cfg.Services[0].Listen = []string{key, "preview"}
	p.split(&proxy.Split{Shares: shares(1, 0), Matches: []proxy.SplitMatch{{Release: "new", Listen: "preview", Only: true}}})
	ask := func(addr, host string) string {
		req, _ := http.NewRequest("GET", "http://"+addr, nil)
		req.Host = host
		res, err := fresh().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(res.StatusCode, " ", strings.Contains(read(t, res), "n "))
	}
	for range 5 {
		want(t, "the preview", ask(ln.Addr().String(), ""), "200 true")
		want(t, "the preview by the users' host", ask(ln.Addr().String(), "shop.example"), "200 true")
		want(t, "users", ask(p.addr, "shop.example"), "200 false")
		want(t, "users by another host", ask(p.addr, "other.example")[:3], "404")
	}
	if !general {
		want(t, "requests on the general path", p.status().General, 5)
	}
}

// As a release's share grows, clients only move to it; they stay while it does
// not shrink, and all go back when it ends.
func TestSplitCookie(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(99, 1), Cookie: "try", TTL: time.Hour})
	const n = 150
	clients := make([]*http.Client, n)
	where := make([]string, n)
	for i := range clients {
		jar, _ := cookiejar.New(nil)
		clients[i] = &http.Client{Jar: jar, Transport: kept(t).Transport}
		res, body := get(t, clients[i], p.url("/"))
		if set := res.Header.Get("Set-Cookie"); !strings.HasPrefix(set, "try=") || !strings.HasSuffix(set, "; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600") {
			t.Fatalf("cookie: %q", set)
		}
		where[i] = body[:1]
	}
	moved := func(old, new int) (there int) {
		t.Helper()
		p.split(&proxy.Split{Shares: shares(old, new), Cookie: "try"})
		for i, c := range clients {
			for range 2 {
				res, body := get(t, c, p.url("/some/where"))
				want(t, "another cookie, or one that the instance sees", body[1:]+res.Header.Get("Set-Cookie"), " ")
				if where[i] == "n" && body[:1] != "n" && new > 0 {
					t.Fatalf("client %d has left the new release at %d %%", i, new)
				}
				where[i] = body[:1]
			}
			if where[i] == "n" {
				there++
			}
		}
		return there
	}
	moved(99, 1)
	few := moved(90, 10)
	half := moved(50, 50)
	if half < 40 || half > 110 || few > 45 {
		t.Errorf("of %d clients, %d are with the new release at 10 %%, %d at 50 %%", n, few, half)
	}
	want(t, "clients at 100 %", moved(0, 100), n)
	want(t, "clients at 0 %", moved(100, 0), 0)
	want(t, "clients at 50 % again", moved(50, 50), half)
}

// What a client makes up counts as nothing, and it is given another number.
func TestSplitCookieMadeUp(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(0, 1), Cookie: "try"}, func(s *proxy.Service) { s.Trusted = []string{"127.0.0.1"} })
	for _, made := range []string{"", "-1", "10000", "007", "new", "1e3", "99999999999999999999", strings.Repeat("9", 4000)} {
		res, body := send(t, fresh(), "GET", p.url("/"), "", http.Header{"Cookie": {"x=y; try=" + made + "; z=1"}, "X-Forwarded-Proto": {"https"}})
		want(t, "cookies at the instance", body, "n x=y; z=1")
		if set := res.Header.Get("Set-Cookie"); !strings.HasPrefix(set, "try=") || !strings.HasSuffix(set, "SameSite=Lax; Secure") {
			t.Errorf("%q: cookie %q", made, set)
		}
	}
}

// An address stands for the cookie: behind a trusted forwarder the one it names.
func TestSplitAddress(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(1, 1), Address: true, Cookie: "try"}, func(s *proxy.Service) { s.Trusted = []string{"127.0.0.1"} })
	there := 0
	where := map[string]bool{}
	for i := range 200 {
		from := fmt.Sprintf("203.0.%d.%d", i/100, i%100)
		res, body := send(t, kept(t), "GET", p.url("/"), "", http.Header{"X-Forwarded-For": {from}})
		want(t, "cookie", res.Header.Get("Set-Cookie"), "")
		if where[from] = body[:1] == "n"; where[from] {
			there++
		}
	}
	if there < 60 || there > 140 {
		t.Errorf("%d of 200 addresses are with the new release", there)
	}
	for from, is := range where {
		got := p.answerer(kept(t), http.Header{"X-Forwarded-For": {from}}) == "n"
		want(t, from, got, is)
	}
	s := p.cfg.Services[0]
	s.Trusted = nil
	p.cfg.Services[0] = s
	p.split(&proxy.Split{Shares: shares(1, 1), Address: true})
	general0 := p.status().General
	if got := p.newOf(30, kept(t), nil); got != 0 && got != 30 {
		t.Errorf("one address is in two releases: %d of 30", got)
	}
	if !general {
		want(t, "requests on the general path", p.status().General-general0, 0)
	}
}

// A release that cannot serve leaves its requests to others that have a share,
// and never to one that has none.
func TestSplitFallsBack(t *testing.T) {
	dead := proxy.Instance{ID: "dead", Addr: closedPort(t)}
	tests := map[string][]proxy.Instance{
		"none":    nil,
		"refuses": of("new", dead),
	}
	for name, list := range tests {
		p := start(t, proxy.Service{HoldTimeout: time.Second, Instances: append(of("old", named(t, "a")), append(of("third", named(t, "t")), list...)...),
			Split: &proxy.Split{Shares: append(shares(1, 1), proxy.Share{Release: "third"}), Matches: []proxy.SplitMatch{{Release: "new", Header: "X-New"}}}})
		for range 30 {
			want(t, name, p.answerer(fresh(), nil), "a")
			want(t, name+", matched", p.answerer(fresh(), http.Header{"X-New": {"1"}}), "a")
		}
		p.route(append(list, of("third", named(t, "t2"))...)...)
		res, _ := send(t, fresh(), "GET", p.url("/"), "", nil)
		want(t, name+": with nobody who has a share", res.Header.Get("Segue-Error"), "no-instance")
	}
}

// An ejected release is passed over, and better than nothing.
func TestSplitPassesOverTheEjected(t *testing.T) {
	var got atomic.Int32
	var well atomic.Bool
	bad := of("new", closer(t, "n", &got, &well))
	p := start(t, proxy.Service{Outlier: &proxy.Outlier{Failures: 2, For: time.Minute, Most: 100},
		Split: &proxy.Split{Shares: shares(1, 1)}, Instances: append(of("old", named(t, "a")), bad...)})
	eventually(t, "it is ejected", func() bool {
		send(t, fresh(), "POST", p.url("/"), "", nil)
		return p.instance("n").Ejected > 0
	})
	for range 30 {
		want(t, "answered", p.answerer(fresh(), nil), "a")
	}
	well.Store(true)
	p.route(bad...)
	res, _ := send(t, fresh(), "GET", p.url("/"), "", nil)
	want(t, "with nobody else", res.StatusCode, 200)
}

// A repeat stays within the release, unless there is nobody else.
func TestSplitRepeats(t *testing.T) {
	dead := proxy.Instance{ID: "dead", Addr: closedPort(t)}
	p := start(t, proxy.Service{Split: &proxy.Split{Shares: shares(0, 1), Matches: []proxy.SplitMatch{{Release: "old", Header: "X-Old", Only: true}}},
		Instances: append(of("new", named(t, "n"), dead), of("old", named(t, "a"))...)})
	for range 60 {
		want(t, "answered", p.answerer(fresh(), nil), "n")
		want(t, "matched", p.answerer(fresh(), http.Header{"X-Old": {"1"}}), "a")
	}
	if p.status().Services[0].Retries == 0 {
		t.Error("nothing was repeated")
	}
}

// A match that is exclusive waits for its release, and those behind it in the
// queue do not wait for it.
func TestSplitOnlyWaits(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(1, 0), Matches: []proxy.SplitMatch{{Release: "next", Header: "X-Next", Only: true}}},
		func(s *proxy.Service) { s.Instances = nil })
	answers := make(chan string, 2)
	ask := func(h http.Header) {
		res, body := send(t, fresh(), "GET", p.url("/"), "", h)
		answers <- fmt.Sprint(res.StatusCode, " ", body[:1])
	}
	held := func(n int64) {
		t.Helper()
		eventually(t, "it waits", func() bool { return p.status().Services[0].Held == n })
	}
	go ask(http.Header{"X-Next": {"1"}})
	held(1)
	go ask(nil)
	held(2)
	old := of("old", named(t, "a"))
	p.route(old...)
	want(t, "behind it", <-answers, "200 a")
	held(1)
	p.route(append(old, of("next", named(t, "x"))...)...)
	want(t, "the first", <-answers, "200 x")
}

// Parked requests are divided by the table that lets them go.
func TestSplitAfterAPause(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(1, 0)})
	p.pause(&proxy.Pause{Until: time.Now().Add(time.Minute)})
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() { want(t, "answered", p.answerer(fresh(), nil), "n") })
	}
	p.parked(10)
	p.cfg.Services[0].Paused = nil
	p.split(&proxy.Split{Shares: shares(0, 1)})
	group.Wait()
}

// A sticky client stays with its instance for as long as that is of the release
// that the client is to have.
func TestSplitSticky(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(1, 0), Cookie: "try"}, func(s *proxy.Service) {
		s.Sticky = &proxy.Sticky{Cookie: "segue"}
		s.Instances = append(s.Instances, of("new", named(t, "m"))...)
	})
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar, Transport: kept(t).Transport}
	stays := func(among string) {
		t.Helper()
		first := p.answerer(c, nil)
		if !strings.Contains(among, first) {
			t.Errorf("%s answers, which is none of %s", first, among)
		}
		for range 10 {
			want(t, "answered", p.answerer(c, nil), first)
		}
	}
	stays("ab")
	p.split(&proxy.Split{Shares: shares(0, 1), Cookie: "try"})
	stays("nm")
	p.split(&proxy.Split{Shares: shares(1, 0), Cookie: "try"})
	stays("ab")
}

// HTTP/2 is divided request by request, TCP connection by connection.
func TestSplitOtherProtocols(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(1, 1)})
	c := h2Only(t)
	if got := p.newOf(100, c, nil); got < 15 || got > 85 {
		t.Errorf("over HTTP/2: %d of 100", got)
	}
	p.split(&proxy.Split{Shares: shares(0, 1), Cookie: "try"})
	res, body := get(t, c, p.url("/"))
	if set := res.Header.Get("Set-Cookie"); body[:1] != "n" || !strings.HasPrefix(set, "try=") {
		t.Errorf("over HTTP/2: %q, cookie %q", body, set)
	}

	list := append(of("old", echo(t, "a")), of("new", echo(t, "n"))...)
	p = overTCP(t, func(s *proxy.Service) { s.Split = &proxy.Split{Shares: shares(1, 1)} }, list...)
	through := func() string {
		c := dial(t, p.addr)
		io.WriteString(c, "x")
		c.Read(make([]byte, 1))
		defer c.Close()
		for _, s := range p.status().Services[0].Instances {
			if s.InFlight > 0 {
				return s.ID
			}
		}
		return ""
	}
	seen := map[string]int{}
	for range 60 {
		eventually(t, "the last one has ended", func() bool { return p.instance("a").InFlight+p.instance("n").InFlight == 0 })
		seen[through()]++
	}
	if seen["a"] < 8 || seen["n"] < 8 {
		t.Errorf("over TCP: %v", seen)
	}
	p.split(&proxy.Split{Shares: shares(0, 1), Matches: []proxy.SplitMatch{{Release: "old", Listen: key}}})
	eventually(t, "the last one has ended", func() bool { return p.instance("a").InFlight+p.instance("n").InFlight == 0 })
	want(t, "by its listener", through(), "a")
}

func TestRefusesBadSplit(t *testing.T) {
	p := divided(t, proxy.Split{Shares: shares(1, 0)})
	matched := func(m proxy.SplitMatch) proxy.Split {
		m.Release = "new"
		return proxy.Split{Shares: shares(1, 0), Cookie: "try", Matches: []proxy.SplitMatch{m}}
	}
	for name, s := range map[string]proxy.Split{
		"no share":                {},
		"no weight":               {Shares: shares(0, 0)},
		"below nothing":           {Shares: shares(2, -1)},
		"too much":                {Shares: shares(1, 1_000_001)},
		"twice":                   {Shares: append(shares(1, 1), shares(1, 1)...)},
		"no cookie's name":        {Shares: shares(1, 1), Cookie: "a b"},
		"the sticky cookie":       {Shares: shares(1, 1), Cookie: "segue"},
		"a match of everything":   matched(proxy.SplitMatch{Value: "x"}),
		"an unknown listener":     matched(proxy.SplitMatch{Listen: ":81"}),
		"no header's name":        matched(proxy.SplitMatch{Header: "a b"}),
		"the host":                matched(proxy.SplitMatch{Header: "host"}),
		"no name of a cookie":     matched(proxy.SplitMatch{Cookie: "="}),
		"the split's cookie":      matched(proxy.SplitMatch{Cookie: "try"}),
		"sticky's cookie":         matched(proxy.SplitMatch{Cookie: "segue"}),
		"one value for two names": matched(proxy.SplitMatch{Header: "X", Cookie: "x", Value: "1"}),
	} {
		cfg := p.cfg
		cfg.Version = 2
		cfg.Services = []proxy.Service{p.cfg.Services[0]}
		cfg.Services[0].Sticky, cfg.Services[0].Split = &proxy.Sticky{Cookie: "segue"}, &s
		if err := p.client.Apply(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "shop: split: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	want(t, "table", p.status().ConfigVersion, 1)
}
