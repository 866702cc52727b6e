package ecstest

import (
	"fmt"
	"maps"
	"strings"
)

func (s *Server) register(in object) object {
	if s.families == nil {
		s.families = map[string][]object{}
	}
	family := text(in["family"])
	d := maps.Clone(in)
	n := len(s.families[family]) + 1
	d["revision"], d["status"], d["registeredAt"] = n, "ACTIVE", now()
	d["taskDefinitionArn"] = arn("task-definition", fmt.Sprintf("%s:%d", family, n))
	s.families[family] = append(s.families[family], d)
	return shown(d)
}

// shown keeps tags beside a definition, where the API has them.
func shown(d object) object {
	d = maps.Clone(d)
	tags := d["tags"]
	delete(d, "tags")
	return object{"taskDefinition": d, "tags": tags}
}

func (s *Server) definition(name string) object {
	name = after(name)
	family, _, _ := strings.Cut(name, ":")
	all := s.families[family]
	n := revision(name)
	if n == 0 {
		n = len(all)
	}
	if n < 1 || n > len(all) {
		return nil
	}
	return all[n-1]
}

func (s *Server) describeDefinition(name string) (object, *refusal) {
	d := s.definition(name)
	if d == nil {
		return nil, &refusal{"ClientException", "Unable to describe task definition."}
	}
	return shown(d), nil
}

func (s *Server) listDefinitions(family string) object {
	arns := []string{}
	for _, d := range s.families[family] {
		arns = append([]string{text(d["taskDefinitionArn"])}, arns...)
	}
	return object{"taskDefinitionArns": arns}
}
