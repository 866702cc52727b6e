package manifest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seguehq/segue/internal/deploy"
)

// The Service and the budget find the service's pods, of each Deployment, and no
// Job's.
func TestSelectorsFindPodsAndNoJobs(t *testing.T) {
	s := change(web(), func(s *deploy.Service) {
		s.Kubernetes.Jobs = []deploy.CronJob{{Name: "report", Schedule: "0 4 * * *", Command: []string{"x"}, Timeout: time.Hour}}
		s.Kubernetes.Labels = map[string]string{LabelName: "other", "team": "a"}
	})
	crons, err := CronJobs(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	hook, err := Hook(s, deploy.Hook{Name: "Expand 1.2", Command: []string{"x"}, Timeout: time.Minute}, Options{Rollout: 12})
	if err != nil {
		t.Fatal(err)
	}
	if hook.Name != "shop-expand-1-2-12" {
		t.Errorf("the hook's Job is called %s", hook.Name)
	}
	for _, deployment := range []string{"shop", "shop-r8"} {
		d, err := Deployment(s, Options{Deployment: deployment, Release: 8})
		if err != nil {
			t.Fatal(err)
		}
		pods := labels.Set(d.Spec.Template.Labels)
		for name, selector := range map[string]map[string]string{"service": Service(s, "shop", Selector(s, "")).Spec.Selector, "deployment": d.Spec.Selector.MatchLabels,
			"budget": Budget(s, Options{}).Spec.Selector.MatchLabels, "its own service": Selector(s, deployment)} {
			if !labels.SelectorFromSet(selector).Matches(pods) {
				t.Errorf("%s: %v does not find the pods %v", name, selector, pods)
			}
			for _, job := range []map[string]string{crons[0].Spec.JobTemplate.Spec.Template.Labels, hook.Spec.Template.Labels} {
				if labels.SelectorFromSet(selector).Matches(labels.Set(job)) {
					t.Errorf("%s: %v finds the Job's pods %v", name, selector, job)
				}
			}
		}
		if _, is := d.Spec.Selector.MatchLabels[LabelRelease]; is {
			t.Error("the release is in the selector, which cannot be changed")
		}
	}
}

// Argo's pods are the Deployment's, but for the label by which revisions are told
// apart.
func TestArgoStartsTheSamePods(t *testing.T) {
	s := web()
	d, err := Deployment(s, Options{Replicas: -1})
	if err != nil {
		t.Fatal(err)
	}
	want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&d.Spec.Template)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Rollout(s, Options{Replicas: -1})
	if err != nil {
		t.Fatal(err)
	}
	is := r.Object["spec"].(map[string]any)["template"].(map[string]any)
	relabel(is)
	if !reflect.DeepEqual(is, want) {
		t.Errorf("the Rollout starts\n%v\nand the Deployment\n%v", is, want)
	}
}

// relabel puts the Deployment's label in the place of Argo's.
func relabel(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if key == "matchLabelKeys" {
				v[key] = []any{"pod-template-hash"}
			}
			relabel(inner)
		}
	case []any:
		for _, inner := range v {
			relabel(inner)
		}
	}
}

func TestWhatArgoCannotIsRefused(t *testing.T) {
	canary := func(steps ...deploy.CanaryStep) *deploy.Service {
		return change(web(), func(s *deploy.Service) { s.Strategy.Type, s.Strategy.Steps = deploy.Canary, steps })
	}
	for want, s := range map[string]*deploy.Service{
		"recreate":      change(web(), func(s *deploy.Service) { s.Strategy.Type = deploy.Recreate }),
		"mirror: 5%":    canary(deploy.CanaryStep{Mirror: 5}),
		"needs a gate":  canary(deploy.CanaryStep{Match: &deploy.Match{Header: "X"}}),
		"a worker has ": change(worker(), func(s *deploy.Service) { s.Strategy.Type = deploy.BlueGreen }),
	} {
		if _, err := Rollout(s, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestPodsHaveNoMoreThanTheyNeed(t *testing.T) {
	d, err := Deployment(worker(), Options{EnvSecret: "e"})
	if err != nil {
		t.Fatal(err)
	}
	pod := d.Spec.Template.Spec
	c := pod.Containers[0]
	if *pod.AutomountServiceAccountToken || !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser == 0 || *c.SecurityContext.AllowPrivilegeEscalation ||
		!*c.SecurityContext.ReadOnlyRootFilesystem || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || *pod.EnableServiceLinks {
		t.Errorf("%+v", pod)
	}
	if c.Lifecycle != nil || len(c.Ports) > 0 || c.EnvFrom[0].SecretRef.Name != "e" {
		t.Errorf("a worker has %+v", c)
	}
}

func TestNamesThatKubernetesTakesNotAreRefused(t *testing.T) {
	for name, ok := range map[string]bool{"shop": true, "a-1": true, "1shop": false, "Shop": false, "shop-": false, strings.Repeat("a", 64): false} {
		_, err := Deployment(change(web(), func(s *deploy.Service) { s.Name = name }), Options{})
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := change(web(), func(s *deploy.Service) {
		s.Kubernetes.Jobs = []deploy.CronJob{{Name: strings.Repeat("b", 50), Command: []string{"x"}}}
	})
	if _, err := CronJobs(long, Options{}); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a long name: %v", err)
	}
}

func TestNotesTellWhatIsOtherwise(t *testing.T) {
	s := change(web(), func(s *deploy.Service) {
		s.Via, s.TLS, s.Proxy.Protocol, s.Stop.Signal = deploy.ViaSocket, &deploy.TLS{}, deploy.H2C, "INT"
		s.Proxy.Sticky, s.Limits, s.Kubernetes.Requests = &deploy.Sticky{}, deploy.Limits{}, deploy.Limits{}
		s.EnvNames = []string{"TOKEN"}
		s.Probes.Liveness = &deploy.Probe{Exec: []string{"check", "$TOKEN"}}
		s.Routes = []deploy.Route{{Host: "a"}}
	})
	all := strings.Join(Notes(s), "\n")
	for _, want := range []string{"via: socket", "tls:", "HTTP/1.1", "INT", "sticky", "limits", "$TOKEN", "routes:"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing of %s in\n%s", want, all)
		}
	}
	if notes := Notes(web()); len(notes) > 0 {
		t.Errorf("of a plain service: %v", notes)
	}
}
