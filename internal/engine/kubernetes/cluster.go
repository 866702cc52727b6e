// Package kubernetes does the work of a deploy in a cluster, from the process
// of the command alone: nothing of ours runs there. It promises that
//
//   - what it changes it changes by server-side apply, as the field manager
//     "segue", and a field that somebody else holds is not taken away unseen;
//   - what it waits for it is told by watches, one for each kind of object
//     whatever the number of pods, and a watch that breaks is taken up again;
//   - what hangs is explained: by pod, in the cluster's own words;
//   - every call ends with its context, and leaves no goroutine.
//
// A Cluster is one namespace seen with one user's rights. Look shows what a
// service is made of there, as a Picture; Apply, Compare and Delete change it;
// Run takes a Job to its end; Logs reads what pods write.
package kubernetes

import (
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// Manager is the name under which fields are ours.
const Manager = "segue"

// Labels that tell what is whose.
const (
	LabelName       = "app.kubernetes.io/name"       // on every object: the service
	LabelManagedBy  = "app.kubernetes.io/managed-by" // on every object: Manager
	LabelDeployment = "segue.dev/deployment"         // on pods: their Deployment
	LabelRelease    = "segue.dev/release"            // on pods: its number; not from `segue render`
	LabelKind       = "segue.dev/kind"               // on records: what of
)

// A Cluster is one namespace of one cluster. It may be used by any number of
// goroutines.
type Cluster struct {
	Context   string // of the kubeconfig; "in-cluster" for a pod's own account
	Server    string // URL
	Namespace string

	rest   *rest.RESTClient
	scheme *runtime.Scheme
	params runtime.ParameterCodec

	reached atomic.Bool // the server has answered

	mu      sync.Mutex
	applied map[string]form // Deployments, by name: a watch may not have caught up with them
}

// A Ref names an object of the Cluster's namespace.
type Ref struct {
	Kind string `json:"kind"` // as in its manifest: Deployment, HTTPRoute
	Name string `json:"name"`
}

func (r Ref) String() string { return strings.TrimSpace(r.Kind + " " + r.Name) }
