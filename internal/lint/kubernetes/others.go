package kubernetes

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/lint"
)

// The types here are of projects beside Kubernetes, with the few fields that
// the rules ask for: their modules would bring a world along.

// A Rollout is Argo Rollouts' Deployment, argoproj.io/v1alpha1.
type Rollout struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Replicas    *int32                 `json:"replicas"`
		Template    corev1.PodTemplateSpec `json:"template"`
		WorkloadRef *struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"workloadRef"`
		MinReadySeconds      int32  `json:"minReadySeconds"`
		RevisionHistoryLimit *int32 `json:"revisionHistoryLimit"`
		Strategy             struct {
			BlueGreen *struct {
				ScaleDownDelaySeconds *int32 `json:"scaleDownDelaySeconds"`
			} `json:"blueGreen"`
			Canary *struct {
				ScaleDownDelaySeconds *int32    `json:"scaleDownDelaySeconds"`
				TrafficRouting        *struct{} `json:"trafficRouting"`
			} `json:"canary"`
		} `json:"strategy"`
	} `json:"spec"`
}

// An HTTPRoute of the Gateway API; a GRPCRoute looks the same.
type HTTPRoute struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Rules []struct {
			BackendRefs []struct {
				Kind      string `json:"kind"` // "" is Service
				Name      string `json:"name"`
				Namespace string `json:"namespace"`
			} `json:"backendRefs"`
		} `json:"rules"`
	} `json:"spec"`
}

// A GoogleBackend is how Google's load balancers treat a Service: a
// BackendConfig, to which the Service refers, or a GCPBackendPolicy, which refers
// to the Service.
type GoogleBackend struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ConnectionDraining *drainingTime `json:"connectionDraining"` // BackendConfig
		Default            *struct {
			ConnectionDraining *drainingTime `json:"connectionDraining"`
		} `json:"default"` // GCPBackendPolicy
		TargetRef struct {
			Name string `json:"name"`
		} `json:"targetRef"` // GCPBackendPolicy
	} `json:"spec"`
}

type drainingTime struct {
	DrainingTimeoutSec int64 `json:"drainingTimeoutSec"`
}

// A scaledObject is KEDA's autoscaler, keda.sh/v1alpha1.
type scaledObject struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			Kind string `json:"kind"` // "" is Deployment
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount *int32 `json:"minReplicaCount"` // nil is 0
		MaxReplicaCount *int32 `json:"maxReplicaCount"` // nil is 100
	} `json:"spec"`
}

// addScaledObject takes KEDA's autoscaler for the HorizontalPodAutoscaler that
// KEDA makes of it.
func (w *World) addScaledObject(o *lint.Object) *lint.Problem {
	var s scaledObject
	if p := o.Decode(&s); p != nil {
		return p
	}
	a := &Autoscaler{Object: o}
	a.Is.ObjectMeta = s.ObjectMeta
	a.Is.Spec = autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: s.Spec.ScaleTargetRef.Kind, Name: s.Spec.ScaleTargetRef.Name},
		MinReplicas:    new(int32),
		MaxReplicas:    100,
	}
	if a.Is.Spec.ScaleTargetRef.Kind == "" {
		a.Is.Spec.ScaleTargetRef.Kind = "Deployment"
	}
	if n := s.Spec.MinReplicaCount; n != nil {
		a.Is.Spec.MinReplicas = n
	}
	if n := s.Spec.MaxReplicaCount; n != nil {
		a.Is.Spec.MaxReplicas = *n
	}
	w.Autoscalers = append(w.Autoscalers, a)
	return nil
}
