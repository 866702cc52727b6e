package featureflag

import (
	"errors"
	"strconv"
	"strings"
)

// binary is an operator of two arguments; nil is one that is not known here.
func binary(name string, list []any) node {
	var op func(a, b value) value
	switch name {
	case "==":
		op = func(a, b value) value { return boolOf(equal(a, b)) }
	case "!=":
		op = func(a, b value) value { return boolOf(!equal(a, b)) }
	case "===":
		op = func(a, b value) value { return boolOf(identical(a, b)) }
	case "!==":
		op = func(a, b value) value { return boolOf(!identical(a, b)) }
	case "<":
		op = func(a, b value) value { return boolOf(less(a, b)) }
	case "<=":
		op = func(a, b value) value { return boolOf(atMost(a, b)) }
	case ">":
		op = func(a, b value) value { return boolOf(less(b, a)) }
	case ">=":
		op = func(a, b value) value { return boolOf(atMost(b, a)) }
	case "starts_with":
		op = func(a, b value) value { return affixed(a, b, strings.HasPrefix) }
	case "ends_with":
		op = func(a, b value) value { return affixed(a, b, strings.HasSuffix) }
	case "in":
		return membership(list)
	default:
		return nil
	}
	left, right := compile(list[0]), compile(list[1])
	return func(e env) value {
		a := left(e)
		if a.kind == failed {
			return a
		}
		b := right(e)
		if b.kind == failed {
			return b
		}
		return op(a, b)
	}
}

func atMost(a, b value) bool { return less(a, b) || equal(a, b) }

// between is an order of three.
func between(name string, of []node) node {
	var op func(a, b value) bool
	switch name {
	case "<":
		op = less
	case "<=":
		op = atMost
	case ">":
		op = func(a, b value) bool { return less(b, a) }
	case ">=":
		op = func(a, b value) bool { return atMost(b, a) }
	default:
		return nil
	}
	return func(e env) value {
		a, b, c := of[0](e), of[1](e), of[2](e)
		for _, v := range [...]value{a, b, c} {
			if v.kind == failed {
				return v
			}
		}
		return boolOf(op(a, b) && op(b, c))
	}
}

// membership is "in". A written list of many strings is looked up.
func membership(list []any) node {
	what, where := compile(list[0]), compile(list[1])
	set := lookup(list[1])
	return func(e env) value {
		a := what(e)
		if a.kind == failed {
			return a
		}
		if set != nil && a.kind == text {
			return boolOf(set[a.str])
		}
		b := where(e)
		switch b.kind {
		case failed:
			return b
		case text:
			if a.kind != text {
				return fail(errIn)
			}
			return boolOf(strings.Contains(b.str, a.str))
		}
		elements, _ := b.any.([]any)
		return among(a, elements)
	}
}

func lookup(x any) map[string]bool {
	list, ok := x.([]any)
	if !ok || len(list) < 8 {
		return nil
	}
	set := make(map[string]bool, len(list))
	for _, x := range list {
		s, ok := x.(string)
		if !ok {
			return nil
		}
		set[s] = true
	}
	return set
}

var (
	errIn     = errors.New("in: of a string, only a string is a part")
	errNumber = errors.New("in: a number is looked for among what are no numbers")
	errList   = errors.New("in: a list or an object is looked for among others")
)

// among looks for a in a list, where a list of two in it is a range of numbers.
func among(a value, list []any) value {
	for _, x := range list {
		element := valueOf(x)
		if span, ok := element.any.([]any); ok {
			switch in := inRange(a, span); {
			case in.kind == failed || in.num != 0:
				return in
			}
			continue
		}
		if a.kind == number {
			n, ok := toNumber(element)
			if !ok {
				return fail(errNumber)
			}
			if n == a.num {
				return boolOf(true)
			}
			continue
		}
		if a.kind == other && element.kind == other && sameSort(a.any, element.any) {
			return fail(errList)
		}
		if a.kind == element.kind && (a.kind == null || a.kind == text && a.str == element.str || a.kind == boolean && a.num == element.num) {
			return boolOf(true)
		}
	}
	return boolOf(false)
}

func sameSort(a, b any) bool {
	_, la := a.([]any)
	_, lb := b.([]any)
	return la == lb
}

func inRange(a value, span []any) value {
	if len(span) < 2 {
		return fail(errNumber)
	}
	n, ok := toNumber(a)
	from, ok1 := toNumber(valueOf(span[0]))
	to, ok2 := toNumber(valueOf(span[1]))
	if !ok || !ok1 {
		return fail(errNumber)
	}
	if n < from || n != n || from != from {
		return boolOf(false)
	}
	if !ok2 {
		return fail(errNumber)
	}
	return boolOf(to >= n)
}

// toNumber is the library's for where only numbers and strings are taken.
func toNumber(v value) (float64, bool) {
	switch v.kind {
	case number:
		return v.num, true
	case text:
		n, _ := strconv.ParseFloat(v.str, 64)
		return n, true
	}
	return 0, false
}

// index is the place in a list that a path's part names.
func index(part string) int {
	n, _ := strconv.ParseFloat(part, 64)
	return int(n)
}
