package manifest

import (
	"maps"
	"strings"

	"github.com/seguehq/segue/internal/deploy"
)

// ignored tell kube-score what is so on purpose, and kube-linter with the reason.
// docs/kubernetes-manifests.md has them all.
type ignored struct {
	score  []string          // checks of kube-score
	linter map[string]string // checks of kube-linter, and why
}

const (
	keyScore  = "kube-score/ignore"
	keyLinter = "ignore-check.kube-linter.io/"
)

func (g ignored) annotations() map[string]string {
	notes := map[string]string{}
	if len(g.score) > 0 {
		notes[keyScore] = strings.Join(g.score, ",")
	}
	for check, why := range g.linter {
		notes[keyLinter+check] = why
	}
	return notes
}

// ignoredOfPods is what is said of any pod of the service's.
func ignoredOfPods(spec *deploy.Service) ignored {
	g := ignored{linter: map[string]string{}, score: []string{
		"container-image-pull-policy",                   // Always makes each start depend on the registry
		"pod-networkpolicy",                             // who may talk to whom is no property of a service
		"container-ephemeral-storage-request-and-limit", // who is over the limit is evicted, with its requests
	}}
	k := settings(spec)
	r := resources(spec)
	if len(r.Requests) < 2 || len(r.Limits) < 2 {
		g.score = append(g.score, "container-resources")
	}
	if r.Requests.Cpu().IsZero() {
		g.linter["unset-cpu-requirements"] = "segue.yaml sets no limits and no kubernetes.requests"
	}
	if r.Limits.Memory().IsZero() {
		g.linter["unset-memory-requirements"] = "segue.yaml sets no limits"
	}
	if k.User > 0 && k.User <= 10000 {
		g.score = append(g.score, "container-security-context-user-group-id")
	}
	if k.ServiceAccount != "" {
		g.linter["non-existent-service-account"] = "segue.yaml names one that is there"
	}
	return g
}

// ignoredOfWorkload is what is said of the service's own pods besides.
func ignoredOfWorkload(spec *deploy.Service) map[string]string {
	g := ignoredOfPods(spec)
	if !spec.Worker() && spec.Probes.Liveness == nil {
		g.score = append(g.score, "pod-probes") // one that nobody has asked for kills what is only busy
	}
	if !spec.Worker() && fewest(spec) < 2 {
		g.score = append(g.score, "deployment-replicas")
	}
	if spec.Strategy.Type == deploy.Recreate {
		g.score = append(g.score, "deployment-strategy")
	}
	return g.annotations()
}

// ignoredOfArgo is what linters say of a Service or an autoscaler that leads to a
// Rollout, which they do not know.
func ignoredOfArgo(has map[string]string) map[string]string {
	g := ignored{score: []string{"service-targets-pod", "horizontalpodautoscaler-has-target"},
		linter: map[string]string{"dangling-service": "its pods are those of a Rollout"}}
	notes := g.annotations()
	maps.Copy(notes, has)
	return notes
}
