package ecs

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/seguehq/segue/internal/deploy"
)

// A Request is anything but a deploy that somebody wants of a service.
type Request struct {
	Service  string
	Release  int // of Rollback; 0: the one that served before
	Replicas int // of Scale
	Who, Why string
	Wait     bool // for what somebody else has under way, rather than be refused
}

func (q Request) rollout(kind deploy.Kind, to int, s *types.Service) deploy.Rollout {
	return deploy.Rollout{ID: int64(to), Service: q.Service, Kind: kind, From: release(aws.ToString(s.TaskDefinition)), To: to,
		Replicas: int(s.DesiredCount), Before: int(s.DesiredCount), Phase: deploy.Forward, Who: q.Who, Why: q.Why, Began: time.Now()}
}

// Rollback undoes the deployment that is under way, or goes to an earlier
// release.
func (c *Cluster) Rollback(ctx context.Context, q Request, show func(Event)) (deploy.Rollout, error) {
	s, err := c.have(ctx, q.Service)
	if err != nil {
		return deploy.Rollout{}, err
	}
	d, err := c.newest(ctx, q.Service)
	if err != nil {
		return deploy.Rollout{}, err
	}
	if d != nil && !over(d.Status) && q.Release == 0 {
		return c.undo(ctx, q, s, aws.ToString(d.ServiceDeploymentArn), show)
	}
	if s, err = c.free(ctx, q.Service, q.Wait, show); err != nil {
		return deploy.Rollout{}, err
	}
	to := q.Release
	if to == 0 {
		if to, err = c.before(ctx, s); err != nil {
			return deploy.Rollout{}, err
		}
	}
	if to == release(aws.ToString(s.TaskDefinition)) {
		return deploy.Rollout{}, ErrNothing
	}
	name := fmt.Sprintf("%s:%d", family(s), to)
	if _, _, err := c.definition(ctx, name); err != nil {
		return deploy.Rollout{}, err
	}
	return c.roll(ctx, q.rollout(deploy.KindRollback, to, s), s, show, func() error {
		_, err := c.api.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &c.Name, Service: &q.Service, TaskDefinition: &name})
		return c.explained(err, "UpdateService", q.Service)
	})
}

// undo has ECS put back what was before the deployment that is under way.
func (c *Cluster) undo(ctx context.Context, q Request, s *types.Service, arn string, show func(Event)) (deploy.Rollout, error) {
	r := q.rollout(deploy.KindRollback, 0, s)
	f := c.follower(q.Service, s, show)
	f.arn = arn
	_, err := c.api.StopServiceDeployment(ctx, &ecs.StopServiceDeploymentInput{ServiceDeploymentArn: &arn, StopType: types.StopServiceDeploymentStopTypeRollback})
	if err != nil {
		return r, c.explain(err, "StopServiceDeployment", q.Service)
	}
	d, err := f.run(ctx)
	if err != nil {
		return r, err
	}
	return ended(r, d)
}

// before is the release that served before the one that serves.
func (c *Cluster) before(ctx context.Context, s *types.Service) (int, error) {
	now := release(aws.ToString(s.TaskDefinition))
	all, err := c.History(ctx, aws.ToString(s.ServiceName), 100)
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		if r.Phase == deploy.Done && r.To != now && r.To != 0 {
			return r.To, nil
		}
	}
	return 0, fmt.Errorf("%s: ECS knows of no release that served before release %d; `segue releases` lists those that are there", aws.ToString(s.ServiceName), now)
}

// Restart replaces all tasks by new ones of the same release. They read their
// secrets anew.
func (c *Cluster) Restart(ctx context.Context, q Request, show func(Event)) (deploy.Rollout, error) {
	s, err := c.ready(ctx, q, show)
	if err != nil {
		return deploy.Rollout{}, err
	}
	r := q.rollout(deploy.KindRestart, release(aws.ToString(s.TaskDefinition)), s)
	return c.roll(ctx, r, s, show, func() error {
		_, err := c.api.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &c.Name, Service: &q.Service, ForceNewDeployment: true})
		return c.explained(err, "UpdateService", q.Service)
	})
}

