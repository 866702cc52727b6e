// Package instances_test holds what is promised of running instances: that
// the unfit get no requests, that their output is kept, that their limits hold.
package instances_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/test/harness"
)

// up deploys the test service with switches to make its instances unwell.
func up(t *testing.T, replicas int, more string) (w *harness.World, flip func(name, instance string, on bool)) {
	w = harness.New(t)
	dir := t.TempDir()
	w.Web(replicas, fmt.Sprintf("SWITCH: %q", dir), more)
	w.Agent()
	w.Must(0, "deploy")
	return w, func(name, instance string, on bool) {
		t.Helper()
		file := filepath.Join(dir, "not-"+name+"-"+instance)
		if on {
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}

func find(s control.ServiceStatus, id string) control.InstanceStatus {
	for _, i := range s.Instances {
		if i.ID == id {
			return i
		}
	}
	return control.InstanceStatus{}
}

// TestNotReady: an instance whose readiness probe says no gets no requests
// until it says yes.
func TestNotReady(t *testing.T) {
	t.Parallel()
	w, flip := up(t, 2, "probes: { readiness: { http: /ready, every: 50ms, failures: 2 } }")
	d := w.Drill(200)
	flip("ready", "web-1.1", true)
	w.Until("it is not ready", func() bool { return !find(w.Service("web"), "web-1.1").Ready })
	before := find(w.Service("web"), "web-1.1").Requests
	d.More(50)
	if after := find(w.Service("web"), "web-1.1").Requests; after > before+1 { // one may have been on its way
		t.Errorf("it got %d requests all the same", after-before)
	}
	flip("ready", "web-1.1", false)
	w.Until("it gets requests again", func() bool { i := find(w.Service("web"), "web-1.1"); return i.Ready && i.Requests > 0 })
	d.None()
	w.AllServing("web", 1, 2)
}

// TestNotAlive: one whose liveness probe says no is replaced.
func TestNotAlive(t *testing.T) {
	t.Parallel()
	w, flip := up(t, 2, "probes: { readiness: { http: /ready }, liveness: { http: /alive, every: 50ms, failures: 2 } }")
	d := w.Drill(200)
	flip("alive", "web-1.1", true)
	w.Until("it is replaced", func() bool { return find(w.Service("web"), "web-1.3").State == "serving" })
	d.More(20)
	d.None()
	w.AllServing("web", 1, 2)
}

// TestLogs: output is rotated while it is written, and no line is lost.
func TestLogs(t *testing.T) {
	t.Parallel()
	w, _ := up(t, 1, "logs: { max_size: 256KiB, keep: 100 }")
	const lines = 100_000
	w.Get(fmt.Sprint("/talk?lines=", lines))
	archives := func() int {
		names, err := filepath.Glob(filepath.Join(w.State, "logs", "web", "web-1.1.log.*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	w.Until("the log is rotated", func() bool { return archives() > 3 })
	w.Get(fmt.Sprint("/talk?lines=", lines))
	r := w.Must(0, "logs", "-n", fmt.Sprint(2*lines+100))
	got := strings.Count(r.Out, "of what the service has to say")
	if got != 2*lines {
		t.Errorf("%d lines of %d are there, in %d archives", got, 2*lines, archives())
	}
}

// TestMemoryLimit: an instance that takes more than it may is ended and told
// of; where the machine has no cgroups to do it with, the deploy says so.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(2, "", "limits: { memory: 64MiB }")
	w.Agent()
	if r := w.Run("deploy"); r.Code != 0 {
		if !strings.Contains(r.Out+r.Err, "cgroup") {
			t.Errorf("no limit could be set, and why is not told: %s", r)
		}
		return
	}
	d := w.Drill(100)
	res, err := http.Post(w.URL()+"/eat?mib=200", "", nil) // a GET would be tried on another
	if err == nil {
		res.Body.Close()
	}
	w.Until("the one that ate too much is replaced", func() bool {
		s := w.Service("web")
		return len(s.Instances) == 2 && find(s, "web-1.3").State == "serving"
	})
	d.More(20)
	d.None()
	w.AllServing("web", 1, 2)
}

// TestTLS: the proxy speaks TLS with the files that it is given, HTTP/1.1 and
// HTTP/2 by ALPN, through deploys.
func TestTLS(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	pool := w.Certificate()
	w.Web(2, "N: 1", "tls: { cert: cert.pem, key: key.pem }")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(100, func(p *drill.Plan) {
		p.URL = strings.Replace(w.URL(), "http:", "https:", 1)
		p.Mix = drill.Mix{Fresh: 1, KeptAlive: 1, HTTP2: 2}
		p.TLS = &tls.Config{RootCAs: pool}
	})
	for n := 2; n <= 4; n++ {
		w.Web(2, fmt.Sprint("N: ", n), "tls: { cert: cert.pem, key: key.pem }")
		w.Must(0, "deploy")
	}
	d.More(20)
	d.None()
}

// TestMetricsAndAccessLog: where the file says so, and nowhere else.
func TestMetricsAndAccessLog(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	port := harness.FreePort(t)
	w.Web(1, "", fmt.Sprintf("metrics: 127.0.0.1:%d\naccess_log: true", port))
	w.Agent()
	w.Must(0, "deploy")
	w.Get("/hello")
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`segue_instances{service="web",release="1",state="serving"} 1`, "segue_requests_total{"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the metrics lack %s:\n%s", want, b)
		}
	}
	w.Until("the access log tells of the request", func() bool {
		data, err := os.ReadFile(filepath.Join(w.State, "logs", "access.log"))
		return err == nil && strings.Contains(string(data), "/hello")
	})
}

// TestNothingIsLeft: a client that keeps an idle connection does not keep a
// proxy alive that nobody knows of any more.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(1, "", "proxy: { timeouts: { goodbye: 1s } }")
	w.Agent()
	w.Must(0, "deploy")
	client := &http.Client{Transport: &http.Transport{}}
	res, err := client.Get(w.URL())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil { // the connection stays, idle
		t.Fatal(err)
	}
	res.Body.Close()
	w.Must(0, "down", "--all", "--agent")
	if n := w.Running("segue"); n != 0 {
		t.Errorf("%d processes are left", n)
	}
}
