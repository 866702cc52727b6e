package ecs

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Status is what ECS says of a service.
type Status struct {
	Service    string     `json:"service"`
	Release    int        `json:"release"` // that it is to be, or is; 0: it is down
	Desired    int        `json:"desired"`
	Running    int        `json:"running"`
	Starting   int        `json:"starting"`
	Deployment string     `json:"deployment,omitempty"` // "" none is under way
	Waits      bool       `json:"waits,omitempty"`      // for `segue promote`
	Tasks      []Task     `json:"tasks"`
	Last       *LastEvent `json:"last,omitempty"`
}

// A Task is one copy of the program.
type Task struct {
	ID      string    `json:"id"`
	Release int       `json:"release"`
	State   string    `json:"state"`  // ECS' word: pending, running, deactivating …
	Health  string    `json:"health"` // of an exec probe; "" there is none
	Zone    string    `json:"zone"`
	Since   time.Time `json:"since,omitzero"`
}

// LastEvent is the last thing that ECS has told of a service.
type LastEvent struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Status looks at a service. One that is not there is down.
func (c *Cluster) Status(ctx context.Context, service string) (Status, error) {
	st := Status{Service: service}
	s, err := c.find(ctx, service)
	if err != nil || s == nil {
		return st, err
	}
	st.Release, st.Desired = release(aws.ToString(s.TaskDefinition)), int(s.DesiredCount)
	st.Running, st.Starting = int(s.RunningCount), int(s.PendingCount)
	if len(s.Events) > 0 {
		st.Last = &LastEvent{aws.ToTime(s.Events[0].CreatedAt), aws.ToString(s.Events[0].Message)}
	}
	brief, err := c.newest(ctx, service)
	if err != nil {
		return st, err
	}
	if brief != nil && !over(brief.Status) {
		d, err := c.deployment(ctx, aws.ToString(brief.ServiceDeploymentArn))
		if err != nil {
			return st, err
		}
		st.Deployment, st.Waits = strings.ToLower(string(d.Status)+" "+string(d.LifecycleStage)), awaits(d) != nil
	}
	tasks, err := c.tasks(ctx, service, types.DesiredStatusRunning)
	if err != nil {
		return st, err
	}
	for _, t := range tasks {
		st.Tasks = append(st.Tasks, taskOf(t))
	}
	return st, nil
}

func taskOf(t types.Task) Task {
	arn := aws.ToString(t.TaskArn)
	out := Task{ID: arn[strings.LastIndexByte(arn, '/')+1:], Release: release(aws.ToString(t.TaskDefinitionArn)),
		State: strings.ToLower(aws.ToString(t.LastStatus)), Zone: aws.ToString(t.AvailabilityZone), Since: aws.ToTime(t.CreatedAt)}
	if t.HealthStatus != types.HealthStatusUnknown {
		out.Health = strings.ToLower(string(t.HealthStatus))
	}
	return out
}
