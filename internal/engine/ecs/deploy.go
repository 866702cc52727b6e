package ecs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/seguehq/segue/internal/deploy"
)

// An Order is a deploy that somebody wants.
type Order struct {
	Spec  deploy.Service
	Env   deploy.Environment // see Options
	Image string             // likewise
	Argv  []string           // likewise

	Who     string
	Why     string // for the history
	Against string // the window that was overridden for it

	Force bool // replace the tasks even when nothing has changed
	Wait  bool // for what somebody else has under way, rather than be refused
}

// ErrNothing is returned when the service is already what it is asked to become.
var ErrNothing = errors.New("nothing to do, all is as asked")

// ErrLeft is in the error of a call that ended before its rollout did. ECS goes
// on with it by itself.
var ErrLeft = errors.New("ECS goes on by itself; `segue status` shows how far it is")

// A BusyError says that the service is being deployed.
type BusyError struct {
	Service string
	Since   time.Time
}

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("%s: a deployment is under way since %s; `segue status` shows it, --wait waits for it, `segue rollback` undoes it",
		e.Service, e.Since.Format(time.TimeOnly))
}

// Deploy registers a release as a revision of the task definition, has ECS move
// the service to it, and shows how that goes until it has ended. What ECS has
// undone is no error: the Rollout says so, and why.
func (c *Cluster) Deploy(ctx context.Context, o Order, show func(Event)) (deploy.Rollout, error) {
	r, err := Render(&o.Spec, Options{Image: o.Image, Argv: o.Argv, Env: o.Env})
	if err != nil {
		return deploy.Rollout{}, err
	}
	r.Service.Cluster = &c.Name
	for _, n := range r.Notes {
		show(Event{Kind: EventNote, Text: n})
	}
	is, err := c.free(ctx, o.Spec.Name, o.Wait, show)
	if err != nil {
		return deploy.Rollout{}, err
	}
	digest, err := digest(o)
	if err != nil {
		return deploy.Rollout{}, err
	}
	roll := deploy.Rollout{Service: o.Spec.Name, Kind: deploy.KindDeploy, Replicas: o.Spec.Replicas,
		Phase: deploy.Forward, Who: o.Who, Why: o.Why, Against: o.Against, Began: time.Now()}
	if is != nil && !o.Force {
		if same, err := c.same(ctx, is, digest); err != nil || same {
			return c.onlyCount(ctx, roll, is, r, err, show)
		}
	}
	if roll.To, err = c.register(ctx, r, o, digest, show); err != nil {
		return roll, err
	}
	roll.ID = int64(roll.To)
	return c.roll(ctx, roll, is, show, func() error {
		if is == nil {
			_, err := c.api.CreateService(ctx, r.Service)
			return c.explained(err, "CreateService", o.Spec.Name)
		}
		_, err := c.api.UpdateService(ctx, r.update(o.Force))
		return c.explained(err, "UpdateService", o.Spec.Name)
	})
}

// register makes a revision of what is rendered, and gives its number.
func (c *Cluster) register(ctx context.Context, r *Rendered, o Order, digest string, show func(Event)) (int, error) {
	r.Task.Tags = append(r.Task.Tags, who(o.Who, o.Why)...)
	r.Task.Tags = append(r.Task.Tags, tag(tagDigest, digest))
	out, err := c.api.RegisterTaskDefinition(ctx, r.Task)
	if err != nil {
		return 0, c.explain(err, "RegisterTaskDefinition", o.Spec.Name)
	}
	n := int(out.TaskDefinition.Revision)
	r.Service.TaskDefinition = out.TaskDefinition.TaskDefinitionArn
	show(Event{time.Now(), EventNote, fmt.Sprintf("release %d is registered", n)})
	return n, nil
}

