// Package ecs runs a service on Amazon ECS with Fargate: it renders the task
// definition and the service that lose no request, and has ECS deploy them. ECS
// itself does the rollout; this package tells it how, shows what it tells, and
// explains what it refuses. None of it was ever tried on AWS, only against a
// server that answers in the shapes of the published API.
//
// The arithmetic is that of the other engines, in package deploy. No value of
// the environment is written anywhere, but for those that the service calls
// plain.
package ecs

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/seguehq/segue/internal/deploy"
)

// Options are what the service itself does not say.
type Options struct {
	Image string             // reference, by digest where it is known; "" that of the service
	Argv  []string           // command in the image; nil that of the service
	Env   deploy.Environment // only the values of plain variables are looked at
}

// Rendered is what runs a service.
type Rendered struct {
	Task    *ecs.RegisterTaskDefinitionInput
	Service *ecs.CreateServiceInput // its TaskDefinition is the family: the newest revision

	// Of the target groups, which ECS leaves as they are; none without a balancer.
	Attributes   []TargetGroupAttributes
	HealthChecks []TargetGroupHealth

	Notes []string // what is otherwise than on one machine, or left to be done, in a sentence each
}

// A renderer gathers notes and faults while it renders.
type renderer struct {
	spec   *deploy.Service
	set    deploy.ECS
	o      Options
	notes  []string
	faults Faults
}

// Render gives what runs the service on ECS. Its error is a Faults: all that
// ECS cannot do, or would do otherwise than is asked.
func Render(spec *deploy.Service, o Options) (*Rendered, error) {
	r := &renderer{spec: spec, set: settings(spec), o: o}
	out := &Rendered{Task: r.task(), Service: r.service()}
	out.Attributes, out.HealthChecks = r.targetGroups()
	r.apart()
	out.Notes = r.notes
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return out, nil
}

// settings are the service's for ECS, with the defaults filled in.
func settings(spec *deploy.Service) deploy.ECS {
	var set deploy.ECS
	if spec.ECS != nil {
		set = *spec.ECS
	}
	fill(&set.CPU, 256)
	fill(&set.Memory, 512)
	fill(&set.User, 65532)
	fill(&set.Cluster, "default")
	if set.Writable == nil {
		set.Writable = []string{"/tmp"}
	}
	return set
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (r *renderer) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// A Fault is something that cannot be had on ECS.
type Fault struct {
	Key  string // of segue.yaml
	What string
	Mend string
}

// Faults are all of a service's.
type Faults []Fault

// Error implements error.
func (f Faults) Error() string {
	text := ""
	for i, fault := range f {
		if i > 0 {
			text += "\n"
		}
		text += fmt.Sprintf("%s: %s; %s", fault.Key, fault.What, fault.Mend)
	}
	return text
}

func (r *renderer) fault(key, mend, what string, args ...any) {
	r.faults = append(r.faults, Fault{key, fmt.Sprintf(what, args...), mend})
}

// apart tells of what Segue's own agent and proxy do, and nobody on ECS.
func (r *renderer) apart() {
	s := r.spec
	if n := len(s.Hooks.Before) + len(s.Hooks.Between) + len(s.Hooks.After) + len(s.Prepare); n > 0 {
		r.fault("hooks", "run them in the pipeline before `segue deploy` (aws ecs run-task with the new task definition), and take them out here",
			"ECS has nobody who runs a hook")
	}
	if s.Migrate != nil {
		r.fault("migrate", "say `segue migrate expand` and `segue migrate backfill` in the pipeline before `segue deploy`, and `segue migrate contract` when the tasks of the old release are gone, each with --dir and --url-from; and take the block out here",
			"ECS has nobody who changes a database")
	}
	if len(s.Strategy.Checks) > 0 && len(r.set.Alarms) == 0 {
		r.fault("strategy.checks", "make CloudWatch alarms of them and name those under ecs.alarms: ECS undoes a deploy during which one goes off",
			"ECS asks none of them, and would take any release for good")
	}
	if s.Stop.Signal != "TERM" && s.Stop.Signal != "" {
		r.note("stop.signal: ECS sends the image's STOPSIGNAL, or SIGTERM: the image must say STOPSIGNAL SIG%s", s.Stop.Signal)
	}
	if d := s.Strategy.MinReady; d > 0 && s.Strategy.Type == deploy.Rolling {
		r.note("strategy.min_ready: ECS counts a task as soon as it is healthy, and knows no such wait")
	}
}
