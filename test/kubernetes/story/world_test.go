//go:build kubernetes

package story_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

func TestMain(m *testing.M) {
	if order := os.Getenv(mortalOrder); order != "" {
		mortal(order)
	}
	harness.SideBySide(6) // they wait more than they work
	kubelab.Main(m)
}

// A world is a namespace of the lab's cluster that a test has for itself, and the
// service shop in it.
type world struct {
	*kubelab.World
	*testing.T
	cluster *kubernetes.Cluster
	image   string // of the program moody

	mu     sync.Mutex
	events []kubernetes.Event
	rang   chan struct{} // closed at the next event
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, World: kubelab.New(t), rang: make(chan struct{})}
	w.image = w.Image("moody", map[string]string{"app": kubelab.Static(t, "./test/kubernetes/programs/moody")})
	var err error
	w.cluster, err = kubernetes.Open(kubernetes.Place{Kubeconfig: w.Kubeconfig})
	w.must(err)
	t.Cleanup(func() {
		if t.Failed() {
			for _, e := range w.told() {
				t.Log(line(e))
			}
		}
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) get(args ...string) string {
	w.Helper()
	return w.Kubectl(append([]string{"get"}, args...)...)
}

// order is a deploy of shop whose environment says which release it is; more are
// keys of segue.yaml.
func (w *world) order(release, more string) kubernetes.Order {
	w.Helper()
	o, err := orderOf(w.image, release, more, w.TempDir())
	w.must(err)
	return o
}

func orderOf(image, release, more, dir string) (kubernetes.Order, error) {
	yaml := fmt.Sprintf(`
service: shop
listen: 0.0.0.0:8080
release: { files: [segue.yaml], command: /app }
replicas: 3
drain: { timeout: 1s }
stop: { timeout: 1s }
env: { RELEASE: %s }
engine: kubernetes
kubernetes: { image: %q, deregistration: 2s }
probes:
  startup:   { http: /healthy, every: 1s, failures: 10 }
  readiness: { http: /ready, every: 1s, failures: 2 }
%s`, release, image, more)
	if err := os.WriteFile(filepath.Join(dir, "segue.yaml"), []byte(yaml), 0o644); err != nil {
		return kubernetes.Order{}, err
	}
	f, err := config.Parse("segue.yaml", []byte(yaml), dir, nil)
	if err != nil {
		return kubernetes.Order{}, err
	}
	s := f.Services[0]
	return kubernetes.Order{Spec: s.Service, Env: s.Env, Image: image, Dir: dir, Who: "ann@test"}, nil
}

// with gives a release a mood.
func with(o kubernetes.Order, name, value string) kubernetes.Order {
	o.Env[name] = value
	return o
}

// show notes what is told.
func (w *world) show(e kubernetes.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
	close(w.rang)
	w.rang = make(chan struct{})
}

func (w *world) told() []kubernetes.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[:len(w.events):len(w.events)]
}

// until waits for something to be told, after the events that were told when from
// was taken.
func (w *world) until(ctx context.Context, from int, what string) {
	w.Helper()
	for {
		w.mu.Lock()
		events, rang := w.events[from:], w.rang
		w.mu.Unlock()
		for _, e := range events {
			if strings.Contains(line(e), what) {
				return
			}
		}
		from += len(events)
		select {
		case <-rang:
		case <-ctx.Done():
			w.Fatalf("nothing was told of %q", what)
		}
	}
}

func line(e kubernetes.Event) string {
	text := fmt.Sprintf("%s %d/%d %-7s %s", e.At.Format("15:04:05.000"), e.Stage, e.Stages, e.Kind, e.Text)
	switch {
	case e.Step != nil:
		text += fmt.Sprintf("%s %s", e.Step.Verb, e.Step.Note)
	case e.Object != nil:
		text += fmt.Sprintf("%s %s", e.Object.Ref, e.Object.Op)
	case e.Pod != nil:
		text += fmt.Sprintf("%s r%d %s %s", e.Pod.Name, e.Pod.Release, e.Pod.State, e.Pod.Why)
	case e.End != "":
		text += fmt.Sprintf("%s %s", e.End, e.Reason)
	}
	return text
}

// patient is how long a rollout of these tests may take on a machine that is busy.
const patient = 3 * time.Minute

func (w *world) context() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), patient)
	w.Cleanup(cancel)
	return ctx
}

// deploys deploys, and fails the test unless the rollout ends as is said.
func (w *world) deploys(o kubernetes.Order, end deploy.Phase) deploy.Rollout {
	w.Helper()
	r, err := w.cluster.Deploy(w.context(), o, w.show)
	w.must(err)
	if r.Phase != end {
		w.Fatalf("rollout %d ended as %q: %s", r.ID, r.Phase, r.Reason)
	}
	return r
}

// serves fails the test unless the service is settled with this release, and
// nothing else runs.
func (w *world) serves(release, pods int) {
	w.Helper()
	all, err := w.cluster.Status(w.context(), "shop")
	w.must(err)
	st := all[0]
	if st.Release != release || st.Rollout != nil || len(st.Pods) != pods {
		w.Fatalf("release %d serves with %d pods, rollout %+v; want release %d with %d", st.Release, len(st.Pods), st.Rollout, release, pods)
	}
	for _, p := range st.Pods {
		if p.Release != release || p.State != kubernetes.Ready || !p.Routed {
			w.Fatalf("pod %s of release %d is %s (routed: %t): %s", p.Name, p.Release, p.State, p.Routed, p.Why)
		}
	}
}
