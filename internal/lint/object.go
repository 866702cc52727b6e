package lint

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// An Object is one thing that a file describes: a Kubernetes object, a service
// of a compose file, a unit. A file holds as many as it likes.
type Object struct {
	File *File
	Kind Kind
	Name string // as messages call it: "Deployment shop/web", "service web", "web.service"

	Node *yaml.Node // a mapping; nil for a unit
	Unit *Unit      // nil for YAML

	first, last int // its lines
	part, doc   int // which part of the file it is in, and which document of that
	root        *yaml.Node
	path        []any // from root to Node
}

func (o *Object) String() string { return o.Name }

// Part is an object within this one, as a service is in a compose file. It is
// nil if there is nothing at path.
func (o *Object) Part(name string, path ...any) *Object {
	node, rest := walk(o.Node, path)
	if len(rest) > 0 || node.value == nil {
		return nil
	}
	part := *o
	part.Name, part.Node = name, node.value
	part.first = node.line()
	part.last = max(part.first, lastLine(node.value))
	part.path = slices.Concat(o.path, path)
	return &part
}

// Find is the value at a path of keys (string) and indexes (int), with aliases
// and merged keys followed. nil: there is none.
func (o *Object) Find(path ...any) *yaml.Node {
	if node, rest := walk(o.Node, path); len(rest) == 0 {
		return node.value
	}
	return nil
}

// At is where a path of keys (string) and indexes (int) stands: at the key, or
// at the beginning of a list's item. If the file has no such path, it is the
// place of the nearest parent that is there; of the object, at the least.
// In a unit a path is ("Service", "ExecStart"), and a third, an int, says which
// of several lines; without it, it is the last.
func (o *Object) At(path ...any) Place {
	if o.Unit != nil {
		return o.place(o.Unit.line(path), 1)
	}
	node, _ := walk(o.Node, path)
	if node.key != nil {
		return o.place(node.key.Line, node.key.Column)
	}
	return o.place(node.value.Line, node.value.Column)
}

// Text is the scalar at a path, or "".
func (o *Object) Text(path ...any) string {
	if n := o.Find(path...); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// Keys are the keys of the mapping at a path, as they stand in the file, merged
// ones last.
func (o *Object) Keys(path ...any) []string {
	var keys []string
	_ = eachKey(o.Find(path...), func(key string, _ *yaml.Node) error {
		keys = append(keys, key)
		return nil
	})
	return keys
}

func (o *Object) place(line, column int) Place {
	return Place{File: o.File, Line: max(line, 1), Column: max(column, 1), Object: o}
}

// lastLine is the last line on which a node, or what is in it, begins.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range slices.Backward(n.Content) {
		if c.Kind != yaml.AliasNode {
			return max(last, lastLine(c))
		}
		last = max(last, c.Line)
	}
	return last
}
