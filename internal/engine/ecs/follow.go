package ecs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/seguehq/segue/internal/deploy"
)

// EventKind says what an Event tells of.
type EventKind string

const (
	EventNote  EventKind = "note"  // what is done, or otherwise than on one machine
	EventTold  EventKind = "told"  // ECS' own words
	EventTasks EventKind = "tasks" // how many run
	EventStage EventKind = "stage" // of ECS' deployment
	EventTask  EventKind = "task"  // one has ended that should not have, and why
	EventWaits EventKind = "waits" // for somebody's `segue promote`
)

// An Event is one thing that happened in a rollout.
type Event struct {
	At   time.Time `json:"at"`
	Kind EventKind `json:"kind"`
	Text string    `json:"text"` // for people
}

// roll has ECS begin a rollout, and follows it to its end.
func (c *Cluster) roll(ctx context.Context, r deploy.Rollout, is *types.Service, show func(Event), begin func() error) (deploy.Rollout, error) {
	last := ""
	if is != nil {
		r.From, r.Before = release(aws.ToString(is.TaskDefinition)), int(is.DesiredCount)
		d, err := c.newest(ctx, r.Service)
		if err != nil {
			return r, err
		}
		if d != nil {
			last = aws.ToString(d.ServiceDeploymentArn)
		}
	}
	f := c.follower(r.Service, is, show)
	if err := begin(); err != nil {
		return r, err
	}
	if err := f.next(ctx, last); err != nil {
		return r, err
	}
	d, err := f.run(ctx)
	if err != nil {
		return r, err
	}
	return ended(r, d)
}

// ended fills in how ECS says that a rollout has ended.
func ended(r deploy.Rollout, d *types.ServiceDeployment) (deploy.Rollout, error) {
	r.Ended, r.Reason = aws.ToTime(d.FinishedAt), aws.ToString(d.StatusReason)
	switch d.Status {
	case types.ServiceDeploymentStatusSuccessful:
		r.Phase, r.Reason = deploy.Done, ""
	case types.ServiceDeploymentStatusRollbackSuccessful:
		r.Phase = deploy.RolledBack
		if b := d.Rollback; b != nil && b.Reason != nil {
			r.Reason = *b.Reason
		}
	default:
		return r, fmt.Errorf("%s: ECS has given the deployment up (%s): %s; `segue status` shows what runs, `segue rollback` or another deploy mends it",
			r.Service, d.Status, r.Reason)
	}
	return r, nil
}

// follow waits for a deployment that is under way.
func (c *Cluster) follow(ctx context.Context, service, arn string, show func(Event)) (*types.ServiceDeployment, error) {
	f := c.follower(service, nil, show)
	f.arn = arn
	return f.run(ctx)
}

// A follower looks at a service again and again, and shows what is new.
type follower struct {
	c       *Cluster
	service string
	arn     string // of the deployment
	show    func(Event)
	told    map[string]bool // events and tasks, by their id
	running string
	stage   string
	failed  int32
}

// follower gives one that tells of nothing that happened before now.
func (c *Cluster) follower(service string, is *types.Service, show func(Event)) *follower {
	f := &follower{c: c, service: service, show: show, told: map[string]bool{}}
	if is != nil {
		for _, e := range is.Events {
			f.told[aws.ToString(e.Id)] = true
		}
	}
	return f
}

// next waits until ECS has another deployment than the last one: it makes it
// some moments after it was told to.
func (f *follower) next(ctx context.Context, last string) error {
	began := time.Now()
	for looks := 1; ; looks++ {
		d, err := f.c.newest(ctx, f.service)
		if err != nil {
			return err
		}
		if d != nil && aws.ToString(d.ServiceDeploymentArn) != last {
			f.arn = *d.ServiceDeploymentArn
			return nil
		}
		if time.Since(began) > patience {
			return fmt.Errorf("%s: ECS has taken the change, and begun no deployment in %s; `segue status` shows what it does", f.service, patience)
		}
		if err := f.c.rest(ctx, looks); err != nil {
			return err
		}
	}
}

// patience is how long ECS may take to begin a deployment that it was told of.
const patience = 2 * time.Minute

// run looks until the deployment is over.
func (f *follower) run(ctx context.Context) (*types.ServiceDeployment, error) {
	for looks := 1; ; looks++ {
		d, err := f.look(ctx)
		if err != nil {
			return nil, left(ctx, err)
		}
		if over(d.Status) {
			return d, nil
		}
		if err := f.c.rest(ctx, looks); err != nil {
			return nil, err
		}
	}
}

