package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// maxPasses bounds how often files are fixed and looked at again: a fix may
// bring another finding to light.
const maxPasses = 5

// A Change is what fixes have made of a file.
type Change struct {
	Before, After *File
	Fixed         []Finding // places are those before the fix
}

// Fix mends what can be mended, in memory, and lints what came out of it.
func (l *Linter) Fix(files []*File, o Options) ([]Change, *Result) {
	now := slices.Clone(files)
	fixed := make([][]Finding, len(files))
	r := l.Run(now, o)
	for range maxPasses {
		any := false
		for i, f := range now {
			after, done := applyAll(f, r.Findings)
			if len(done) == 0 {
				continue
			}
			any = true
			now[i] = after
			fixed[i] = append(fixed[i], done...)
		}
		if !any {
			break
		}
		r = l.Run(now, o)
	}
	var changes []Change
	for i := range files {
		if !bytes.Equal(files[i].Data, now[i].Data) {
			changes = append(changes, Change{files[i], now[i], fixed[i]})
		}
	}
	return changes, r
}

// applyAll applies the fixes of a file, one after another, each to what the one
// before has left. Of two that set one thing to different values only the first
// is applied: the next pass tells what is then still wrong.
func applyAll(f *File, findings []Finding) (*File, []Finding) {
	byPart := map[int][]Finding{}
	for _, x := range findings {
		if x.Fix != nil && x.At.File == f {
			byPart[x.Fix.object.part] = append(byPart[x.Fix.object.part], x)
		}
	}
	if len(byPart) == 0 {
		return f, nil
	}
	texts := f.texts()
	var done []Finding
	for part := range texts {
		set := map[string]string{}
		for _, x := range byPart[part] {
			after, ok := x.Fix.apply(f.Name, texts[part], set)
			if ok && !bytes.Equal(after, texts[part]) {
				texts[part] = after
				done = append(done, x)
			}
		}
	}
	return NewFile(f.Name, slices.Concat(texts...)), done
}

// texts are the parts of a file, so that together they are all of it.
func (f *File) texts() [][]byte {
	parts, _ := cut(f)
	var texts [][]byte
	from := 0
	for i := range parts {
		to := len(f.Data)
		if i+1 < len(parts) {
			to = f.starts[parts[i+1].line()-1]
		}
		texts = append(texts, f.Data[from:to])
		from = to
	}
	return texts
}

// apply applies all of a fix to the text of its part, or nothing. What was set
// is noted in set.
func (x *Fix) apply(name string, text []byte, set map[string]string) ([]byte, bool) {
	for _, what := range x.ops {
		path := fmt.Sprint(x.object.doc, slices.Concat(x.object.path, what.path))
		if other, ok := set[path]; ok && other != what.value {
			return nil, false
		}
		set[path] = what.value
	}
	for _, what := range x.ops {
		o := x.object.again(name, text)
		if o == nil {
			return nil, false
		}
		e, ok := o.edit(what)
		if !ok {
			return nil, false
		}
		after := e.apply(text)
		if !achieved(name, text, after, o, what) {
			return nil, false
		}
		text = after
	}
	return text, true
}

// again is the same object as it stands in another text of its part.
func (o *Object) again(name string, text []byte) *Object {
	f := NewFile(name, text)
	loaded := Load(f)
	if len(loaded.Problems) > 0 {
		return nil
	}
	for _, x := range loaded.Objects {
		if x.part != 0 || x.doc != o.doc || len(x.path) > len(o.path) || !equalPaths(x.path, o.path[:len(x.path)]) || x.Kind != o.Kind {
			continue
		}
		if x.Unit != nil || len(x.path) == len(o.path) {
			return x
		}
		return x.Part(o.Name, o.path[len(x.path):]...)
	}
	return nil
}

func equalPaths(a, b []any) bool { return reflect.DeepEqual(a, b) || len(a)+len(b) == 0 }

// achieved tells whether an edit did what was meant, and nothing else: editing
// text is guessing, and this is how a wrong guess is found out.
func achieved(name string, before, after []byte, o *Object, what op) bool {
	if o.Unit != nil {
		return unitAchieved(name, before, after, what)
	}
	want, ok := values(before)
	if !ok || o.doc >= len(want) {
		return false
	}
	if want[o.doc], ok = changed(want[o.doc], slices.Concat(o.path, what.path), what); !ok {
		return false
	}
	got, ok := values(after)
	return ok && reflect.DeepEqual(want, got) && comments(before) == comments(after)
}

// values are the documents of a text, aliases followed.
func values(text []byte) ([]any, bool) {
	roots, problem := documents(chunk{1, bytes.TrimPrefix(text, byteOrderMark)})
	if problem != nil {
		return nil, false
	}
	all := make([]any, len(roots))
	for i, root := range roots {
		w := jsonWriter{}
		if w.value(root, maxDepth) != nil || json.Unmarshal(w.buf, &all[i]) != nil {
			return nil, false
		}
	}
	return all, true
}

// comments counts what may begin a comment.
func comments(text []byte) int { return bytes.Count(text, []byte("#")) }

// changed does to a value what an op says.
func changed(v any, path []any, what op) (any, bool) {
	if len(path) == 0 {
		to, ok := values([]byte(what.value))
		if !ok || len(to) != 1 {
			return nil, false
		}
		return to[0], true
	}
	drop := what.drop && len(path) == 1
	switch step := path[0].(type) {
	case string:
		m, ok := v.(map[string]any)
		if m == nil {
			m = map[string]any{}
		}
		if drop {
			delete(m, step)
			return m, ok
		}
		if !ok && v != nil {
			return nil, false
		}
		m[step], ok = changed(m[step], path[1:], what)
		return m, ok
	case int:
		return changedList(v, step, path, what)
	}
	return nil, false
}

func changedList(v any, i int, path []any, what op) (any, bool) {
	list, ok := v.([]any)
	switch {
	case !ok && v != nil, i < 0, i > len(list):
		return nil, false
	case what.drop && len(path) == 1 && i == len(list):
		return nil, false
	case what.drop && len(path) == 1:
		return slices.Delete(list, i, i+1), true
	case i == len(list):
		list = append(list, nil)
	}
	list[i], ok = changed(list[i], path[1:], what)
	return list, ok
}

// unitAchieved is achieved for a unit: every other assignment stands as it did.
func unitAchieved(name string, before, after []byte, what op) bool {
	was, is := entries(name, before, what), entries(name, after, what)
	if was == nil || is == nil || !slices.Equal(was.others, is.others) || comments(before) != comments(after) {
		return false
	}
	if what.drop {
		return len(is.own) == len(was.own)-1
	}
	return len(is.own) >= len(was.own) && slices.Contains(is.own, what.value)
}

type unitEntries struct{ own, others []string }

// entries are the values that an op is about, and all else.
func entries(name string, text []byte, what op) *unitEntries {
	loaded := Load(NewFile(name, text))
	if len(loaded.Problems) > 0 || len(loaded.Objects) != 1 || loaded.Objects[0].Unit == nil {
		return nil
	}
	found := &unitEntries{}
	for _, s := range loaded.Objects[0].Unit.Sections {
		for _, e := range s.Entries {
			if s.Name == what.path[0] && e.Key == what.path[1] {
				found.own = append(found.own, e.Value)
			} else {
				found.others = append(found.others, s.Name+"."+e.Key+"="+e.Value)
			}
		}
	}
	return found
}
