package manifest

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/deploy"
)

const (
	// cronLateness is how much later than planned a run may start. A control plane
	// that is being upgraded is away for minutes, and what is to be run once a day
	// would be left out. It is short enough for one a minute: Kubernetes gives up a
	// CronJob that has missed a hundred runs within it.
	cronLateness = time.Hour
	cronKept     = 3 // runs of each kind, for their logs
	// hookKept is how long a hook's Job can be looked at.
	hookKept   = 24 * time.Hour
	longestJob = 52 // characters of a CronJob's name, to which the time is added
)

// CronJobs are the commands that the service has run on a schedule.
func CronJobs(spec *deploy.Service, o Options) ([]*batchv1.CronJob, error) {
	var list []*batchv1.CronJob
	for _, j := range settings(spec).Jobs {
		name := spec.Name + "-" + j.Name
		if len(name) > longestJob {
			return nil, fmt.Errorf("service %s: its job %s would be the CronJob %s, and Kubernetes allows %d characters; call it something shorter", spec.Name, j.Name, name, longestJob)
		}
		job, err := jobSpec(spec, o, work{name: name, kind: "cron", command: j.Command, timeout: j.Timeout})
		if err != nil {
			return nil, err
		}
		c := &batchv1.CronJob{
			TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"},
			ObjectMeta: meta(spec, o, name),
			Spec: batchv1.CronJobSpec{
				Schedule:                   j.Schedule,
				ConcurrencyPolicy:          batchv1.ForbidConcurrent,
				StartingDeadlineSeconds:    new(seconds[int64](cronLateness)),
				SuccessfulJobsHistoryLimit: new(int32(cronKept)),
				FailedJobsHistoryLimit:     new(int32(cronKept)),
				JobTemplate:                batchv1.JobTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: Labels(spec)}, Spec: job},
			},
		}
		if j.Zone != "" {
			c.Spec.TimeZone = &j.Zone
		}
		c.Labels[LabelKind] = "cron"
		c.Annotations = ignoredOfPods(spec).annotations()
		list = append(list, c)
	}
	return list, nil
}

// Hook runs a hook's command in the release's image and environment. It is not
// tried again when it fails, as on one machine; it is when its node was taken from
// it, for a hook is one that can be run twice. A phase of the release's migrations is run
// by segue in the same image.
func Hook(spec *deploy.Service, h deploy.Hook, o Options) (*batchv1.Job, error) {
	if h.Segue {
		return migration(spec, h, o)
	}
	name := cmp.Or(o.Job, hookName(spec, h, o))
	vars := []corev1.EnvVar{{Name: "SEGUE_HOOK", Value: h.Name}, {Name: "SEGUE_FROM", Value: strconv.Itoa(o.From)},
		{Name: "SEGUE_ROLLOUT", Value: strconv.FormatInt(o.Rollout, 10)}}
	s, err := jobSpec(spec, o, work{name: name, kind: "hook", command: h.Command, timeout: h.Timeout, vars: vars})
	if err != nil {
		return nil, err
	}
	s.TTLSecondsAfterFinished = new(seconds[int32](hookKept))
	j := &batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta(spec, o, name), Spec: s}
	j.Labels[LabelKind] = "hook"
	j.Annotations = ignoredOfPods(spec).annotations()
	return j, nil
}

func hookName(spec *deploy.Service, h deploy.Hook, o Options) string {
	name := spec.Name + "-" + dnsPart(h.Name)
	if o.Rollout > 0 {
		return clip(name, 55) + "-" + strconv.FormatInt(o.Rollout, 10)
	}
	return clip(name, 63)
}

var notDNS = pattern(`[^a-z0-9]+`)

// dnsPart makes of any text what may be part of an object's name.
func dnsPart(s string) string {
	return cmp.Or(strings.Trim(notDNS().ReplaceAllString(strings.ToLower(s), "-"), "-"), "hook")
}

func clip(s string, most int) string { return strings.TrimRight(s[:min(len(s), most)], "-") }

// work is a command that ends by itself.
type work struct {
	name, kind string
	command    []string
	timeout    time.Duration
	vars       []corev1.EnvVar
}

func jobSpec(spec *deploy.Service, o Options, w work) (batchv1.JobSpec, error) {
	if err := checkName(spec); err != nil {
		return batchv1.JobSpec{}, err
	}
	pod, err := podSpec(spec, o)
	if err != nil {
		return batchv1.JobSpec{}, err
	}
	c := &pod.Containers[0]
	c.Name = clip(w.name, 63)
	c.Env = append(jobVariables(c.Env), w.vars...)
	c.Command = command(w.command, spec.EnvNames, c.Env)
	pod.RestartPolicy = corev1.RestartPolicyNever
	pod.TerminationGracePeriodSeconds = new(seconds[int64](max(spec.Stop.Timeout, 2*time.Second)))
	return batchv1.JobSpec{
		BackoffLimit:          new(int32(0)),
		ActiveDeadlineSeconds: new(seconds[int64](max(w.timeout, time.Second))),
		PodFailurePolicy:      evictedOnly(),
		Template:              corev1.PodTemplateSpec{ObjectMeta: jobPodMeta(spec, w), Spec: pod},
	}, nil
}

// jobPodMeta gives the pods a name of their own, so that neither the service's
// Service nor its budget takes them for its pods, and has their node left alone
// until they have ended.
func jobPodMeta(spec *deploy.Service, w work) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Labels: map[string]string{LabelName: clip(w.name, 63), LabelPartOf: spec.Name, LabelManager: Manager, LabelKind: w.kind},
		Annotations: map[string]string{
			"cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
			"karpenter.sh/do-not-disrupt":                    "true",
		},
	}
}

// jobVariables are those of an instance that are true of a command beside it.
func jobVariables(vars []corev1.EnvVar) []corev1.EnvVar {
	var out []corev1.EnvVar
	for _, v := range vars {
		if v.Name == "SEGUE_SERVICE" || v.Name == "SEGUE_RELEASE" {
			out = append(out, v)
		}
	}
	return out
}

// evictedOnly has a pod replaced that was evicted or whose node went.
func evictedOnly() *batchv1.PodFailurePolicy {
	return &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
		Action:          batchv1.PodFailurePolicyActionIgnore,
		OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
	}}}
}
