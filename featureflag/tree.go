package featureflag

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// What a targeting may be at most, with what its $refs stand for. Both are far
// beyond what anybody writes, and small enough to be evaluated.
const (
	maxDepth  = 200
	maxValues = 100_000
)

// A resolver puts shared evaluators ("$evaluators") in the place of {"$ref": name}.
type resolver struct {
	shared map[string]*evaluator
}

type evaluator struct {
	tree   any
	err    error
	depth  int
	values int
	busy   bool // it is being resolved: who meets it again refers to himself
	done   bool
}

func newResolver(raw map[string]json.RawMessage) *resolver {
	r := &resolver{shared: make(map[string]*evaluator, len(raw))}
	for name, data := range raw {
		e := &evaluator{}
		e.err = json.Unmarshal(data, &e.tree)
		r.shared[name] = e
	}
	return r
}

// targeting gives the tree of a flag's targeting, ready to be compiled.
func (r *resolver) targeting(raw json.RawMessage) (any, error) {
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	e := &evaluator{tree: tree}
	r.resolve(e)
	return e.tree, e.err
}

func (r *resolver) resolve(e *evaluator) {
	if e.done || e.err != nil {
		return
	}
	e.busy = true
	e.tree, e.err = r.walk(e, e.tree, 1)
	e.busy, e.done = false, true
}

// walk resolves what is at a depth of e's tree, and counts it.
func (r *resolver) walk(e *evaluator, tree any, depth int) (any, error) {
	if err := e.count(depth, 1); err != nil {
		return nil, err
	}
	switch t := tree.(type) {
	case []any:
		for i := range t {
			var err error
			if t[i], err = r.walk(e, t[i], depth+1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if name, ok := t["$ref"]; ok && len(t) == 1 {
			return r.refer(e, name, depth)
		}
		for _, key := range keysOf(t) {
			var err error
			if t[key], err = r.walk(e, t[key], depth+1); err != nil {
				return nil, err
			}
		}
	}
	return tree, nil
}

func (r *resolver) refer(e *evaluator, name any, depth int) (any, error) {
	s, ok := name.(string)
	if !ok {
		return nil, fmt.Errorf("$ref %v is no name", name)
	}
	to, ok := r.shared[s]
	switch {
	case !ok:
		return nil, fmt.Errorf("$ref %q: there is no such one in $evaluators", s)
	case to.busy:
		return nil, fmt.Errorf("$ref %q refers to itself", s)
	}
	r.resolve(to)
	if to.err != nil {
		return nil, fmt.Errorf("$ref %q: %w", s, to.err)
	}
	return to.tree, e.count(depth+to.depth, to.values)
}

func (e *evaluator) count(depth, values int) error {
	e.depth = max(e.depth, depth)
	e.values += values
	if e.depth > maxDepth {
		return fmt.Errorf("it is more than %d levels deep", maxDepth)
	}
	if e.values > maxValues {
		return fmt.Errorf("it has more than %d values", maxValues)
	}
	return nil
}

func keysOf(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var errNested = errors.New("one of all, filter, map, none, reduce, some stands within what another does with each element: that can take for ever")

// check refuses what the library would refuse when it comes to it, and what it might
// not come to an end with.
func check(tree any, within bool) error {
	switch t := tree.(type) {
	case []any:
		for _, x := range t {
			if err := check(x, within); err != nil {
				return err
			}
		}
	case map[string]any:
		if len(t) != 1 { // data
			return nil
		}
		for name, args := range t {
			return checkOperator(name, args, within)
		}
	}
	return nil
}

func checkOperator(name string, args any, within bool) error {
	if !operators[name] {
		return fmt.Errorf("there is no operator %q", name)
	}
	list, ok := args.([]any)
	if !iterating[name] || !ok || len(list) == 0 {
		return check(args, within)
	}
	if within {
		return errNested
	}
	if err := check(list[0], within); err != nil {
		return err
	}
	return check(list[1:], true)
}

// iterating operators apply their second argument to each element of their first.
var iterating = map[string]bool{"all": true, "filter": true, "map": true, "none": true, "reduce": true, "some": true}

// operators are those of JsonLogic, of the library and of flagd.
var operators = map[string]bool{
	"and": true, "or": true, "!": true, "!!": true, "if": true, "?:": true, "var": true,
	"==": true, "===": true, "!=": true, "!==": true, "<": true, "<=": true, ">": true, ">=": true,
	"in": true, "cat": true, "substr": true, "missing": true, "missing_some": true, "merge": true, "set": true,
	"filter": true, "map": true, "reduce": true, "all": true, "none": true, "some": true,
	"max": true, "min": true, "+": true, "-": true, "*": true, "/": true, "%": true, "abs": true,
	"contains_all": true, "contains_any": true, "contains_none": true,
	"fractional": true, "starts_with": true, "ends_with": true, "sem_ver": true,
}
