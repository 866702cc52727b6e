package manifest

import (
	"fmt"
	"maps"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/deploy"
)

// Deployment runs the service's pods. While a rollout is blue-green or a canary
// there are two, of different names; a rolling one changes one in its place. The
// error says that the service's settings make none.
func Deployment(spec *deploy.Service, o Options) (*appsv1.Deployment, error) {
	template, err := podTemplate(spec, o)
	if err != nil {
		return nil, err
	}
	d := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: meta(spec, o, deploymentName(spec, o)),
		Spec: appsv1.DeploymentSpec{
			Replicas:                replicas(spec, o),
			Selector:                &metav1.LabelSelector{MatchLabels: selector(spec, o)},
			Strategy:                strategy(spec),
			MinReadySeconds:         seconds[int32](minReady(spec)),
			ProgressDeadlineSeconds: new(seconds[int32](progressDeadline(spec))),
			RevisionHistoryLimit:    new(history(spec)),
			Template:                template,
		},
	}
	d.Annotations = ignoredOfWorkload(spec)
	return d, nil
}

// selector finds the pods of one Deployment. It cannot be changed later, so that
// nothing is in it which may.
func selector(spec *deploy.Service, o Options) map[string]string {
	return map[string]string{LabelName: spec.Name, LabelDeployment: deploymentName(spec, o)}
}

// replicas is nil where an autoscaler chooses the number.
func replicas(spec *deploy.Service, o Options) *int32 {
	switch {
	case o.Replicas >= 0:
		return new(int32(o.Replicas))
	case settings(spec).Autoscale != nil:
		return nil
	}
	return new(int32(spec.Replicas))
}

// strategy is what the Deployment does by itself when its template changes. For
// blue-green and canary that is only what a restart or somebody else's apply does.
func strategy(spec *deploy.Service) appsv1.DeploymentStrategy {
	s := spec.Strategy
	if s.Type == deploy.Recreate {
		return appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	surge, unavailable := s.Surge, s.Unavailable
	if s.Type != deploy.Rolling || surge+unavailable == 0 {
		surge, unavailable = max(1, surge), 0
	}
	return appsv1.DeploymentStrategy{
		Type: appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{
			MaxSurge:       new(intstr.FromInt(surge)),
			MaxUnavailable: new(intstr.FromInt(unavailable)),
		},
	}
}

// history is how many old ReplicaSets are kept to go back to: the serving one is
// not among them, and one there must be.
func history(spec *deploy.Service) int32 { return int32(max(1, spec.Keep-1)) }

func podTemplate(spec *deploy.Service, o Options) (corev1.PodTemplateSpec, error) {
	if err := checkName(spec); err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	pod, err := podSpec(spec, o)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	c := &pod.Containers[0]
	c.Command = command(spec.Command, spec.EnvNames, c.Env)
	c.StartupProbe, c.ReadinessProbe, c.LivenessProbe = startupProbe(spec), readinessProbe(spec), livenessProbe(spec)
	c.Lifecycle = lifecycle(spec)
	if !spec.Worker() {
		c.Ports = []corev1.ContainerPort{{Name: portName(spec), ContainerPort: Port(spec), Protocol: corev1.ProtocolTCP}}
	}
	if c.Lifecycle != nil && c.Lifecycle.StopSignal != nil {
		pod.OS = &corev1.PodOS{Name: corev1.Linux} // without which the signal is refused
	}
	pod.TerminationGracePeriodSeconds = new(seconds[int64](Grace(spec)))
	spread(&pod, spec, o)
	return corev1.PodTemplateSpec{ObjectMeta: podMeta(spec, o), Spec: pod}, nil
}

func podMeta(spec *deploy.Service, o Options) metav1.ObjectMeta {
	labels := Labels(spec)
	labels[LabelDeployment] = deploymentName(spec, o)
	if o.Release > 0 {
		labels[LabelRelease] = strconv.Itoa(o.Release)
	}
	notes := maps.Clone(settings(spec).Annotations)
	if notes == nil {
		notes = map[string]string{}
	}
	if !spec.Worker() {
		notes["segue.dev/drain"] = whole(spec.DrainTime()).String()
	}
	return metav1.ObjectMeta{Labels: labels, Annotations: notes}
}

// lifecycle keeps a pod serving while others still send to it; nil if there is
// nothing to say.
func lifecycle(spec *deploy.Service) *corev1.Lifecycle {
	var l corev1.Lifecycle
	if wait := PreStop(spec); wait > 0 {
		l.PreStop = &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: seconds[int64](wait)}}
	}
	if s := spec.Stop.Signal; s != "" && s != "TERM" {
		l.StopSignal = new(corev1.Signal("SIG" + s))
	}
	if l == (corev1.Lifecycle{}) {
		return nil
	}
	return &l
}

// spread puts pods on different nodes and in different zones, as far as there are
// any: a wish, so that a rollout never waits for a node. It is counted for each
// revision by itself: with the old pods counted in, the last new ones would go
// where those no longer are.
func spread(pod *corev1.PodSpec, spec *deploy.Service, o Options) {
	alike := &metav1.LabelSelector{MatchLabels: selector(spec, o)}
	for _, over := range []string{corev1.LabelTopologyZone, corev1.LabelHostname} {
		pod.TopologySpreadConstraints = append(pod.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
			MaxSkew: 1, TopologyKey: over, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: alike,
			MatchLabelKeys: []string{appsv1.DefaultDeploymentUniqueLabelKey},
		})
	}
	pod.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
			Weight: 100,
			PodAffinityTerm: corev1.PodAffinityTerm{
				TopologyKey: corev1.LabelHostname, LabelSelector: alike,
				MatchLabelKeys: []string{appsv1.DefaultDeploymentUniqueLabelKey},
			},
		}},
	}}
}

// serviceName is what a Service may be called (RFC 1035, as the API has it).
var serviceName = pattern(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

func checkName(spec *deploy.Service) error {
	if !serviceName().MatchString(spec.Name) {
		return fmt.Errorf("service %s: Kubernetes takes no such name of a Service; use up to 63 lower-case letters, digits and dashes that begin with a letter", spec.Name)
	}
	return nil
}
