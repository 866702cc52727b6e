package cache

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// format is the version of all that the package writes into the store. One who
// changes it raises it, and old and new releases do not meet.
const format = "1"

// fingerprint is what tells shapes of values apart: the types and their names,
// the fields, their order and tags, down to the last one. Two releases that
// agree on it can read what the other has written.
func fingerprint(t reflect.Type, codec, version string) (string, error) {
	d := describer{seen: map[reflect.Type]int{}}
	fmt.Fprintf(&d.text, "%q %q %q ", format, codec, version)
	if err := d.describe(t); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(d.text.String()))
	return hex.EncodeToString(sum[:12]), nil
}

// A describer writes down a type so that equal texts mean equal shapes.
type describer struct {
	text strings.Builder
	seen map[reflect.Type]int // named types, by when they came: they may contain themselves
}

func (d *describer) describe(t reflect.Type) error {
	if t.Name() != "" {
		fmt.Fprintf(&d.text, "%s.%s", t.PkgPath(), t.Name())
		if n, ok := d.seen[t]; ok {
			fmt.Fprintf(&d.text, "#%d", n)
			return nil
		}
		d.seen[t] = len(d.seen)
	}
	if writesItself(t) {
		d.text.WriteString("!") // its fields are its own affair
		return nil
	}
	fmt.Fprintf(&d.text, " %s", t.Kind())
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return fmt.Errorf("a %s cannot be kept in a store", t)
	case reflect.Pointer, reflect.Slice:
		return d.describe(t.Elem())
	case reflect.Array:
		fmt.Fprintf(&d.text, " %d ", t.Len())
		return d.describe(t.Elem())
	case reflect.Map:
		if err := d.describe(t.Key()); err != nil {
			return err
		}
		return d.describe(t.Elem())
	case reflect.Struct:
		return d.fields(t)
	}
	return nil
}

// fields leaves out what no codec sees.
func (d *describer) fields(t reflect.Type) error {
	d.text.WriteString("{")
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if !f.IsExported() && !f.Anonymous || tag == "-" {
			continue
		}
		fmt.Fprintf(&d.text, "%s %q %t ", f.Name, tag, f.Anonymous)
		if err := d.describe(f.Type); err != nil {
			return fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		d.text.WriteString(";")
	}
	d.text.WriteString("}")
	return nil
}

var marshalers = []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.BinaryMarshaler]()}

// writesItself: its fields say nothing of what is written, and may be those of
// another Go release.
func writesItself(t reflect.Type) bool {
	for _, m := range marshalers {
		if t.Name() != "" && (t.Implements(m) || reflect.PointerTo(t).Implements(m)) {
			return true
		}
	}
	return false
}
