package manifest

import (
	"cmp"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/deploy"
)

const (
	// migrateTries is how often a pod of a migration is replaced that was killed,
	// as for want of memory. The next one goes on where it was.
	migrateTries = 3
	// lastFailure is the highest of the exit codes, from 1, by which segue itself
	// says that it has failed; it would again.
	lastFailure = 9

	kindMigrate      = "migrate"
	migrateContainer = "migrate"
	toolVolume       = "segue"
	toolFolder       = "/.segue"
)

// UnknownSegue is the tag of the image that has segue in it, where nobody says
// which: it is to be replaced.
const UnknownSegue = "segue"

// migration is the Job of a hook that carries out a phase of the release's
// migrations. It runs in the release's image, which has their files, and is done
// by segue, which that has not: an init container brings it. It is one static file,
// so that any image will do, and it comes into a volume, as the image cannot be
// written.
//
// What the phase has done is written in the database. So a pod that is killed is
// replaced, while one that has failed is not.
func migration(spec *deploy.Service, h deploy.Hook, o Options) (*batchv1.Job, error) {
	tool, err := segueImage(spec, o)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(o.Job, hookName(spec, h, o))
	s, err := jobSpec(spec, o, work{name: name, kind: kindMigrate, command: append([]string{toolFolder + "/segue"}, h.Command...), timeout: h.Timeout})
	if err != nil {
		return nil, err
	}
	s.BackoffLimit = new(int32(migrateTries))
	s.PodFailurePolicy.Rules = append(s.PodFailurePolicy.Rules, failedByItself())
	s.TTLSecondsAfterFinished = new(seconds[int32](hookKept))
	bring(&s.Template.Spec, tool)
	j := &batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta(spec, o, name), Spec: s}
	j.Labels[LabelKind] = kindMigrate
	j.Annotations = ignoredOfMigrations(spec).annotations()
	return j, nil
}

// failedByItself ends the Job when segue has said that it failed; without it a
// pod would try the same again.
func failedByItself() batchv1.PodFailurePolicyRule {
	r := batchv1.PodFailurePolicyRule{Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
		ContainerName: new(migrateContainer), Operator: batchv1.PodFailurePolicyOnExitCodesOpIn,
	}}
	for code := int32(1); code <= lastFailure; code++ {
		r.OnExitCodes.Values = append(r.OnExitCodes.Values, code)
	}
	return r
}

// bring has segue in the pod of a migration, with what it needs to run.
func bring(pod *corev1.PodSpec, tool string) {
	mount := corev1.VolumeMount{Name: toolVolume, MountPath: toolFolder}
	c := &pod.Containers[0]
	c.Name, c.Resources = migrateContainer, migrateResources()
	first := corev1.Container{
		Name: "bring-segue", Image: tool, Args: []string{"carry", toolFolder},
		ImagePullPolicy: c.ImagePullPolicy, Resources: migrateResources(),
		TerminationMessagePolicy: c.TerminationMessagePolicy, SecurityContext: c.SecurityContext.DeepCopy(),
		VolumeMounts: []corev1.VolumeMount{mount},
	}
	pod.InitContainers = append(pod.InitContainers, first)
	c.VolumeMounts = append(c.VolumeMounts, mount)
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: toolVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
}

// migrateResources are those of segue, whatever the service's own may be. It has
// no CPU limit: what is throttled in a migration holds its locks for longer.
func migrateResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
	}
}

// ignoredOfMigrations is what is so on purpose in the pods of a migration.
func ignoredOfMigrations(spec *deploy.Service) ignored {
	g := ignoredOfPods(spec)
	delete(g.linter, "unset-cpu-requirements")
	delete(g.linter, "unset-memory-requirements")
	g.score = append(g.score, "container-resources") // no CPU limit
	return g
}

// segueImage is an image whose entry point is segue.
func segueImage(spec *deploy.Service, o Options) (string, error) {
	k := settings(spec)
	switch {
	case o.Segue != "":
		return o.Segue, nil
	case k.Segue != "":
		return k.Segue, nil
	case k.Repository != "":
		return k.Repository + ":" + UnknownSegue, nil
	}
	return "", fmt.Errorf("service %s: its migrations are run by segue in the cluster, and nothing says which image has it; write kubernetes: {segue: …} for one that has segue as its entry point, or {repository: …}, to which Segue pushes one of itself", spec.Name)
}

// migrations are the Jobs of one phase, if the service has any.
func migrations(spec *deploy.Service, o Options, phase string) ([]Step, error) {
	if spec.Migrate == nil {
		return nil, nil
	}
	job, err := migration(spec, spec.Migrate.Phase(phase, false), o)
	if err != nil {
		return nil, err
	}
	argoPhase(job, phase)
	return []Step{{phase, Object{Is: job, about: aboutMigrate(spec, job.Name, phase), why: whyMigrate()}}}, nil
}

// argoPhase tells Argo CD when to run it: one after the other, and never to
// contract, which is not a matter of a sync but of time.
func argoPhase(j *batchv1.Job, phase string) {
	if phase == deploy.PhaseContract {
		j.Annotations["argocd.argoproj.io/hook"] = "Skip"
		j.Spec.Suspend = new(true)
		return
	}
	argoHook(j, "before")
	j.Annotations["argocd.argoproj.io/sync-wave"] = map[string]string{deploy.PhaseExpand: "-2", deploy.PhaseBackfill: "-1"}[phase]
}

func aboutMigrate(spec *deploy.Service, job, phase string) string {
	text := fmt.Sprintf("The phase %s of %s's migrations", phase, spec.Name)
	switch phase {
	case deploy.PhaseExpand:
		text += ", to be over before anything of the new release is started: it adds what that needs, and nothing that the old one minds"
	case deploy.PhaseBackfill:
		text += ", after expand, and to be over before anything of the new release is started: it fills in the rows that are there"
	case deploy.PhaseContract:
		text += fmt.Sprintf(". It takes away what only the old release needs, and there is no way back: to be run %s after the new release has all requests, when no pod of an older one is left. Hence suspended: `kubectl patch job %s -p '{\"spec\":{\"suspend\":false}}'` starts it", spec.Migrate.Bake, job)
	}
	return text + ".\n`segue deploy` runs it by itself.\n"
}

func whyMigrate() map[string]string {
	return whyJob("spec", map[string]string{
		"spec.backoffLimit":                     "A pod that is killed is replaced: what is done is written in the database, and the next one goes on from there …",
		"spec.podFailurePolicy":                 "… but not one that has failed by itself, which it would again.",
		"spec.suspend":                          "Whoever applies this does not want it at once.",
		"spec.template.spec.initContainers":     "The release's image has the migrations, and not segue, which is one file that needs nothing else.",
		"spec.template.spec.containers.command": "The variable's name, not its value: that is in the Secret, and nowhere else.",
	})
}
