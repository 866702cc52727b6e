package manifest

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/deploy"
)

// What may go at once when there is little to do: a fifth of the pods in a minute,
// when for five minutes fewer would have been enough. Kubernetes' own rule takes
// all of them in a quarter of a minute, and their clients come to the rest together.
const (
	downWindow  = 300 // seconds
	downPeriod  = 60  // seconds
	downPercent = 20
)

// Autoscaler has the cluster choose the number of the Deployment's pods; nil if the
// service does not ask for it.
func Autoscaler(spec *deploy.Service, o Options) *autoscalingv2.HorizontalPodAutoscaler {
	a := settings(spec).Autoscale
	if a == nil {
		return nil
	}
	target := autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: deploymentName(spec, o)}
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: meta(spec, o, spec.Name),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: target,
			MinReplicas:    new(int32(max(1, a.Min))),
			MaxReplicas:    int32(a.Max),
			Metrics:        metrics(a),
			Behavior:       &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: slowly()},
		},
	}
}

func slowly() *autoscalingv2.HPAScalingRules {
	return &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: new(int32(downWindow)),
		SelectPolicy:               new(autoscalingv2.MaxChangePolicySelect),
		Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PercentScalingPolicy, Value: downPercent, PeriodSeconds: downPeriod},
			{Type: autoscalingv2.PodsScalingPolicy, Value: 1, PeriodSeconds: downPeriod},
		},
	}
}

func metrics(a *deploy.Autoscale) []autoscalingv2.MetricSpec {
	var list []autoscalingv2.MetricSpec
	for _, m := range []struct {
		of      corev1.ResourceName
		percent int
	}{{corev1.ResourceCPU, a.CPU}, {corev1.ResourceMemory, a.Memory}} {
		if m.percent > 0 {
			list = append(list, autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: m.of, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(m.percent))}}})
		}
	}
	return list
}
