package crash_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/seguehq/segue/drill"
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
	const kills = 5
	for range kills {
		d.More(150)
		old := w.Status().Proxy.PID
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		w.Until("another proxy is there", func() bool { p := w.Status().Proxy.PID; return p != 0 && p != old })
	}
	d.More(150)
	r := d.Result()
	t.Logf("%s", r.Verdict())
	for class, n := range r.ByClass {
		if n > 0 && class == drill.Refused {
			t.Errorf("%d connections were refused", n)
		}
	}
	// In flight at a kill: requests, and kept-alive connections, each of which
	// may break one request of a client that cannot know yet.
	if most := int64(kills * (drill.DefaultConnections + 20)); r.Lost > most {
		t.Errorf("%d requests were lost in %d kills\n%s", r.Lost, kills, harness.Explain(r, 20))
	}
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
	for range 3 {
		d.More(100)
		st := w.Status()
		agent.Kill()
		if err := syscall.Kill(st.Proxy.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		agent = w.Activated(socket)
		w.Until("a proxy is there", func() bool { return w.Status().Proxy.PID != 0 })
		if now := w.Status(); now.Services[0].Instances[0].PID != st.Services[0].Instances[0].PID {
			t.Error("the instances are others")
		}
	}
	d.More(100)
	r := d.Result()
	t.Logf("%s", r.Verdict())
	if n := r.ByClass[drill.Refused]; n > 0 {
		t.Errorf("%d connections were refused", n)
	}
	if most := int64(3 * (drill.DefaultConnections + 20)); r.Lost > most {
		t.Errorf("%d requests were lost\n%s", r.Lost, harness.Explain(r, 20))
	}
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
	for range 5 {
		d.More(100)
		if err := syscall.Kill(w.Service("web").Instances[0].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	d.More(100)
	r := d.Result()
	t.Logf("%s", r.Verdict())
	if r.Lost > 25 {
		t.Errorf("%d POSTs were lost in 5 kills\n%s", r.Lost, harness.Explain(r, 10))
	}
	for _, f := range r.Failures {
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
