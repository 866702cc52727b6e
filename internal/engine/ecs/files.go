package ecs

import (
	"fmt"

	"github.com/seguehq/segue/internal/deploy"
)

// A File is one that the AWS CLI takes.
type File struct {
	Kind    string // "task-definition", "service" …
	Name    string // SERVICE.KIND.json
	Data    []byte
	Command string // that takes it, without its --cli-input-json
}

// Files are those of a rendered service, in the order in which they are of use.
func (r *Rendered) Files(spec *deploy.Service) ([]File, error) {
	task, err := r.TaskJSON()
	if err != nil {
		return nil, err
	}
	service, err := r.ServiceJSON()
	if err != nil {
		return nil, err
	}
	var out []File
	add := func(kind, command string, data []byte) {
		out = append(out, File{kind, spec.Name + "." + kind + ".json", data, "aws " + command})
	}
	for i := range r.Attributes {
		number := ""
		if i > 0 {
			number = fmt.Sprintf("-%d", i+1)
		}
		attributes, err := indented(r.Attributes[i])
		if err != nil {
			return nil, err
		}
		health, err := indented(r.HealthChecks[i])
		if err != nil {
			return nil, err
		}
		add("target-group-attributes"+number, "elbv2 modify-target-group-attributes", attributes)
		add("target-group-health"+number, "elbv2 modify-target-group", health)
	}
	add("task-definition", "ecs register-task-definition", task)
	add("service", "ecs create-service", service)
	return out, nil
}
