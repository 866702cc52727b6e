//go:build kubernetes

package gateway_test

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/internal/engine/kubernetes/manifest"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

func TestMain(m *testing.M) { kubelab.Main(m) }

// A world is a project whose service is behind the lab's gateway, below a path of
// its own.
type world struct{ *kubelab.World }

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{kubelab.New(t)}
	if w.gateway() == "" {
		t.Fatal("the lab has no gateway; `lab add gateway` brings it")
	}
	return w
}

// gateway is the address where it is reached.
func (w world) gateway() string {
	w.T.Helper()
	return w.Kubectl("get", "--namespace=infra", "service", "gateway", "--ignore-not-found", "--output=jsonpath={.spec.clusterIP}")
}

func (w world) path() string { return "/" + w.Namespace }

func (w world) url() string { return "http://" + w.gateway() + w.path() }

// through has a drill go through the gateway. Each answer's text tells which
// release has given it.
func (w world) through(p *drill.Plan) {
	p.URL = w.url()
	p.ReleaseFromBody = regexp.MustCompile(`release (\d+)`)
}

// web writes a segue.yaml with a service behind the gateway.
func (w world) web(strategy, env string) {
	w.T.Helper()
	w.Write("segue.yaml", fmt.Sprintf(`services:
  web:
    engine: kubernetes
    listen: ":8080"
    routes: [{path: %s}]
    release: {command: /app}
    replicas: 2
    env: {%s}
    probes: {readiness: {http: /health}}
    strategy: {%s}
    kubernetes: {image: %q, front: {gateway: infra/public}}
`, w.path(), env, strategy, w.ServiceImage()))
}

// share is the part of the answers that a release has given.
func share(r *drill.Result, release string) float64 {
	return float64(r.ByRelease[release]) / float64(max(r.OK, 1))
}

// The HTTPRoute that we write has the gateway divide requests as it says.
func TestRequestsAreDividedByWeightAndByHeader(t *testing.T) {
	w := newWorld(t)
	c, err := kubernetes.Open(kubernetes.Place{Kubeconfig: w.Kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	apply := func(objs ...runtime.Object) {
		t.Helper()
		if _, err := c.Apply(t.Context(), objs...); err != nil {
			t.Fatal(err)
		}
	}
	spec := &deploy.Service{
		Name: "web", Listen: []string{":8080"}, Routes: []deploy.Route{{Path: w.path()}}, Command: []string{"/app"}, Replicas: 1,
		Probes:     deploy.Probes{Readiness: &deploy.Probe{HTTP: "/health"}},
		Kubernetes: &deploy.Kubernetes{Front: deploy.Front{Gateway: "infra/public"}},
	}
	image := w.ServiceImage()
	for i, name := range []string{"web", "web-canary"} {
		d, err := manifest.Deployment(spec, manifest.Options{Deployment: name, Release: i + 1, Image: image, Replicas: -1})
		if err != nil {
			t.Fatal(err)
		}
		apply(d, manifest.Service(spec, name, map[string]string{kubernetes.LabelDeployment: name}))
		w.Kubectl("rollout", "status", "deployment/"+name, "--timeout=60s")
	}
	routes, err := manifest.Routes(spec, manifest.Options{},
		manifest.Backend{Service: "web", Weight: 80}, manifest.Backend{Service: "web-canary", Weight: 20},
		manifest.Backend{Service: "web-canary", Match: &deploy.Match{Header: "X-Preview", Value: "yes"}})
	if err != nil {
		t.Fatal(err)
	}
	apply(routes...)
	w.Until("the gateway leads to the service", func() bool {
		r := w.Run("drill", w.url(), "--rate=20", "--duration=200ms", "--report=")
		return r.Code == 0
	})

	d := w.World.World.Drill(200, w.through)
	d.More(1000)
	if got := share(d.Result(), "2"); math.Abs(got-0.20) > 0.03 {
		t.Errorf("the canary has %.1f %% of the requests, want 20", 100*got)
	}
	d = w.World.World.Drill(200, w.through, func(p *drill.Plan) { p.Header = http.Header{"X-Preview": {"yes"}} })
	d.More(200)
	if got := share(d.Result(), "2"); got != 1 {
		t.Errorf("the canary has %.1f %% of the requests with the header, want all", 100*got)
	}
}

func TestACanaryBehindAGatewayLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.web("type: canary, stick: none, steps: [{weight: 25%, for: 4s}, {weight: 50%, for: 4s}]", "A: 1")
	w.Must(0, "deploy")
	d := w.World.World.Drill(100, w.through)
	d.More(100)
	for i := 2; i <= 3; i++ {
		w.web("type: canary, stick: none, steps: [{weight: 25%, for: 4s}, {weight: 50%, for: 4s}]", fmt.Sprint("A: ", i))
		w.Must(0, "deploy")
		d.More(100)
	}
	d.None()
	if r := d.Result(); r.ByRelease["1"] == 0 || r.ByRelease["2"] == 0 || r.ByRelease["3"] == 0 {
		t.Errorf("answers by release: %v, want some of each", r.ByRelease)
	}
}

// A release that answers half of its requests with an error, and has a quarter of
// them, is undone as the drill loses its first ones: users see few errors, and none
// after it.
func TestABadCanaryIsUndoneWithinItsShare(t *testing.T) {
	w := newWorld(t)
	const strategy = "type: canary, stick: none, steps: [{weight: 25%, for: 60s}]"
	w.web(strategy, "A: 1")
	w.Must(0, "deploy")
	d := w.World.World.Drill(100, w.through)
	d.More(100)
	w.web(strategy, "ERROR_EVERY: 2")
	w.Must(3, "deploy", "--drill", w.url())
	seen := d.Snapshot()
	d.More(300)
	r := d.Result()
	t.Logf("%d of %d requests were answered by an error while the canary had its share", seen.Lost, seen.Sent)
	if r.Lost == 0 {
		t.Error("the bad release has answered nobody")
	}
	if r.Lost > seen.Lost {
		t.Errorf("%d requests were lost after the canary was undone", r.Lost-seen.Lost)
	}
	if most := float64(seen.Sent) * 0.25; float64(r.Lost) > most {
		t.Errorf("%d requests were lost, want no more than the canary's share, %.0f", r.Lost, most)
	}
	if r.ByClass[drill.ServerError] != r.Lost {
		t.Errorf("lost: %v, want nothing but the canary's own errors", r.ByClass)
	}
}