// onlyCount ends a deploy of what is there already: at most, more or fewer tasks
// are wanted.
func (c *Cluster) onlyCount(ctx context.Context, roll deploy.Rollout, is *types.Service, r *Rendered, err error, show func(Event)) (deploy.Rollout, error) {
	switch {
	case err != nil:
		return roll, err
	case int(is.DesiredCount) == roll.Replicas:
		return roll, ErrNothing
	}
	roll.From, roll.To = release(aws.ToString(is.TaskDefinition)), release(aws.ToString(is.TaskDefinition))
	roll.ID, roll.Before, roll.Kind = int64(roll.To), int(is.DesiredCount), deploy.KindScale
	return c.count(ctx, roll, is, r.Service.DeploymentConfiguration, show)
}

// free gives the service when nothing is under way; nil if there is none.
func (c *Cluster) free(ctx context.Context, service string, wait bool, show func(Event)) (*types.Service, error) {
	s, err := c.find(ctx, service)
	if err != nil || s == nil {
		return nil, err
	}
	d, err := c.newest(ctx, service)
	if err != nil || d == nil || over(d.Status) {
		return s, err
	}
	if !wait {
		return nil, &BusyError{service, aws.ToTime(d.StartedAt)}
	}
	show(Event{Kind: EventNote, Text: "waits for the deployment that is under way"})
	if _, err := c.follow(ctx, service, aws.ToString(d.ServiceDeploymentArn), func(Event) {}); err != nil {
		return nil, err
	}
	return c.find(ctx, service)
}

// same reports whether the service was made from the same already. A revision
// that somebody else has registered is not.
func (c *Cluster) same(ctx context.Context, s *types.Service, digest string) (bool, error) {
	_, tags, err := c.definition(ctx, aws.ToString(s.TaskDefinition))
	return err == nil && tags[tagDigest] == digest, err
}

// definition gives a revision of a task definition, and its tags.
func (c *Cluster) definition(ctx context.Context, name string) (*types.TaskDefinition, map[string]string, error) {
	out, err := c.api.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{
		TaskDefinition: &name, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags},
	})
	if err != nil {
		return nil, nil, c.explain(err, "DescribeTaskDefinition", name)
	}
	tags := map[string]string{}
	for _, t := range out.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out.TaskDefinition, tags, nil
}

// digest tells what a revision and its service are made from. The number of
// tasks is none of it, nor what follows from it alone.
func digest(o Order) (string, error) {
	o.Spec.Replicas = 1
	r, err := Render(&o.Spec, Options{Image: o.Image, Argv: o.Argv, Env: o.Env})
	if err != nil {
		return "", err
	}
	task, err := r.TaskJSON()
	if err != nil {
		return "", err
	}
	service, err := r.ServiceJSON()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(task, service...))
	return hex.EncodeToString(sum[:16]), nil
}

// update is the same for a service that is there: what cannot be changed is left
// out.
func (r *Rendered) update(force bool) *ecs.UpdateServiceInput {
	s := r.Service
	return &ecs.UpdateServiceInput{
		Service: s.ServiceName, Cluster: s.Cluster, TaskDefinition: s.TaskDefinition, DesiredCount: s.DesiredCount, ForceNewDeployment: force,
		AvailabilityZoneRebalancing: s.AvailabilityZoneRebalancing, DeploymentConfiguration: s.DeploymentConfiguration,
		NetworkConfiguration: s.NetworkConfiguration, LoadBalancers: s.LoadBalancers, HealthCheckGracePeriodSeconds: s.HealthCheckGracePeriodSeconds,
		EnableECSManagedTags: aws.Bool(s.EnableECSManagedTags), PropagateTags: s.PropagateTags,
	}
}

// who are the tags that tell who has made a revision, and why.
func who(name, why string) []types.Tag {
	tags := []types.Tag{tag(tagWho, taggable(name))}
	if why != "" {
		tags = append(tags, tag(tagWhy, taggable(why)))
	}
	return tags
}

// taggable leaves out what a tag's value cannot hold.
func taggable(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(" _.:/=+-@", r):
			return r
		}
		return '_'
	}, s)
	return s[:min(len(s), 256)]
}

// release is the revision in a task definition's ARN or name, FAMILY:7.
func release(definition string) int {
	n, err := strconv.Atoi(definition[strings.LastIndexByte(definition, ':')+1:])
	if err != nil {
		return 0
	}
	return n
}
