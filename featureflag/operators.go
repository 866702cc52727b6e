package featureflag

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/twmb/murmur3"
	"golang.org/x/mod/semver"
)

// fractional is flagd's operator on arguments that are evaluated, for the library.
// Whatever is wrong with them gives null.
//
// The buckets are those of flagd 0.14 and later, which its documentation of the
// operation and flagd-testbed's "fractional-v2" have: weights are whole numbers, and the
// bucket is hash × their sum / 2³². (The older specification page beside it still
// has the percent of floating point that flagd had before.)
func fractional(values, data any) any {
	list, ok := values.([]any)
	if !ok || len(list) == 0 {
		return nil
	}
	by, rest, ok := bucketBy(list, data)
	if !ok {
		return nil
	}
	parts, err := partsOf(rest)
	if err != nil {
		return nil
	}
	return parts.at(murmur3.StringSum32(by)).asAny()
}

func bucketBy(list []any, data any) (by string, rest []any, ok bool) {
	if by, ok := list[0].(string); ok {
		return by, list[1:], true
	}
	if list[0] == nil {
		list = list[1:]
	}
	m, _ := data.(map[string]any)
	key, _ := m["targetingKey"].(string)
	if key == "" {
		return "", nil, false
	}
	flagd, _ := m["$flagd"].(map[string]any)
	flag, _ := flagd["flagKey"].(string)
	return flag + key, list, true
}

// parts are what a fractional deals out, in its order.
type parts struct {
	values []value
	ends   []uint64 // of each one's buckets; it begins where the one before ends
}

func (p parts) at(hash uint32) value {
	if len(p.ends) == 0 {
		return value{}
	}
	sum := p.ends[len(p.ends)-1]
	bucket := uint64(hash) * sum >> 32
	for i, end := range p.ends {
		if bucket < end {
			return p.values[i]
		}
	}
	return value{}
}

func partsOf(list []any) (parts, error) {
	p := parts{}
	var sum uint64
	for _, x := range list {
		part, ok := x.([]any)
		if !ok || len(part) == 0 {
			return parts{}, errors.New("a part is a list of a variant and its weight")
		}
		v := valueOf(part[0])
		if v.kind == other {
			return parts{}, errors.New("a part's variant is a string")
		}
		weight := uint64(1)
		if len(part) > 1 && part[1] != nil {
			var err error
			if weight, err = weightOf(part[1]); err != nil {
				return parts{}, err
			}
		}
		sum += weight
		p.values, p.ends = append(p.values, v), append(p.ends, sum)
	}
	if sum > math.MaxInt32 {
		return parts{}, fmt.Errorf("the sum of the weights is more than %d", math.MaxInt32)
	}
	return p, nil
}

func weightOf(x any) (uint64, error) {
	w, ok := x.(float64)
	switch {
	case !ok || w != math.Trunc(w):
		return 0, fmt.Errorf("weight %v is no whole number", x)
	case w > math.MaxInt32:
		return 0, fmt.Errorf("weight %v is more than %d", x, math.MaxInt32)
	}
	return uint64(max(w, 0)), nil // below 0 is what a weight that shrinks with time comes to
}

// affix is flagd's starts_with and ends_with.
func affix(values any, has func(s, affix string) bool) value {
	list, ok := values.([]any)
	if !ok || len(list) != 2 {
		return value{}
	}
	return affixed(valueOf(list[0]), valueOf(list[1]), has)
}

func affixed(a, b value, has func(s, affix string) bool) value {
	if a.kind != text || b.kind != text {
		return value{}
	}
	return boolOf(has(a.str, b.str))
}

// semVer is flagd's sem_ver: value, operator, value.
func semVer(values any) value {
	list, ok := values.([]any)
	if !ok || len(list) != 3 {
		return value{}
	}
	op, _ := list[1].(string)
	a, ok1 := version(valueOf(list[0]))
	b, ok2 := version(valueOf(list[2]))
	if !ok1 || !ok2 {
		return value{}
	}
	return compared(a, op, b)
}

// version gives the version as semver has it, with a v before it. Numbers are
// taken, 1.2 as "1.2".
func version(v value) (string, bool) {
	s := v.str
	switch v.kind {
	case number:
		s = strconv.FormatFloat(v.num, 'g', -1, 64)
	case text:
	default:
		return "", false
	}
	if !strings.HasPrefix(s, "v") {
		s = "v" + strings.TrimPrefix(s, "V")
	}
	return s, semver.IsValid(s)
}

func compared(a, op, b string) value {
	order := semver.Compare(a, b)
	switch op {
	case "=":
		return boolOf(order == 0)
	case "!=":
		return boolOf(order != 0)
	case "<":
		return boolOf(order < 0)
	case "<=":
		return boolOf(order <= 0)
	case ">":
		return boolOf(order > 0)
	case ">=":
		return boolOf(order >= 0)
	case "^":
		return boolOf(semver.Major(a) == semver.Major(b))
	case "~":
		return boolOf(semver.MajorMinor(a) == semver.MajorMinor(b))
	}
	return value{}
}

var errText = fmt.Errorf("cat gives more than %d bytes", maxText)

// appendText appends what cat makes of v.
func appendText(b []byte, v value) ([]byte, error) {
	switch v.kind {
	case null:
	case text:
		b = append(b, v.str...)
	case number:
		b = strconv.AppendFloat(b, v.num, 'f', -1, 64)
	default:
		return nil, errors.New("cat takes strings and numbers")
	}
	if len(b) > maxText {
		return nil, errText
	}
	return b, nil
}
