// Package manifest turns a deploy.Service into the Kubernetes objects that run it
// without losing a request, and says in comments why each of their settings is
// what it is. Its functions are pure: the same service and options give the same
// objects, and nothing is asked of a cluster. Nor do they hold a secret.
//
// A service's pods, and no others, are labelled app.kubernetes.io/name with its
// name, so that a selector of that label alone finds them. The pods of its Jobs
// have a name of their own there: a Service that selected them would send them
// requests, and a PodDisruptionBudget that did would permit no eviction any more.
package manifest

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seguehq/segue/internal/deploy"
)

// Labels and annotations of ours.
const (
	LabelName       = "app.kubernetes.io/name"
	LabelManager    = "app.kubernetes.io/managed-by" // its value is Manager
	LabelPartOf     = "app.kubernetes.io/part-of"    // of a Job's pods: the service
	LabelDeployment = "segue.dev/deployment"         // of pods: the Deployment that they are of
	LabelRelease    = "segue.dev/release"            // of pods; in no selector, so that it may change
	LabelKind       = "segue.dev/kind"               // of what is none of the service's own objects: "hook", "cron", "migrate"

	Manager = "segue"
)

// Options are what the service itself does not say.
type Options struct {
	Deployment string // name of the Deployment; "" the service's
	Release    int    // 0: none, as in what is rendered for others to apply
	Image      string // reference, by digest where it is known; "" that of the service
	EnvSecret  string // name of the Secret with the environment; "" there is none
	Namespace  string // "" is not written: whoever applies it says where
	Replicas   int    // below 0: the service's own, or none to leave them to an autoscaler

	// Of hooks and migrations alone.
	Segue   string // of migrations: reference of an image whose entry point is segue; "" as the service says
	Rollout int64  // SEGUE_ROLLOUT; 0 none
	From    int    // SEGUE_FROM: the release that served before; 0 none
	Job     string // name of the Job; "" SERVICE-HOOK or SERVICE-migrate-PHASE, with the rollout's number if there is one
}

// An Object is one to be applied, with what is said of it in YAML.
type Object struct {
	Is    runtime.Object
	about string            // what it is for, in lines
	why   map[string]string // by the path of a key, "spec.minReadySeconds"; in lists the path of the list
}

// Bare are the objects without the comments.
func Bare(objects []Object) []runtime.Object {
	out := make([]runtime.Object, len(objects))
	for i, o := range objects {
		out[i] = o.Is
	}
	return out
}

func deploymentName(spec *deploy.Service, o Options) string {
	if o.Deployment != "" {
		return o.Deployment
	}
	return spec.Name
}

// settings are the service's for Kubernetes, all by default where it has none.
func settings(spec *deploy.Service) deploy.Kubernetes {
	if spec.Kubernetes == nil {
		return deploy.Kubernetes{}
	}
	return *spec.Kubernetes
}

// Labels are those that all objects of a service have.
func Labels(spec *deploy.Service) map[string]string {
	labels := maps.Clone(settings(spec).Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[LabelName], labels[LabelManager] = spec.Name, Manager
	return labels
}

func meta(spec *deploy.Service, o Options, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: o.Namespace, Labels: Labels(spec)}
}
