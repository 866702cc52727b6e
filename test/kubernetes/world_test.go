//go:build kubernetes

package kubernetes_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

func TestMain(m *testing.M) {
	harness.SideBySide(4) // they wait more than they work
	kubelab.Main(m)
}

// measure has tests run that promise nothing: they make the numbers of
// docs/kubernetes-race.md.
var measure = flag.Bool("measure", false, "make all numbers of docs/kubernetes-race.md")

// A world has a service of the name "answering", whose port is 8080.
type world struct {
	*kubelab.World
	image string // of what the pods run
}

// newWorld is one for programs/answering.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := kubelab.New(t)
	return &world{w, w.Image("answering", map[string]string{"app": kubelab.Static(t, "./test/kubernetes/programs/answering")})}
}

// service is a segue.yaml, which is like the demo's manifest in all that the demo
// sets, and by default in everything else. The program runs package lifecycle.
func (w *world) service(replicas int, env, more string) string {
	return fmt.Sprintf(`
service: answering
listen: 0.0.0.0:8080
release: { files: [segue.yaml], command: /app }
replicas: %d
probes:
  startup:   { http: /ready, every: 1s, failures: 20 }
  readiness: { http: /ready, every: 1s, failures: 2 }
strategy: { type: rolling, surge: 1, unavailable: 0 }
env: { STOP: lifecycle, %s }
engine: kubernetes
kubernetes:
  image: %s
  requests: { cpu: 0.1 } # without it pods are the last in line for a busy machine's CPU, and time out
%s`, replicas, env, w.image, more)
}

// render gives the cluster what segue render makes of a segue.yaml, and the
// environment, which is the one thing that it leaves to others.
func (w *world) render(yaml string) {
	w.T.Helper()
	w.Write("segue.yaml", yaml)
	file, err := config.Parse("segue.yaml", []byte(yaml), w.Dir, nil)
	if err != nil {
		w.T.Fatal(err)
	}
	secret := []string{"create", "secret", "generic", "answering-env"}
	for name, value := range file.Services[0].Env {
		secret = append(secret, "--from-literal", name+"="+value)
	}
	w.Kubectl(secret...)
	w.Apply(w.Must(0, "render", "kubernetes").Out)
}

// settled waits until so many pods are ready, and all others on their way out.
func (w *world) settled(n int) {
	w.T.Helper()
	w.Kubectl("rollout", "status", "deployment/answering", "--timeout=5m")
	for _, field := range []string{"replicas", "readyReplicas"} {
		w.Kubectl("wait", fmt.Sprintf("--for=jsonpath={.status.%s}=%d", field, n), "deployment/answering", "--timeout=5m")
	}
}

// pods are the names of those that are there, as kubectl takes them.
func (w *world) pods() []string {
	w.T.Helper()
	return strings.Fields(w.Kubectl("get", "pods", "-o", "name"))
}

// leaving are the names of those on their way out.
func (w *world) leaving() []string {
	w.T.Helper()
	return strings.Fields(w.Kubectl("get", "pods", "-o", "jsonpath={range .items[?(@.metadata.deletionTimestamp)]}pod/{.metadata.name} {end}"))
}

// gone waits until these pods are no more.
func (w *world) gone(pods []string) {
	w.T.Helper()
	if len(pods) > 0 {
		w.Kubectl(append([]string{"wait", "--for=delete", "--timeout=5m"}, pods...)...)
	}
}
