package featureflag

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"sync"
)

// A Set is flags that are in force, ready to be evaluated. It never changes and may
// be used concurrently. Nil is the empty Set.
type Set struct {
	flags    map[string]*flag
	metadata map[string]any
	keys     []string
	document Definitions
	json     func() []byte
	etag     func() string
	public   func() *Set
}

// Compile makes a Set. What is wrong with one flag (its targeting, its variants) is
// told by that flag's evaluations as ParseError and by Problems; the others work.
// d must not be changed afterwards.
func Compile(d Definitions) *Set {
	s := &Set{flags: make(map[string]*flag, len(d.Flags)), metadata: d.Metadata, document: d}
	r := newResolver(d.Evaluators)
	for key, definition := range d.Flags {
		s.flags[key] = compileFlag(key, definition, r, d.Metadata)
		s.keys = append(s.keys, key)
	}
	slices.Sort(s.keys)
	s.json = sync.OnceValue(func() []byte { return document(d) })
	s.etag = sync.OnceValue(func() string { return tag(s.json()) })
	s.public = sync.OnceValue(func() *Set { return Compile(publicOf(d)) })
	return s
}

// Evaluate gives what a flag is for c.
func (s *Set) Evaluate(key string, c Context) Evaluation {
	f := s.flag(key)
	if f == nil {
		return Evaluation{Reason: Failed, Err: FlagNotFound, Detail: "there is no flag " + key, Metadata: s.Metadata()}
	}
	v, o := f.evaluate(c)
	e := Evaluation{Reason: o.reason, Metadata: f.metadata, Err: o.code}
	if o.err != nil {
		e.Detail = o.err.Error()
	}
	if v != nil {
		e.Value, e.Variant = v.any, v.name
	}
	return e
}

// Bool gives the flag's value, or def if there is no such flag of that type. It
// allocates nothing.
func (s *Set) Bool(key string, c Context, def bool) bool {
	if v := s.find(key, c); v != nil && v.value.kind == boolean {
		return v.value.num != 0
	}
	return def
}

// String likewise.
func (s *Set) String(key string, c Context, def string) string {
	if v := s.find(key, c); v != nil && v.value.kind == text {
		return v.value.str
	}
	return def
}

// Float likewise.
func (s *Set) Float(key string, c Context, def float64) float64 {
	if v := s.find(key, c); v != nil && v.value.kind == number {
		return v.value.num
	}
	return def
}

// Int likewise; a number that is no integer is def.
func (s *Set) Int(key string, c Context, def int64) int64 {
	if v := s.find(key, c); v != nil && v.value.kind == number && v.value.num == math.Trunc(v.value.num) {
		return int64(v.value.num)
	}
	return def
}

func (s *Set) flag(key string) *flag {
	if s == nil {
		return nil
	}
	return s.flags[key]
}

func (s *Set) find(key string, c Context) *variant {
	f := s.flag(key)
	if f == nil {
		return nil
	}
	v, _ := f.evaluate(c)
	return v
}

// Keys lists the flags in order. The list is not to be changed.
func (s *Set) Keys() []string {
	if s == nil {
		return nil
	}
	return s.keys
}

// Metadata is what the document tells of all flags together; not to be changed.
func (s *Set) Metadata() map[string]any {
	if s == nil {
		return nil
	}
	return s.metadata
}

// Problems tells, by flag, what is wrong with those that cannot be evaluated.
func (s *Set) Problems() map[string]error {
	problems := map[string]error{}
	for _, key := range s.Keys() {
		if err := s.flags[key].problem; err != nil {
			problems[key] = err
		}
	}
	return problems
}

// JSON is the Set as flagd's document, not to be changed.
func (s *Set) JSON() []byte {
	if s == nil {
		return empty().json()
	}
	return s.json()
}

// ETag is a quoted strong validator (RFC 9110 §8.8.3) that is the same wherever the
// same flags are in force.
func (s *Set) ETag() string {
	if s == nil {
		return empty().etag()
	}
	return s.etag()
}

// Public is the Set without the flags that browsers are not shown (Metadata
// "public"). It is made once.
func (s *Set) Public() *Set {
	if s == nil {
		return nil
	}
	return s.public()
}

// Difference lists, in order, the flags that are evaluated otherwise than in another
// Set: those that are new, changed and gone.
func (s *Set) Difference(from *Set) []string {
	if s == nil {
		s = empty()
	}
	if from == nil {
		from = empty()
	}
	a, b := s.document, from.document
	shared := bytes.Equal(document(Definitions{Evaluators: a.Evaluators, Metadata: a.Metadata}), document(Definitions{Evaluators: b.Evaluators, Metadata: b.Metadata}))
	var keys []string
	for key, definition := range a.Flags {
		if before, ok := b.Flags[key]; !ok || !shared || !reflect.DeepEqual(definition, before) && !same(definition, before) {
			keys = append(keys, key)
		}
	}
	for key := range b.Flags {
		if _, ok := a.Flags[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

var empty = sync.OnceValue(func() *Set { return Compile(Definitions{}) })

func document(d Definitions) []byte {
	if d.Flags == nil {
		d.Flags = map[string]Definition{}
	}
	data, err := json.Marshal(d)
	if err == nil {
		return data
	}
	// A program has put it together. What is no JSON is left out: it cannot be evaluated either.
	d.Flags, d.Evaluators = sound(d.Flags), sound(d.Evaluators)
	if _, err := json.Marshal(d.Metadata); err != nil {
		d.Metadata = nil
	}
	data, err = json.Marshal(d)
	if err != nil {
		panic(err) // nothing is left that could be wrong
	}
	return data
}

func sound[V any](m map[string]V) map[string]V {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, v V) bool { _, err := json.Marshal(v); return err != nil })
	return m
}

func tag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

func publicOf(d Definitions) Definitions {
	all := d.Flags
	d.Flags = map[string]Definition{}
	for key, definition := range all {
		if definition.Public() {
			d.Flags[key] = definition
		}
	}
	return d
}
