package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/rollout"
)

// A pod that hangs is given so long to come round, and its program so many
// starts. A pod for which no node is found has the whole progress deadline: a
// cluster that grows takes its time.
const (
	hangingTime = 20 * time.Second
	crashesBorn = 2
)

// idle reports whether a stage does nothing but run hooks, before anything of the
// new release is there, or change the database.
func (s *story) idle(st *rollout.Stage) bool {
	return st.Phase != "" || s.rec.Tries() && st.New == 0 && st.Old == s.rec.Before && len(st.Hooks) > 0 && !st.Split &&
		(st.Name == rollout.Preparing || st.Name == hooksBefore)
}

// hooksBefore is the name that rollout.Plan gives the stage of Hooks.Before.
const hooksBefore = "hooks before"

// shape is how the new release's Deployment is to be at the end, and oldShape how
// the old one's was at the beginning.
func (s *story) shape() shape {
	return shape{name: s.rec.New, replicas: s.rec.Replicas, restarted: s.rec.Restarted}
}

func (s *story) oldShape() shape {
	return shape{name: s.rec.Old, replicas: s.rec.Before, restarted: s.rec.WasBefore}
}

// rolled waits until a release's Deployment has all its pods, available and of
// its newest template, and no other is left, nor named by an EndpointSlice.
func (s *story) rolled(ctx context.Context, r *Release, deployment string) error {
	return s.arrive(ctx, r, deployment, func(p Picture) bool {
		d, found := p.Deployment(deployment)
		if !found || !d.Settled || len(p.Stale) > 0 {
			return false
		}
		pods := p.there(deployment)
		return len(pods) == d.Wanted && !slices.ContainsFunc(pods, func(pod Pod) bool { return !pod.Current || pod.State != Ready })
	})
}

// arrive waits until a Deployment has come to where done wants it. One that gets
// no further condemns the release, with what is wrong with its pods as the reason.
func (s *story) arrive(ctx context.Context, r *Release, deployment string, done func(Picture) bool) error {
	late := fmt.Errorf("it got no further within %s", s.spec.Strategy.ProgressDeadline)
	given, stop := context.WithTimeoutCause(ctx, 2*s.spec.Strategy.ProgressDeadline+time.Minute, late)
	defer stop()
	var hanging time.Time
	for {
		until, end := given, func() {}
		if !hanging.IsZero() {
			until, end = context.WithDeadlineCause(given, hanging.Add(hangingTime), errHanging)
		}
		turned := false
		err := s.view.Until(until, func(p Picture) (bool, error) {
			if done(p) {
				return true, nil
			}
			hangs, err := s.hopeless(p, r, deployment)
			if hangs == hanging.IsZero() {
				hanging, turned = since(hangs), true
			}
			return turned, err
		})
		end()
		switch {
		case err == nil && turned:
			continue
		case errors.Is(err, errHanging), errors.Is(err, errHopeless), errors.Is(err, late):
			return s.explained(ctx, deployment, err)
		}
		return err
	}
}

func since(hangs bool) time.Time {
	if hangs {
		return time.Now()
	}
	return time.Time{}
}

var (
	errHanging  = errors.New("its pods hang")
	errHopeless = errors.New("")
)

// hopeless fails for a Deployment that gets no further for certain, and reports
// whether it seems to hang.
func (s *story) hopeless(p Picture, r *Release, deployment string) (hangs bool, err error) {
	if d, found := p.Deployment(deployment); found && d.Expired {
		return true, fmt.Errorf("%w%s", errHopeless, d.Stuck)
	}
	for _, pod := range p.podsOf(deployment) {
		if !pod.Current || pod.Release != r.Number || pod.State == Ready || pod.State == Draining {
			continue
		}
		if strings.Contains(pod.Why, "probe") {
			s.unwell[pod.UID] = pod.Why
		}
		if pod.Restarts >= crashesBorn {
			return true, fmt.Errorf("%wpod %s does not live, and was started %d times again%s", errHopeless, pod.Name, pod.Restarts, colon(s.unwell[pod.UID]))
		}
		hangs = hangs || pod.Hanging && pod.State != Scheduling
	}
	return hangs, nil
}

// explained makes a verdict of what keeps a Deployment from getting further.
func (s *story) explained(ctx context.Context, deployment string, err error) error {
	if why := s.c.Explain(ctx, s.view.Now(), deployment); why != "" {
		return condemn("%w\n%s", err, why)
	}
	return condemn("%w", err)
}

// brought are the pods of the new release's Deployment that are the newest.
func (s *story) brought(p Picture) []Pod {
	var pods []Pod
	for _, pod := range p.podsOf(s.rec.New) {
		if s.isNew(pod) && pod.State != Draining {
			pods = append(pods, pod)
		}
	}
	return pods
}

// answering counts the pods that are ready, and get requests if the service gets any.
func (s *story) answering(pods []Pod) (n int) {
	for _, pod := range pods {
		if pod.State == Ready && (pod.Routed || s.spec.Worker()) {
			n++
		}
	}
	return n
}

// there are a Deployment's pods without those that have ended by themselves, of
// which Kubernetes keeps the objects for a while. One that was told to go is there
// as long as its object: EndpointSlices are made of that.
func (p Picture) there(deployment string) []Pod {
	return slices.DeleteFunc(p.Of(deployment), func(pod Pod) bool { return pod.State == Gone && pod.Until.IsZero() })
}

// podsOf are a Deployment's pods that have not ended.
func (p Picture) podsOf(deployment string) []Pod {
	return slices.DeleteFunc(p.Of(deployment), func(pod Pod) bool { return pod.State == Gone })
}

// gets reports whether a Service sends the pod requests.
func (p *Pod) gets(service string) bool { return slices.Contains(p.Services, service) }
