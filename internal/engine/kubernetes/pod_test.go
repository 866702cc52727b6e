package kubernetes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// recorded is a pod as a real cluster (1.34) gave it, with the warnings about it,
// both trimmed to what anybody might look at.
func recorded(t *testing.T, name string) (*corev1.Pod, notes) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "pods", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Pod    corev1.Pod
		Events []corev1.Event
	}
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	n := notes{}
	for i := range r.Events {
		n.add(&r.Events[i])
	}
	return &r.Pod, n
}

func TestAPodSaysWhereItIsAndWhyItHangs(t *testing.T) {
	for _, tt := range []struct {
		pod      string
		state    State
		hanging  bool
		restarts int
		why      string
	}{
		{"ready", Ready, false, 0, ""},
		{"unschedulable", Scheduling, true, 0, "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."},
		{"image-pull", Pulling, true, 0, `ImagePullBackOff: Back-off pulling image "127.0.0.1:1/nobody/nothing:1": ErrImagePull: failed to pull and unpack image "127.0.0.1:1/nobody/nothing:1": failed to resolve reference "127.0.0.1:1/nobody/nothing:1": failed to do request: Head "http://127.0.0.1:1/v2/nobody/nothing/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused`},
		{"image-missing", Pulling, true, 0, `ErrImageNeverPull: Container image "kubelab.local/none:1" is not present with pull policy of Never`},
		{"image-name", Pulling, true, 0, `InvalidImageName: Failed to apply default image tag "Not A Name": couldn't parse image name "Not A Name": invalid reference format: repository name (library/Not A Name) must be lowercase`},
		{"no-volume", Pulling, true, 0, `MountVolume.SetUp failed for volume "x" : configmap "nothere" not found`},
		{"no-secret", Starting, true, 0, `CreateContainerConfigError: secret "shop-env-12345678" not found`},
		{"no-program", Starting, true, 5, `CrashLoopBackOff: ended with exit code 128 (StartError) (restart 5): failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/nothing": stat /nothing: no such file or directory: unknown`},
		{"init-crash", Starting, true, 0, "container first: CrashLoopBackOff: ended with exit code 2 (restart 5)"},
		{"crash", Starting, true, 5, "CrashLoopBackOff: ended with exit code 3 (restart 5): starting  | cannot reach the database"},
		{"out-of-memory", Starting, true, 5, "CrashLoopBackOff: was killed because it used more memory than its limit (OOMKilled) (restart 5)"},
		{"post-start", Starting, true, 5, "PostStartHook failed; CrashLoopBackOff: ended with exit code 0 (restart 5)"},
		{"startup-probe", Probing, false, 3, `Startup probe failed: Get "http://10.244.3.88:9999/nothing": dial tcp 10.244.3.88:9999: connect: connection refused; ended with exit code 0 (restart 3)`},
		{"readiness-probe", Probing, false, 0, "Readiness probe failed: HTTP probe failed with statuscode: 503"},
		{"readiness-gate", Probing, false, 0, "waits for its readiness gate example.com/balancer"},
		{"evicted", Draining, false, 0, "EvictionByEvictionAPI: Eviction API: evicting"},
	} {
		t.Run(tt.pod, func(t *testing.T) {
			pod, warnings := recorded(t, tt.pod)
			got := podOf(pod)
			warnings.explain(&got)
			if got.State != tt.state || got.Hanging != tt.hanging || got.Restarts != tt.restarts || got.Why != tt.why {
				t.Errorf("is %s (hanging: %t, %d restarts): %s\nwant %s (hanging: %t, %d restarts): %s",
					got.State, got.Hanging, got.Restarts, got.Why, tt.state, tt.hanging, tt.restarts, tt.why)
			}
			if got.Release != 7 || got.Container != "shop" || got.Template == "" || got.Since.Before(got.Born) {
				t.Errorf("release %d, container %q, template %q, born %s, in its state since %s", got.Release, got.Container, got.Template, got.Born, got.Since)
			}
		})
	}
}

func TestAPodThatDrainsSaysUntilWhen(t *testing.T) {
	pod, _ := recorded(t, "evicted")
	got := podOf(pod)
	if grace := got.Until.Sub(got.Since); grace != 30*time.Second {
		t.Errorf("it has %s between %s and %s; its grace period is 30s", grace, got.Since, got.Until)
	}
}

// A Pod is changed on its way from one state to the next.
func TestAPodThatIsReadyNoMoreSaysSince(t *testing.T) {
	pod, _ := recorded(t, "ready")
	lost := metav1.NewTime(pod.CreationTimestamp.Add(time.Hour))
	for i, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady || c.Type == corev1.ContainersReady {
			pod.Status.Conditions[i].Status, pod.Status.Conditions[i].LastTransitionTime = corev1.ConditionFalse, lost
		}
	}
	pod.Status.ContainerStatuses[0].Ready = false
	if got := podOf(pod); got.State != Probing || !got.Since.Equal(lost.Time) {
		t.Errorf("is %s since %s, want %s since %s", got.State, got.Since, Probing, lost)
	}
}

func TestAPodThatTheNodeEvictedSaysWhy(t *testing.T) {
	pod, _ := recorded(t, "ready")
	pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory."
	if got := podOf(pod); got.State != Gone || got.Why != "Evicted: The node was low on resource: memory." {
		t.Errorf("is %s: %s", got.State, got.Why)
	}
}
