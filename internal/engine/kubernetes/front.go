package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/seguehq/segue/internal/engine/kubernetes/manifest"
	"github.com/seguehq/segue/internal/rollout"
)

// Services beside the one that has the service's name.
func canaryService(service string) string  { return service + "-canary" }
func previewService(service string) string { return service + "-preview" }

// bySelector divides requests by which pods the Service selects: those of one
// Deployment, or of both, and then each pod gets its part.
type bySelector struct{ *story }

func (f bySelector) divide(ctx context.Context, st *rollout.Stage) error {
	if err := f.selects(ctx, f.spec.Name, f.chosen(st)...); err != nil {
		return err
	}
	if !st.Preview || !previewed(f.spec) {
		return nil
	}
	return f.selects(ctx, previewService(f.spec.Name), f.rec.New)
}

// chosen are the Deployments that a stage's requests go to.
func (f bySelector) chosen(st *rollout.Stage) []string {
	switch st.Share {
	case 0:
		return []string{f.rec.Old}
	case 100:
		return []string{f.rec.New}
	}
	return []string{f.rec.Old, f.rec.New}
}

func (f bySelector) all(ctx context.Context, _ *Release, deployment string) error {
	if err := f.selects(ctx, f.spec.Name, deployment); err != nil {
		return err
	}
	return f.remove(ctx, Ref{"Service", previewService(f.spec.Name)})
}

// selects has a Service select the pods of these Deployments, of one or of all,
// and waits until the EndpointSlices say no more and no less.
func (s *story) selects(ctx context.Context, service string, deployments ...string) error {
	selector := map[string]string{LabelName: s.spec.Name}
	if len(deployments) == 1 {
		selector[LabelDeployment] = deployments[0]
	}
	svc := manifest.Service(s.spec, service, selector)
	if svc == nil {
		return nil // a worker
	}
	if err := s.apply(ctx, svc); err != nil {
		return err
	}
	return s.view.Until(ctx, func(p Picture) (bool, error) {
		for _, pod := range p.Pods {
			wanted := slices.Contains(deployments, pod.Deployment)
			if pod.gets(service) != (wanted && pod.State == Ready) {
				return false, nil
			}
		}
		return true, nil
	})
}

// byRoute divides requests by an HTTPRoute's weights and matches, between the
// Service, which selects the old Deployment, and one beside it for the new.
type byRoute struct{ *story }

func (f byRoute) divide(ctx context.Context, st *rollout.Stage) error {
	name := f.spec.Name
	if err := f.selects(ctx, name, f.rec.Old); err != nil {
		return err
	}
	if err := f.selects(ctx, canaryService(name), f.rec.New); err != nil {
		return err
	}
	backends := []manifest.Backend{
		{Service: name, Weight: 100 - st.Share},
		{Service: canaryService(name), Weight: st.Share},
	}
	match := st.Match
	if st.Preview && f.spec.Strategy.Preview != nil {
		match = f.spec.Strategy.Preview.Match
	}
	if match != nil {
		backends = append(backends, manifest.Backend{Service: canaryService(name), Match: match})
	}
	if st.Mirror > 0 {
		backends = append(backends, manifest.Backend{Service: canaryService(name), Mirror: st.Mirror})
	}
	return f.route(ctx, f.new, f.rec.New, backends...)
}

// all leads the Service itself to the Deployment before the route names nobody
// else, so that at each moment every backend answers.
func (f byRoute) all(ctx context.Context, r *Release, deployment string) error {
	if err := f.selects(ctx, f.spec.Name, deployment); err != nil {
		return err
	}
	if err := f.route(ctx, r, deployment, manifest.Backend{Service: f.spec.Name, Weight: 100}); err != nil {
		return err
	}
	if err := pause(ctx, f.spec.DeregistrationTime()); err != nil { // the gateway's proxies learn of it
		return err
	}
	return f.remove(ctx, Ref{"Service", canaryService(f.spec.Name)}, Ref{"Service", previewService(f.spec.Name)})
}

// route applies the HTTPRoutes, and waits until each Gateway has taken them up.
func (f byRoute) route(ctx context.Context, r *Release, deployment string, backends ...manifest.Backend) error {
	objs, err := manifest.Routes(&r.Spec, r.options(deployment), backends...)
	if err != nil {
		return condemn("%w", err)
	}
	if err := f.apply(ctx, objs...); err != nil {
		return err
	}
	for _, o := range objs {
		route, ok := o.(*gatewayv1.HTTPRoute)
		if !ok {
			return errors.New("requests can be divided by share only where a Gateway leads to the service")
		}
		if err := f.taken(ctx, route); err != nil {
			return err
		}
	}
	return nil
}

// settles is for how long a Gateway's no may be that of a controller which has not
// heard yet of what the route names: it learns of routes and of Services in no
// certain order.
const settles = 15 * time.Second

// taken waits until the Gateways say that they have seen a route as it is now. A no
// counts when it stands for a while.
func (f byRoute) taken(ctx context.Context, route *gatewayv1.HTTPRoute) error {
	soon, stop := context.WithTimeout(ctx, settles)
	defer stop()
	var no error
	err := f.answered(soon, route, func(ok bool, refusal error) (bool, error) {
		no = refusal
		return ok, nil
	})
	if soon.Err() == nil || ctx.Err() != nil {
		return err
	}
	if no != nil {
		return no
	}
	late, stop := context.WithTimeoutCause(ctx, f.spec.Strategy.ProgressDeadline,
		condemn("no Gateway has taken up HTTPRoute %s within %s; is its controller running, and does the Gateway admit routes of this namespace?", route.Name, f.spec.Strategy.ProgressDeadline))
	defer stop()
	return f.answered(late, route, func(ok bool, refusal error) (bool, error) { return ok, refusal })
}

// answered follows what the Gateways say of a route until done says so.
func (f byRoute) answered(ctx context.Context, route *gatewayv1.HTTPRoute, done func(ok bool, no error) (bool, error)) error {
	return f.c.observe(ctx, Ref{"HTTPRoute", route.Name}, func(o runtime.Object) (bool, error) {
		now, is := o.(*gatewayv1.HTTPRoute)
		if !is {
			return false, nil
		}
		return done(accepted(now))
	})
}

// accepted reports whether all parents of a route have taken it up as it is.
func accepted(route *gatewayv1.HTTPRoute) (bool, error) {
	if len(route.Status.Parents) == 0 {
		return false, nil
	}
	for _, parent := range route.Status.Parents {
		for _, c := range parent.Conditions {
			if c.ObservedGeneration < route.Generation {
				return false, nil
			}
			if c.Status == "False" {
				return false, condemn("HTTPRoute %s: %s: %s", route.Name, c.Reason, c.Message)
			}
		}
	}
	return true, nil
}

// refOf names an object that is about to be applied.
func refOf(o runtime.Object) Ref {
	named, _ := o.(interface{ GetName() string })
	return Ref{Kind: o.GetObjectKind().GroupVersionKind().Kind, Name: named.GetName()}
}

// unroutable says why a strategy cannot be had without a Gateway.
func unroutable(what string) error {
	return fmt.Errorf("%s needs a Gateway: set kubernetes.front.gateway, or take a strategy without it", what)
}
