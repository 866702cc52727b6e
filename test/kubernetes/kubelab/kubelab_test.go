//go:build kubernetes

package kubelab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

func TestMain(m *testing.M) {
	harness.SideBySide(4) // they wait more than they work
	kubelab.Main(m)
}

// web is the test service in three copies, spread over the zones.
func web(w *kubelab.World) {
	w.T.Helper()
	w.Apply(fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 20
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: web}}}
      containers:
      - name: web
        image: %s
        env: [{name: PORT, value: "8080"}]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 3}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
`, w.ServiceImage()))
	w.Kubectl("rollout", "status", "deployment/web", "--timeout=120s")
}

func nodesOf(w *kubelab.World) []string {
	w.T.Helper()
	nodes := strings.Fields(w.Kubectl("get", "pods", "--selector=app=web", "--output=jsonpath={.items[*].spec.nodeName}"))
	slices.Sort(nodes)
	return nodes
}

func TestPodsOfAPulledImageAreSpreadAndReached(t *testing.T) {
	t.Parallel()
	w := kubelab.New(t)
	web(w)
	if nodes := nodesOf(w); len(slices.Compact(nodes)) != 3 {
		t.Errorf("three pods are on nodes %v, want one in each zone", nodes)
	}
	inside, onNode := w.Drill("web", 50), w.Drill("web", 50, w.From("kn2"))
	inside.More(50)
	onNode.More(50)
	inside.None()
	onNode.None()
}

func TestABudgetHoldsOffAnEviction(t *testing.T) {
	t.Parallel()
	w := kubelab.New(t)
	web(w)
	w.Kubectl("patch", "poddisruptionbudget", "web", "--patch={\"spec\":{\"minAvailable\":3}}")
	w.Eventually("0", "get", "poddisruptionbudget", "web", "--output=jsonpath={.status.disruptionsAllowed}")
	pod := strings.Fields(w.Kubectl("get", "pods", "--selector=app=web", "--output=name"))[0]
	pod = strings.TrimPrefix(pod, "pod/")
	out := w.Refused(fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, w.Namespace),
		"create", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", w.Namespace, pod), "--filename=-")
	if !strings.Contains(out, "disruption budget") {
		t.Errorf("the eviction was refused for another reason: %s", out)
	}
}

func TestANodeIsDrained(t *testing.T) {
	w := kubelab.New(t) // not beside others: they want all nodes
	web(w)
	d := w.Drill("web", 50)
	w.Drain("kn3", "--pod-selector=app=web")
	d.More(20)
	d.None()
	if nodes := nodesOf(w); slices.Contains(nodes, "kn3") {
		t.Errorf("pods are on %v, and kn3 was drained", nodes)
	}
}

func TestRestrictedPodsAndQuotasAreEnforced(t *testing.T) {
	t.Parallel()
	w := kubelab.New(t)
	w.Kubectl("label", "namespace", w.Namespace, "pod-security.kubernetes.io/enforce=restricted")
	out := w.Refused("", "run", "loose", "--image="+w.ServiceImage())
	if !strings.Contains(out, "violates PodSecurity") {
		t.Errorf("refused for another reason: %s", out)
	}
	w.Kubectl("create", "quota", "none", "--hard=configmaps=1") // the namespace has kube-root-ca.crt
	w.Eventually("1", "get", "quota", "none", "--output=jsonpath={.status.used.configmaps}")
	if out := w.Refused("", "create", "configmap", "one-more"); !strings.Contains(out, "exceeded quota") {
		t.Errorf("refused for another reason: %s", out)
	}
}

// TestPodsFindServicesByName asks for a Service from a pod: that is what its
// readiness rests on.
func TestPodsFindServicesByName(t *testing.T) {
	t.Parallel()
	w := kubelab.New(t)
	web(w)
	image := w.Image("ask", map[string]string{"app": kubelab.Static(t, "./test/kubernetes/programs/ask")})
	w.Kubectl("run", "ask", "--restart=Never", "--image="+image, "--", "http://web."+w.Namespace+".svc/health", "http://web/health")
	w.Eventually("Succeeded", "get", "pod", "ask", "--output=jsonpath={.status.phase}")
	w.Kubectl("run", "ask-nobody", "--restart=Never", "--image="+image, "--", "http://nobody."+w.Namespace+".svc/")
	w.Eventually("Failed", "get", "pod", "ask-nobody", "--output=jsonpath={.status.phase}")
	if out := w.Kubectl("logs", "ask-nobody"); !strings.Contains(out, "no such host") {
		t.Errorf("a name that nobody has is found: %s", out)
	}
}

// TestAnAutoscalerKnowsWhatPodsUse wants `lab add metrics-server`.
func TestAnAutoscalerKnowsWhatPodsUse(t *testing.T) {
	t.Parallel()
	w := kubelab.New(t)
	web(w)
	w.Kubectl("set", "resources", "deployment/web", "--requests=cpu=10m")
	w.Kubectl("autoscale", "deployment/web", "--min=3", "--max=4", "--cpu-percent=50")
	w.Eventually("True", "get", "horizontalpodautoscaler", "web", `--output=jsonpath={.status.conditions[?(@.type=="ScalingActive")].status}`)
}

func TestRoutesOfTheGatewayAPIAreKnown(t *testing.T) {
	t.Parallel()
	w := kubelab.New(t)
	w.Kubectl("get", "gateways,httproutes,grpcroutes")
}
