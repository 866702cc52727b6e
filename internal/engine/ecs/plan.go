package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// A Plan is what Deploy would do.
type Plan struct {
	Service string   `json:"service"`
	From    int      `json:"from"`              // release; 0: none
	Nothing bool     `json:"nothing,omitempty"` // all is as asked
	Before  int      `json:"before"`            // tasks wanted now, and then
	After   int      `json:"after"`
	Changes []Change `json:"changes,omitempty"` // of the task definition; none for the first
	Notes   []string `json:"notes,omitempty"`
}

// A Change is a setting that becomes another.
type Change struct {
	Path string `json:"path"` // containerDefinitions.0.image
	From string `json:"from"` // "" it is not there
	To   string `json:"to"`
}

// Plan tells what Deploy would do, and changes nothing.
func (c *Cluster) Plan(ctx context.Context, o Order) (Plan, error) {
	p := Plan{Service: o.Spec.Name, After: o.Spec.Replicas}
	r, err := Render(&o.Spec, Options{Image: o.Image, Argv: o.Argv, Env: o.Env})
	if err != nil {
		return p, err
	}
	p.Notes = r.Notes
	s, err := c.find(ctx, o.Spec.Name)
	if err != nil || s == nil {
		return p, err
	}
	p.From, p.Before = release(aws.ToString(s.TaskDefinition)), int(s.DesiredCount)
	is, tags, err := c.definition(ctx, aws.ToString(s.TaskDefinition))
	if err != nil {
		return p, err
	}
	sum, err := digest(o)
	if err != nil {
		return p, err
	}
	p.Nothing = !o.Force && tags[tagDigest] == sum && p.Before == p.After
	p.Changes, err = changes(is, r)
	return p, err
}

// changes compares what is with what is rendered. What ECS has filled in by
// itself is no change.
func changes(is *types.TaskDefinition, r *Rendered) ([]Change, error) {
	before, err := (&Rendered{Task: &ecs.RegisterTaskDefinitionInput{
		Family: is.Family, RequiresCompatibilities: is.RequiresCompatibilities, NetworkMode: is.NetworkMode, RuntimePlatform: is.RuntimePlatform,
		Cpu: is.Cpu, Memory: is.Memory, ExecutionRoleArn: is.ExecutionRoleArn, TaskRoleArn: is.TaskRoleArn,
		ContainerDefinitions: is.ContainerDefinitions,
	}}).TaskJSON()
	if err != nil {
		return nil, err
	}
	task := *r.Task
	task.Tags = nil
	after, err := (&Rendered{Task: &task}).TaskJSON()
	if err != nil {
		return nil, err
	}
	was, err := flat(before)
	if err != nil {
		return nil, err
	}
	will, err := flat(after)
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, path := range slices.Sorted(maps.Keys(will)) {
		if was[path] != will[path] {
			out = append(out, Change{path, was[path], will[path]})
		}
	}
	return out, nil
}

// flat gives the values of a JSON document by their paths.
func flat(text []byte) (map[string]string, error) {
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, errors.Join(errors.New("what the SDK has written is no JSON"), err)
	}
	out := map[string]string{}
	flatten(out, "", doc)
	return out, nil
}

func flatten(out map[string]string, path string, v any) {
	join := func(key string) string {
		if path == "" {
			return key
		}
		return path + "." + key
	}
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			flatten(out, join(k), inner)
		}
	case []any:
		for i, inner := range v {
			flatten(out, join(key(i, inner)), inner)
		}
	default:
		out[path] = fmt.Sprint(v)
	}
}

// key is the name of what has one, so that a variable which is added moves no
// others, or else its place.
func key(i int, v any) string {
	if m, ok := v.(map[string]any); ok {
		if name, ok := m["name"].(string); ok {
			return name
		}
	}
	return strconv.Itoa(i)
}
