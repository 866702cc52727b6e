// Package unknown keeps what a release of a program does not know of yet: the
// members of JSON objects that a newer one has written, and for which its structs
// have no fields.
package unknown

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Keep adds to raw, which was made of a T, the members of present that T has no
// field for: a newer release wrote them. If T is no struct, or has an encoding of
// its own, raw is all there is. What is within the members is not looked at.
func Keep[T any](present, raw json.RawMessage) (json.RawMessage, error) {
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || ownEncoding(t) || !isObject(present) || !isObject(raw) {
		return raw, nil
	}
	var old, merged map[string]json.RawMessage
	if err := json.Unmarshal(present, &old); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &merged); err != nil {
		return nil, err
	}
	added := false
	for name, member := range old {
		if !hasMember(t, name) {
			merged[name], added = member, true
		}
	}
	if !added {
		return raw, nil
	}
	return json.Marshal(merged)
}

func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

func ownEncoding(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[json.Unmarshaler]())
}

// hasMember reports whether encoding/json would read a member into a struct: it
// does not tell upper from lower case.
func hasMember(t reflect.Type, name string) bool {
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" {
			tag = f.Name
		}
		if f.IsExported() && strings.EqualFold(tag, name) {
			return true
		}
	}
	return false
}
