package manifest

import (
	batchv1 "k8s.io/api/batch/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seguehq/segue/internal/deploy"
)

// All are the objects that run the service, in the order in which they are to be
// applied: what `segue render kubernetes` writes. Hooks are not among them: they
// are steps of a deploy and no state of a cluster (see Hooks).
func All(spec *deploy.Service, o Options) ([]Object, error) {
	pods, err := workload(spec, o)
	if err != nil {
		return nil, err
	}
	list := []Object{{Is: Budget(spec, o), about: aboutBudget(spec), why: whyBudget(spec)}}
	list = append(list, services(spec, o)...)
	list = append(list, pods)
	if scaler := Autoscaler(spec, o); scaler != nil {
		if settings(spec).Rollouts {
			scaler.Spec.ScaleTargetRef.APIVersion, scaler.Spec.ScaleTargetRef.Kind = argoVersion, "Rollout"
			scaler.Annotations = ignoredOfArgo(scaler.Annotations)
		}
		list = append(list, Object{Is: scaler, about: aboutAutoscaler(spec), why: whyAutoscaler()})
	}
	routes, err := frontObjects(spec, o)
	if err != nil {
		return nil, err
	}
	list = append(list, routes...)
	jobs, err := CronJobs(spec, o)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		list = append(list, Object{Is: j, about: aboutCronJob(spec, j), why: whyJob("spec.jobTemplate.spec", whyCronJob())})
	}
	return list, nil
}

// workload is what has the pods started: a Deployment, or Argo Rollouts' object.
func workload(spec *deploy.Service, o Options) (Object, error) {
	out := Object{about: aboutWorkload(spec, o), why: whyWorkload(spec, o)}
	var err error
	if settings(spec).Rollouts {
		var r *unstructured.Unstructured
		r, err = Rollout(spec, o)
		out.Is = r
	} else {
		out.Is, err = Deployment(spec, o)
	}
	return out, err
}

// services are the service's own and, for Argo Rollouts, the one by which the new
// release is reached; Argo adds to their selectors which pods they mean.
func services(spec *deploy.Service, o Options) []Object {
	if spec.Worker() {
		return nil
	}
	list := []Object{service(spec, o, spec.Name, aboutService(spec))}
	switch {
	case !settings(spec).Rollouts:
	case spec.Strategy.Type == deploy.BlueGreen:
		list = append(list, service(spec, o, spec.Name+PreviewSuffix, "The new release before the switch. Argo Rollouts adds to the selector which pods that are.\n"))
	case argoRoutes(spec):
		list = append(list, service(spec, o, spec.Name+CanarySuffix, "The new release's share of the requests. Argo Rollouts adds to the selector which pods that are.\n"))
	}
	return list
}

func service(spec *deploy.Service, o Options, name, about string) Object {
	s := Service(spec, name, Selector(spec, ""))
	s.Namespace = o.Namespace
	if settings(spec).Rollouts {
		s.Annotations = ignoredOfArgo(s.Annotations)
	}
	return Object{Is: s, about: about, why: whyService(spec)}
}

func frontObjects(spec *deploy.Service, o Options) ([]Object, error) {
	var backends []Backend
	if settings(spec).Rollouts && argoRoutes(spec) {
		backends = []Backend{{Service: spec.Name, Weight: 100}, {Service: spec.Name + CanarySuffix}}
	}
	routes, err := Routes(spec, o, backends...)
	var list []Object
	for _, r := range routes {
		list = append(list, Object{Is: r, about: aboutRoute(spec), why: whyRoute(backends)})
	}
	return list, err
}

// Hooks are the Jobs of the service's hooks, preparations and migrations, in the
// order in which a deploy runs them, with the stage of each: "prepare", "expand",
// "backfill", "before", "between", "after" or "contract". Applied all at once they
// would do harm: the last ones take away what the old release still needs.
func Hooks(spec *deploy.Service, o Options) ([]Step, error) {
	lists := map[string][]deploy.Hook{"prepare": spec.Prepare, "before": spec.Hooks.Before, "between": spec.Hooks.Between, "after": spec.Hooks.After}
	var steps []Step
	for _, stage := range []string{"prepare", deploy.PhaseExpand, deploy.PhaseBackfill, "before", "between", "after", deploy.PhaseContract} {
		list, is := lists[stage]
		more, err := hooks(spec, o, stage, list)
		if !is {
			more, err = migrations(spec, o, stage)
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, more...)
	}
	return steps, nil
}

// hooks are the Jobs of one stage.
func hooks(spec *deploy.Service, o Options, stage string, list []deploy.Hook) ([]Step, error) {
	var steps []Step
	for _, h := range list {
		job, err := Hook(spec, h, o)
		if err != nil {
			return nil, err
		}
		argoHook(job, stage)
		steps = append(steps, Step{stage, Object{Is: job, about: aboutHook(spec, stage, h), why: whyJob("spec", nil)}})
	}
	return steps, nil
}

// A Step is the Job of a hook or a migration, and when it is to run.
type Step struct {
	Stage string
	Job   Object
}

// argoHook tells Argo CD when to run it. It knows no moment between.
func argoHook(j *batchv1.Job, stage string) {
	phase := map[string]string{"prepare": "PreSync", "before": "PreSync", "after": "PostSync"}[stage]
	if phase == "" {
		return
	}
	j.Annotations["argocd.argoproj.io/hook"] = phase
	j.Annotations["argocd.argoproj.io/hook-delete-policy"] = "BeforeHookCreation"
}

// Kind is the object's: "Deployment".
func (o Object) Kind() string { return o.Is.GetObjectKind().GroupVersionKind().Kind }

// Name is the object's.
func (o Object) Name() string {
	m, err := apimeta.Accessor(o.Is)
	if err != nil {
		return "" // a list, which is never made here
	}
	return m.GetName()
}

// Rendered are the options for manifests that somebody else applies: no release
// has been made, the environment is in a Secret that somebody else keeps, and the
// number of pods is the service's. The image may be "": the service's own.
func Rendered(spec *deploy.Service, image string) Options {
	o := Options{Image: image, Namespace: settings(spec).Namespace, Replicas: -1}
	if len(spec.EnvNames) > 0 {
		o.EnvSecret = spec.Name + "-env"
	}
	return o
}
