package strategies_test

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// byHand is a canary that goes on when it is told to.
const byHand = "type: canary, steps: [{ weight: 10%, promote: manual }, { weight: 50%, promote: manual }], bake: 10m"

// steps are those of a rollout.
func (w *world) steps(rollout int64) []deploy.Step {
	w.T.Helper()
	var out []deploy.Step
	err := w.Client().Watch(w.T.Context(), rollout, 0, func(e control.Event) error {
		if e.Step != nil {
			out = append(out, *e.Step)
		}
		return nil
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return out
}

// crowd is a hundred clients.
type crowd []*visitor

// jars are clients that keep cookies.
func jars(t *testing.T) (c crowd) {
	for range 100 {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		c = append(c, &visitor{Client: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}})
	}
	return c
}

// addresses are clients that come from an address each.
func addresses() (c crowd) {
	for n := range 100 {
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n+1))}}
		c = append(c, &visitor{Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: from.DialContext}}})
	}
	return c
}

// asked gives what each is answered, asking several at a time.
func (c crowd) asked(w *world) []string {
	w.T.Helper()
	got := make([]string, len(c))
	var group sync.WaitGroup
	for at := range 4 {
		group.Go(func() {
			for n := at; n < len(c); n += 4 {
				got[n] = c[n].answer(w.T, w.URL())
			}
		})
	}
	group.Wait()
	return got
}

// TestClientsStay: as the share of the new release grows, clients move to it and
// none moves back, whatever is killed or replaced meanwhile; when it is undone, all
// are back at once.
func TestClientsStay(t *testing.T) {
	for _, c := range []struct {
		stick   string
		clients func(t *testing.T) crowd
	}{
		{"cookie", jars},
		{"address", func(*testing.T) crowd { return addresses() }},
	} {
		t.Run(c.stick, func(t *testing.T) {
			w := newWorld(t, byHand+", stick: "+c.stick)
			d := w.Drill(50)
			clients := c.clients(t)
			was := clients.asked(w)
			// moved asks all clients again, and holds them to a share.
			moved := func(when string, share int) {
				t.Helper()
				got, fresh := clients.asked(w), 0
				for n := range got {
					if was[n] == "release 2" && got[n] != "release 2" {
						t.Errorf("%s: client %d, who was at release 2, is answered by %q", when, n, got[n])
					}
					if got[n] == "release 2" {
						fresh++
					} else if got[n] != "release 1" {
						t.Errorf("%s: client %d is answered by %q", when, n, got[n])
					}
				}
				if off := math.Abs(float64(fresh - share)); off > 4.5*math.Sqrt(float64(share*(100-share))/100) {
					t.Errorf("%s: %d of 100 clients are at release 2, want about %d", when, fresh, share)
				}
				was = got
			}
			// same asks all clients again: none moves.
			same := func(when string) {
				t.Helper()
				if got := clients.asked(w); !slices.Equal(got, was) {
					t.Errorf("%s: clients have moved:\nfrom %s\nto   %s", when, was, got)
				}
			}
			deploying := w.deploys("N: 2")
			moved("10 %", 10)
			same("10 % again")
			w.agent.Kill()
			same("without an agent")
			w.agent = w.Agent()
			w.asks("canary 10 %")
			same("with the next agent")
			w.Must(0, "promote")
			moved("50 %", 50)
			w.Must(0, "upgrade")
			w.asks("canary 50 %")
			same("with the next proxy")
			d.More(20)
			d.None() // the proxy's death below costs what is in flight
			w.kill(w.Status().Proxy.PID)
			same("after the proxy's death")
			w.Must(0, "promote")
			moved("100 %", 100)
			same("100 % again")
			d = w.Drill(50)
			w.Must(0, "rollback")
			for n, got := range clients.asked(w) {
				if got != "release 1" {
					t.Errorf("after the way back client %d is answered by %q", n, got)
				}
			}
			d.None()
			if ran := deploying.Ran(); ran.Code != 3 {
				t.Error(ran)
			}
			w.wentBackAtOnce()
			w.AllServing("web", 1, 2)
		})
	}
}

// kill ends a process with SIGKILL.
func (w *world) kill(pid int) {
	w.T.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.T.Fatal(pid, err)
	}
}

// instance gives one that serves, of a release.
func (w *world) instance(release int) deploy.Instance {
	w.T.Helper()
	for _, i := range w.Service("web").Instances {
		if i.Release == release && i.State == deploy.Serving {
			return i.Instance
		}
	}
	w.T.Fatalf("no instance of release %d serves", release)
	return deploy.Instance{}
}

