package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A leaf is a value of the format that is no section. read takes it from the
// file, or reports why not and leaves it as it was. Its schema is in schema.go.
type leaf interface{ read(c cursor) }

type (
	text      string
	boolean   bool
	count     int
	cores     float64
	size      int64         // bytes
	duration  time.Duration // never negative
	words     []string      // one word or a list of them
	addresses []string
	address   string
	argv      []string
	variables map[string]string
	share     int               // percent
	pages     map[string]string // files by status
	amount    struct {
		n       int
		percent bool
	}
)

func (v *text) read(c cursor) {
	s, _, secret, ok := c.scalar("text")
	if !ok {
		return
	}
	if enum := c.tag.Get("enum"); enum != "" {
		if !c.oneOf(s, enum) {
			return
		}
	} else if !secret && (c.n.isNumber() || c.n.isBool()) {
		c.fail("found "+c.n.found()+" where text is wanted", fmt.Sprintf("put quotes around it: %q", c.n.text))
		return
	}
	*v = text(s)
}

// oneOf checks a word against those allowed.
func (c cursor) oneOf(s, enum string) bool {
	known := strings.Split(enum, "|")
	for _, k := range known {
		if s == k || s == c.tag.Get("prefix")+k {
			return true
		}
	}
	mend := "it can be " + strings.Join(known, ", ")
	if len(known) == 1 {
		mend = "write " + known[0]
	}
	if near := nearest(strings.ToUpper(c.n.text), known); near != "" && len(known) > 1 {
		mend = "did you mean " + near + "?"
	} else if near := nearest(c.n.text, known); near != "" && len(known) > 1 {
		mend = "did you mean " + near + "?"
	}
	c.fail(c.shown()+" is not a word for this key", mend)
	return false
}

func (v *boolean) read(c cursor) {
	s, plain, _, ok := c.scalar("true or false")
	if !ok {
		return
	}
	if !plain || !boolText.MatchString(s) {
		c.fail(c.shown()+" is neither true nor false", "write true or false, without quotes")
		return
	}
	*v = boolean(strings.EqualFold(s, "true"))
}

func (v *count) read(c cursor) {
	n, ok := c.integer()
	if !ok {
		return
	}
	low, _ := strconv.Atoi(c.tag.Get("min"))
	high, _ := strconv.Atoi(c.tag.Get("max"))
	switch {
	case n < low:
		c.fail(fmt.Sprintf("%s is too few: the least is %d%s", c.shown(), low, because(c.path)), fmt.Sprintf("write %d or more", low))
	case n > high:
		c.fail(fmt.Sprintf("%s is too many: the most is %d", c.shown(), high), "")
	default:
		*v = count(n)
	}
}

// because tells the reason behind a bound that is not plain.
func because(path string) string {
	switch key := path[strings.LastIndexByte(path, '.')+1:]; key {
	case "keep":
		if !strings.HasSuffix(path, "logs.keep") {
			return ", since one release alone leaves nothing to roll back to"
		}
	case "failures", "successes":
		if strings.HasSuffix(path, "outlier.failures") {
			return ""
		}
		return ", since a probe that needs no answer asks nothing"
	}
	return ""
}

func (c cursor) integer() (int, bool) {
	s, plain, _, ok := c.scalar("a whole number")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	switch {
	case err == nil && plain && math.Abs(float64(n)) <= math.MaxInt32:
		return n, true
	case err == nil && !plain:
		c.fail("found text where a whole number is wanted", "take the quotes off")
	default:
		c.fail(c.shown()+" is not a whole number", "")
	}
	return 0, false
}

func (v *cores) read(c cursor) {
	s, plain, _, ok := c.scalar("a number of cores")
	if !ok {
		return
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !plain || !numberText.MatchString(s) || n < 0.01 || n > 100_000 {
		c.fail(c.shown()+" is not a number of processor cores from 0.01", "write a number such as 0.5 or 2")
		return
	}
	*v = cores(n)
}

// maxDuration bounds every duration, so that sums of them cannot overflow.
const maxDuration = 10 * 365 * 24 * time.Hour

func (v *duration) read(c cursor) {
	s, _, secret, ok := c.scalar("a duration such as 30s")
	if !ok {
		return
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && !secret && numberText.MatchString(s):
		c.fail(clip(s)+" has no unit", "write "+clip(s)+"s for seconds, "+clip(s)+"ms for milliseconds")
		return
	case err != nil:
		c.fail(c.shown()+" is not a duration", "write it like 500ms, 30s or 1m30s")
		return
	case d < 0:
		c.fail(c.shown()+" is negative", "write 0s or more")
		return
	case d > maxDuration:
		c.fail(c.shown()+" is longer than ten years", "write a shorter one")
		return
	}
	if low, err := time.ParseDuration(c.tag.Get("min")); err == nil && d < low {
		c.fail(c.shown()+" is too short: the least is "+low.String(), "write "+low.String()+" or more")
		return
	}
	*v = duration(d)
}

func (v *amount) read(c cursor) {
	s, plain, _, ok := c.scalar("a number or a percentage")
	if !ok {
		return
	}
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || n > 10_000 || (!percent && !plain):
		c.fail(c.shown()+" is neither a number of instances nor a percentage", "write 1 or 25%")
	case n < 0:
		c.fail(c.shown()+" is negative", "write 0 or more")
	default:
		*v = amount{n, percent}
	}
}

// leafIn returns the leaf of a type, or nil.
func leafIn(t reflect.Type) leaf {
	l, _ := reflect.New(t).Interface().(leaf)
	return l
}
