// Package socket_test holds the promises of via: socket: instances accept on
// the listening socket themselves, with nothing between, and all the same
// nothing is lost while they are replaced.
package socket_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// linger is how long the test service, when it is to end, keeps a connection on which
// nothing comes: for longer than the drill leaves one idle, with few of them.
const linger = "LINGER: 3s"

// few keeps so few connections that each is used again within 100 ms.
func few(p *drill.Plan) { p.Connections = 4 }

// direct is what makes the test service one without a proxy.
const direct = "via: socket\nstop: { timeout: 20s }\nprobes: { startup: { notify: true, every: 50ms, failures: 200 } }\n"

func web(w *harness.World, replicas int, env, more string) {
	w.T.Helper()
	w.Web(replicas, strings.TrimPrefix(env+", "+linger, ", "), direct+more)
}

// unseen fails the test when the proxy has had anything to do with requests.
func unseen(w *harness.World) {
	w.T.Helper()
	for _, i := range w.Service("web").Instances {
		if i.Requests != 0 || i.Port != 0 {
			w.T.Errorf("%s has had %d requests by the proxy, on port %d", i.ID, i.Requests, i.Port)
		}
	}
	if st := w.Status(); st.Proxy.Connections != 0 {
		w.T.Errorf("the proxy has %d connections", st.Proxy.Connections)
	}
}

// post is POST, which cannot be repeated.
func post(p *drill.Plan) {
	p.Method, p.URL, p.Body = "POST", p.URL+"/echo", []byte(strings.Repeat("x", 5000))
	p.Expect.BodyEquals = p.Body
	few(p)
}

// fresh opens a connection for each request.
func fresh(p *drill.Plan) { p.Mix = drill.Mix{Fresh: 1} }

// Drills are kinds of traffic at the same time.
type drills []*harness.Drill

func begin(w *harness.World, rate float64, plans ...func(*drill.Plan)) (all drills) {
	w.T.Helper()
	for _, plan := range plans {
		all = append(all, w.Drill(rate, plan))
	}
	return all
}

func (all drills) more(n int64) {
	for _, d := range all {
		d.More(n)
	}
}

// none ends them, and fails the test when a request was lost, or when fewer
// releases have answered.
func (all drills) none(t *testing.T, releases int) {
	t.Helper()
	for _, d := range all {
		if r := d.None(); len(r.Releases) < releases {
			t.Errorf("only releases %v answered", r.Releases)
		}
	}
}

// TestBackToBack deploys, restarts, scales and goes back, again and again.
func TestBackToBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, more string
		replicas   int
		plans      []func(*drill.Plan)
	}{
		{"fresh and kept alive, fresh, POST", "", 3, []func(*drill.Plan){few, fresh, post}},
		{"one instance", "", 1, []func(*drill.Plan){few}},
		{"stop first: connections wait in the queue", "strategy: { type: recreate }", 1, []func(*drill.Plan){fresh}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := harness.New(t)
			web(w, c.replicas, "N: 1", c.more)
			w.Agent()
			w.Must(0, "deploy")
			d := begin(w, 100, c.plans...)
			const deploys = 4
			for n := 2; n <= deploys; n++ {
				web(w, c.replicas, fmt.Sprint("N: ", n), c.more)
				w.Must(0, "deploy")
				d.more(20)
			}
			w.Must(0, "restart")
			w.Must(0, "scale", "4")
			w.Must(0, "scale", "2")
			w.Must(0, "rollback")
			d.more(20)
			d.none(t, deploys)
			w.AllServing("web", deploys-1, 2)
			unseen(w)
		})
	}
}

// TestFromProxyAndBack changes how requests arrive, and back, by deploys and by
// going back, with nothing lost on either way.
func TestFromProxyAndBack(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(2, "N: 1", "")
	w.Agent()
	w.Must(0, "deploy")
	d := begin(w, 120, few, post)
	d.more(20)
	web(w, 2, "N: 2", "")
	w.Must(0, "deploy")
	d.more(40)
	unseen(w)
	w.Must(0, "rollback") // to the proxy
	d.more(40)
	w.Must(0, "rollback") // and back
	d.more(40)
	unseen(w)
	w.Web(2, "N: 3", "")
	w.Must(0, "deploy")
	d.more(40)
	d.none(t, 3)
	w.AllServing("web", 3, 2)
}

// TestBadReleaseOfTheOtherKind: a release that never gets ready is taken back,
// whichever way requests were to reach it.
func TestBadReleaseOfTheOtherKind(t *testing.T) {
	t.Parallel()
	short := strings.Replace(direct, "failures: 200", "failures: 10", 1)
	behind := func(env string) string { return harness.Probes(50*time.Millisecond, env, 10) }
	for _, c := range []struct{ name, good, bad string }{
		{"from the proxy", behind(""), short},
		{"to the proxy", direct, behind("BROKEN: 1")},
		{"on the socket", direct, short},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := harness.New(t)
			w.Web(2, linger, c.good)
			w.Agent()
			w.Must(0, "deploy")
			d := w.Drill(200, few)
			d.More(20)
			w.Web(2, linger+", BROKEN: 1", c.bad)
			w.Must(3, "deploy")
			d.More(40)
			d.None()
			w.AllServing("web", 1, 2)
		})
	}
}

// TestWhoeverDies kills instance, proxy and agent in turn, and then agent and
// proxy both: the socket is there as long as any of them is.
func TestWhoeverDies(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	web(w, 2, "", "")
	a := w.Agent()
	w.Must(0, "deploy")
	queued := func(p *drill.Plan) { p.Mix = drill.Mix{Fresh: 1}; p.URL += "/health" }

	d := w.Drill(100, queued)
	a.Kill()
	d.More(20)
	killProxy(w)
	d.More(20)
	w.Agent() // the socket comes back from an instance
	d.More(20)
	d.None()

	d = w.Drill(100, queued)
	web(w, 2, "N: 2", "")
	w.Must(0, "deploy")
	d.More(20)
	killProxy(w)
	w.Until("there is another proxy", func() bool { return w.Status().Proxy.PID != 0 })
	web(w, 2, "N: 3", "")
	w.Must(0, "deploy")
	d.More(20)
	d.None()

	for _, i := range w.Service("web").Instances {
		if err := syscall.Kill(i.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.Get("/"); got != "release 3" { // waits in the queue until another is up
		t.Errorf("answered: %q", got)
	}
}

// killProxy ends the proxy of a world, whether its agent lives or not.
func killProxy(w *harness.World) {
	t := w.T
	t.Helper()
	names, err := filepath.Glob(filepath.Join(w.State, "proxy", "*.json"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%v %v", names, err)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscanf(string(data), `{"pid":%d`, &pid); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
