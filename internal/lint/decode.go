package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	kjson "sigs.k8s.io/json"
)

// maxJSON bounds what aliases can blow an object up to, in bytes of JSON. Kubernetes
// takes none above 1.5 MiB.
const maxJSON = 4 << 20

// Decode reads the object into v by its JSON tags, whose case counts. Keys that
// v does not know are passed over.
func (o *Object) Decode(v any) *Problem { return o.DecodeAt(v) }

// DecodeAt reads what is at a path. If there is nothing, v stays as it is.
func (o *Object) DecodeAt(v any, path ...any) *Problem {
	n := o.Find(path...)
	if n == nil {
		return nil
	}
	w := jsonWriter{}
	if err := w.value(n, maxDepth); err != nil {
		return &Problem{At: o.At(path...), What: err.Error()}
	}
	err := kjson.UnmarshalCaseSensitivePreserveInts(w.buf, v)
	if err == nil {
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return &Problem{At: o.At(slices.Concat(path, fieldPath(wrong.Field))...),
			What: fmt.Sprintf("%s: %s is %s, and %s is wanted", o.Name, wrong.Field, given(wrong.Value), wanted(wrong.Type))}
	}
	return &Problem{At: o.At(path...), What: o.Name + ": " + strings.TrimPrefix(err.Error(), "json: ")}
}

// given says what JSON calls a value.
func given(value string) string {
	word, _, _ := strings.Cut(value, " ") // a number is told
	switch word {
	case "string":
		return "a text"
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "a section of keys"
	}
	return value
}

// wanted says what a Go type is in a file.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a section of keys"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

func fieldPath(field string) []any {
	var path []any
	for _, step := range strings.Split(field, ".") {
		if i, err := strconv.Atoi(step); err == nil {
			path = append(path, i)
		} else {
			path = append(path, step)
		}
	}
	return path
}

var errTooLarge = errors.New("the document is too large or too deep, aliases followed")

// A jsonWriter writes YAML nodes as JSON: scalars as YAML 1.1 means them, which
// is what Kubernetes and compose read.
type jsonWriter struct{ buf []byte }

func (w *jsonWriter) value(n *yaml.Node, depth int) error {
	n = resolve(n)
	if depth == 0 || len(w.buf) > maxJSON {
		return errTooLarge
	}
	if n == nil {
		w.buf = append(w.buf, "null"...)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		return w.mapping(n, depth)
	case yaml.SequenceNode:
		w.buf = append(w.buf, '[')
		for i, c := range n.Content {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			if err := w.value(c, depth-1); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, ']')
	default:
		w.scalar(n)
	}
	return nil
}

func (w *jsonWriter) mapping(n *yaml.Node, depth int) error {
	w.buf = append(w.buf, '{')
	start := len(w.buf)
	err := eachKey(n, func(key string, value *yaml.Node) error {
		if len(w.buf) > start {
			w.buf = append(w.buf, ',')
		}
		w.text(key)
		w.buf = append(w.buf, ':')
		return w.value(value, depth-1)
	})
	w.buf = append(w.buf, '}')
	return err
}

func (w *jsonWriter) scalar(n *yaml.Node) {
	switch n.ShortTag() {
	case "!!null":
		w.buf = append(w.buf, "null"...)
	case "!!bool", "!!int", "!!float":
		w.plain(n)
	default:
		if b, ok := oldBool(n); ok {
			w.buf = strconv.AppendBool(w.buf, b)
			return
		}
		w.text(n.Value)
	}
}

// oldBool knows the words that only YAML 1.1 takes for truth values.
func oldBool(n *yaml.Node) (value, ok bool) {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return false, false
	}
	switch n.Value {
	case "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}

func (w *jsonWriter) plain(n *yaml.Node) {
	var v any
	if err := n.Decode(&v); err == nil {
		if text, err := json.Marshal(v); err == nil {
			w.buf = append(w.buf, text...)
			return
		}
	}
	w.text(n.Value) // .inf and its like
}

func (w *jsonWriter) text(s string) {
	text, _ := json.Marshal(s) // a string always can be
	w.buf = append(w.buf, text...)
}
