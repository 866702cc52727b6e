package featureflag

import (
	"slices"
	"strings"
)

// A verdict is the truth of an expression, where no more of it is asked for.
type verdict uint8

const (
	no verdict = iota
	yes
	bad // it fails; the expression as a node says how
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// A test is a compiled condition: a node that gives less, and so costs less.
type test func(env) verdict

// condition compiles what stands where only its truth matters, as a node and as a
// test: each part of it once, as what is compiled twice at each of many levels takes
// for ever. What is asked most has code of its own here, which
// TestCompiledIsTheLibrary holds to the library too.
func condition(tree any) (node, test) {
	m, _ := tree.(map[string]any)
	for name, args := range m {
		list, ok := args.([]any)
		if len(m) != 1 || !ok {
			break
		}
		if name == "and" || name == "or" {
			n, t := conditions(list)
			return junction(n, name == "or"), all(t, name == "or")
		}
		if len(list) == 2 {
			n := compile(tree)
			return n, short(name, list[0], list[1], truthOf(n))
		}
	}
	n := compile(tree)
	return n, truthOf(n)
}

func conditions(list []any) ([]node, []test) {
	n, t := make([]node, len(list)), make([]test, len(list))
	for i, x := range list {
		n[i], t[i] = condition(x)
	}
	return n, t
}

func truthOf(n node) test {
	return func(e env) verdict {
		v := n(e)
		if v.kind == failed {
			return bad
		}
		return verdictOf(v.truth())
	}
}

// all is "and", or "or".
func all(terms []test, or bool) test {
	until := verdictOf(or)
	return func(e env) verdict {
		for _, t := range terms {
			if v := t(e); v == bad || v == until {
				return v
			}
		}
		return verdictOf(!or && len(terms) > 0)
	}
}

// short is a comparison with strings that are written there, and long any other.
func short(name string, a, b any, long test) test {
	if name == "in" {
		return membershipOf(a, b, long)
	}
	s, ok := b.(string)
	if !ok {
		return long
	}
	switch name {
	case "==", "===":
		if t := dealt(a, s); t != nil {
			return t
		}
		return ofText(a, long, func(x string) bool { return x == s })
	case "starts_with":
		return ofText(a, long, func(x string) bool { return strings.HasPrefix(x, s) })
	case "ends_with":
		return ofText(a, long, func(x string) bool { return strings.HasSuffix(x, s) })
	}
	return long
}

// membershipOf is "in" of strings: one of a list, or a part of an attribute.
func membershipOf(a, b any, long test) test {
	if part, ok := a.(string); ok {
		return ofText(b, long, func(x string) bool { return strings.Contains(x, part) })
	}
	list, ok := b.([]any)
	if !ok {
		return long
	}
	all := make([]string, len(list))
	for i, x := range list {
		if all[i], ok = x.(string); !ok {
			return long
		}
	}
	if set := lookup(b); set != nil {
		return ofText(a, long, func(x string) bool { return set[x] })
	}
	return ofText(a, long, func(x string) bool { return slices.Contains(all, x) })
}

// ofText asks is of an attribute that is a string; what is none goes the long way.
func ofText(tree any, long test, is func(string) bool) test {
	m, _ := tree.(map[string]any)
	name, ok := m["var"].(string)
	if !ok || len(m) != 1 || name == "" || name == "targetingKey" || name == "$flagd" || strings.Contains(name, ".") {
		return long
	}
	return func(e env) verdict {
		if x, ok := e.attributes[name].(string); ok {
			return verdictOf(is(x))
		}
		return long(e)
	}
}

// dealt is whether a fractional by flag and targeting key deals out s: a ramp.
func dealt(tree any, s string) test {
	m, _ := tree.(map[string]any)
	list, ok := m["fractional"].([]any)
	if !ok || len(m) != 1 || !constant(list) {
		return nil
	}
	if _, ok := first(list).([]any); !ok {
		return nil
	}
	p, err := partsOf(list)
	if err != nil || slices.ContainsFunc(p.values, func(v value) bool { return v.kind != text }) {
		return nil
	}
	return func(e env) verdict {
		v := deal(p, e)
		return verdictOf(v.kind == text && v.str == s)
	}
}
