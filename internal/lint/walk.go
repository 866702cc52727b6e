package lint

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// A spot is a value and the key before it, if it has one.
type spot struct{ key, value *yaml.Node }

func (s spot) line() int {
	if s.key != nil {
		return s.key.Line
	}
	return s.value.Line
}

// walk goes as far down a path as there is one, and says what remains of it.
func walk(root *yaml.Node, path []any) (spot, []any) {
	at := spot{value: root}
	for i, step := range path {
		next := child(resolve(at.value), step)
		if next.value == nil {
			return at, path[i:]
		}
		at = next
	}
	at.value = resolve(at.value)
	return at, nil
}

// child is the value of a key or an index. A key of its own counts before a
// merged one.
func child(n *yaml.Node, step any) spot {
	switch step := step.(type) {
	case int:
		if n != nil && n.Kind == yaml.SequenceNode && step >= 0 && step < len(n.Content) {
			return spot{value: n.Content[step]}
		}
	case string:
		for _, layer := range layers(n) {
			if found := own(layer, step); found.value != nil {
				return found
			}
		}
	default:
		panic(fmt.Sprintf("lint: a path of keys and indexes holds a %T", step))
	}
	return spot{}
}

// own looks for a key in a mapping itself. One that stands twice counts as it
// stands last.
func own(n *yaml.Node, key string) spot {
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		if k := resolve(n.Content[i]); k.Kind == yaml.ScalarNode && k.Value == key {
			return spot{n.Content[i], n.Content[i+1]}
		}
	}
	return spot{}
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// layers are a mapping and what << merges into it, the strongest first, each
// once: an alias may lead to itself. What is no mapping has none.
func layers(n *yaml.Node) []*yaml.Node {
	if !isMapping(n) {
		return nil
	}
	all := []*yaml.Node{n}
	for i := 0; i < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			return appendLayers(nil, n, map[*yaml.Node]bool{})
		}
	}
	return all
}

func appendLayers(all []*yaml.Node, n *yaml.Node, seen map[*yaml.Node]bool) []*yaml.Node {
	if !isMapping(n) || seen[n] {
		return all
	}
	seen[n] = true
	all = append(all, n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from := resolve(n.Content[i+1])
		if from.Kind != yaml.SequenceNode {
			all = appendLayers(all, from, seen)
			continue
		}
		for _, item := range from.Content {
			all = appendLayers(all, resolve(item), seen)
		}
	}
	return all
}

func isMapping(n *yaml.Node) bool { return n != nil && n.Kind == yaml.MappingNode }

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && key.ShortTag() == "!!merge"
}

// eachKey calls do for every key of a mapping once, own keys before merged ones.
func eachKey(n *yaml.Node, do func(key string, value *yaml.Node) error) error {
	seen := map[string]bool{}
	for _, layer := range layers(n) {
		last := make(map[string]*yaml.Node, len(layer.Content)/2)
		for i := 0; i+1 < len(layer.Content); i += 2 {
			if key := layer.Content[i]; isKey(key) {
				last[resolve(key).Value] = layer.Content[i+1]
			}
		}
		for i := 0; i+1 < len(layer.Content); i += 2 {
			key := resolve(layer.Content[i])
			if !isKey(layer.Content[i]) || seen[key.Value] {
				continue
			}
			seen[key.Value] = true
			if err := do(key.Value, last[key.Value]); err != nil {
				return err
			}
		}
	}
	return nil
}

func isKey(n *yaml.Node) bool { return resolve(n).Kind == yaml.ScalarNode && !isMerge(n) }
