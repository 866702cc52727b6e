package ecstest

import (
	"fmt"
	"slices"
)

// A service is one of ECS, with what became of it.
type service struct {
	in          object // as it was made, and changed since
	definition  string // ARN
	desired     int
	running     int
	events      []object
	deployments []*deployment // the newest first
	stopped     []object
}

// A deployment is a service's way to a revision.
type deployment struct {
	arn      string
	from, to string // task definitions; "" none
	status   string
	stage    string
	reason   string
	hook     string // a pause that waits
	passed   bool   // somebody has let it go on
	failed   int
	began    float64
	ended    float64
}

func (d *deployment) over() bool {
	return slices.Contains([]string{"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}, d.status)
}

func (s *Server) create(in object) object {
	if s.services == nil {
		s.services = map[string]*service{}
	}
	name := text(in["serviceName"])
	v := &service{in: in, desired: number(in["desiredCount"])}
	s.services[name] = v
	s.begin(name, v, text(in["taskDefinition"]))
	return object{"service": s.show(name, v)}
}

func (s *Server) update(in object) (object, *refusal) {
	name := text(in["service"])
	v := s.services[name]
	if v == nil {
		return nil, &refusal{"ServiceNotFoundException", "Service not found."}
	}
	for k, value := range in {
		v.in[k] = value
	}
	if n, ok := in["desiredCount"]; ok {
		v.desired = number(n)
	}
	to := v.definition
	if d := s.definition(text(in["taskDefinition"])); d != nil {
		to = text(d["taskDefinitionArn"])
	}
	if force, _ := in["forceNewDeployment"].(bool); force || to != v.definition {
		s.begin(name, v, to)
	}
	return object{"service": s.show(name, v)}, nil
}

func (s *Server) begin(name string, v *service, definition string) {
	s.serial++
	d := s.definition(definition)
	v.deployments = append([]*deployment{{
		arn: arn("service-deployment", fmt.Sprintf("default/%s/d%d", name, s.serial)), from: v.definition, to: text(d["taskDefinitionArn"]),
		status: "PENDING", began: now() + float64(s.serial)/1000,
	}}, v.deployments...)
	v.definition = text(d["taskDefinitionArn"])
}

// step takes the service one step on.
func (s *Server) step(name string, v *service) {
	if len(v.deployments) == 0 || v.deployments[0].over() {
		v.running = v.desired
		return
	}
	d := v.deployments[0]
	bad := s.bad[revision(d.to)]
	switch {
	case d.status == "PENDING":
		d.status, d.stage = "IN_PROGRESS", "SCALE_UP"
		v.tell(s, "(service %s) has started 1 tasks: (task 0123456789abcdef).", name)
	case d.status == "ROLLBACK_REQUESTED":
		d.status = "ROLLBACK_IN_PROGRESS"
	case d.status == "ROLLBACK_IN_PROGRESS":
		s.back(name, v, d)
	case bad != nil && d.failed < 3:
		s.fall(v, d, bad)
	case bad != nil:
		d.status, d.reason = "ROLLBACK_IN_PROGRESS", "Service deployment rolled back because the circuit breaker threshold was exceeded."
	case pauses(v) && !d.passed:
		d.stage, d.hook = "PRE_PRODUCTION_TRAFFIC_SHIFT", "ecs-pause-"+after(d.arn)
	default:
		d.status, d.stage, d.ended, v.running = "SUCCESSFUL", "CLEAN_UP", now(), v.desired
		v.tell(s, "(service %s) has reached a steady state.", name)
	}
}

func (s *Server) fall(v *service, d *deployment, bad object) {
	d.failed++
	t := object{"taskArn": arn("task", fmt.Sprintf("default/%08x", d.failed)), "taskDefinitionArn": d.to, "lastStatus": "STOPPED", "stoppedAt": now()}
	for k, value := range bad {
		t[k] = value
	}
	v.stopped = append(v.stopped, t)
}

// back ends a deployment where it began; the first one has nothing to go back to.
func (s *Server) back(name string, v *service, d *deployment) {
	d.status, d.ended = "ROLLBACK_SUCCESSFUL", now()
	if d.from == "" {
		d.status = "ROLLBACK_FAILED"
		return
	}
	v.definition = d.from
	v.tell(s, "(service %s) rolled back.", name)
}

func pauses(v *service) bool {
	c, _ := v.in["deploymentConfiguration"].(object)
	hooks, _ := c["lifecycleHooks"].([]any)
	return len(hooks) > 0
}

func (v *service) tell(s *Server, format string, args ...any) {
	s.serial++
	v.events = append([]object{{"id": fmt.Sprint("e", s.serial), "createdAt": now(), "message": fmt.Sprintf(format, args...)}}, v.events...)
}

func (s *Server) describe(in object) object {
	names, _ := in["services"].([]any)
	found, failures := []object{}, []object{}
	for _, n := range names {
		name := text(n)
		v := s.services[name]
		if v == nil {
			failures = append(failures, object{"arn": arn("service", "default/"+name), "reason": "MISSING"})
			continue
		}
		s.step(name, v)
		found = append(found, s.show(name, v))
	}
	return object{"services": found, "failures": failures}
}

func (s *Server) show(name string, v *service) object {
	deployments := []object{}
	if len(v.deployments) > 0 {
		d := v.deployments[0]
		deployments = append(deployments, object{"id": "ecs-svc/" + after(d.arn), "status": "PRIMARY", "taskDefinition": d.to,
			"desiredCount": v.desired, "runningCount": v.running, "pendingCount": 0, "failedTasks": d.failed})
	}
	return object{"serviceName": name, "serviceArn": arn("service", "default/"+name), "status": "ACTIVE", "taskDefinition": v.definition,
		"desiredCount": v.desired, "runningCount": v.running, "pendingCount": 0, "events": v.events, "deployments": deployments,
		"launchType": "FARGATE", "deploymentController": object{"type": "ECS"}}
}
