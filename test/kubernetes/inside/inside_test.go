//go:build kubernetes

// Package inside_test has images that Segue makes run on the real cluster, and
// drills held from inside it.
package inside_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

func TestMain(m *testing.M) {
	harness.SideBySide(3) // they wait more than they work
	kubelab.Main(m)
}

// A world has a service of the name shop, whose image Segue makes. Its segue is
// linked statically: it makes an image of itself, too.
type world struct{ *kubelab.World }

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{kubelab.New(t)}
	w.Bin = kubelab.Static(t, "./cmd/segue")
	w.Copy(kubelab.Static(t, "./test/service"), "service")
	return w
}

// release writes segue.yaml: the next release is one of another environment.
func (w world) release(env, more string) {
	w.T.Helper()
	w.Write("segue.yaml", fmt.Sprintf(`
service: shop
listen: 0.0.0.0:8080
release: { files: [service], command: ./service }
replicas: 2
probes: { readiness: { http: /healthz, every: 1s } }
env: { LINGER: 3s, %s } # longer than a client of the drill is idle
engine: kubernetes
kubernetes:
  repository: %s/%s/shop
  deregistration: 3s
%s`, env, w.Lab.Registry, w.Namespace, more))
}

// restricted holds the namespace to the strictest of the Pod Security Standards.
func (w world) restricted() {
	w.T.Helper()
	w.Kubectl("label", "namespace", w.Namespace, "pod-security.kubernetes.io/enforce=restricted")
}

func TestAReleasesImageIsPulledAndServesUnderADrillFromInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.restricted()
	w.release("NEXT: 1", "  drill: { rate: 40, path: /, lost: 0 }\n")
	if said := w.Must(0, "deploy").Out; strings.Contains(said, "verdict") {
		t.Errorf("the first deploy has nothing to send requests to, and says:\n%s", said)
	}
	image := w.Kubectl("get", "deployment/shop", "--output=jsonpath={.spec.template.spec.containers[0].image}")
	if !strings.HasPrefix(image, w.Lab.Registry+"/"+w.Namespace+"/shop@sha256:") {
		t.Errorf("the pods run %s, which is not by digest", image)
	}
	w.release("NEXT: 2", "  drill: { rate: 40, path: /, lost: 0 }\n")
	said := w.Must(0, "deploy").Out
	if !strings.Contains(said, "verdict   0 lost of") || strings.Contains(said, "image of segue") {
		t.Errorf("the second deploy is held under a drill, whose image is there already, and says:\n%s", said)
	}
	w.Eventually("", "get", "jobs", "--output=name") // none is left
}

func TestADeployThatLosesRequestsIsUndoneByTheDrillFromInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.release("NEXT: 1", "")
	w.Must(0, "deploy")
	w.release("NEXT: 2, ERROR_EVERY: 2", "  drill: { rate: 40, path: /, lost: 3 }\n")
	ran := w.Must(3, "deploy")
	if said := ran.Out + ran.Err; !strings.Contains(said, "the drill has lost") || !strings.Contains(said, " × "+drill.ServerError.Words()) {
		t.Errorf("a release that answers with errors is taken back because of them; it says:\n%s", said)
	}
}

func TestADrillFromInsideIsHeldAroundACommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.release("NEXT: 1", "")
	w.Must(0, "deploy")
	r := w.inside(0, "--", w.Bin, "restart", "shop")
	if r.Lost > 0 || r.Sent < 50 || !strings.HasSuffix(r.Label, "restart shop") || len(r.Marks) != 2 {
		t.Errorf("%s; %q, %v", r.Verdict(), r.Label, r.Marks)
	}
	if host := r.Environment.Host; !strings.HasPrefix(host, "segue-drill-shop-") {
		t.Errorf("it was held on %s, which is no pod of a drill", host)
	}
	// And a loss is a loss: nobody waits for the pods that go.
	r = w.inside(4, "--", w.Lab.Hyper(), "kubectl", "delete", "pods", "--grace-period=0", "--force", "--selector=app.kubernetes.io/name=shop")
	if r.Lost == 0 || len(r.Failures) == 0 {
		t.Errorf("pods are killed, and the drill says: %s", r.Verdict())
	}
}

// inside holds a drill of the service and returns what it found.
func (w world) inside(code int, more ...string) *drill.Result {
	w.T.Helper()
	args := []string{"drill", "shop", "--in-cluster", "--json", "--report=", "--rate=50", "--before=1s", "--after=1s"}
	r, err := drill.ReadJSON(strings.NewReader(w.Must(code, append(args, more...)...).Out))
	if err != nil {
		w.T.Fatal(err)
	}
	return r
}

func TestADrillWhosePodIsEvictedSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.release("NEXT: 1", "")
	w.Must(0, "deploy")
	ran := w.Run("drill", "shop", "--in-cluster", "--report=", "--rate=50", "--before=1s", "--after=1m", "--",
		w.Lab.Hyper(), "kubectl", "delete", "pods", "--selector=segue.dev/kind=drill", "--wait=false")
	if said := ran.Out + ran.Err; ran.Code != 1 || !strings.Contains(said, "what came later was not watched") || !strings.Contains(said, "0 lost of") {
		t.Errorf("the drill's pod went with its report told, and the command ends with %d:\n%s", ran.Code, said)
	}
}

func TestADrillThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.release("NEXT: 1", "")
	w.Must(0, "deploy")
	ran := w.Run("drill", "ftp://shop/", "--in-cluster")
	if said := ran.Out + ran.Err; ran.Code != 1 || !strings.Contains(said, "has sent nothing") || !strings.Contains(said, "ftp") {
		t.Errorf("code %d:\n%s", ran.Code, said)
	}
	ran = w.Run("drill", "nobody", "--in-cluster", "--to=kubernetes", "--image="+w.Lab.Registry+"/none:1")
	if said := ran.Out + ran.Err; ran.Code != 1 || !strings.Contains(said, "nothing served yet") {
		t.Errorf("code %d:\n%s", ran.Code, said)
	}
}
