package config

import (
	"strings"
	"testing"
)

// TestSyntaxErrorLine puts one bad line behind many kinds of good ones and
// checks that the error names the bad line: the parser itself is a line early
// for some.
func TestSyntaxErrorLine(t *testing.T) {
	good := []string{
		"service: shop\n", "service: shop\n\n\n", "service: shop # c\n# c\n", "service: shop\r\n\r\n", "service: 'shop'\n",
		"env:\n  A: |\n    one\n    two\n\n    three\n", "env: {A: ${A}, B: 1}\n", "env:\n  A: one\n   two\n  B: 'é'\n", "release:\n  files:\n  - a\n  - b\n",
		"release:\n  command: >-\n    a\n    b\n# c\n",
	}
	bad := []string{"\tlisten: 1\n", "listen: [1\nx: 2\n", "listen: @1\n", "listen\nx: 1\n", "listen: 'x\n", "listen: a: b\n", "listen: *nobody\n", "listen: }\n x: [\n", "? x\n", "- a\n"}
	for _, g := range good {
		for _, b := range bad {
			_, problems := readTree([]byte(g + b))
			if len(problems) == 0 {
				continue // no fault of syntax in this place
			}
			first := strings.Count(g, "\n") + 1
			if line := problems[0].line; line < first || line > first+strings.Count(b, "\n")-1+1 {
				t.Errorf("%q: told for line %d, it is %d: %s", g+b, line, first, problems[0].what)
			}
		}
	}
}

// TestOverIndented is the case where the parser is early: it joins the line to
// the value above.
func TestOverIndented(t *testing.T) {
	for text, want := range map[string][2]int{
		"service: shop\n  listen: 1\n":                         {2, 3},
		"service: shop\n\n\n   listen: 1\n":                    {4, 4},
		"a: b\nservice: shop\n listen: 1\nkeep: 2\n":           {3, 2},
		"a: b\r\nservice: shop\r\n listen: 1\r\n":              {3, 2},
		"release:\n  dir: x\n  command: y\n    files: z\n":     {4, 5},
		"release:\n  dir: x\n  command: y z\n   more\n   b: c": {5, 4},
	} {
		_, problems := readTree([]byte(text))
		if len(problems) == 0 || problems[0].line != want[0] || problems[0].col != want[1] {
			t.Errorf("%q: told as %+v, want %v", text, problems, want)
		}
	}
}
