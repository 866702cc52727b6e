//go:build kubernetes

package kubernetes_test

import "testing"

// TestNothingIsLostWhileAnAutoscalerChoosesThePods has a HorizontalPodAutoscaler
// add pods for the load of the drill, and take them away again. For the way down it
// is told of a lower maximum: by itself it would wait for five minutes.
func TestNothingIsLostWhileAnAutoscalerChoosesThePods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.Kubectl("get", "apiservices", "--field-selector=metadata.name=v1beta1.metrics.k8s.io", "-o", "name") == "" {
		t.Fatal("this lab has no metrics-server, which an autoscaler asks: bin/lab add metrics-server")
	}
	w.Write("segue.yaml", w.service(2, "BURN: 2ms", "  autoscale: { min: 2, max: 5, cpu: 50 }\n"))
	w.Must(0, "deploy")
	d := w.Drill("answering", rate, w.From("kn1"))
	w.Kubectl("wait", "--for=jsonpath={.status.readyReplicas}=5", "deployment/answering", "--timeout=5m")
	d.More(rate)
	before := w.pods()
	w.Kubectl("patch", "horizontalpodautoscaler", "answering", "--type=merge", `--patch={"spec": {"maxReplicas": 2}}`)
	w.Kubectl("wait", "--for=jsonpath={.status.replicas}=2", "deployment/answering", "--timeout=5m")
	w.gone(w.leaving())
	if now := w.pods(); len(now) != 2 {
		t.Errorf("of %v there are still %v", before, now)
	}
	d.More(rate)
	d.None()
}
