package lint

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Fix is a change to a file's text that mends a finding, and leaves comments
// and layout as they are. Put and Drop make one.
type Fix struct {
	object *Object
	ops    []op
	edits  []edit // each of the file as it was read
}

// An op says what a fix is to achieve. It is found again, by its object and its
// path, in a text that other fixes have changed.
type op struct {
	path  []any
	value string
	drop  bool
}

// An edit replaces the bytes from start up to end.
type edit struct {
	start, end int
	text       string
}

func (e edit) apply(data []byte) []byte {
	return slices.Concat(data[:e.start], []byte(e.text), data[e.end:])
}

// Put is the fix that writes a value, as YAML (of a unit: the text behind =), at
// a path, and adds what keys of the path are missing. A path may end in the
// length of a list: that adds an item. It is nil where the text cannot be
// changed without a doubt: within an alias or a merged mapping, over comments.
func (o *Object) Put(value string, path ...any) *Fix { return o.fix(op{path: path, value: value}) }

// Drop is the fix that takes out what stands at a path; nil as for Put, and where
// it is the only thing in what it belongs to.
func (o *Object) Drop(path ...any) *Fix { return o.fix(op{path: path, drop: true}) }

func (o *Object) fix(what op) *Fix {
	e, ok := o.edit(what)
	if !ok {
		return nil
	}
	return &Fix{o, []op{what}, []edit{e}}
}

// And is both fixes, of one object, or nil if either is.
func (f *Fix) And(g *Fix) *Fix {
	if f == nil || g == nil || f.object.File != g.object.File || f.object.part != g.object.part {
		return nil
	}
	g = g.below(f.object)
	if g == nil {
		return nil
	}
	edits := slices.Concat(f.edits, g.edits)
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	return &Fix{f.object, slices.Concat(f.ops, g.ops), edits}
}

// below is the same fix with its paths from another object of the document.
func (f *Fix) below(o *Object) *Fix {
	if f.object == o {
		return f
	}
	if f.object.doc != o.doc || len(f.object.path) < len(o.path) || !slices.Equal(f.object.path[:len(o.path)], o.path) {
		return nil
	}
	g := &Fix{object: o, edits: f.edits}
	for _, x := range f.ops {
		x.path = slices.Concat(f.object.path[len(o.path):], x.path)
		g.ops = append(g.ops, x)
	}
	return g
}

// edit is what an op comes to in the object's file.
func (o *Object) edit(what op) (edit, bool) {
	if len(what.path) == 0 {
		return edit{}, false
	}
	if o.Unit != nil {
		return o.editUnit(what)
	}
	if what.drop {
		return o.dropYAML(what.path)
	}
	var v yaml.Node
	if err := yaml.Unmarshal([]byte(what.value), &v); err != nil || len(v.Content) != 1 {
		return edit{}, false
	}
	return o.putYAML(v.Content[0], what.path)
}

// editable walks a path as far as there is one, as walk does, but only through
// what belongs to this path alone.
func (o *Object) editable(path []any) (spot, []any, bool) {
	at := spot{value: o.root}
	path = slices.Concat(o.path, path)
	for i := range path {
		if at.value.Kind == yaml.AliasNode || at.value.Anchor != "" {
			return at, nil, false
		}
		next := child(at.value, path[i])
		if next.value == nil {
			return at, path[i:], i >= len(o.path)
		}
		if !slices.Contains(at.value.Content, next.value) {
			return at, nil, false // it is merged from elsewhere
		}
		at = next
	}
	return at, nil, at.value.Kind != yaml.AliasNode && at.value.Anchor == ""
}

// editUnit edits assignments of a section: all of a key, or, with an index, one.
func (o *Object) editUnit(what op) (edit, bool) {
	if len(what.path) < 2 {
		return edit{}, false
	}
	section, _ := what.path[0].(string)
	key, _ := what.path[1].(string)
	entries := o.Unit.All(section, key)
	if len(what.path) > 2 {
		i, ok := what.path[2].(int)
		if !ok || i < 0 || i > len(entries) {
			return edit{}, false
		}
		entries = entries[i:min(i+1, len(entries))]
	}
	end := o.File.lineEnd()
	switch {
	case what.drop && len(entries) != 1 || strings.ContainsAny(what.value, "\r\n"):
		return edit{}, false
	case what.drop:
		return o.File.lines(entries[0].Line, entries[0].Last, ""), true
	case len(entries) > 0:
		e := entries[len(entries)-1]
		return o.File.lines(e.Line, e.Last, key+"="+what.value+end), true
	}
	line := o.Unit.lastOf(section)
	if line == 0 {
		return o.File.after(o.last, end+"["+section+"]"+end+key+"="+what.value+end), true
	}
	return o.File.after(line, key+"="+what.value+end), true
}

// lastOf is the last line of a section that says something; 0 without one.
func (u *Unit) lastOf(section string) int {
	line := 0
	for _, s := range u.Sections {
		if s.Name != section {
			continue
		}
		line = s.Line
		if n := len(s.Entries); n > 0 {
			line = s.Entries[n-1].Last
		}
	}
	return line
}

// lines replaces whole lines.
func (f *File) lines(first, last int, text string) edit {
	end := f.end(last)
	if end == len(f.Data) && !endsLine(f.Data) {
		text = strings.TrimSuffix(text, f.lineEnd())
	}
	return edit{f.starts[first-1], end, text}
}

// after adds lines behind one.
func (f *File) after(line int, text string) edit {
	at := f.end(line)
	if at == len(f.Data) && !endsLine(f.Data) {
		text = f.lineEnd() + strings.TrimSuffix(text, f.lineEnd())
	}
	return edit{at, at, text}
}

func endsLine(data []byte) bool { return len(data) > 0 && data[len(data)-1] == '\n' }
