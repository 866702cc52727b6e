package kubernetes

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// A resource is where the server keeps the objects of a kind.
type resource struct {
	group, version, plural string
	made                   bool   // segue makes such objects for a service
	extra                  string // whose the kind is, if not every cluster has it
}

// resources are the kinds that we deal with. They are few and have been stable
// for years, so the server is not asked for what it calls them: that would be
// some dozens of requests before the first one that matters.
var resources = map[string]resource{
	"ConfigMap":               {version: "v1", plural: "configmaps", made: true},
	"Event":                   {version: "v1", plural: "events"},
	"Node":                    {version: "v1", plural: "nodes"},
	"Pod":                     {version: "v1", plural: "pods"},
	"Secret":                  {version: "v1", plural: "secrets", made: true},
	"Service":                 {version: "v1", plural: "services", made: true},
	"ServiceAccount":          {version: "v1", plural: "serviceaccounts"},
	"Deployment":              {group: "apps", version: "v1", plural: "deployments", made: true},
	"ReplicaSet":              {group: "apps", version: "v1", plural: "replicasets"},
	"HorizontalPodAutoscaler": {group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers", made: true},
	"CronJob":                 {group: "batch", version: "v1", plural: "cronjobs", made: true},
	"Job":                     {group: "batch", version: "v1", plural: "jobs", made: true},
	"Lease":                   {group: "coordination.k8s.io", version: "v1", plural: "leases", made: true},
	"EndpointSlice":           {group: "discovery.k8s.io", version: "v1", plural: "endpointslices"},
	"Ingress":                 {group: "networking.k8s.io", version: "v1", plural: "ingresses", made: true},
	"PodDisruptionBudget":     {group: "policy", version: "v1", plural: "poddisruptionbudgets", made: true},
	"Gateway":                 {group: gatewayv1.GroupName, version: "v1", plural: "gateways", extra: "the Gateway API"},
	"GRPCRoute":               {group: gatewayv1.GroupName, version: "v1", plural: "grpcroutes", extra: "the Gateway API"},
	"HTTPRoute":               {group: gatewayv1.GroupName, version: "v1", plural: "httproutes", made: true, extra: "the Gateway API"},
	"Rollout":                 {group: "argoproj.io", version: "v1alpha1", plural: "rollouts", made: true, extra: "Argo Rollouts"},
}

// newScheme knows the types of resources. It is made when a cluster is opened:
// the program also runs as things that never see one.
func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	if err := metav1.AddMetaToScheme(s); err != nil {
		return nil, err
	}
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, coordinationv1.AddToScheme, discoveryv1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, autoscalingv2.AddToScheme, gatewayv1.Install,
	} {
		if err := add(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// kindOf is what an object says that it is, or what its Go type does.
func (c *Cluster) kindOf(obj runtime.Object) (string, error) {
	if k := obj.GetObjectKind().GroupVersionKind().Kind; k != "" {
		return k, nil
	}
	kinds, _, err := c.scheme.ObjectKinds(obj)
	if err != nil {
		return "", fmt.Errorf("segue does not deal with objects of type %T", obj)
	}
	return kinds[0].Kind, nil
}

// path is where the objects of a kind are, or the one of a name.
func (c *Cluster) path(kind, name string) (string, error) {
	r, ok := resources[kind]
	if !ok {
		return "", fmt.Errorf("segue does not deal with objects of kind %s", kind)
	}
	root := "/apis/" + r.group
	if r.group == "" {
		root = "/api"
	}
	p := root + "/" + r.version + "/namespaces/" + c.Namespace + "/" + r.plural
	if name != "" {
		p += "/" + name
	}
	return p, nil
}

func (r resource) groupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: r.group, Version: r.version}
}
