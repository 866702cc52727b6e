// Package upgrade_test holds promise 4: agent and proxy are replaced under
// load, with nothing lost.
package upgrade_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// TestUpgrade puts another binary where the old one was, as package managers
// do, and upgrades to it, again and again, under every kind of traffic.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	own := filepath.Join(t.TempDir(), "segue")
	put(t, w.Bin, own)
	w.Bin = own
	w.Web(2, "", "")
	w.Agent()
	w.Must(0, "deploy")
	before := w.Status()
	drills := []*harness.Drill{
		w.Drill(100), // GET, fresh and kept alive
		w.Drill(60, func(p *drill.Plan) { // POST, which cannot be repeated
			p.Method, p.URL, p.Body = http.MethodPost, p.URL+"/echo", []byte(strings.Repeat("x", 3000))
			p.Expect.BodyEquals = p.Body
		}),
		w.Drill(100, func(p *drill.Plan) { p.Mix = drill.Mix{HTTP2: 1} }),
	}
	more := func() {
		for _, d := range drills {
			d.More(30)
		}
	}
	for range 4 {
		more()
		put(t, harness.Segue(t), own)
		old := w.Status()
		w.Must(0, "upgrade")
		now := w.Status()
		if now.Agent.PID != old.Agent.PID || !now.Agent.Began.After(old.Agent.Began) {
			t.Errorf("the agent was %d and is %d: it should be another in the same place", old.Agent.PID, now.Agent.PID)
		}
		if now.Proxy.PID == old.Proxy.PID {
			t.Error("the proxy is the old one")
		}
	}
	more()
	for _, d := range drills {
		d.None()
	}
	for n, i := range w.Service("web").Instances {
		if i.PID != before.Services[0].Instances[n].PID {
			t.Errorf("%s was replaced, and had no reason to be", i.ID)
		}
	}
	w.AllServing("web", 1, 2)
}

// put copies a binary to a place by rename, so that the running one stays whole.
func put(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".new", data, 0o755)
	}
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestBadBinary: what is no segue changes nothing.
func TestBadBinary(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(1, "", "")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(100)
	before := w.Status()
	w.Write("bad", "#!/bin/sh\nexit 1\n")
	w.Write("other", "#!/bin/sh\necho '{\"version\":\"\"}'\n")
	for _, bad := range []string{"bad", "other", "missing"} {
		if r := w.Must(2, "upgrade", bad); !strings.Contains(r.Err, "nothing was changed") {
			t.Errorf("upgrade to %s: %s", bad, r)
		}
	}
	if now := w.Status(); now.Agent.Began != before.Agent.Began || now.Proxy.PID != before.Proxy.PID {
		t.Error("something was replaced")
	}
	d.None()
}

// TestUpgradeDuringRollout: the rollout goes on under the new agent.
func TestUpgradeDuringRollout(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(3, "", "")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(200)
	w.Web(3, "BOOT: 500ms", "")
	deploying := w.Background("deploy")
	w.Until("two releases serve", func() bool { return d.Snapshot().ByRelease["2"] > 0 })
	w.Must(0, "upgrade")
	if r := deploying.Ran(); r.Code != 0 {
		t.Errorf("the deploy: %s", r)
	}
	d.More(20)
	d.None()
	w.AllServing("web", 2, 3)
}

// TestDeployWhileOldProxyDrains: the replaced proxy still answers on the
// connections that it has, and must learn of a rollout, too.
func TestDeployWhileOldProxyDrains(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(3, "", "")
	w.Agent()
	w.Must(0, "deploy")
	slow := func(p *drill.Plan) { p.URL += "/slow?for=1500ms"; p.Connections = 100 }
	d, long := w.Drill(200), w.Drill(40, slow)
	for n := range 3 {
		d.More(100)
		w.Must(0, "upgrade")
		w.Web(3, fmt.Sprint("N: ", n), "")
		w.Must(0, "deploy")
	}
	d.More(100)
	d.None()
	long.None()
	w.AllServing("web", 4, 3)
}

// TestAgentRestartedWhileOldProxyDrains: a proxy that was told to leave is not
// taken for the current one by the next agent.
func TestAgentRestartedWhileOldProxyDrains(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(1, "", "")
	a := w.Agent()
	w.Must(0, "deploy")
	idle, err := net.Dial("tcp", strings.TrimPrefix(w.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close() // keeps the proxy draining
	w.Get("/")
	leaving := w.Status().Proxy.PID
	w.Must(0, "down")
	w.Until("the proxy is told to leave", func() bool { return w.Status().Proxy.PID == 0 })
	a.Kill()
	w.Agent()
	if now := w.Status().Proxy.PID; now == leaving {
		t.Errorf("proxy %d was told to leave, and is the current one", now)
	}
	w.Must(0, "deploy")
	if got := w.Get("/"); got != "release 1" {
		t.Errorf("the service says %q", got)
	}
}

// TestAgentRestarted: an agent that is stopped and started, as by systemd,
// finds everything as it was.
func TestAgentRestarted(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(2, "", "")
	a := w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(200)
	before := w.Status()
	for range 3 {
		d.More(30)
		a.Stop()
		d.More(30)
		a = w.Agent()
	}
	now := w.Status()
	if now.Proxy.PID != before.Proxy.PID || now.Services[0].Instances[0].PID != before.Services[0].Instances[0].PID {
		t.Error("proxy or instances were replaced")
	}
	d.None()
}

// TestCallsDuringUpgrade: whoever calls while the agent is replaced waits for the
// next one, and is not told that there is none.
func TestCallsDuringUpgrade(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(1, "", "")
	w.Agent()
	w.Must(0, "deploy")
	stop := make(chan struct{})
	var callers sync.WaitGroup
	var answered atomic.Int64
	for range 4 {
		callers.Go(func() {
			client := w.Client()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := client.Releases(t.Context(), "web"); err != nil {
					t.Errorf("after %d calls: %v", answered.Load(), err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for range 3 {
		from := answered.Load()
		w.Must(0, "upgrade")
		w.Until("calls are answered", func() bool { return answered.Load() >= from+20 || t.Failed() })
	}
	close(stop)
	callers.Wait()
}