// ready gives a service that is there, with nothing under way.
func (c *Cluster) ready(ctx context.Context, q Request, show func(Event)) (*types.Service, error) {
	if _, err := c.have(ctx, q.Service); err != nil {
		return nil, err
	}
	return c.free(ctx, q.Service, q.Wait, show)
}

// Scale changes how many tasks run, and waits until it is so.
func (c *Cluster) Scale(ctx context.Context, q Request, show func(Event)) (deploy.Rollout, error) {
	s, err := c.ready(ctx, q, show)
	if err != nil {
		return deploy.Rollout{}, err
	}
	if int(s.DesiredCount) == q.Replicas && s.RunningCount == s.DesiredCount {
		return deploy.Rollout{}, ErrNothing
	}
	r := q.rollout(deploy.KindScale, release(aws.ToString(s.TaskDefinition)), s)
	r.Replicas = q.Replicas
	return c.count(ctx, r, s, nil, show)
}

// count has as many tasks run as the rollout wants, and waits until it is so.
// how may be nil: the rollouts to come go as before.
func (c *Cluster) count(ctx context.Context, r deploy.Rollout, s *types.Service, how *types.DeploymentConfiguration, show func(Event)) (deploy.Rollout, error) {
	_, err := c.api.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &c.Name, Service: &r.Service,
		DesiredCount: aws.Int32(int32(r.Replicas)), DeploymentConfiguration: how})
	if err != nil {
		return r, c.explain(err, "UpdateService", r.Service)
	}
	f := c.follower(r.Service, s, show)
	for looks := 1; ; looks++ {
		s, err := c.have(ctx, r.Service)
		if err != nil {
			return r, left(ctx, err)
		}
		f.events(s)
		if err := f.tasks(ctx, s); err != nil {
			return r, left(ctx, err)
		}
		if int(s.RunningCount) == r.Replicas && s.PendingCount == 0 {
			r.Phase, r.Ended = deploy.Done, time.Now()
			return r, nil
		}
		if err := c.rest(ctx, looks); err != nil {
			return r, err
		}
	}
}

// Promote lets a deployment go on that waits for it. It does not wait for what
// becomes of it.
func (c *Cluster) Promote(ctx context.Context, q Request) error {
	if _, err := c.have(ctx, q.Service); err != nil {
		return err
	}
	brief, err := c.newest(ctx, q.Service)
	if err != nil {
		return err
	}
	if brief == nil || over(brief.Status) {
		return fmt.Errorf("%s: no deployment is under way", q.Service)
	}
	d, err := c.deployment(ctx, aws.ToString(brief.ServiceDeploymentArn))
	if err != nil {
		return err
	}
	h := awaits(d)
	if h == nil {
		return fmt.Errorf("%s: the deployment waits for nobody; it stands at %s", q.Service, d.LifecycleStage)
	}
	_, err = c.api.ContinueServiceDeployment(ctx, &ecs.ContinueServiceDeploymentInput{
		ServiceDeploymentArn: d.ServiceDeploymentArn, HookId: h.HookId, Action: types.DeploymentLifecycleHookActionContinue,
	})
	return c.explained(err, "ContinueServiceDeployment", q.Service)
}

// Down lets all tasks finish, and deletes the service. Its task definitions
// stay, and so a deploy or a look at them is possible.
func (c *Cluster) Down(ctx context.Context, q Request, show func(Event)) (deploy.Rollout, error) {
	s, err := c.ready(ctx, q, show)
	if err != nil {
		return deploy.Rollout{}, err
	}
	r := q.rollout(deploy.KindDown, 0, s)
	r.Replicas = 0
	if r, err = c.count(ctx, r, s, nil, show); err != nil {
		return r, err
	}
	_, err = c.api.DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: &c.Name, Service: &q.Service})
	return r, c.explained(err, "DeleteService", q.Service)
}
