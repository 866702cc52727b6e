package featureflag

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/diegoholiveira/jsonlogic/v3"
)

// What a library's evaluation looks at is bounded: a context may come from anybody.
const (
	maxContext = 20_000 // values
	maxText    = 64 << 10
)

// ours are the operators that the library has from us, under names of our own: what a
// program registers beside us (flagd's provider, say) and what we do are kept apart.
const ours = "segue/"

var register = sync.OnceFunc(func() {
	jsonlogic.AddOperator(ours+"fractional", fractional)
	jsonlogic.AddOperator(ours+"starts_with", func(values, _ any) any { return affix(values, strings.HasPrefix).asAny() })
	jsonlogic.AddOperator(ours+"ends_with", func(values, _ any) any { return affix(values, strings.HasSuffix).asAny() })
	jsonlogic.AddOperator(ours+"sem_ver", func(values, _ any) any { return semVer(values).asAny() })
	jsonlogic.AddOperator(ours+"cat", concat)
})

var renamed = map[string]bool{"fractional": true, "starts_with": true, "ends_with": true, "sem_ver": true, "cat": true}

// library makes a node of what we have no code of our own for.
func library(tree any) node {
	register()
	rule := renaming(tree)
	return func(e env) value {
		data, err := e.data()
		if err != nil {
			return fail(err)
		}
		return applied(rule, data)
	}
}

func applied(rule, data any) (v value) {
	// The library recovers itself, but only from panics whose value is an error.
	defer func() {
		if e := recover(); e != nil {
			v = fail(fmt.Errorf("%v", e))
		}
	}()
	x, err := jsonlogic.ApplyInterface(rule, data)
	if err != nil {
		return fail(err)
	}
	return valueOf(x)
}

// renaming copies a tree, with our names for our operators.
func renaming(tree any) any {
	switch t := tree.(type) {
	case []any:
		list := make([]any, len(t))
		for i, x := range t {
			list[i] = renaming(x)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(t))
		for k, x := range t {
			if len(t) == 1 && renamed[k] {
				k = ours + k
			}
			m[k] = renaming(x)
		}
		return m
	}
	return tree
}

// data is what the library sees of whom a flag is evaluated for.
//
// The library takes an object with one key for an operator, also where it comes out of
// the context: {"if": [true, {"var": "x"}]} evaluates what x holds, and an x that says
// {"if": [true, {"var": "x"}]} ends the process, as a stack that overflows
// cannot be recovered from. A second key makes each of them what it is, data.
func (e env) data() (map[string]any, error) {
	left := maxContext
	m := make(map[string]any, len(e.attributes)+2)
	for k, x := range e.attributes {
		y, err := plain(x, &left, 1)
		if err != nil {
			return nil, err
		}
		m[k] = y
	}
	if e.key != "" {
		m["targetingKey"] = e.key
	}
	m["$flagd"] = map[string]any{"flagKey": e.flag, "timestamp": float64(time.Now().Unix())}
	if len(m) == 1 {
		m[filler] = nil
	}
	return m, nil
}

const filler = "\x00"

var errContext = fmt.Errorf("the context has more than %d values, or is more than %d levels deep", maxContext, maxDepth)

func plain(x any, left *int, depth int) (any, error) {
	if *left--; *left < 0 || depth > maxDepth {
		return nil, errContext
	}
	v := valueOf(x)
	switch t := v.any.(type) {
	case []any:
		list := make([]any, len(t))
		for i, x := range t {
			var err error
			if list[i], err = plain(x, left, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		m := make(map[string]any, len(t)+1)
		for k, x := range t {
			var err error
			if m[k], err = plain(x, left, depth+1); err != nil {
				return nil, err
			}
		}
		if len(m) == 1 {
			m[filler] = nil
		}
		return m, nil
	}
	return v.asAny(), nil
}

// concat is the library's cat, except that what it gives cannot grow for ever.
func concat(values, _ any) any {
	list, ok := values.([]any)
	if !ok {
		if _, ok := values.(string); ok {
			return values
		}
		panic(errors.New("cat takes a list"))
	}
	var b []byte
	for _, x := range list {
		var err error
		if b, err = appendText(b, valueOf(x)); err != nil {
			panic(err)
		}
	}
	if len(list) < 2 {
		return string(b)
	}
	return strings.TrimSpace(string(b))
}
