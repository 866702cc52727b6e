package featureflag

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	other  // a list or an object
	failed // the evaluation ends with an error
)

// A value is what an expression gives. It holds the kinds apart, as an any would
// have to be allocated for most numbers and strings.
type value struct {
	kind kind
	num  float64 // of a boolean: 1 or 0
	str  string
	any  any // []any or map[string]any of other, error of failed
}

func boolOf(b bool) value {
	if b {
		return value{kind: boolean, num: 1}
	}
	return value{kind: boolean}
}

func textOf(s string) value { return value{kind: text, str: s} }

func fail(err error) value { return value{kind: failed, any: err} }

// valueOf takes what a caller or encoding/json has.
func valueOf(x any) value {
	switch x := x.(type) {
	case nil:
		return value{}
	case string:
		return textOf(x)
	case bool:
		return boolOf(x)
	case float64:
		return value{kind: number, num: x}
	case int:
		return value{kind: number, num: float64(x)}
	case int64:
		return value{kind: number, num: float64(x)}
	case int32:
		return value{kind: number, num: float64(x)}
	case uint64:
		return value{kind: number, num: float64(x)}
	case uint32:
		return value{kind: number, num: float64(x)}
	case float32:
		return value{kind: number, num: float64(x)}
	case []any, map[string]any:
		return value{kind: other, any: x}
	}
	return valueOf(asJSON(x))
}

// asJSON makes of any other Go value what JSON would make of it; nil if it can make nothing.
func asJSON(x any) any {
	data, err := json.Marshal(x)
	if err != nil {
		return nil
	}
	var y any
	if json.Unmarshal(data, &y) != nil {
		return nil
	}
	return y
}

// asAny is the value as encoding/json has it.
func (v value) asAny() any {
	switch v.kind {
	case boolean:
		return v.num != 0
	case number:
		return v.num
	case text:
		return v.str
	case other:
		return v.any
	}
	return nil
}

// truth is JsonLogic's: an empty list is false, as "", 0 and null.
func (v value) truth() bool {
	switch v.kind {
	case boolean, number:
		return v.num != 0
	case text:
		return v.str != ""
	case other:
		return size(v.any) > 0
	}
	return false
}

func size(x any) int {
	switch x := x.(type) {
	case []any:
		return len(x)
	case map[string]any:
		return len(x)
	}
	return 0
}

// float is JavaScript's Number(v), as far as the library has it.
func (v value) float() float64 {
	switch v.kind {
	case null:
		return 0
	case boolean, number:
		return v.num
	case text:
		return parseNumber(v.str)
	}
	return math.NaN()
}

func parseNumber(s string) float64 {
	if strings.TrimSpace(s) == "" {
		return 0
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return n
}

func equal(a, b value) bool {
	if a.kind == null || b.kind == null {
		return a.kind == b.kind
	}
	if a.kind == text && b.kind == text {
		return a.str == b.str
	}
	return a.float() == b.float()
}

func identical(a, b value) bool {
	if a.kind != b.kind {
		return false
	}
	return equal(a, b) // never true of lists and objects
}

func less(a, b value) bool {
	if a.kind == text && b.kind == text {
		return a.str < b.str
	}
	return a.float() < b.float()
}