// TestOldInstanceKilled: it is replaced, since the old release must stay whole, and
// the canary goes on.
func TestOldInstanceKilled(t *testing.T) {
	w := newWorld(t, byHand)
	d := w.Drill(50)
	deploying := w.deploys("N: 2")
	old := w.instance(1)
	w.kill(old.PID)
	w.Until("another has taken its place", func() bool {
		serving := 0
		for _, i := range w.Service("web").Instances {
			if i.Release == 1 && i.State == deploy.Serving && i.ID != old.ID {
				serving++
			}
		}
		return serving == 2
	})
	w.Must(0, "promote")
	w.Must(0, "promote")
	if s := w.Service("web").Stage; s == nil || s.Share != 100 {
		t.Errorf("after two promotions the stage is %+v", s)
	}
	w.Must(0, "promote")
	if ran := deploying.Ran(); ran.Code != 0 {
		t.Error(ran)
	}
	w.AllServing("web", 2, 2)
	d.None()
}

// TestCanaryKilled: a new instance that dies undoes the rollout by itself.
func TestCanaryKilled(t *testing.T) {
	w := newWorld(t, byHand)
	d := w.Drill(50)
	deploying := w.deploys("N: 2")
	w.Must(0, "promote")
	d.More(20)
	bad := w.instance(2)
	w.kill(bad.PID)
	if ran := deploying.Ran(); ran.Code != 3 || !strings.Contains(ran.Out, bad.ID) {
		t.Error(ran)
	}
	w.ended(deploy.RolledBack, bad.ID)
	w.wentBackAtOnce()
	w.AllServing("web", 1, 2)
	d.More(20)
	d.None()
}

// TestByHeader: only requests that match reach the new release in such a step.
func TestByHeader(t *testing.T) {
	w := newWorld(t, `type: canary, steps: [{ header: X-Beta, value: "yes", promote: manual }, { weight: 10%, promote: manual }], bake: 10m`)
	d := w.Drill(50)
	deploying := w.deploys("N: 2")
	v, beta := w.keptAlive(), &visitor{header: http.Header{"X-Beta": {"yes"}}}
	w.all(v, 1, 50, "in a step by header")
	for range 50 {
		if got := beta.answer(t, w.URL()); got != "release 2" {
			t.Fatalf("who matches is answered by %q", got)
		}
	}
	if got := (&visitor{header: http.Header{"X-Beta": {"no"}}}).answer(t, w.URL()); got != "release 1" {
		t.Errorf("another value of the header is answered by %q", got)
	}
	w.Must(0, "promote", "--full")
	w.all(v, 2, 50, "after promote --full")
	if ran := deploying.Ran(); ran.Code != 0 {
		t.Error(ran)
	}
	d.None()
}

// TestMirror: the new release gets copies, and no user sees its answers.
func TestMirror(t *testing.T) {
	w := newWorld(t, "type: canary, steps: [{ mirror: 100%, promote: manual }]")
	d := w.Drill(50)
	deploying := w.deploys("SAW: 1")
	d.More(100)
	ran := w.Must(0, "logs", "--lines", "500")
	if n := strings.Count(ran.Out, "SAW GET / "); n < 50 {
		t.Errorf("the new release saw %d copies of 100 requests:\n%s", n, ran)
	}
	w.Must(0, "rollback")
	if ran := deploying.Ran(); ran.Code != 3 {
		t.Error(ran)
	}
	if r := d.None(); r.ByRelease["1"] != r.OK {
		t.Errorf("users saw answers of %v", r.ByRelease)
	}
}

// TestTwoCanaries: each service has its own share, and its own end.
func TestTwoCanaries(t *testing.T) {
	t.Parallel()
	w := &world{World: harness.New(t)}
	other := harness.FreePort(t)
	file := func(n int) {
		w.Write("segue.yaml", fmt.Sprintf(`
services:
  web:
    strategy: &canary { type: canary, steps: [{ weight: 50%%, promote: manual }], bake: 10m }
    listen: 127.0.0.1:%d
    release: { files: [bin], command: bin/service }
    env: { N: "%d" }
  api:
    strategy: *canary
    listen: 127.0.0.1:%d
    release: { files: [bin], command: bin/service }
    env: { N: "%d" }
`, w.Port, n, other, n))
	}
	file(1)
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(50)
	file(2)
	web, api := w.Background("deploy", "web"), w.Background("deploy", "api")
	for _, name := range []string{"web", "api"} {
		w.Until(name+" waits for its promotion", func() bool {
			s := w.Service(name).Stage
			return s != nil && strings.Contains(s.Waiting, "segue promote")
		})
	}
	w.Must(0, "promote", "web")
	w.all(w.keptAlive(), 2, 20, "web, promoted")
	seen := map[string]int{}
	for range 100 {
		seen[(&visitor{}).answer(t, fmt.Sprint("http://127.0.0.1:", other))]++
	}
	if seen["release 1"] < 25 || seen["release 2"] < 25 {
		t.Errorf("api, at 50 %%: %v", seen)
	}
	w.Must(0, "rollback", "api")
	w.Must(0, "promote", "web")
	if a, b := web.Ran(), api.Ran(); a.Code != 0 || b.Code != 3 {
		t.Error(a, b)
	}
	d.None()
}
