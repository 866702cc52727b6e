//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// An iteration is one run of the public demo "Adventures in zero-downtime"
// (github.com/bittrance/zero-downtime-demo): five pods, one more than that while
// they are replaced and never fewer, 200 requests in a second for 30 s, and in
// the middle `kubectl rollout restart`.
type iteration struct {
	name    string
	stop    string // how the program stops; "" the one of Segue's manifests
	preStop int    // seconds; 0: none
	delay   string // of each answer
	mix     drill.Mix
	clients int // that share the rate: each has one connection of HTTP/2; 0: one
}

const (
	rate = 200
	due  = 30 * rate // requests in all
)

var (
	fresh = drill.Mix{Fresh: 1}
	kept  = drill.Mix{KeptAlive: 1}
	http2 = drill.Mix{HTTP2: 1}
)

// What the demo saw: connections refused; nothing lost; 503 from a server that
// finishes what it has and refuses what it gets on connections that it has.
var demo = []iteration{
	{name: "demo-1", stop: "refuse", delay: "0s", mix: fresh},
	{name: "demo-2", stop: "refuse", preStop: 2, delay: "0s", mix: fresh},
	{name: "demo-3", stop: "refuse", preStop: 2, delay: "200ms", mix: kept},
}

// The same with programs that stop otherwise, for the table.
var others = []iteration{
	{name: "exit-1", stop: "exit", delay: "0s", mix: fresh},
	{name: "exit-2", stop: "exit", preStop: 2, delay: "0s", mix: fresh},
	{name: "exit-3", stop: "exit", preStop: 2, delay: "200ms", mix: kept},
	{name: "exit-h2", stop: "exit", preStop: 2, delay: "200ms", mix: http2, clients: 8},
	{name: "shutdown-1", stop: "shutdown", delay: "0s", mix: fresh},
	{name: "shutdown-2", stop: "shutdown", preStop: 2, delay: "0s", mix: fresh},
	{name: "shutdown-3", stop: "shutdown", preStop: 2, delay: "200ms", mix: kept},
	{name: "shutdown-h2", stop: "shutdown", preStop: 2, delay: "200ms", mix: http2, clients: 8},
}

// And with what Segue makes of it.
var withSegue = []iteration{
	{name: "segue-fresh", delay: "200ms", mix: fresh},
	{name: "segue-kept", delay: "200ms", mix: kept},
	{name: "segue-h2", delay: "200ms", mix: http2, clients: 8},
}

func TestZeroDowntimeIterations(t *testing.T) {
	t.Parallel()
	t.Run("as the demo has them", func(t *testing.T) {
		results := replaceAll(t, demo)
		naive, preStop, persistent := results[0], results[1], results[2]
		if naive.Lost == 0 {
			t.Error("without a pre-stop sleep nothing was lost: there is no race here, and these tests prove nothing")
		}
		if share(preStop) >= share(naive) {
			t.Errorf("the pre-stop sleep saved nothing: %d lost with it, %d without", preStop.Lost, naive.Lost)
		}
		if persistent.ByClass[drill.ServerError] == 0 {
			t.Errorf("nothing was refused on persistent connections: %v", persistent.ByClass)
		}
	})
	t.Run("with Segue", func(t *testing.T) {
		for k, r := range replaceAll(t, withSegue) {
			if !r.Verdict().Pass {
				t.Errorf("%s: %s\n%s", withSegue[k].name, r.Verdict(), harness.Explain(r, 20))
			}
		}
	})
}

// share is how much of what was sent was lost. A run on a slow machine is longer.
func share(r *drill.Result) float64 { return float64(r.Lost) / float64(r.Sent) }

// TestOtherWaysToStop tells what other programs lose.
func TestOtherWaysToStop(t *testing.T) {
	if !*measure {
		t.Skip("-measure asks for it")
	}
	for those := range slices.Chunk(others, 4) {
		replaceAll(t, those)
	}
}

// replaceAll runs iterations at the same time, each in a namespace of its own.
func replaceAll(t *testing.T, those []iteration) []*drill.Result {
	results := make([]*drill.Result, len(those))
	if !t.Run("iterations", func(t *testing.T) {
		for k, i := range those {
			t.Run(i.name, func(t *testing.T) {
				t.Parallel()
				results[k] = i.replace(t)
				t.Log(row(i.name, results[k]))
			})
		}
	}) {
		t.FailNow()
	}
	return results
}

// replace starts the pods, drills them, and replaces them all in the middle. The
// drill lasts until the last of the old ones has gone.
func (i iteration) replace(t *testing.T) *drill.Result {
	w := newWorld(t)
	if i.stop == "" {
		w.render(w.service(5, "DELAY: "+i.delay, ""))
	} else {
		w.Apply(i.manifest(w.image, "httpGet: {path: /ready, port: 8080}"))
	}
	w.settled(5)
	d := w.drill(max(i.clients, 1), rate, i.mix)
	d.until(due / 3)
	w.restart()
	d.until(due)
	return d.result()
}

// restart replaces all pods, and waits until the old ones have gone.
func (w *world) restart() {
	w.T.Helper()
	old := w.pods()
	w.Kubectl("rollout", "restart", "deployment/answering")
	w.settled(5)
	w.gone(old)
}

// row is a line of the table in docs/kubernetes-race.md.
func row(name string, r *drill.Result) string {
	what := "–"
	if r.Lost > 0 {
		var classes []string
		for class, n := range r.ByClass {
			classes = append(classes, fmt.Sprintf("%d %s", n, class.Words()))
		}
		slices.Sort(classes)
		what = strings.Join(classes, ", ")
	}
	return fmt.Sprintf("| %s | %d | %d | %s |", name, r.Sent, r.Lost, what)
}

// manifest is what somebody writes who has read no more than the demo.
func (i iteration) manifest(image, probe string) string {
	hook := ""
	if i.preStop > 0 {
		hook = fmt.Sprintf("lifecycle: {preStop: {sleep: {seconds: %d}}}", i.preStop)
	}
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: answering}
spec:
  replicas: 5
  selector: {matchLabels: {app: answering}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: answering}}
    spec:
      containers:
      - name: answering
        image: %s
        env: [{name: PORT, value: "8080"}, {name: STOP, value: %q}, {name: DELAY, value: %q}]
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 100m}}
        startupProbe: {%s, periodSeconds: 1, failureThreshold: 20}
        readinessProbe: {%s, periodSeconds: 1, failureThreshold: 2}
        %s
---
apiVersion: v1
kind: Service
metadata: {name: answering}
spec: {selector: {app: answering}, ports: [{port: 8080}]}
`, image, i.stop, i.delay, probe, probe, hook)
}