// left tells apart that the caller has called it off.
func left(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrLeft
	}
	return err
}

func (f *follower) look(ctx context.Context) (*types.ServiceDeployment, error) {
	s, err := f.c.have(ctx, f.service)
	if err != nil {
		return nil, err
	}
	f.events(s)
	if err := f.tasks(ctx, s); err != nil {
		return nil, err
	}
	d, err := f.c.deployment(ctx, f.arn)
	if err != nil {
		return nil, err
	}
	f.stages(d)
	return d, nil
}

// events tells ECS' own words, the oldest first.
func (f *follower) events(s *types.Service) {
	for _, e := range slices.Backward(s.Events) {
		if id := aws.ToString(e.Id); !f.told[id] {
			f.told[id] = true
			f.show(Event{aws.ToTime(e.CreatedAt), EventTold, aws.ToString(e.Message)})
		}
	}
}

// tasks tells how many run, and why those have ended that ECS counts as failed.
func (f *follower) tasks(ctx context.Context, s *types.Service) error {
	var parts []string
	var failed int32
	for _, d := range s.Deployments {
		parts = append(parts, fmt.Sprintf("release %d: %d of %d run, %d starting", release(aws.ToString(d.TaskDefinition)), d.RunningCount, d.DesiredCount, d.PendingCount))
		failed += d.FailedTasks
	}
	if text := strings.Join(parts, "; "); text != f.running {
		f.running = text
		f.show(Event{time.Now(), EventTasks, text})
	}
	if failed <= f.failed {
		return nil
	}
	f.failed = failed
	stopped, err := f.c.tasks(ctx, f.service, types.DesiredStatusStopped)
	if err != nil {
		return err
	}
	for _, t := range stopped {
		if arn := aws.ToString(t.TaskArn); !f.told[arn] && t.StopCode != types.TaskStopCodeServiceSchedulerInitiated {
			f.told[arn] = true
			f.show(Event{aws.ToTime(t.StoppedAt), EventTask, why(t)})
		}
	}
	return nil
}

// stages tells where a deployment stands, and whether somebody is waited for.
func (f *follower) stages(d *types.ServiceDeployment) {
	text := string(d.Status)
	if d.LifecycleStage != "" {
		text += ", " + string(d.LifecycleStage)
	}
	text = strings.ToLower(strings.ReplaceAll(text, "_", " "))
	if text != f.stage {
		f.stage = text
		f.show(Event{time.Now(), EventStage, text})
	}
	if h := awaits(d); h != nil && !f.told[*h.HookId] {
		f.told[*h.HookId] = true
		f.show(Event{time.Now(), EventWaits, fmt.Sprintf("waits for `segue promote %s`, until %s at most", f.service, aws.ToTime(h.ExpiresAt).Format(time.DateTime))})
	}
}

// awaits is the pause that waits for somebody's word; nil if none does.
func awaits(d *types.ServiceDeployment) *types.DeploymentLifecycleHookDetail {
	for i, h := range d.LifecycleHookDetails {
		if h.TargetType == types.DeploymentLifecycleHookTargetTypePause && h.Status == types.DeploymentLifecycleHookStatusAwaitingAction && h.HookId != nil {
			return &d.LifecycleHookDetails[i]
		}
	}
	return nil
}

// tasks are the service's tasks. ECS forgets stopped ones after an hour.
func (c *Cluster) tasks(ctx context.Context, service string, desired types.DesiredStatus) ([]types.Task, error) {
	var all []types.Task
	list := &ecs.ListTasksInput{Cluster: &c.Name, ServiceName: &service, DesiredStatus: desired}
	for {
		arns, err := c.api.ListTasks(ctx, list)
		if err != nil {
			return nil, c.explain(err, "ListTasks", service)
		}
		if len(arns.TaskArns) > 0 { // 100 at most, which is as many as can be described
			out, err := c.api.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &c.Name, Tasks: arns.TaskArns})
			if err != nil {
				return nil, c.explain(err, "DescribeTasks", service)
			}
			all = append(all, out.Tasks...)
		}
		if list.NextToken = arns.NextToken; list.NextToken == nil {
			return all, nil
		}
	}
}
