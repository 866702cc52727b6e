//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestTenRollingDeploysLoseNothing has all pods replaced ten times under one drill.
func TestTenRollingDeploysLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.release(1)
	w.Must(0, "deploy")
	d := w.Drill("answering", rate, w.From("kn1"))
	for n := 2; n <= 11; n++ {
		d.More(rate / 2)
		w.release(n)
		w.Must(0, "deploy")
	}
	d.More(rate / 2)
	r := d.None()
	if last := r.Releases[len(r.Releases)-1]; len(r.Releases) != 11 || last != "11" {
		t.Errorf("the answers came of releases %v, want 1 to 11", r.Releases)
	}
}

// release writes the next one's segue.yaml. All pods are replaced at once, and
// leave sooner than by default: ten deploys are to take two minutes.
func (w *world) release(n int) {
	w.T.Helper()
	yaml := w.service(3, fmt.Sprintf("DELAY: 50ms, RELEASE: %q", fmt.Sprint(n)), "  deregistration: 3s\n")
	w.Write("segue.yaml", strings.Replace(yaml, "surge: 1", "surge: 3", 1))
}

// TestADeployLastsUntilNoEndpointSliceListsAnOldPod shows what that means by the
// way of kubectl, for which a rollout is over when the last old pod begins to leave.
func TestADeployLastsUntilNoEndpointSliceListsAnOldPod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.release(1)
	w.Must(0, "deploy")
	old := w.pods()
	w.release(2)
	w.Must(0, "deploy")
	if listed := w.listed(); len(listed) != 3 || slices.ContainsFunc(listed, func(pod string) bool { return slices.Contains(old, pod) }) {
		t.Errorf("after segue deploy the EndpointSlices list %v; the old pods were %v", listed, old)
	}
	if left := w.leaving(); len(left) > 0 {
		t.Errorf("after segue deploy %v have not gone yet", left)
	}
	old = w.pods()
	w.Kubectl("rollout", "restart", "deployment/answering")
	w.Kubectl("rollout", "status", "deployment/answering", "--timeout=5m")
	if listed := w.listed(); !slices.ContainsFunc(listed, func(pod string) bool { return slices.Contains(old, pod) }) {
		t.Errorf("after kubectl rollout status the EndpointSlices list no old pod but %v: this test can show no difference", listed)
	}
}

// listed are the pods that the service's EndpointSlices name, as kubectl takes them.
func (w *world) listed() []string {
	w.T.Helper()
	return strings.Fields(w.Kubectl("get", "endpointslices", "--selector=kubernetes.io/service-name=answering",
		"--output=jsonpath={range .items[*].endpoints[*]}pod/{.targetRef.name} {end}"))
}
