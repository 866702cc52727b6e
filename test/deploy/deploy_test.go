// Package deploy_test holds promise 1: no request is lost in a rollout, at any
// concurrency, for any protocol that we list.
package deploy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// TestBackToBack deploys again and again under each kind of traffic.
func TestBackToBack(t *testing.T) {
	t.Parallel()
	fresh := func(p *drill.Plan) { p.Rate = 100 }
	post := func(p *drill.Plan) { // which cannot be repeated
		p.Method, p.URL, p.Body = http.MethodPost, p.URL+"/echo", []byte(strings.Repeat("x", 5000))
		p.Expect.BodyEquals = p.Body
	}
	for _, c := range []struct {
		name     string
		replicas int
		more     string
		plans    []func(*drill.Plan) // of drills at the same time
	}{
		{"fresh and kept alive, POST, HTTP/2", 3, "strategy: { surge: 1 }", []func(*drill.Plan){fresh, post, func(p *drill.Plan) { p.Mix = drill.Mix{HTTP2: 1} }}},
		{"requests that take longer than a step", 3, "strategy: { surge: 2 }", []func(*drill.Plan){func(p *drill.Plan) { p.URL += "/slow?for=700ms" }}},
		{"no surge", 3, "strategy: { surge: 0, unavailable: 1 }", []func(*drill.Plan){fresh}},
		{"one instance", 1, "strategy: { surge: 1 }", []func(*drill.Plan){fresh}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := harness.New(t)
			w.Web(c.replicas, "N: 1", c.more)
			w.Agent()
			w.Must(0, "deploy")
			var drills []*harness.Drill
			for _, plan := range c.plans {
				drills = append(drills, w.Drill(60, plan))
			}
			more := func() {
				for _, d := range drills {
					d.More(10)
				}
			}
			const deploys = 5
			for n := 2; n <= deploys; n++ {
				w.Web(c.replicas, fmt.Sprint("N: ", n), c.more)
				w.Must(0, "deploy")
				more()
			}
			w.Must(0, "restart")
			w.Must(0, "scale", "5")
			w.Must(0, "scale", "2")
			more()
			for _, d := range drills {
				if r := d.None(); len(r.Releases) < deploys {
					t.Errorf("only releases %v answered", r.Releases)
				}
			}
			w.AllServing("web", deploys, 2)
		})
	}
}

// TestHeldWhileNobodyServes: while the only instance is replaced by one that may not
// run beside it, requests are held, and not refused.
func TestHeldWhileNobodyServes(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	const more = "strategy: { type: recreate }"
	w.Web(1, "N: 1", more)
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(100)
	w.Web(1, "BOOT: 700ms", more)
	w.Must(0, "deploy")
	d.More(20)
	r := d.None()
	if r.Latency.Max < 500*time.Millisecond {
		t.Errorf("nothing was held: the longest answer took %s", r.Latency.Max)
	}
}

// TestWorkers: a worker rolls too, and with type: recreate its copies of two
// releases never run at the same time.
func TestWorkers(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	record := w.Dir + "/record"
	file := func(n int) {
		w.Write("segue.yaml", fmt.Sprintf(`
service: job
release: { files: [bin], command: bin/service }
replicas: 1
env: { RECORD: %q, N: "%d", WORK: 300ms }
strategy: { type: recreate, min_ready: 100ms }
`, record, n))
	}
	file(1)
	w.Agent()
	w.Must(0, "deploy")
	for n := 2; n <= 3; n++ {
		file(n)
		w.Must(0, "deploy")
	}
	w.Must(0, "down")
	want := "begin job-1.1\nend job-1.1\nbegin job-2.1\nend job-2.1\nbegin job-3.1\nend job-3.1\n"
	if got := w.Read("record"); got != want {
		t.Errorf("ran:\n%swant, one after the other:\n%s", got, want)
	}
}

// TestSeveralServices: services on one port by path, each with its own rollout.
func TestSeveralServices(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	file := func(n int) {
		w.Write("segue.yaml", fmt.Sprintf(`
services:
  front:
    listen: 127.0.0.1:%[1]d
    release: { files: [bin], command: bin/service }
    env: { N: "%[2]d" }
  api:
    listen: 127.0.0.1:%[1]d
    routes: [{ path: /env }]
    release: { files: [bin], command: bin/service }
    env: { N: "%[2]d", WHO: api }
    replicas: 2
`, w.Port, n))
	}
	file(1)
	w.Agent()
	w.Must(0, "deploy")
	if got := w.Get("/env?name=WHO"); got != "api" {
		t.Errorf("/env goes to %q", got)
	}
	d := w.Drill(100)
	api := w.Drill(100, func(p *drill.Plan) { p.URL += "/env?name=WHO" })
	for n := 2; n <= 3; n++ {
		file(n)
		w.Must(0, "deploy")
	}
	d.More(20)
	d.None()
	api.None()
}

// TestNewProtocol: one release speaks HTTP/1.1, the next h2c only, and back.
func TestNewProtocol(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(3, "", "")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(200)
	post := w.Drill(50, func(p *drill.Plan) {
		p.Method, p.URL, p.Body = http.MethodPost, p.URL+"/echo", []byte(strings.Repeat("x", 5000))
		p.Expect.BodyEquals = p.Body
	})
	w.Web(3, "H2C: 1", "proxy: { protocol: h2c }")
	w.Must(0, "deploy")
	d.More(20)
	w.Must(0, "rollback")
	d.More(20)
	d.None()
	post.None()
}

// TestNewAddress: a release that listens elsewhere; both addresses answer
// until the old release is gone.
func TestNewAddress(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(2, "", "")
	w.Agent()
	w.Must(0, "deploy")
	old := w.Port
	w.Port = harness.FreePort(t)
	w.Web(2, "", "")
	w.Must(0, "deploy")
	if got := w.Get("/"); got != "release 2" {
		t.Errorf("the new address says %q", got)
	}
	if st := w.Status(); len(st.Proxy.Listening) != 1 || st.Proxy.Listening[0] == fmt.Sprint("127.0.0.1:", old) {
		t.Errorf("listening on %v", st.Proxy.Listening)
	}
}
