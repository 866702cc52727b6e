package drilljob

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seguehq/segue/internal/engine/kubernetes"
)

// drills is the kind of our objects, and labelOf whose they are. The name of
// the service is not on the pod: its Service would send requests to the drill.
const (
	drills  = "drill"
	labelOf = "segue.dev/drill"
)

// grace is what the pod gets from its deadline to its end: the requests under
// way are seen to theirs, and then the report is written.
func (d *Drill) grace() time.Duration { return d.spec.Timeout + 10*time.Second }

// user is whom the drill runs as: nobody in particular.
const user = 65532

func jobName(s Spec) string {
	of := s.Service
	if of == "" {
		of = "url"
	}
	return fmt.Sprintf("segue-drill-%.40s-%s", of, strings.ToLower(rand.Text()[:6]))
}

// target is the label of what is drilled.
func (d *Drill) target() string {
	if d.spec.Service == "" {
		return "url"
	}
	return d.spec.Service
}

// url is where the requests go to; "" is nowhere, for nothing serves yet. It
// names the cluster's address, for there may be no DNS.
func (d *Drill) url(ctx context.Context) (string, error) {
	if d.spec.URL != "" {
		return d.spec.URL, nil
	}
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: d.spec.Service}}
	if err := d.cluster.Get(ctx, s); kubernetes.IsGone(err) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	var slices discoveryv1.EndpointSliceList
	if err := d.cluster.List(ctx, &slices, discoveryv1.LabelServiceName+"="+d.spec.Service); err != nil {
		return "", err
	}
	if len(s.Spec.Ports) == 0 || !served(slices.Items) {
		return "", nil
	}
	host := s.Spec.ClusterIP
	if host == "" || host == corev1.ClusterIPNone {
		host = s.Name + "." + s.Namespace + ".svc"
	}
	path := "/" + strings.TrimPrefix(d.spec.Path, "/")
	return "http://" + net.JoinHostPort(host, strconv.Itoa(int(s.Spec.Ports[0].Port))) + path, nil
}

// served reports whether some pod gets requests.
func served(slices []discoveryv1.EndpointSlice) bool {
	for _, s := range slices {
		for _, e := range s.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				return true
			}
		}
	}
	return false
}

// sweep removes the drills of the same service that somebody has left running
// who was killed.
func (d *Drill) sweep(ctx context.Context) error {
	var left batchv1.JobList
	if err := d.cluster.List(ctx, &left, kubernetes.LabelKind+"="+drills+","+labelOf+"="+d.target()); err != nil {
		return err
	}
	var refs []kubernetes.Ref
	for _, j := range left.Items {
		if d.spec.Service != "" { // a rollout is one at a time, other drills are not
			refs = append(refs, kubernetes.Ref{Kind: "Job", Name: j.Name})
		}
	}
	return d.cluster.Delete(ctx, refs...)
}

// halt gives the drill's pod a deadline that has passed: the kubelet then ends
// it as gently as by deletion, but leaves the pod and its log to be read.
func (d *Drill) halt(ctx context.Context) error {
	pods, err := d.pods(ctx)
	if err != nil {
		return err
	}
	for _, p := range pods {
		over := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": p.Name},
			"spec":     map[string]any{"activeDeadlineSeconds": int64(1)}}}
		if _, err := d.cluster.Apply(ctx, over); err != nil && !kubernetes.IsGone(err) {
			return err
		}
	}
	return nil
}

func (d *Drill) pods(ctx context.Context) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := d.cluster.List(ctx, &pods, batchv1.JobNameLabel+"="+d.name)
	return pods.Items, err
}

// hangs says what the drill's pod waits for.
func (d *Drill) hangs(ctx context.Context) string {
	pods, err := d.pods(ctx)
	switch {
	case err != nil:
		return err.Error()
	case len(pods) == 0:
		return "the cluster has made no pod of it; `kubectl describe job` says why"
	}
	for _, s := range pods[0].Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			return fmt.Sprintf("%s: %s", w.Reason, w.Message)
		}
	}
	for _, c := range pods[0].Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			return fmt.Sprintf("%s: %s", c.Reason, c.Message)
		}
	}
	return "its pod is " + strings.ToLower(string(pods[0].Status.Phase)) + lines(d.said)
}

// args are the drill's command line.
func (d *Drill) args(url string) []string {
	args := []string{"drill", url, "--json", "--progress=1s", "--report=", "--duration=" + d.spec.Limit.String(),
		"--rate=" + strconv.FormatFloat(d.spec.Rate, 'f', -1, 64)}
	args = append(args, "--timeout="+d.spec.Timeout.String())
	if d.spec.Host != "" {
		args = append(args, "--header=Host: "+d.spec.Host)
	}
	if d.spec.HTTP2 {
		args = append(args, "--mix=http2=1")
	}
	return append(args, d.spec.Args...)
}

func (d *Drill) job(url string) *batchv1.Job {
	labels := map[string]string{kubernetes.LabelName: "segue-drill", kubernetes.LabelManagedBy: kubernetes.Manager, kubernetes.LabelKind: drills, labelOf: d.target()}
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Name: d.name, Labels: labels},
		Spec: batchv1.JobSpec{
			BackoffLimit:            new(int32(0)), // a second pod would begin to count anew
			ActiveDeadlineSeconds:   new(int64((d.spec.Limit + time.Minute) / time.Second)),
			TTLSecondsAfterFinished: new(int32(600)),
			Template: corev1.PodTemplateSpec{
				// Those who tidy nodes up are asked to leave it where it is.
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{
					"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}},
				Spec: d.pod(url),
			},
		},
	}
}

// pod passes the Pod Security Standard "restricted". It has no CPU limit: a
// witness that is throttled is late.
func (d *Drill) pod(url string) corev1.PodSpec {
	return corev1.PodSpec{
		RestartPolicy:                 corev1.RestartPolicyNever,
		TerminationGracePeriodSeconds: new(int64(d.grace() / time.Second)),
		AutomountServiceAccountToken:  new(false),
		EnableServiceLinks:            new(false),
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(user)), RunAsGroup: new(int64(user)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Containers: []corev1.Container{{
			Name: "drill", Image: d.spec.Image, Args: d.args(url),
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
			},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
		}},
	}
}
