package featureflag

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/twmb/murmur3"
)

// An env is whom an expression is evaluated for. It is passed by value, as what a
// closure is given by pointer would be allocated.
type env struct {
	flag, key  string
	attributes map[string]any
}

// A node is a compiled expression. Nothing that it calls allocates, except where
// the comment says so.
type node func(env) value

// compile makes a node of a tree that check has let pass. What it does not know it
// leaves to the library, whose answers are the measure of all others
// (TestCompiledIsTheLibrary).
func compile(tree any) node {
	switch t := tree.(type) {
	case map[string]any:
		if len(t) != 1 {
			return literal(tree)
		}
		for name, args := range t {
			return operator(tree, name, args)
		}
	case []any:
		if !constant(tree) {
			return library(tree)
		}
	}
	return literal(tree)
}

func literal(tree any) node {
	v := valueOf(tree)
	return func(env) value { return v }
}

// constant tells whether nothing in tree has to be evaluated.
func constant(tree any) bool {
	switch t := tree.(type) {
	case map[string]any:
		return len(t) != 1
	case []any:
		return !slices.ContainsFunc(t, func(x any) bool { return !constant(x) })
	}
	return true
}

func operator(tree any, name string, args any) node {
	if name == "var" {
		if n := variable(args); n != nil {
			return n
		}
		return library(tree)
	}
	list, ok := args.([]any)
	if !ok {
		if _, expression := args.(map[string]any); expression && (name == "!" || name == "!!") {
			return negation(compile(args), name == "!!", true)
		}
		return library(tree)
	}
	switch {
	case name == "if" || name == "?:":
		return conditional(list)
	case name == "and" || name == "or":
		return junction(nodes(list), name == "or")
	case (name == "!" || name == "!!") && len(list) == 1:
		return negation(compile(list[0]), name == "!!", false)
	case name == "fractional":
		if n := dealing(tree, list); n != nil {
			return n
		}
	case name == "cat" && len(list) > 1:
		return concatenation(nodes(list))
	case name == "sem_ver" && len(list) == 3:
		return versions(nodes(list))
	case len(list) == 2:
		if n := binary(name, list); n != nil {
			return n
		}
	case len(list) == 3:
		if n := between(name, nodes(list)); n != nil {
			return n
		}
	}
	return library(tree)
}

func nodes(list []any) []node {
	all := make([]node, len(list))
	for i, x := range list {
		all[i] = compile(x)
	}
	return all
}

// variable is {"var": path} and {"var": [path, default]} for a path and a default that
// are written there; nil is any other.
func variable(args any) node {
	var otherwise value
	if list, ok := args.([]any); ok {
		if len(list) == 0 || len(list) > 2 || !constant(args) {
			return nil
		}
		if len(list) == 2 {
			otherwise = valueOf(list[1])
		}
		args = list[0]
	}
	name, ok := args.(string)
	path := slices.DeleteFunc(strings.Split(name, "."), func(s string) bool { return s == "" })
	if !ok || len(path) == 0 {
		return nil
	}
	find := finder(path)
	if find == nil {
		return nil
	}
	return func(e env) value {
		if v := find(e); v.kind != null {
			return v
		}
		return otherwise
	}
}

func finder(path []string) node {
	switch {
	case path[0] == "$flagd" && len(path) == 2:
		return property(path[1])
	case path[0] == "$flagd":
		return nil
	case len(path) > 1:
		return func(e env) value { return e.follow(path) }
	case path[0] == "targetingKey":
		return func(e env) value {
			if e.key != "" {
				return textOf(e.key)
			}
			return valueOf(e.attributes["targetingKey"])
		}
	}
	name := path[0]
	return func(e env) value { return valueOf(e.attributes[name]) }
}

func property(name string) node {
	switch name {
	case "flagKey":
		return func(e env) value { return textOf(e.flag) }
	case "timestamp":
		return func(env) value { return value{kind: number, num: float64(time.Now().Unix())} }
	}
	return func(env) value { return value{} }
}

func (e env) follow(path []string) value {
	if path[0] == "targetingKey" && e.key != "" {
		return value{} // a string has no parts
	}
	x := e.attributes[path[0]]
	for _, part := range path[1:] {
		x = step(x, part)
		if x == nil {
			return value{}
		}
	}
	return valueOf(x)
}

