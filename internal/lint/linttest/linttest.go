// Package linttest holds a set of rules to its documentation: every example
// that is called bad must be found, where it says so, and every good one not.
package linttest

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

var update = flag.Bool("update", false, "write what is below Fixed of the rules' pages anew")

// Docs runs the examples of every rule of a set.
//
// In a bad example the line that the finding must point at ends in the comment
// `# <-- RULE`. Where a comment cannot follow a value, as in a unit, it stands
// on the line below. In a good one the rule must say nothing; other rules
// may. The blocks below Fixed are what the fixes of this rule make of the first
// blocks below Bad, without the markers; of the others they make nothing.
func Docs(t *testing.T, set lint.Set) {
	docs, err := set.Docs()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		t.Run(d.Rule, func(t *testing.T) {
			for _, b := range d.Bad {
				bad(t, set, d, b)
			}
			fixed(t, set, d)
			for _, b := range d.Good {
				for _, f := range Run(t, set, d, b) {
					t.Errorf("%s.md:%d: found in what is said to be good: %s", d.Rule, b.Line+f.At.Line-1, f.Hazard)
				}
			}
		})
	}
}

func bad(t *testing.T, set lint.Set, d *lint.Doc, b lint.Block) {
	t.Helper()
	want := Marked(d.Rule, b)
	if len(want) == 0 {
		t.Errorf("%s.md:%d: no line of a bad example ends in # <-- %s", d.Rule, b.Line, d.Rule)
	}
	var got []int
	for _, f := range Run(t, set, d, b) {
		if f.Hazard == "" || f.Mend == "" {
			t.Errorf("%s.md:%d: a finding without hazard or mend: %+v", d.Rule, b.Line+f.At.Line-1, f)
		}
		if !slices.Contains(want, f.At.Line) {
			t.Errorf("%s.md:%d: a finding where none is marked: %s", d.Rule, b.Line+f.At.Line-1, f.Hazard)
		}
		got = append(got, f.At.Line)
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s.md:%d: marked, and not found", d.Rule, b.Line+line-1)
		}
	}
}

// fixed holds what is below Fixed to what the fixes make of Bad.
func fixed(t *testing.T, set lint.Set, d *lint.Doc) {
	t.Helper()
	var got []string
	for i, b := range d.Bad {
		text, changed := fix(t, set, d, b)
		if changed && i > len(got) {
			t.Errorf("%s.md:%d: bad examples that can be fixed come before those that cannot", d.Rule, b.Line)
		}
		if changed {
			got = append(got, text)
		}
	}
	var want []string
	for _, b := range d.Fixed {
		want = append(want, b.Text)
	}
	switch {
	case slices.Equal(got, want):
	case *update:
		write(t, d, got)
	default:
		t.Errorf("%s.md: go test -update writes what should be below Fixed:\n%s", d.Rule, strings.Join(got, "\n"))
	}
}

// fix applies the fixes of a rule to an example. What is fixed stays as it is
// when it is fixed again.
func fix(t *testing.T, set lint.Set, d *lint.Doc, b lint.Block) (text string, changed bool) {
	t.Helper()
	linter, err := lint.New(set)
	if err != nil {
		t.Fatal(err)
	}
	o := lint.Options{Facts: Facts(), Only: func(rule string) bool { return rule == d.Rule }}
	changes, left := linter.Fix([]*lint.File{lint.NewFile(name(d.Kind), []byte(unmarked(b.Text)))}, o)
	if n := left.Fixable(); n > 0 {
		t.Errorf("%s.md:%d: %d fixes are left after all have been made", d.Rule, b.Line, n)
	}
	if len(changes) == 0 {
		return "", false
	}
	if again, _ := linter.Fix([]*lint.File{changes[0].After}, o); len(again) > 0 {
		t.Errorf("%s.md:%d: fixed again, it becomes another:\n%s", d.Rule, b.Line, again[0].After.Data)
	}
	return string(changes[0].After.Data), true
}

// write writes what is below Fixed, at the end of a page.
func write(t *testing.T, d *lint.Doc, texts []string) {
	head, _, _ := strings.Cut(d.Text, "\n## Fixed\n")
	language := "yaml"
	if d.Kind == lint.Systemd {
		language = "ini"
	}
	page := strings.TrimRight(head, "\n") + "\n"
	for i, text := range texts {
		if i == 0 {
			page += "\n## Fixed\n"
		}
		page += "\n```" + language + "\n" + text + "```\n"
	}
	if err := os.WriteFile(filepath.Join("doc", d.Rule+".md"), []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

// unmarked is a text without markers.
func unmarked(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		m := marker.FindString(line)
		rest := strings.TrimRight(strings.TrimSuffix(line, m), " \t")
		switch {
		case m == "":
			b.WriteString(line)
		case rest != "":
			b.WriteString(rest + "\n")
		}
	}
	return b.String()
}

var marker = regexp.MustCompile(`# <-- ([a-z0-9-]+)\s*$`)

// Marked are the lines at which a finding of a rule is wanted.
func Marked(rule string, b lint.Block) []int {
	var lines []int
	for i, line := range strings.Split(b.Text, "\n") {
		m := marker.FindStringSubmatch(line)
		switch {
		case m == nil || m[1] != rule:
		case strings.TrimSpace(line) == m[0]:
			lines = append(lines, i)
		default:
			lines = append(lines, i+1)
		}
	}
	return lines
}

// Run loads an example and returns what one rule finds in it.
func Run(t *testing.T, set lint.Set, d *lint.Doc, b lint.Block) []lint.Finding {
	t.Helper()
	f := lint.NewFile(name(d.Kind), []byte(b.Text))
	loaded := lint.Load(f)
	for _, p := range loaded.Problems {
		t.Fatalf("%s.md:%d: %s", d.Rule, b.Line+p.At.Line-1, p.What)
	}
	if loaded.Skipped > 0 {
		t.Errorf("%s.md:%d: %d documents are of no known kind", d.Rule, b.Line, loaded.Skipped)
	}
	var found []lint.Finding
	only := func(rule string) bool { return rule == d.Rule }
	problems := set.Run(loaded.Objects, Facts(), only, func(f lint.Finding) { found = append(found, f) })
	for _, p := range problems {
		t.Errorf("%s.md:%d: %s", d.Rule, b.Line+p.At.Line-1, p.What)
	}
	return found
}

// Facts are those that the examples are read with: the command's defaults.
func Facts() lint.Facts { return lint.Facts{Propagation: 5 * time.Second} }

// name is what an example's file is called. Units say their own names, as
// `systemctl cat` prints them: a line `# /etc/systemd/system/web.service`.
func name(k lint.Kind) string {
	switch k {
	case lint.Systemd:
		return "web.service"
	case lint.Compose:
		return "compose.yaml"
	}
	return "web.yaml"
}
