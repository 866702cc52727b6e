//go:build kubernetes

package scale_test

import (
	"fmt"
	"runtime"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/test/kubernetes/plane"
)

// again is what the server may make us begin again: it ends a watch whose reader
// does not keep up. How many events it has patience for goes by what usually
// happens in a second, from 10 up to 1,000; this one is young.
const again = "watch pods"

// A View of a service is one watch for each kind of object, and some hundred bytes
// for each pod.
func TestAViewIsAFewCallsAndLittleMemory(t *testing.T) {
	p := plane.Start(t, plane.Find(t))
	p.Nodes(20)
	c, err := kubernetes.Open(kubernetes.Place{Kubeconfig: p.Kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	calls, memory := map[int]plane.Calls{}, map[int]int64{}
	for _, pods := range []int{100, 300} {
		name := fmt.Sprint("shop-", pods)
		if _, err := c.Apply(t.Context(), deployment(name, int32(pods))); err != nil {
			t.Fatal(err)
		}
		calls[pods], memory[pods] = look(t, p, c, name, pods)
		t.Logf("%d pods: %v; %d KiB", pods, calls[pods], memory[pods]>>10)
	}
	few, many := calls[100].Without(again), calls[300].Without(again)
	if many.Total() != few.Total() {
		t.Errorf("the view of 200 pods more is %d calls more: %v", many.Total()-few.Total(), many.Less(few))
	}
	if n := calls[300][again]; n > 30 {
		t.Errorf("pods were watched %d times, want one watch for many pods", n)
	}
	if each := (memory[300] - memory[100]) / 200; each > 2<<10 {
		t.Errorf("a pod more is %d bytes more", each)
	}
}

// look watches a service until all of its pods are ready, and tells what it has
// called, and what it holds in memory then.
func look(t *testing.T, p *plane.Plane, c *kubernetes.Cluster, name string, pods int) (plane.Calls, int64) {
	t.Helper()
	before, held := p.Calls(), heap()
	v, err := c.Look(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	err = v.Until(t.Context(), func(now kubernetes.Picture) (bool, error) {
		ready := 0
		for _, pod := range now.Pods {
			if pod.State == kubernetes.Ready {
				ready++
			}
		}
		return ready == pods && len(now.Deployments) == 1 && now.Deployments[0].Ready == pods, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	grown := heap() - held
	return p.Calls().Less(before), grown
}

// heap is what is in use after a collection of garbage.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one has finalized
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{kubernetes.LabelName: name, kubernetes.LabelManagedBy: kubernetes.Manager, kubernetes.LabelDeployment: name}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "registry.example.com/shop:1"}}},
			},
		},
	}
}