// step is one step of a path: into an object, or to an element of a list.
func step(x any, part string) any {
	switch t := x.(type) {
	case map[string]any:
		return t[part]
	case []any:
		if i := index(part); i >= 0 && i < len(t) {
			return t[i]
		}
	case nil, string, bool, float64, int:
	default:
		if v := valueOf(x); v.kind == other {
			return step(v.any, part)
		}
	}
	return nil
}

func conditional(list []any) node {
	clauses := make([]node, len(list))
	conditions := make([]test, len(list)/2)
	for i, x := range list {
		if i%2 == 0 && i+1 < len(list) {
			clauses[i], conditions[i/2] = condition(x)
		} else {
			clauses[i] = compile(x)
		}
	}
	return func(e env) value {
		for i, holds := range conditions {
			switch holds(e) {
			case yes:
				return clauses[2*i+1](e)
			case bad:
				return clauses[2*i](e)
			}
		}
		if len(clauses)%2 == 1 {
			return clauses[len(clauses)-1](e)
		}
		return value{}
	}
}

// junction is "or" if it ends with the first that is true, else "and".
func junction(terms []node, or bool) node {
	return func(e env) (v value) {
		for _, term := range terms {
			if v = term(e); v.kind == failed || v.truth() == or {
				return v
			}
		}
		return v
	}
}

// negation is "!", or "!!" if twice. A bare argument that gives a list is the list of
// arguments: {"!": {"var": "list"}} looks at the list's first.
func negation(of node, twice, bare bool) node {
	return func(e env) value {
		v := of(e)
		if v.kind == failed {
			return v
		}
		if list, ok := v.any.([]any); ok && bare && len(list) > 0 {
			v = valueOf(list[0])
		}
		return boolOf(v.truth() == twice)
	}
}

func concatenation(of []node) node {
	return func(e env) value { // allocates what it gives
		b, err := cat(nil, of, e)
		if err != nil {
			return fail(err)
		}
		return textOf(string(b))
	}
}

// cat appends to b, which is empty.
func cat(b []byte, of []node, e env) ([]byte, error) {
	for _, n := range of {
		v := n(e)
		if v.kind == failed {
			return nil, v.any.(error)
		}
		var err error
		if b, err = appendText(b, v); err != nil {
			return nil, err
		}
	}
	return bytes.TrimSpace(b), nil
}

// dealing is a fractional whose parts are written there; nil is any other.
func dealing(tree any, list []any) node {
	var by node
	var texts []node // of a cat: it needs no string
	switch t := first(list).(type) {
	case string:
		by, list = literal(t), list[1:]
	case map[string]any:
		list = list[1:]
		if of, ok := t["cat"].([]any); ok && len(t) == 1 && len(of) > 1 {
			texts = nodes(of)
		} else {
			by = compile(t)
		}
	case []any:
	default:
		return nil
	}
	if !constant(list) {
		return nil
	}
	p, err := partsOf(list)
	if err != nil {
		return nil
	}
	switch {
	case texts != nil:
		return func(e env) value { return dealBy(p, texts, e) }
	case by == nil:
		return func(e env) value { return deal(p, e) }
	}
	odd := library(tree)
	return func(e env) value {
		switch v := by(e); v.kind {
		case text:
			return p.at(murmur3.StringSum32(v.str))
		case null:
			return deal(p, e)
		case failed:
			return v
		}
		return odd(e) // a list is taken for the first part
	}
}

func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// deal goes by flag and targeting key. Up to 256 bytes of both it allocates nothing.
func deal(p parts, e env) value {
	key := e.key
	if key == "" {
		key, _ = e.attributes["targetingKey"].(string)
	}
	if key == "" {
		return value{}
	}
	var room [256]byte
	b := append(append(room[:0], e.flag...), key...)
	return p.at(murmur3.Sum32(b))
}

func dealBy(p parts, texts []node, e env) value {
	var room [256]byte
	b, err := cat(room[:0], texts, e)
	if err != nil {
		return fail(err)
	}
	return p.at(murmur3.Sum32(b))
}

// versions allocates for what it compares.
func versions(of []node) node {
	return func(e env) value {
		a, op, b := of[0](e), of[1](e), of[2](e)
		for _, v := range [...]value{a, op, b} {
			if v.kind == failed {
				return v
			}
		}
		x, ok1 := version(a)
		y, ok2 := version(b)
		if !ok1 || !ok2 || op.kind != text {
			return value{}
		}
		return compared(x, op.str, y)
	}
}
