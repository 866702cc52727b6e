package deploy

import "time"

// EngineType names what runs a Service's Instances.
type EngineType string

const (
	EngineProcess    EngineType = "process"    // the agent of one machine
	EngineKubernetes EngineType = "kubernetes" // a cluster, which does a whole Rollout
	EngineECS        EngineType = "ecs"        // Amazon ECS, likewise
)

// Kubernetes is what a Service needs to run in a cluster, beyond what it needs
// anywhere. On one machine nobody reads it.
type Kubernetes struct {
	Context   string `json:"context,omitempty"`   // of the kubeconfig; "" the current one
	Namespace string `json:"namespace,omitempty"` // "" the context's own

	// Where the containers' image comes from: Image names one that somebody else
	// has built, or Segue builds one of the Release's files on top of Base, and
	// pushes it to Repository. Exactly one of Image and Repository is set.
	Image      string `json:"image,omitempty"`
	Repository string `json:"repository,omitempty"`
	Base       string `json:"base,omitempty"` // image reference; "" nothing below: the files alone

	// Segue is an image that has segue as its entry point, for what it does in the
	// cluster itself: migrations, drills. "": one that Segue pushes to Repository.
	Segue string `json:"segue,omitempty"`

	// Deregistration is how long those who send requests to a pod may go on with
	// it after it has begun to leave, and so how long it serves on before it gets
	// its signal (preStop). Zero: by what stands in front (DeregistrationTime).
	Deregistration time.Duration `json:"deregistration,omitempty"`
	Front          Front         `json:"front,omitzero"`
	Autoscale      *Autoscale    `json:"autoscale,omitempty"` // nil: Service.Replicas, always
	Jobs           []CronJob     `json:"jobs,omitempty"`
	Drill          *ClusterDrill `json:"drill,omitempty"` // nil: none unless the command asks for one
	// Rollouts has the strategy done by Argo Rollouts, which must be installed:
	// its Rollout takes the Deployment's place.
	Rollouts bool `json:"rollouts,omitempty"`

	User           int64             `json:"user,omitempty"`     // runAsUser and runAsGroup; 0: 65532
	Writable       []string          `json:"writable,omitempty"` // absolute paths that can be written, empty at first; the rest cannot
	Requests       Limits            `json:"requests,omitzero"`  // what the scheduler sets aside for a pod
	ServiceAccount string            `json:"service_account,omitempty"`
	PullSecrets    []string          `json:"pull_secrets,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`      // of every object
	Annotations    map[string]string `json:"annotations,omitempty"` // of the pods
}

// Front is what stands between clients outside and the cluster's Service; at
// most one of Gateway, Ingress and LoadBalancer is set. None: it is reached in
// the cluster alone.
type Front struct {
	Gateway      string `json:"gateway,omitempty"`       // NAME or NAMESPACE/NAME of a Gateway, to which an HTTPRoute is attached
	Ingress      string `json:"ingress,omitempty"`       // an IngressClass; "default" for the cluster's own choice
	TLSSecret    string `json:"tls_secret,omitempty"`    // of Ingress; a Gateway has its own
	LoadBalancer bool   `json:"load_balancer,omitempty"` // the Service's type
}

// Autoscale has the cluster choose the number of pods (HorizontalPodAutoscaler).
type Autoscale struct {
	Min    int `json:"min"`
	Max    int `json:"max"`
	CPU    int `json:"cpu,omitempty"`    // per cent of what is requested; 0: not looked at
	Memory int `json:"memory,omitempty"` // likewise
}

// A CronJob is a command in the release's image, on a schedule.
type CronJob struct {
	Name     string        `json:"name"`
	Schedule string        `json:"schedule"`       // five fields of cron
	Zone     string        `json:"zone,omitempty"` // IANA; "" the cluster's
	Command  []string      `json:"command"`
	Timeout  time.Duration `json:"timeout"`
}

// ClusterDrill is a drill that each deploy is held under, from a Job in the
// cluster.
type ClusterDrill struct {
	Rate  float64 `json:"rate"` // requests in a second
	Path  string  `json:"path"`
	Lost  int     `json:"lost"`            // so many more lost requests undo the deploy
	Image string  `json:"image,omitempty"` // that has `segue` as its entry point; "" Segue builds and pushes one of itself
}

// What drains in front of a pod takes so long to learn that it leaves, with
// some to spare: kube-proxy on a large cluster; a gateway's or ingress'
// controller beside it; a cloud's load balancer with targets of its own.
const (
	deregisterService  = 5 * time.Second
	deregisterFront    = 10 * time.Second
	deregisterBalancer = 20 * time.Second
)

// DeregistrationTime is how long requests may still be sent to a pod that has
// begun to leave.
func (s *Service) DeregistrationTime() time.Duration {
	k := s.Kubernetes
	known := deregisterService
	switch {
	case s.Worker():
		known = 0
	case k == nil:
	case k.Deregistration > 0:
		known = k.Deregistration
	case k.Front.LoadBalancer:
		known = deregisterBalancer
	case k.Front.Gateway != "" || k.Front.Ingress != "":
		known = deregisterFront
	}
	return max(known, s.Drain.Delay)
}
