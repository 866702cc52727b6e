package ecstest

import (
	"strings"
)

func (s *Server) listDeployments(name string) (object, *refusal) {
	v := s.services[name]
	if v == nil {
		return nil, &refusal{"ServiceNotFoundException", "Service not found."}
	}
	all := []object{}
	for _, d := range v.deployments {
		all = append(all, object{"serviceDeploymentArn": d.arn, "status": d.status, "createdAt": d.began, "startedAt": d.began})
	}
	return object{"serviceDeployments": all}, nil
}

func (s *Server) describeDeployments(in object) object {
	arns, _ := in["serviceDeploymentArns"].([]any)
	found := []object{}
	for _, a := range arns {
		if d := s.deployment(text(a)); d != nil {
			found = append(found, d.show())
		}
	}
	return object{"serviceDeployments": found, "failures": []object{}}
}

func (s *Server) deployment(arn string) *deployment {
	for _, v := range s.services {
		for _, d := range v.deployments {
			if d.arn == arn {
				return d
			}
		}
	}
	return nil
}

func (d *deployment) show() object {
	out := object{"serviceDeploymentArn": d.arn, "status": d.status, "lifecycleStage": d.stage, "createdAt": d.began, "startedAt": d.began,
		"targetServiceRevision": object{"arn": revisionOf(d.to)}}
	if d.from != "" {
		out["sourceServiceRevisions"] = []object{{"arn": revisionOf(d.from)}}
	}
	if d.reason != "" {
		out["statusReason"] = d.reason
	}
	if d.ended > 0 {
		out["finishedAt"] = d.ended
	}
	if d.hook != "" && !d.passed {
		out["lifecycleHookDetails"] = []object{{"hookId": d.hook, "targetType": "PAUSE", "status": "AWAITING_ACTION", "expiresAt": now() + 86400, "timeoutAction": "ROLLBACK"}}
	}
	return out
}

// revisionOf is the service revision of a task definition: here there is one for
// each.
func revisionOf(definition string) string {
	return arn("service-revision", "default/"+strings.ReplaceAll(after(definition), ":", "-"))
}

func describeRevisions(in object) object {
	arns, _ := in["serviceRevisionArns"].([]any)
	found := []object{}
	for _, a := range arns {
		name := after(text(a))
		n := strings.LastIndexByte(name, '-')
		found = append(found, object{"serviceRevisionArn": a, "taskDefinition": arn("task-definition", name[:n]+":"+name[n+1:])})
	}
	return object{"serviceRevisions": found, "failures": []object{}}
}

func (s *Server) steer(action string, in object) object {
	d := s.deployment(text(in["serviceDeploymentArn"]))
	switch {
	case d == nil:
	case action == "StopServiceDeployment":
		d.status, d.reason = "ROLLBACK_REQUESTED", "Service deployment was stopped by a user."
	case text(in["hookId"]) == d.hook:
		d.passed = true
	}
	return object{"serviceDeploymentArn": in["serviceDeploymentArn"]}
}

func (s *Server) listTasks(in object) object {
	arns := []string{}
	if v := s.services[text(in["serviceName"])]; v != nil && text(in["desiredStatus"]) == "STOPPED" {
		for _, t := range v.stopped {
			arns = append(arns, text(t["taskArn"]))
		}
	}
	return object{"taskArns": arns}
}

func (s *Server) describeTasks(in object) object {
	wanted, _ := in["tasks"].([]any)
	found := []object{}
	for _, v := range s.services {
		for _, t := range v.stopped {
			for _, w := range wanted {
				if w == t["taskArn"] {
					found = append(found, t)
				}
			}
		}
	}
	return object{"tasks": found, "failures": []object{}}
}
