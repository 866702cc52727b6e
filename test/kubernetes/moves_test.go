//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestNothingIsLostWhilePodsComeAndGo has pods leave in every way but a deploy,
// one after another under one drill.
func TestNothingIsLostWhilePodsComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.render(w.service(6, "DELAY: 50ms", "  labels: { team: moves }"))
	w.settled(6)
	d := w.Drill("answering", rate, w.From("kn1"))
	d.More(rate)
	for _, move := range []struct {
		name string
		do   func(*world)
	}{
		{"a pod is deleted", (*world).deleteOne},
		{"pods are evicted, one at a time as the budget has it", (*world).evict},
		{"six pods become two", func(w *world) { w.scale(2) }},
		{"two pods become six", func(w *world) { w.scale(6) }},
		{"a node is drained", (*world).drainNode},
	} {
		begun, before := time.Now(), d.Snapshot()
		move.do(w)
		d.More(rate)
		now := d.Snapshot()
		t.Logf("| %s | %d | %d | %s", move.name, now.Sent-before.Sent, now.Lost-before.Lost, time.Since(begun).Round(100*time.Millisecond))
	}
	d.None()
}

func (w *world) deleteOne() {
	w.T.Helper()
	w.Kubectl("delete", w.pods()[0], "--timeout=5m") // which waits until it is gone
	w.settled(6)
}

// evict asks for two evictions at once, of which the budget permits one.
func (w *world) evict() {
	w.T.Helper()
	pods := w.pods()
	w.evictPod(pods[0])
	if out, err := w.tryEvict(pods[1]); err == nil || !strings.Contains(out, "disruption budget") {
		w.T.Errorf("a second eviction at once was not refused: %v %s", err, out)
	}
	w.settled(6)
	w.evictPod(pods[1])
	w.gone(pods[:2])
	w.settled(6)
}

func (w *world) evictPod(pod string) {
	w.T.Helper()
	if out, err := w.tryEvict(pod); err != nil {
		w.T.Fatalf("evict %s: %v\n%s", pod, err, out)
	}
}

func (w *world) tryEvict(pod string) (string, error) {
	name := strings.TrimPrefix(pod, "pod/")
	eviction := fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q, "namespace": %q}}`, name, w.Namespace)
	cmd := exec.Command(w.Lab.Hyper(), "kubectl", "--kubeconfig", w.Kubeconfig, "create", "--raw", "/api/v1/namespaces/"+w.Namespace+"/pods/"+name+"/eviction", "-f", "-")
	cmd.Stdin = strings.NewReader(eviction)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *world) scale(n int) {
	w.T.Helper()
	w.Kubectl("scale", "deployment/answering", fmt.Sprint("--replicas=", n))
	w.settled(n)
	w.gone(w.leaving())
}

// drainNode empties one node of the test's pods, as its owner does before taking
// it away, and leaves alone those of other tests.
func (w *world) drainNode() {
	w.T.Helper()
	node := w.Kubectl("get", w.pods()[0], "-o", "jsonpath={.spec.nodeName}")
	defer w.Kubectl("uncordon", node)
	w.Kubectl("drain", node, "--pod-selector=team=moves", "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=5m")
	w.settled(6)
	if left := w.Kubectl("get", "pods", "-o", "name", "--field-selector=spec.nodeName="+node); left != "" {
		w.T.Errorf("%s is drained and has %s", node, left)
	}
}
