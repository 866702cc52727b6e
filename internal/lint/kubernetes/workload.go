package kubernetes

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/lint"
)

// A Workload is what makes pods. Of the typed fields at most one is set: that of
// its kind. A bare Pod and a ReplicaSet have none.
type Workload struct {
	*lint.Object
	Kind, Namespace, Name string
	Annotations           map[string]string
	Pod                   *corev1.PodTemplateSpec

	Deployment  *appsv1.Deployment
	StatefulSet *appsv1.StatefulSet
	DaemonSet   *appsv1.DaemonSet
	Rollout     *Rollout
	Job         *batchv1.JobSpec // of a Job or a CronJob

	Services    []*Service // that select its pods
	Budgets     []*Budget  // that match its pods
	Autoscalers []*Autoscaler
	Autoscaler  *Autoscaler // the first of them; nil: none
	Fronts      []Front     // what brings requests from outside to its Services

	world *World
	podOf *lint.Object // in which the pod template stands
	pod   []any        // its path
}

func (w *World) addWorkload(o *lint.Object) *lint.Problem {
	x := &Workload{Object: o, Kind: o.Text("kind"), world: w, podOf: o, pod: []any{"spec", "template"}}
	var p *lint.Problem
	switch group(o) + "/" + x.Kind {
	case "apps/Deployment", "extensions/Deployment":
		p = read(x, &x.Deployment, func(d *appsv1.Deployment) *corev1.PodTemplateSpec { return &d.Spec.Template })
	case "apps/StatefulSet":
		p = read(x, &x.StatefulSet, func(s *appsv1.StatefulSet) *corev1.PodTemplateSpec { return &s.Spec.Template })
	case "apps/DaemonSet", "extensions/DaemonSet":
		p = read(x, &x.DaemonSet, func(d *appsv1.DaemonSet) *corev1.PodTemplateSpec { return &d.Spec.Template })
	case "argoproj.io/Rollout":
		p = read(x, &x.Rollout, func(r *Rollout) *corev1.PodTemplateSpec { return &r.Spec.Template })
	case "apps/ReplicaSet":
		var rs *appsv1.ReplicaSet
		p = read(x, &rs, func(r *appsv1.ReplicaSet) *corev1.PodTemplateSpec { return &r.Spec.Template })
	case "batch/Job":
		var job *batchv1.Job
		p = read(x, &job, func(j *batchv1.Job) *corev1.PodTemplateSpec { return &j.Spec.Template })
		x.Job = &job.Spec
	case "batch/CronJob":
		var job *batchv1.CronJob
		x.pod = []any{"spec", "jobTemplate", "spec", "template"}
		p = read(x, &job, func(j *batchv1.CronJob) *corev1.PodTemplateSpec { return &j.Spec.JobTemplate.Spec.Template })
		x.Job = &job.Spec.JobTemplate.Spec
	case "/Pod":
		var pod *corev1.Pod
		x.pod = nil
		p = read(x, &pod, func(p *corev1.Pod) *corev1.PodTemplateSpec {
			return &corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
		})
	default:
		return nil
	}
	if p == nil {
		w.Workloads = append(w.Workloads, x)
	}
	return p
}

// AtPod is the place of a path below the pod's spec.
func (x *Workload) AtPod(path ...any) lint.Place { return x.podOf.At(x.specPath(path)...) }

// PutPod is the fix that writes a value below the pod's spec.
func (x *Workload) PutPod(value string, path ...any) *lint.Fix {
	return x.podOf.Put(value, x.specPath(path)...)
}

func (x *Workload) specPath(path []any) []any {
	return slices.Concat(x.pod, []any{"spec"}, path)
}

// Grace is the time from the pod's deletion to SIGKILL.
func (x *Workload) Grace() time.Duration {
	if g := x.Pod.Spec.TerminationGracePeriodSeconds; g != nil {
		return seconds(*g)
	}
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}

// Note is what an annotation segue.dev/KEY of the pod, or of the workload, says.
// A value that is no duration is as none.
func (x *Workload) Note(key string) (time.Duration, bool) {
	for _, from := range []map[string]string{x.Pod.Annotations, x.Annotations} {
		if d, err := time.ParseDuration(from["segue.dev/"+key]); err == nil {
			return d, true
		}
	}
	return 0, false
}

// Slowest is the longest request, if it is known.
func (x *Workload) Slowest() (time.Duration, bool) {
	if d, ok := x.Note("slowest-request"); ok {
		return d, true
	}
	return x.world.Facts.Slowest, x.world.Facts.Slowest > 0
}

// read decodes a workload into v, which it makes, and finds its pods.
func read[T any, P interface {
	*T
	metav1.Object
}](x *Workload, v *P, pod func(P) *corev1.PodTemplateSpec) *lint.Problem {
	*v = new(T)
	if p := x.Decode(*v); p != nil {
		return p
	}
	x.Namespace, x.Name, x.Annotations = (*v).GetNamespace(), (*v).GetName(), (*v).GetAnnotations()
	x.Pod = pod(*v)
	return nil
}
