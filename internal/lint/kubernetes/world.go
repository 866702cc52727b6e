package kubernetes

import (
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/seguehq/segue/internal/lint"
)

// A World is all objects of one invocation, and what belongs to what.
type World struct {
	Facts     lint.Facts
	Workloads []*Workload

	Services    []*Service
	Ingresses   []*Thing[networkingv1.Ingress]
	Routes      []*Thing[HTTPRoute]
	Budgets     []*Budget
	Autoscalers []*Autoscaler
	Quotas      []*Thing[corev1.ResourceQuota]
	Claims      []*Thing[corev1.PersistentVolumeClaim]
	ConfigMaps  []*Thing[corev1.ConfigMap]
	Secrets     []*Thing[corev1.Secret]
	Namespaces  []*Thing[corev1.Namespace]
	Backends    []*Thing[GoogleBackend]
}

// A Thing is an object of the files, and what it says, typed.
type Thing[T any] struct {
	*lint.Object
	Is T
}

type (
	Service    = Thing[corev1.Service]
	Budget     = Thing[policyv1.PodDisruptionBudget]
	Autoscaler = Thing[autoscalingv2.HorizontalPodAutoscaler]
)

func newWorld(objects []*lint.Object, facts lint.Facts) (*World, []*lint.Problem) {
	w := &World{Facts: facts}
	var problems []*lint.Problem
	for _, o := range objects {
		if p := w.add(o); p != nil {
			problems = append(problems, p)
		}
	}
	w.link()
	return w, problems
}

// add takes an object in. Kinds that no rule asks for are passed over.
func (w *World) add(o *lint.Object) *lint.Problem {
	switch group(o) + "/" + o.Text("kind") {
	case "/Service":
		return keep(o, &w.Services)
	case "networking.k8s.io/Ingress":
		return keep(o, &w.Ingresses)
	case "gateway.networking.k8s.io/HTTPRoute", "gateway.networking.k8s.io/GRPCRoute":
		return keep(o, &w.Routes)
	case "policy/PodDisruptionBudget":
		return keep(o, &w.Budgets)
	case "autoscaling/HorizontalPodAutoscaler":
		return keep(o, &w.Autoscalers)
	case "keda.sh/ScaledObject":
		return w.addScaledObject(o)
	case "/ResourceQuota":
		return keep(o, &w.Quotas)
	case "/PersistentVolumeClaim":
		return keep(o, &w.Claims)
	case "/ConfigMap":
		return keep(o, &w.ConfigMaps)
	case "/Secret":
		return keep(o, &w.Secrets)
	case "/Namespace":
		return keep(o, &w.Namespaces)
	case "cloud.google.com/BackendConfig", "networking.gke.io/GCPBackendPolicy":
		return keep(o, &w.Backends)
	}
	return w.addWorkload(o)
}

// group is the API group of an object, "" for the core.
func group(o *lint.Object) string {
	name, _, ok := strings.Cut(o.Text("apiVersion"), "/")
	if !ok {
		return ""
	}
	return name
}

func keep[T any](o *lint.Object, list *[]*Thing[T]) *lint.Problem {
	t := &Thing[T]{Object: o}
	if p := o.Decode(&t.Is); p != nil {
		return p
	}
	*list = append(*list, t)
	return nil
}
