package config

import (
	"reflect"
	"strings"
)

// A cursor stands at one value of the file, with what is needed to read it.
type cursor struct {
	r      *report
	lookup Lookup
	n      *node
	path   string
	tag    reflect.StructTag // of the field that is read
}

func (c cursor) fail(what, mend string) { c.r.failAt(c.n.line, c.n.col, c.path, what, mend) }

func (c cursor) item(n *node) cursor {
	c.n = n
	return c
}

// scalar reads a single value and replaces the variables in it. plain tells
// that it may mean a number or a boolean; secret that it came from the
// environment and must not be shown. want names what is wanted, for people.
func (c cursor) scalar(want string) (text string, plain, secret, ok bool) {
	n := c.n
	if n.kind != scalar {
		c.fail("a list or section stands where "+want+" is wanted", "")
		return "", false, false, false
	}
	if n.isNull() {
		c.fail("the key has no value", "give it "+want+", or take the line out")
		return "", false, false, false
	}
	if c.tag.Get("env") == "off" {
		return n.text, n.plain, false, true
	}
	text, secret, bad := expand(n.text, c.lookup)
	if bad != nil {
		c.fail(bad.what, bad.mend)
		return "", false, false, false
	}
	if strings.ContainsRune(text, 0) {
		c.fail("a NUL character", "take it out")
		return "", false, false, false
	}
	return text, n.plain || secret, secret, true
}

// shown is how a value is called in an error: as it stands in the file, so
// that ${VAR} is never shown replaced.
func (c cursor) shown() string {
	if isEnv(c.path) {
		return "the value"
	}
	return clip(c.n.text)
}

// decode reads the section at c into the struct v, which gets its defaults
// first. It reports unknown keys and goes on.
func decode(c cursor, v reflect.Value, legal *places) {
	fill(c, v, legal)
	if c.n.kind != mapping {
		c.fail("found "+c.n.found()+" where a section with keys is wanted", legal.keysOf(v.Type()))
		return
	}
	for _, e := range c.n.entries {
		field, ok := legal.field(v.Type(), e.key.text)
		path := join(c.path, e.key.text)
		if !ok {
			what, mend := legal.unknown(v.Type(), e.key.text)
			c.r.failAt(e.key.line, e.key.col, join(c.path, clip(e.key.text)), what, mend)
			continue
		}
		next := cursor{c.r, c.lookup, e.value, path, field.Tag}
		decodeValue(next, v.FieldByIndex(field.Index), legal)
	}
}

func decodeValue(c cursor, v reflect.Value, legal *places) {
	if l, ok := v.Addr().Interface().(leaf); ok {
		l.read(c)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		decode(c, v.Elem(), legal)
	case reflect.Slice:
		decodeSlice(c, v, legal)
	case reflect.Map:
		decodeMap(c, v, legal)
	default:
		decode(c, v, legal)
	}
}

func decodeSlice(c cursor, v reflect.Value, legal *places) {
	if c.n.kind != list {
		c.fail("found "+c.n.found()+" where a list is wanted", legal.keysOf(v.Type().Elem())+", each entry after a dash")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(c.n.items), len(c.n.items))
	for i, item := range c.n.items {
		one := out.Index(i)
		if s, ok := one.Addr().Interface().(shorthand); ok && item.kind != mapping {
			fill(c.item(item), one, legal)
			s.short(shortCursor(c.item(item)))
			continue
		}
		decode(c.item(item), one, legal)
	}
	v.Set(out)
}

func decodeMap(c cursor, v reflect.Value, legal *places) {
	if c.n.kind != mapping {
		c.fail("found "+c.n.found()+" where sections by name are wanted", "write services: {NAME: {release: …}}")
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(c.n.entries))
	for _, e := range c.n.entries {
		one := reflect.New(v.Type().Elem().Elem())
		decode(cursor{r: c.r, lookup: c.lookup, n: e.value, path: join(c.path, clip(e.key.text))}, one.Elem(), legal)
		out.SetMapIndex(reflect.ValueOf(e.key.text), one)
	}
	v.Set(out)
}

// fill gives every leaf below v the default of its tag. Optional sections stay
// nil.
func fill(c cursor, v reflect.Value, legal *places) {
	for _, f := range legal.section(v.Type()).fields {
		fv := v.FieldByIndex(f.Index)
		if l, ok := fv.Addr().Interface().(leaf); ok {
			if text, has := f.Tag.Lookup("default"); has {
				l.read(cursor{r: c.r, n: &node{text: text, plain: true}, path: f.Name, tag: f.Tag, lookup: c.lookup})
			}
			continue
		}
		if fv.Kind() == reflect.Struct {
			fill(c, fv, legal)
		}
	}
}

// fieldsOf lists the keys of a struct, those of embedded structs included.
func fieldsOf(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for _, f := range reflect.VisibleFields(t) {
		if !f.Anonymous && f.IsExported() {
			out = append(out, f)
		}
	}
	return out
}

func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return key
}

func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}
