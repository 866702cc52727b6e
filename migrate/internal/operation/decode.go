package operation

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A cursor stands at one value of the file.
type cursor struct {
	r    *report
	n    *node
	path string
	enum string // the words that are allowed, when it is text; empty: any
	need bool   // an empty text will not do
}

func (c cursor) fail(what, mend string) { c.r.add(c.n.Place, c.path, what, mend) }

func (c cursor) to(key string, n *node) cursor {
	if c.path != "" {
		key = c.path + "." + key
	}
	return cursor{r: c.r, n: n, path: key}
}

// A reader reads itself; anything else is read by what it is.
type reader interface{ read(c cursor) }

// decode reads a section into a struct, whose tags say its keys.
func (c cursor) decode(into any) { c.section(reflect.ValueOf(into).Elem()) }

func (c cursor) section(v reflect.Value) {
	fields := fieldsOf(v.Type())
	if c.n.kind != mapping {
		c.fail("found "+c.n.kind.String()+" where a section with keys is wanted", "its keys are "+strings.Join(keysOf(fields), ", "))
		return
	}
	for _, e := range c.n.entries {
		f, known := fields[e.key.text]
		if !known {
			c.r.add(e.key.Place, c.path, "unknown key "+clip(e.key.text), didYouMean(e.key.text, keysOf(fields)))
			continue
		}
		next := c.to(e.key.text, e.value)
		next.enum, next.need = f.Tag.Get("enum"), f.Tag.Get("need") != ""
		next.value(v.FieldByIndex(f.Index))
	}
	for _, key := range keysOf(fields) {
		if k, _ := c.n.get(key); k == nil && fields[key].Tag.Get("need") != "" {
			c.fail("the key "+key+" is missing", "add it")
		}
	}
}

// fieldsOf lists the keys of a section. A Place is none.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	out := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("json"); key != "" {
			out[key] = f
		}
	}
	return out
}

func (c cursor) value(v reflect.Value) {
	if r, ok := v.Addr().Interface().(reader); ok {
		r.read(c)
		return
	}
	if c.n.kind == null {
		c.fail("the key has no value", "give it one, or take it out")
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(c.text())
	case reflect.Bool:
		v.SetBool(c.boolean())
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		c.value(v.Elem())
	case reflect.Slice:
		c.list(v)
	case reflect.Map:
		c.texts(v)
	default:
		c.section(v)
	}
}

func (c cursor) text() string {
	switch {
	case c.n.kind == number || c.n.kind == boolean:
		c.fail("found "+c.n.kind.String()+" where text is wanted", "put quotes around it: "+strconv.Quote(clip(c.n.text)))
	case c.n.kind != text:
		c.fail("found "+c.n.kind.String()+" where text is wanted", "")
	case c.need && strings.TrimSpace(c.n.text) == "":
		c.fail("the text is empty", "fill it in")
	case strings.ContainsRune(c.n.text, 0):
		c.fail("a NUL character", "take it out")
	case c.enum != "":
		return c.oneOf()
	}
	return c.n.text
}

// oneOf reads one of the words in the enum tag, in any case.
func (c cursor) oneOf() string {
	legal := strings.Split(c.enum, ",")
	for _, word := range legal {
		if strings.EqualFold(word, c.n.text) {
			return word
		}
	}
	c.fail(fmt.Sprintf("%q is not known here", clip(c.n.text)), didYouMean(c.n.text, legal))
	return ""
}

func (c cursor) boolean() bool {
	if c.n.kind != boolean {
		c.fail("found "+c.n.kind.String()+" where true or false is wanted", "write true or false, without quotes")
	}
	return c.n.text == "true"
}

func (c cursor) list(v reflect.Value) {
	if c.n.kind != sequence {
		c.fail("found "+c.n.kind.String()+" where a list is wanted", "put each entry after a dash, or into [ ]")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(c.n.items), len(c.n.items))
	for i, item := range c.n.items {
		next := cursor{r: c.r, n: item, path: fmt.Sprintf("%s[%d]", c.path, i), need: true}
		next.value(out.Index(i))
	}
	v.Set(out)
}

// texts reads a section of expressions by column.
func (c cursor) texts(v reflect.Value) {
	if c.n.kind != mapping {
		c.fail("found "+c.n.kind.String()+" where columns with their expressions are wanted", "write COLUMN: EXPRESSION for each")
		return
	}
	out := map[string]string{}
	for _, e := range c.n.entries {
		next := c.to(clip(e.key.text), e.value)
		next.need = true
		if e.value.kind == null {
			next.fail("the column has no expression", "its own name keeps the value as it is")
			continue
		}
		out[e.key.text] = next.text()
	}
	v.Set(reflect.ValueOf(out))
}

func (n *Nullable) read(c cursor) {
	if c.n.kind == null {
		*n = Nullable{Set: true, Null: true}
		return
	}
	*n = Nullable{Set: true, Text: c.text()}
}

func (f *IndexFields) read(c cursor) {
	if c.n.kind != mapping {
		var list []IndexField
		c.list(reflect.ValueOf(&list).Elem())
		*f = list
		return
	}
	for _, e := range c.n.entries {
		var one IndexField
		settings := &node{Place: e.value.Place, kind: mapping, entries: []entry{{&node{text: "column"}, e.key}}}
		if e.value.kind != null {
			settings.entries = append(settings.entries, e.value.entries...)
		}
		c.to(clip(e.key.text), settings).decode(&one)
		*f = append(*f, one)
	}
}

// setPlace tells an operation where it stands.
func setPlace(op Operation, at Place) {
	reflect.ValueOf(op).Elem().FieldByName("Place").Set(reflect.ValueOf(at))
}
