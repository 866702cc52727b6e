package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Difference is one field's. Of a Secret both values are Hidden.
type Difference struct {
	Path string `json:"path"`          // spec.template.spec.containers[shop].image
	Old  string `json:"old,omitempty"` // as JSON, or bare if that is a plain word; "" none
	New  string `json:"new,omitempty"`
}

// Hidden stands for a value that is not shown.
const Hidden = "(not shown)"

func (d Difference) String() string {
	switch {
	case d.Old == "":
		return "+ " + d.Path + ": " + d.New
	case d.New == "":
		return "- " + d.Path + ": " + d.Old
	}
	return "~ " + d.Path + ": " + d.Old + " → " + d.New
}

// noise are fields of metadata that the server keeps for itself.
var noise = []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}

// noiseAnnotations are what controllers and kubectl write on objects.
var noiseAnnotations = []string{"deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"}

// differences are what has changed between two forms that the server gave of
// one object. Both have its defaults, so that those are no differences. The
// arguments lose what is noise.
func differences(before, after map[string]any, secret bool) []Difference {
	quieten(before)
	quieten(after)
	d := differ{secret: secret}
	d.compare("", before, after)
	return d.found
}

func quieten(o map[string]any) {
	delete(o, "status")
	m, ok := o["metadata"].(map[string]any)
	if !ok {
		return
	}
	for _, f := range noise {
		delete(m, f)
	}
	if a, ok := m["annotations"].(map[string]any); ok {
		for _, f := range noiseAnnotations {
			delete(a, f)
		}
		if len(a) == 0 {
			delete(m, "annotations")
		}
	}
}

type differ struct {
	secret bool
	found  []Difference
}

func (d *differ) compare(path string, a, b any) {
	if reflect.DeepEqual(a, b) {
		return
	}
	am, bm, ok := both[map[string]any](a, b)
	if ok || flat(a) && b == nil || flat(b) && a == nil {
		for _, k := range keys(am, bm) {
			d.compare(join(path, k), am[k], bm[k])
		}
		return
	}
	al, bl, ok := both[[]any](a, b)
	if ok && d.compareLists(path, al, bl) {
		return
	}
	d.add(path, a, b)
}

func (d *differ) add(path string, a, b any) {
	d.found = append(d.found, Difference{Path: path, Old: d.show(path, a), New: d.show(path, b)})
}

// compareLists compares lists of objects, by what tells their elements apart.
// Others are compared as a whole.
func (d *differ) compareLists(path string, a, b []any) bool {
	key := listKey(append(slices.Clone(a), b...))
	if key == "" {
		return false
	}
	am, bm := byKey(a, key), byKey(b, key)
	if len(am) != len(a) || len(bm) != len(b) {
		return false
	}
	for _, k := range keys(am, bm) {
		if at := path + "[" + k + "]"; am[k] == nil || bm[k] == nil {
			d.add(at, am[k], bm[k]) // told as a whole, as it was said
		} else {
			d.compare(at, am[k], bm[k])
		}
	}
	if reflect.DeepEqual(am, bm) {
		d.found = append(d.found, Difference{Path: path, Old: "(another order)", New: "(this order)"})
	}
	return true
}

// both gives a and b as maps or lists, if both are.
func both[T map[string]any | []any](a, b any) (T, T, bool) {
	at, aok := a.(T)
	bt, bok := b.(T)
	return at, bt, aok && bok
}

// flat reports whether v is a map of plain values, such as labels, which is told
// value by value even if it is new as a whole.
func flat(v any) bool {
	m, ok := v.(map[string]any)
	for _, e := range m {
		switch e.(type) {
		case map[string]any, []any:
			return false
		}
	}
	return ok && len(m) > 0
}

// listKey is the field by which all elements can be told apart.
func listKey(list []any) string {
	for _, key := range []string{"name", "mountPath", "containerPort", "port", "topologyKey", "type", "key", "ip"} {
		if len(list) > 0 && !slices.ContainsFunc(list, func(e any) bool {
			m, ok := e.(map[string]any)
			return !ok || m[key] == nil
		}) {
			return key
		}
	}
	return ""
}

func byKey(list []any, key string) map[string]any {
	m := map[string]any{}
	for _, e := range list {
		if f, ok := e.(map[string]any); ok {
			m[fmt.Sprint(f[key])] = e
		}
	}
	return m
}

func keys(a, b map[string]any) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// join adds a field to a path; one with dots in its name stands in brackets.
func join(path, field string) string {
	if strings.ContainsAny(field, "./[]") {
		return path + "[" + field + "]"
	}
	if path == "" {
		return field
	}
	return path + "." + field
}

var plain = regexp.MustCompile(`^[\w./:@%+-]+$`)

// show writes a value; of a Secret only what says nothing about its contents.
func (d *differ) show(path string, v any) string {
	if v == nil {
		return ""
	}
	if d.secret && (strings.HasPrefix(path, "data") || strings.HasPrefix(path, "stringData")) {
		return Hidden
	}
	switch v := v.(type) {
	case string:
		if plain.MatchString(v) {
			return v
		}
		return strconv.Quote(v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
