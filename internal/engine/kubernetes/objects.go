package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seguehq/segue/internal/engine/kubernetes/manifest"
)

// restartedAnnotation in a Deployment's template makes other pods of the same release.
const restartedAnnotation = "segue.dev/restarted"

// options are what the manifests of a release need to know beside its settings.
func (r *Release) options(deployment string) manifest.Options {
	return manifest.Options{Deployment: deployment, Release: r.Number, Image: r.Image, EnvSecret: r.EnvSecret, Segue: r.Segue, Replicas: -1}
}

// A shape is how a release's Deployment is to be.
type shape struct {
	name      string
	replicas  int
	restarted string // "" never
	paused    bool
}

// deployment is a release's Deployment. The number of pods is always said: a
// field that its manager stops to mention falls back to 1, also where an
// autoscaler goes by it.
func (r *Release) deployment(to shape) (*appsv1.Deployment, error) {
	o := r.options(to.name)
	o.Replicas = to.replicas
	d, err := manifest.Deployment(&r.Spec, o)
	if err != nil {
		return nil, condemn("%w", err)
	}
	d.Spec.Paused = to.paused
	if to.restarted != "" {
		metav1.SetMetaDataAnnotation(&d.Spec.Template.ObjectMeta, restartedAnnotation, to.restarted)
	}
	return d, nil
}

// shaped applies a release's Deployment.
func (s *story) shaped(ctx context.Context, r *Release, to shape) error {
	d, err := r.deployment(to)
	if err != nil {
		return err
	}
	return s.apply(ctx, d)
}

// apply applies objects, and tells of those that were changed. What somebody else
// has set by hand is set back, and that is told, too.
func (s *story) apply(ctx context.Context, objs ...runtime.Object) error {
	for _, o := range objs {
		changes, err := s.c.Apply(ctx, o)
		var held *ConflictError
		if errors.As(err, &held) {
			s.warn("%s", takenOver(held))
			changes, err = s.c.ApplyForced(ctx, o)
		}
		if err != nil {
			return refused(err)
		}
		for _, ch := range changes {
			if ch.Op != Same {
				s.tell(Event{Kind: EventObject, Object: &ch})
			}
		}
	}
	return nil
}

// takenOver tells of fields that somebody else has set, and that a deploy sets back.
func takenOver(e *ConflictError) string {
	var held []string
	for _, f := range e.Fields {
		held = append(held, fmt.Sprintf("%s by %s", f.Path, f.Manager))
	}
	return fmt.Sprintf("%s: what was set otherwise is set back: %s", e.Ref, strings.Join(held, ", "))
}

// refused makes a verdict of what the cluster will not have, however often it is
// asked. That it cannot be reached, or is busy, is none.
func refused(err error) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err
	}
	switch code := status.Status().Code; {
	case code == 401, code == 409, code == 429, code < 400, code >= 500:
		return err
	}
	return verdict{err}
}

// settle makes everything of a service but its Deployments what a release says,
// and removes what it does not speak of.
func (s *story) settle(ctx context.Context, r *Release, deployment string) error {
	all, err := manifest.All(&r.Spec, r.options(deployment))
	if err != nil {
		return condemn("%w", err)
	}
	wanted := []Ref{{"Deployment", deployment}}
	var rest []runtime.Object
	for _, o := range manifest.Bare(all) {
		ref := refOf(o)
		if ref.Kind != "Deployment" {
			rest, wanted = append(rest, o), append(wanted, ref)
		}
	}
	if err := s.apply(ctx, rest...); err != nil {
		return err
	}
	owned, err := s.c.Owned(ctx, s.rec.Service)
	if err != nil {
		return err
	}
	return s.remove(ctx, slices.DeleteFunc(owned, func(ref Ref) bool {
		return slices.Contains(wanted, ref) || !settled[ref.Kind]
	})...)
}

// settled are the kinds of which a service has no more than its manifests say.
// Deployments come and go with a rollout, and Secrets with the releases.
var settled = map[string]bool{
	"Service": true, "HTTPRoute": true, "Ingress": true, "CronJob": true,
	"HorizontalPodAutoscaler": true, "PodDisruptionBudget": true,
}

// remove removes objects and tells of it.
func (s *story) remove(ctx context.Context, refs ...Ref) error {
	for _, ref := range refs {
		if err := s.c.Delete(ctx, ref); err != nil {
			return fmt.Errorf("remove %s: %w", ref, err)
		}
		s.tell(Event{Kind: EventObject, Object: &Change{Ref: ref, Op: Removed}})
	}
	return nil
}
