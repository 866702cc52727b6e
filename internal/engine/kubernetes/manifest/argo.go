package manifest

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seguehq/segue/internal/deploy"
)

const (
	argoVersion = "argoproj.io/v1alpha1"
	// argoHash is the label by which Argo Rollouts tells revisions apart, as a
	// Deployment does by pod-template-hash.
	argoHash = "rollouts-pod-template-hash"
	// argoDelay is how many seconds the old pods stay at the least after the switch:
	// Argo's default, and the least that its manual recommends.
	argoDelay = 30
	// argoGateway is the plugin that changes an HTTPRoute's weights.
	argoGateway = "argoproj-labs/gatewayAPI"
	argoMatch   = "segue-match" // the route that a canary's match makes
)

// Services beside the service's own, by which the new release is reached.
const (
	PreviewSuffix = "-preview" // of blue-green: before the switch
	CanarySuffix  = "-canary"  // of a canary behind a gateway: its share of the requests
)

// Rollout is Argo Rollouts' object, which takes the Deployment's place and has the
// strategy done by its controller. It starts the same pods as the Deployment would,
// but that their spread is counted by Argo's label.
func Rollout(spec *deploy.Service, o Options) (*unstructured.Unstructured, error) {
	d, err := Deployment(spec, o)
	if err != nil {
		return nil, err
	}
	argoSpread(d)
	fields, err := plain(d)
	if err != nil {
		return nil, err
	}
	how, err := argoStrategy(spec, o)
	if err != nil {
		return nil, err
	}
	inner := fields["spec"].(map[string]any)
	inner["strategy"] = how
	inner["progressDeadlineAbort"] = true // back by itself, as `segue deploy` goes
	fields["apiVersion"], fields["kind"] = argoVersion, "Rollout"
	return &unstructured.Unstructured{Object: fields}, nil
}

func argoSpread(d *appsv1.Deployment) {
	pod := &d.Spec.Template.Spec
	for i := range pod.TopologySpreadConstraints {
		pod.TopologySpreadConstraints[i].MatchLabelKeys = []string{argoHash}
	}
	for i := range pod.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
		pod.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution[i].PodAffinityTerm.MatchLabelKeys = []string{argoHash}
	}
}

func argoStrategy(spec *deploy.Service, o Options) (map[string]any, error) {
	switch s := spec.Strategy; s.Type {
	case deploy.BlueGreen:
		if spec.Worker() {
			return nil, fmt.Errorf("service %s: Argo Rollouts switches a Service, and a worker has none; use rolling, or take kubernetes.rollouts out", spec.Name)
		}
		return map[string]any{"blueGreen": map[string]any{
			"activeService":         spec.Name,
			"previewService":        spec.Name + PreviewSuffix,
			"autoPromotionEnabled":  !s.Manual,
			"scaleDownDelaySeconds": max(argoDelay, seconds[int64](max(s.Bake, PreStop(spec)))),
		}}, nil
	case deploy.Canary:
		return argoCanary(spec, o)
	case deploy.Recreate:
		return nil, fmt.Errorf("service %s: Argo Rollouts has no recreate; use another strategy, or take kubernetes.rollouts out", spec.Name)
	}
	return map[string]any{"canary": argoBudget(spec)}, nil
}

// argoBudget is a canary without steps, which is a rolling update.
func argoBudget(spec *deploy.Service) map[string]any {
	r := strategy(spec).RollingUpdate
	return map[string]any{"maxSurge": int64(r.MaxSurge.IntVal), "maxUnavailable": int64(r.MaxUnavailable.IntVal)}
}

func argoCanary(spec *deploy.Service, o Options) (map[string]any, error) {
	steps, err := argoSteps(spec)
	if err != nil {
		return nil, err
	}
	canary := argoBudget(spec)
	canary["steps"] = steps
	if !argoRoutes(spec) {
		return map[string]any{"canary": canary}, nil
	}
	groups := []any{}
	for i := range hostGroups(spec) {
		name := spec.Name
		if i > 0 {
			name = fmt.Sprintf("%s-%d", spec.Name, i+1)
		}
		groups = append(groups, map[string]any{"name": name, "useHeaderRoutes": true})
	}
	plugin := map[string]any{"httpRoutes": groups}
	if o.Namespace != "" {
		plugin["namespace"] = o.Namespace
	}
	canary["stableService"], canary["canaryService"] = spec.Name, spec.Name+CanarySuffix
	canary["scaleDownDelaySeconds"] = max(argoDelay, seconds[int64](PreStop(spec)))
	canary["trafficRouting"] = map[string]any{
		"managedRoutes": []any{map[string]any{"name": argoMatch}},
		"plugins":       map[string]any{argoGateway: plugin},
	}
	return map[string]any{"canary": canary}, nil
}

// argoRoutes says that a gateway divides the requests; otherwise their share is
// that of the pods.
func argoRoutes(spec *deploy.Service) bool {
	return spec.Strategy.Type == deploy.Canary && settings(spec).Front.Gateway != "" && !spec.Worker()
}

func argoSteps(spec *deploy.Service) ([]any, error) {
	var steps []any
	matched := false
	for _, s := range spec.Strategy.Steps {
		switch {
		case s.Mirror > 0:
			return nil, fmt.Errorf("service %s: the step mirror: %d%% cannot be left to Argo Rollouts, whose plugin for gateways copies nothing; take it out, or kubernetes.rollouts", spec.Name, s.Mirror)
		case s.Match != nil && !argoRoutes(spec):
			return nil, fmt.Errorf("service %s: a step with match needs a gateway with Argo Rollouts; write kubernetes: {front: {gateway: …}}", spec.Name)
		case s.Match != nil:
			steps = append(steps, argoHeader(s.Match))
			matched = true
		default:
			if matched {
				steps, matched = append(steps, argoHeader(nil)), false
			}
			steps = append(steps, map[string]any{"setWeight": int64(s.Weight)})
		}
		steps = append(steps, argoPauses(s)...)
	}
	if bake := spec.Strategy.Bake; bake > 0 {
		steps = append(steps, map[string]any{"setWeight": int64(100)}, argoPause(seconds[int64](bake)))
	}
	return steps, nil
}

func argoPauses(s deploy.CanaryStep) []any {
	var list []any
	if s.For > 0 {
		list = append(list, argoPause(seconds[int64](s.For)))
	}
	if s.Manual {
		list = append(list, map[string]any{"pause": map[string]any{}})
	}
	return list
}

func argoPause(seconds int64) map[string]any {
	return map[string]any{"pause": map[string]any{"duration": fmt.Sprintf("%ds", seconds)}}
}

// argoHeader leads requests with the header to the canary; nil ends that.
func argoHeader(m *deploy.Match) map[string]any {
	route := map[string]any{"name": argoMatch}
	if m != nil {
		h := headerMatch(m)
		value := map[string]any{"regex": h.Value}
		if m.Header != "" && m.Value != "" {
			value = map[string]any{"exact": h.Value}
		}
		route["match"] = []any{map[string]any{"headerName": string(h.Name), "headerValue": value}}
	}
	return map[string]any{"setHeaderRoute": route}
}

// plain is an object as a map, without what only a cluster writes.
func plain(o runtime.Object) (map[string]any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("write %T: %w", o, err)
	}
	delete(fields, "status")
	return fields, nil
}
