package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var sizeText = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)$`)

// units are powers of ten, and with an i of two, as IEC 80000-13 has it.
func unit(name string) float64 {
	switch name {
	case "B":
		return 1
	case "kB", "KB":
		return 1e3
	case "MB":
		return 1e6
	case "GB":
		return 1e9
	case "TB":
		return 1e12
	case "KiB":
		return 1 << 10
	case "MiB":
		return 1 << 20
	case "GiB":
		return 1 << 30
	case "TiB":
		return 1 << 40
	}
	return 0
}

// parseSize reads "512MiB"; a bare 0 is 0.
func parseSize(s string) (int64, *flaw) {
	m := sizeText.FindStringSubmatch(s)
	if m == nil {
		return 0, &flaw{"is not a size", "write it like 64KiB, 512MiB or 1GB"}
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err == nil && n == 0 && m[2] == "" {
		return 0, nil
	}
	factor := unit(m[2])
	switch {
	case err != nil || n*factor > 1<<60:
		return 0, &flaw{"is too large", ""}
	case m[2] == "":
		return 0, &flaw{"has no unit", "write B, KiB, MiB or GiB behind it"}
	case factor == 0:
		return 0, &flaw{"has no unit that segue knows", "the units are B, KiB, MiB, GiB, TiB and kB, MB, GB, TB"}
	}
	return int64(math.Round(n * factor)), nil
}

func (v *size) read(c cursor) {
	s, _, _, ok := c.scalar("a size such as 64KiB")
	if !ok {
		return
	}
	n, bad := parseSize(s)
	if bad != nil {
		c.fail(c.shown()+" "+bad.what, bad.mend)
		return
	}
	if least := c.tag.Get("min"); least != "" {
		if low, _ := parseSize(least); n < low {
			c.fail(c.shown()+" is too small: the least is "+least, "write "+least+" or more")
			return
		}
	}
	*v = size(n)
}

// each calls f for a single value or for each of a list.
func (c cursor) each(want string, f func(cursor)) {
	switch c.n.kind {
	case scalar:
		f(c)
	case list:
		if len(c.n.items) == 0 {
			c.fail("the list is empty", "give it "+want+", or take the key out")
		}
		for _, item := range c.n.items {
			f(c.item(item))
		}
	default:
		c.fail("found a section where "+want+" or a list is wanted", "")
	}
}

// read keeps an empty word where one could not be read, so that the i-th word
// is the i-th of the file.
func (v *words) read(c cursor) {
	var out words
	c.each("text", func(c cursor) {
		one, before := text(""), len(c.r.errs)
		one.read(c)
		if one == "" && len(c.r.errs) == before {
			c.fail("the text is empty", "take it out")
		}
		out = append(out, string(one))
	})
	*v = out
}

func (v *addresses) read(c cursor) {
	var out addresses
	c.each("an address such as :8080", func(c cursor) {
		s, _, _, ok := c.scalar("an address such as :8080")
		if !ok {
			return
		}
		addr, bad := parseAddress(s, c.shown())
		if bad != nil {
			c.fail(bad.what, bad.mend)
			return
		}
		for _, other := range out {
			if other == addr {
				c.fail(addr+" stands here twice", "keep one of them")
				return
			}
		}
		out = append(out, addr)
	})
	*v = out
}

func (v *address) read(c cursor) {
	if s, _, _, ok := c.scalar("an address such as 127.0.0.1:9090"); ok {
		addr, bad := parseAddress(s, c.shown())
		if bad != nil {
			c.fail(bad.what, bad.mend)
			return
		}
		*v = address(addr)
	}
}

func (v *argv) read(c cursor) {
	if c.n.kind == list {
		v.readList(c)
		return
	}
	s, _, _, ok := c.scalar("a command")
	if !ok {
		return
	}
	out, bad := splitCommand(s)
	if bad != nil {
		c.fail(bad.what, bad.mend)
		return
	}
	*v = out
}

func (v *argv) readList(c cursor) {
	var out argv
	c.each("a program", func(c cursor) {
		if s, _, _, ok := c.scalar("a word"); ok {
			out = append(out, s)
		}
	})
	switch {
	case len(out) == len(c.n.items) && len(out) > 0 && strings.TrimSpace(out[0]) == "":
		c.item(c.n.items[0]).fail("the program's name is empty", "write the program first, then its arguments")
	case len(out) > 0 && strings.ContainsRune(strings.Join(out, ""), 0):
		c.fail("a NUL character", "take it out")
	default:
		*v = out
	}
}

func (v *variables) read(c cursor) {
	*v = c.pairs("env: {NAME: value}", func(name string) *flaw {
		if !isName(name) {
			return &flaw{"this cannot be the name of an environment variable", "use letters, digits and _, not starting with a digit"}
		}
		return nil
	}, func(name string) *flaw {
		return &flaw{"the variable has no value", fmt.Sprintf(`write "" for an empty one, or ${%s} to pass on segue's own`, name)}
	})
}

// labels are names of the kind that Kubernetes has, with values.
type labels map[string]string

var (
	labelName  = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
)

func (v *labels) read(c cursor) {
	*v = c.pairs(`{team: shop}`, func(name string) *flaw {
		switch {
		case !labelName.MatchString(name):
			return &flaw{"this cannot be such a name in Kubernetes", "write it like team, or example.com/team"}
		case strings.HasPrefix(name, "segue.dev/"), name == "app.kubernetes.io/name", name == "app.kubernetes.io/managed-by":
			return &flaw{"Segue sets this itself", "take it out"}
		}
		return nil
	}, func(string) *flaw { return &flaw{"it has no value", `write "" for an empty one`} })
}

// pairs reads names with their values; odd tells what is wrong with a name, and
// empty what to say of one without a value.
func (c cursor) pairs(example string, odd, empty func(name string) *flaw) map[string]string {
	if c.n.kind != mapping {
		c.fail("found "+c.n.found()+" where NAME: value pairs are wanted", "write "+example)
		return nil
	}
	out := make(map[string]string, len(c.n.entries))
	for _, e := range c.n.entries {
		at := cursor{r: c.r, lookup: c.lookup, n: e.value, path: join(c.path, clip(e.key.text)), tag: c.tag}
		if bad := odd(e.key.text); bad != nil {
			c.r.failAt(e.key.line, e.key.col, at.path, bad.what, bad.mend)
			continue
		}
		if e.value.isNull() {
			bad := empty(e.key.text)
			at.fail(bad.what, bad.mend)
			continue
		}
		if s, _, _, ok := at.scalar("a single value"); ok {
			out[e.key.text] = s
		}
	}
	return out
}
