package lint

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// putYAML finds the edit that writes a value at a path.
func (o *Object) putYAML(v *yaml.Node, path []any) (edit, bool) {
	at, rest, ok := o.editable(path)
	if !ok {
		return edit{}, false
	}
	if len(rest) == 0 {
		return o.replace(at, v)
	}
	v, ok = wrap(v, rest[1:])
	if !ok {
		return edit{}, false
	}
	switch step := rest[0].(type) {
	case string:
		return o.putKey(at, step, v)
	case int:
		return o.putItem(at, step, v)
	}
	return edit{}, false
}

// wrap puts a value into the mappings and lists that a path still wants.
func wrap(v *yaml.Node, path []any) (*yaml.Node, bool) {
	for _, step := range slices.Backward(path) {
		switch step := step.(type) {
		case string:
			v = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{keyNode(step), v}}
		case int:
			if step != 0 {
				return nil, false
			}
			v = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{v}}
		}
	}
	return v, true
}

func keyNode(key string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
}

func (o *Object) putKey(at spot, key string, v *yaml.Node) (edit, bool) {
	m := at.value
	entry := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{keyNode(key), v}}
	switch {
	case isNothing(m):
		return o.replace(at, entry)
	case m.Kind != yaml.MappingNode:
		return edit{}, false
	case m.Style&yaml.FlowStyle != 0:
		return o.intoFlow(m, entry)
	}
	first := m.Content[0]
	text, ok := o.block(entry, first.Column-1)
	if !ok {
		return edit{}, false
	}
	return o.File.after(o.lineBefore(m, v), text), true
}

// lineBefore is the line of a mapping behind which a new key goes: what is
// longest comes last, so that a setting of a Deployment stands before its
// template, and of a pod before its containers.
func (o *Object) lineBefore(m, v *yaml.Node) int {
	for i := 2; i < len(m.Content); i += 2 {
		switch m.Content[i].Value {
		case "template", "containers", "initContainers", "jobTemplate":
			return o.endOf(m.Content[i-2], m.Content[i-1])
		}
	}
	last := len(m.Content) - 2
	return o.endOf(m.Content[last], m.Content[last+1])
}

func (o *Object) putItem(at spot, i int, v *yaml.Node) (edit, bool) {
	list := at.value
	if list.Kind != yaml.SequenceNode || i != len(list.Content) {
		return edit{}, false
	}
	items := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{v}}
	if list.Style&yaml.FlowStyle != 0 {
		return o.intoFlow(list, items)
	}
	text, ok := o.block(items, list.Column-1)
	if !ok {
		return edit{}, false
	}
	last := list.Content[len(list.Content)-1]
	return o.File.after(o.endOf(list, last), text), true
}

// replace writes another value in place of one.
func (o *Object) replace(at spot, v *yaml.Node) (edit, bool) {
	old := at.value
	start := o.File.offset(old.Line, old.Column)
	switch {
	case old.Kind == yaml.ScalarNode && old.Value == "" && isNothing(old):
		return o.fill(at, start, v)
	case old.Kind == yaml.ScalarNode || old.Style&yaml.FlowStyle != 0:
		end, ok := o.File.tokenEnd(old, start)
		if !ok {
			return edit{}, false
		}
		text, ok := o.inline(v)
		return edit{start, end, text}, ok
	case at.key == nil || at.key.Line == old.Line:
		return edit{}, false
	}
	// A block below its key: all its lines are replaced, unless comments would go.
	last := o.endOf(at.key, old)
	for n := at.key.Line + 1; n <= last; n++ {
		if bytes.ContainsRune(o.File.bytes(n), '#') {
			return edit{}, false
		}
	}
	text, ok := o.block(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{keyNode(at.key.Value), v}}, at.key.Column-1)
	if !ok {
		return edit{}, false
	}
	return o.under(at.key, last, text), true
}

// fill writes a value where there is none, behind a key or a dash.
func (o *Object) fill(at spot, start int, v *yaml.Node) (edit, bool) {
	if at.key == nil || v.Kind == yaml.ScalarNode || v.Style&yaml.FlowStyle != 0 {
		text, ok := o.inline(v)
		return edit{start, start, " " + text}, ok
	}
	text, ok := o.block(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{keyNode(at.key.Value), v}}, at.key.Column-1)
	if !ok {
		return edit{}, false
	}
	return o.under(at.key, at.key.Line, text), true
}

// under replaces the lines below a key's, up to last, by those of a text whose
// first line is the key's own.
func (o *Object) under(key *yaml.Node, last int, text string) edit {
	_, below, _ := strings.Cut(text, o.File.lineEnd())
	if last > key.Line {
		return o.File.lines(key.Line+1, last, below)
	}
	return o.File.after(key.Line, below)
}

// intoFlow adds an entry to what is written in braces or brackets.
func (o *Object) intoFlow(list, entry *yaml.Node) (edit, bool) {
	start := o.File.offset(list.Line, list.Column)
	end, ok := o.File.flowEnd(start)
	if !ok {
		return edit{}, false
	}
	inside := o.File.Data[start : end-1]
	text, ok := o.inline(entry)
	if !ok {
		return edit{}, false
	}
	text = text[1 : len(text)-1]
	last := start + len(bytes.TrimRight(inside, " \t\r\n"))
	switch {
	case len(list.Content) == 0:
		return edit{start + 1, start + 1, text}, true
	case o.File.Data[last-1] == ',':
		return edit{last, last, " " + text}, true
	case bytes.ContainsRune(o.File.Data[last:end-1], '\n'): // the bracket stands on a line of its own
		n, _ := o.File.position(last - 1)
		return edit{last, last, "," + o.File.lineEnd() + strings.Repeat(" ", indentation(o.File.bytes(n))) + text}, true
	}
	return edit{last, last, ", " + text}, true
}

// dropYAML finds the edit that takes out a key or an item of a block.
func (o *Object) dropYAML(path []any) (edit, bool) {
	at, rest, ok := o.editable(path)
	if !ok || len(rest) > 0 {
		return edit{}, false
	}
	parent, _, _ := o.editable(path[:len(path)-1])
	entries, begin := len(parent.value.Content), at.value
	if at.key != nil {
		entries, begin = entries/2, at.key
	}
	if entries < 2 || parent.value.Style&yaml.FlowStyle != 0 {
		return edit{}, false
	}
	before := o.File.Data[o.File.starts[begin.Line-1]:o.File.offset(begin.Line, begin.Column)]
	if at.key == nil {
		before = bytes.Replace(before, []byte("-"), []byte(" "), 1)
		begin = parent.value
	}
	if len(bytes.TrimLeft(before, " ")) > 0 {
		return edit{}, false
	}
	line := at.value.Line
	if at.key != nil {
		line = at.key.Line
	}
	return o.File.lines(line, o.endOf(begin, at.value), ""), true
}
