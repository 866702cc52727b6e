package crash_test

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// TestProxyKilled: the listening sockets outlive the proxy, so that no
// connection is refused; only what was in flight through it is lost.
func TestProxyKilled(t *testing.T) {
	w := harness.New(t)
	w.Web(2, "", "")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(300)
	var deaths []death
	for range 5 {
		d.More(150)
		old := w.Status().Proxy.PID
		deaths = append(deaths, kills(w, old))
		w.Until("another proxy is there", func() bool { p := w.Status().Proxy.PID; return p != 0 && p != old })
	}
	d.More(150)
	onlyInFlight(t, d.Result(), deaths)
	w.AllServing("web", 1, 2)
}

// TestBothKilledAtOnce: under a socket unit systemd keeps the listening sockets,
// so that even then connections wait and are not refused.
func TestBothKilledAtOnce(t *testing.T) {
	w := harness.New(t)
	w.Web(2, "", "")
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", w.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	agent := w.Activated(socket)
	w.Must(0, "deploy")
	d := w.Drill(200)
	var deaths []death
	for range 3 {
		d.More(100)
		st := w.Status()
		agent.Kill()
		deaths = append(deaths, kills(w, st.Proxy.PID))
		agent = w.Activated(socket)
		w.Until("a proxy is there", func() bool { return w.Status().Proxy.PID != 0 })
		if now := w.Status(); now.Services[0].Instances[0].PID != st.Services[0].Instances[0].PID {
			t.Error("the instances are others")
		}
	}
	d.More(100)
	onlyInFlight(t, d.Result(), deaths)
	w.AllServing("web", 1, 2)
}

// TestAgentAndProxyKilledInTurn: an agent that died is replaced by one that
// adopts the proxy, again and again.
func TestAgentAndProxyKilledInTurn(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(2, "", "")
	agent := w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(200)
	d.More(50)
	agent.Kill()
	d.More(50)
	again := w.Agent()
	d.More(50)
	proxy := w.Status().Proxy.PID
	again.Kill()
	d.More(50)
	w.Agent()
	if now := w.Status().Proxy.PID; now != proxy {
		t.Errorf("the proxy was %d and is %d: it should have been adopted", proxy, now)
	}
	d.More(50)
	d.None()
}

// TestInstanceKilled: the proxy is told at once, requests that may safely be
// repeated are, and another instance is started.
func TestInstanceKilled(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(3, "WORK: 5ms", "")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(300)
	for range 4 {
		d.More(60)
		old := w.Service("web").Instances[0]
		if err := syscall.Kill(old.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		w.Until("it is replaced", func() bool {
			s := w.Service("web")
			for _, i := range s.Instances {
				if i.ID == old.ID || i.State != "serving" {
					return false
				}
			}
			return len(s.Instances) == 3
		})
	}
	d.More(60)
	d.None()
}

// TestInstanceKilledKeepsPOSTsHonest: a request that may not be repeated is
// either answered or told to have failed; it is never sent twice.
func TestInstanceKilledKeepsPOSTsHonest(t *testing.T) {
	w := harness.New(t)
	w.Web(3, "WORK: 5ms", "")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(200, func(p *drill.Plan) {
		p.Method, p.URL, p.Body = http.MethodPost, w.URL()+"/echo", []byte(strings.Repeat("x", 2000))
	})
	var deaths []death
	for range 5 {
		d.More(100)
		old := w.Service("web").Instances[0]
		at := kills(w, old.PID)
		w.Until("the agent knows", func() bool {
			return !slices.ContainsFunc(w.Service("web").Instances, func(i control.InstanceStatus) bool { return i.ID == old.ID && i.State == deploy.Serving })
		})
		at.to = time.Now() // until then the proxy may send it some
		deaths = append(deaths, at)
	}
	d.More(100)
	r := d.Result()
	t.Logf("%s", r.Verdict())
	for _, f := range r.Failures {
		if !slices.ContainsFunc(deaths, func(d death) bool { return !f.Time.After(d.to) && !f.Time.Add(f.Took).Before(d.from) }) {
			t.Errorf("a POST was lost that was not under way at any of %v: %+v", deaths, f)
		}
		if f.Status != http.StatusBadGateway {
			t.Errorf("a lost POST is to be told with 502: %+v", f)
		}
	}
}

// TestChildrenOfAnInstance: what an instance leaves behind when it is killed
// does not live on to hold its port or do its work twice.
func TestChildrenOfAnInstance(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Write("bin/parent", "#!/bin/sh\nsleep 1000 &\nexec bin/service\n")
	w.Write("segue.yaml", fmt.Sprintf("service: web\nlisten: 127.0.0.1:%d\nrelease: { files: [bin], command: bin/parent }\n", w.Port))
	w.Agent()
	w.Must(0, "deploy")
	old := w.Service("web").Instances[0]
	if err := syscall.Kill(old.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.Until("it is replaced", func() bool {
		is := w.Service("web").Instances
		return len(is) == 1 && is[0].ID != old.ID && is[0].State == "serving"
	})
	if n := w.Running("sleep 1000"); n != 1 {
		t.Errorf("%d children run, want the new instance's alone", n)
	}
}
