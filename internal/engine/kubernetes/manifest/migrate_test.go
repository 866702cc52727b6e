package manifest

import (
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/seguehq/segue/internal/deploy"
)

func migrating() *deploy.Service {
	return change(web(), func(s *deploy.Service) {
		s.EnvNames = []string{"DATABASE_URL"}
		s.Limits.Memory = 16 << 20
		s.Migrate = &deploy.Migrate{Dir: "migrations", URL: "DATABASE_URL", Timeout: 15 * time.Minute, BackfillFor: time.Hour, Bake: time.Hour}
	})
}

func expandJob(t *testing.T, s *deploy.Service, o Options) *batchv1.Job {
	t.Helper()
	j, err := Hook(s, s.Migrate.Phase(deploy.PhaseExpand, false), o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// The release's image has the files and its user; that of segue brings the program,
// whatever else is in either.
func TestAMigrationRunsInTheReleasesImageByASegueThatIsBrought(t *testing.T) {
	s := migrating()
	j := expandJob(t, s, Options{Image: "r/shop@sha256:1", Segue: "r/segue@sha256:2", EnvSecret: "shop-env-1", Rollout: 7, Release: 3})
	pod := j.Spec.Template.Spec
	if j.Name != "shop-migrate-expand-7" || len(pod.InitContainers) != 1 || len(pod.Containers) != 1 {
		t.Fatalf("%s: %+v", j.Name, pod)
	}
	first, c := pod.InitContainers[0], pod.Containers[0]
	if first.Image != "r/segue@sha256:2" || len(first.Command) > 0 || !slices.Equal(first.Args, []string{"carry", "/.segue"}) {
		t.Errorf("what brings segue: %s %q %q", first.Image, first.Command, first.Args)
	}
	if len(first.Env)+len(first.EnvFrom) > 0 {
		t.Error("it is given the environment, which is none of its business")
	}
	if want := "/.segue/segue migrate expand --dir migrations --url-from DATABASE_URL --progress plain"; c.Image != "r/shop@sha256:1" || strings.Join(c.Command, " ") != want {
		t.Errorf("%s runs %q; want %q", c.Image, c.Command, want)
	}
	if c.EnvFrom[0].SecretRef.Name != "shop-env-1" {
		t.Errorf("its environment is %+v", c.EnvFrom)
	}
	if !*first.SecurityContext.ReadOnlyRootFilesystem || !*c.SecurityContext.ReadOnlyRootFilesystem {
		t.Error("a root file system can be written")
	}
	same := func(m corev1.VolumeMount) bool { return m.Name == "segue" && m.MountPath == "/.segue" }
	if !slices.ContainsFunc(first.VolumeMounts, same) || !slices.ContainsFunc(c.VolumeMounts, same) {
		t.Errorf("mounts: %+v and %+v", first.VolumeMounts, c.VolumeMounts)
	}
	if m := c.Resources.Limits.Memory(); m.Value() < 128<<20 {
		t.Errorf("segue has to do with the %s of the service", m)
	}
	if labels.SelectorFromSet(Service(s, "shop", Selector(s, "")).Spec.Selector).Matches(labels.Set(j.Spec.Template.Labels)) {
		t.Error("the service's requests go to the migration")
	}
}

func TestAMigrationThatIsKilledGoesOnAndOneThatFailsDoesNot(t *testing.T) {
	j := expandJob(t, migrating(), Options{Image: "r/shop:1", Segue: "r/segue:1"})
	if *j.Spec.BackoffLimit < 1 || *j.Spec.ActiveDeadlineSeconds != 900 {
		t.Errorf("%d more pods within %d s", *j.Spec.BackoffLimit, *j.Spec.ActiveDeadlineSeconds)
	}
	act := func(code int32) batchv1.PodFailurePolicyAction {
		for _, r := range j.Spec.PodFailurePolicy.Rules {
			if r.OnExitCodes != nil && *r.OnExitCodes.ContainerName == j.Spec.Template.Spec.Containers[0].Name && slices.Contains(r.OnExitCodes.Values, code) {
				return r.Action
			}
		}
		return "another pod"
	}
	for code, want := range map[int32]batchv1.PodFailurePolicyAction{1: batchv1.PodFailurePolicyActionFailJob, 2: batchv1.PodFailurePolicyActionFailJob, 137: "another pod"} {
		if have := act(code); have != want {
			t.Errorf("after exit code %d: %s; want %s", code, have, want)
		}
	}
}

func TestAMigrationNeedsAnImageOfSegue(t *testing.T) {
	for _, tt := range []struct{ option, segue, repository, want string }{
		{"r/o:1", "r/s:1", "r/shop", "r/o:1"},
		{"", "r/s:1", "r/shop", "r/s:1"},
		{"", "", "r/shop", "r/shop:segue"},
		{"", "", "", ""},
	} {
		s := migrating()
		s.Kubernetes.Image, s.Kubernetes.Segue, s.Kubernetes.Repository = "r/shop:1", tt.segue, tt.repository
		j, err := Hook(s, s.Migrate.Phase(deploy.PhaseContract, false), Options{Segue: tt.option})
		switch {
		case tt.want == "" && (err == nil || !strings.Contains(err.Error(), "kubernetes: {segue: …}")):
			t.Errorf("%+v: %v", tt, err)
		case tt.want != "" && (err != nil || j.Spec.Template.Spec.InitContainers[0].Image != tt.want):
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// Whoever applies what is rendered has expand and backfill done one after the other,
// and contract not at all.
func TestPhasesAreRenderedInTheirOrder(t *testing.T) {
	s := migrating()
	s.Hooks.Before = []deploy.Hook{{Name: "warm", Command: []string{"x"}, Timeout: time.Minute}}
	if _, err := Hooks(s, Rendered(s, "r/shop:1")); err == nil {
		t.Fatal("no image of segue is known")
	}
	s.Kubernetes.Segue = "r/segue:1"
	steps, err := Hooks(s, Rendered(s, "r/shop:1"))
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, st := range steps {
		j := st.Job.Is.(*batchv1.Job)
		line := st.Stage + " " + j.Annotations["argocd.argoproj.io/hook"] + " " + j.Annotations["argocd.argoproj.io/sync-wave"]
		if j.Spec.Suspend != nil && *j.Spec.Suspend {
			line += " suspended"
		}
		have = append(have, strings.TrimRight(line, " "))
	}
	want := []string{"expand PreSync -2", "backfill PreSync -1", "before PreSync", "contract Skip  suspended"}
	if !slices.Equal(have, want) {
		t.Errorf("have %q\nwant %q", have, want)
	}
}

// Who applies what is rendered makes the Secret, and may know nothing of schemas.
func TestTheReleasesSchemaIsRendered(t *testing.T) {
	s := migrating()
	s.Migrate.Views = "public_0008_split"
	schema := func(o Options) string {
		for _, v := range variables(s, o) {
			if v.Name == "SEGUE_SCHEMA" {
				return v.Value
			}
		}
		return ""
	}
	if have := schema(Rendered(s, "")); have != "public_0008_split" {
		t.Errorf("rendered: %q", have)
	}
	if have := schema(Options{Release: 8}); have != "" {
		t.Errorf("deployed: %q, and the Secret has it", have)
	}
}
