package kubernetes

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/deploy"
)

// A Status is what there is of a service.
type Status struct {
	Service    string          `json:"service"`
	Release    int             `json:"release"` // that serves; 0: none
	Image      string          `json:"image,omitempty"`
	Deployment string          `json:"deployment,omitempty"` // that serves
	Replicas   int             `json:"replicas"`             // wanted
	Pods       []Pod           `json:"pods,omitempty"`
	Rollout    *deploy.Rollout `json:"rollout,omitempty"`  // that is under way, or was left; nil: none
	Stage      string          `json:"stage,omitempty"`    // of it
	Holder     string          `json:"holder,omitempty"`   // who works on it, as far as is known
	Left       bool            `json:"left,omitempty"`     // nobody works on it any more
	Contract   *Due            `json:"contract,omitempty"` // of the database, that is still to come; nil: none
	Problem    string          `json:"problem,omitempty"`  // what keeps its pods from being ready
}

// Status tells of services, or of all that segue has deployed in the namespace.
func (c *Cluster) Status(ctx context.Context, services ...string) ([]Status, error) {
	if len(services) == 0 {
		var err error
		if services, err = c.services(ctx); err != nil {
			return nil, err
		}
	}
	var out []Status
	for _, name := range services {
		st, err := c.status(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

// services are those of whose rollouts there is a record.
func (c *Cluster) services(ctx context.Context) ([]string, error) {
	var all corev1.ConfigMapList
	if err := c.List(ctx, &all, metav1.FormatLabelSelector(metav1.SetAsLabelSelector(map[string]string{LabelManagedBy: Manager, LabelKind: kindRollout}))); err != nil {
		return nil, err
	}
	var names []string
	for _, cm := range all.Items {
		names = append(names, cm.Labels[LabelName])
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (c *Cluster) status(ctx context.Context, service string) (Status, error) {
	s := &session{c: c, records: records{c, service}, service: service}
	if err := s.read(ctx); err != nil {
		return Status{}, err
	}
	now := s.last.serves()
	st := Status{Service: service, Release: now.release, Deployment: now.deployment, Replicas: now.replicas}
	if r := s.release(now.release); r != nil {
		st.Image = r.Image
	}
	st.Contract = s.due()
	if err := c.openStatus(ctx, s, &st); err != nil {
		return st, err
	}
	view, err := c.Look(ctx, service)
	if err != nil {
		return st, err
	}
	defer view.Close()
	p := view.Now()
	st.Pods = slices.DeleteFunc(p.Pods, func(pod Pod) bool { return pod.State == Gone })
	if d, found := p.Deployment(now.deployment); found {
		st.Replicas = d.Wanted
		if !d.Settled {
			st.Problem = c.Explain(ctx, p, now.deployment)
		}
	}
	return st, nil
}

// openStatus tells of the rollout that has not ended, and whether anybody works
// on it. That goes by this machine's clock, and is for people alone.
func (c *Cluster) openStatus(ctx context.Context, s *session, st *Status) error {
	l, err := c.lease(ctx, s.service)
	if err != nil {
		return err
	}
	alive := holder(l) != "" && l.Spec.RenewTime != nil && time.Since(l.Spec.RenewTime.Time) < leaseTime
	if alive {
		st.Holder = holder(l)
	}
	if s.open == nil {
		return nil
	}
	st.Rollout, st.Left = &s.open.Rollout, !alive
	number := s.open.To
	if number == 0 {
		number = s.open.From
	}
	if r := s.release(number); r != nil {
		if stages := stagesOf(&r.Spec, s.open); s.open.Stage < len(stages) {
			st.Stage = stages[s.open.Stage].String()
		}
	}
	return nil
}

// History lists a service's rollouts, the newest first; limit 0: all that are kept.
func (c *Cluster) History(ctx context.Context, service string, limit int) ([]Record, error) {
	all, err := records{c, service}.rollouts(ctx)
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all, err
}

// Releases lists those of a service that are kept, the newest first.
func (c *Cluster) Releases(ctx context.Context, service string) ([]Release, error) {
	s := &session{c: c, records: records{c, service}, service: service}
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	if r := s.release(s.last.serves().release); r != nil {
		r.Serving = true
	}
	for n := range s.releases {
		s.releases[n].TooOld = s.tooOld(&s.releases[n])
	}
	return s.releases, nil
}
