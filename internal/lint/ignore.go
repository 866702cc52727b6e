package lint

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// An ignoring is one rule of one comment that says that it is to be ignored.
type ignoring struct {
	at     Place
	rule   string
	reason string

	first, last int // the lines that it is about
	used        bool
}

var (
	ignoreMark  = []byte("segue-lint:ignore")
	ignoreText  = Pattern(`(?:^|\s)[#;]\s*segue-lint:ignore\b(.*)$`)
	ignoreRules = Pattern(`^\s*([\w-]+(?:\s*,\s*[\w-]+)*)\s*(?:\bbecause\b\s*(.*?))?\s*$`)
)

// ignore parts what was found by the comments in the files, and finds what is
// wrong with those.
func (l *Linter) ignore(r *Result, files []*File, objects []*Object, found []Finding, o Options) {
	all := map[*File][]*ignoring{}
	for _, f := range files {
		if bytes.Contains(f.Data, ignoreMark) {
			var bad []Finding
			all[f], bad = ignorings(f, inFile(f, objects, found))
			for _, x := range bad {
				if o.wants(x.Rule) {
					r.Findings = append(r.Findings, x)
				}
			}
		}
	}
	for _, x := range found {
		if by := covering(all[x.At.File], x); by != nil {
			by.used = true
			r.Ignored = append(r.Ignored, Ignored{x, by.reason})
			continue
		}
		r.Findings = append(r.Findings, x)
	}
	if len(r.Problems) > 0 || !o.wants(ignoreOfNothing) {
		return // what could not be read might have been found
	}
	for _, f := range files {
		for _, x := range all[f] {
			if !x.used && o.wants(x.rule) {
				r.Findings = append(r.Findings, l.ofNothing(x))
			}
		}
	}
}

func covering(all []*ignoring, f Finding) *ignoring {
	for _, x := range all {
		if x.rule == f.Rule && x.first <= f.At.Line && f.At.Line <= x.last {
			return x
		}
	}
	return nil
}

func (l *Linter) ofNothing(x *ignoring) Finding {
	f := Finding{At: x.at, Rule: ignoreOfNothing, Severity: Warning,
		Hazard: fmt.Sprintf("%s finds nothing here; were it to find something later, nobody would see it", x.rule),
		Mend:   "take the comment out"}
	if len(l.Explain(x.rule)) == 0 {
		f.Hazard, f.Mend = fmt.Sprintf("there is no rule %s", x.rule), "`segue lint --rules` lists them"
	}
	return f
}

// inFile are the objects of a file, and the parts of them that findings name.
func inFile(f *File, objects []*Object, found []Finding) []*Object {
	var in []*Object
	for _, o := range objects {
		if o.File == f {
			in = append(in, o)
		}
	}
	for _, x := range found {
		if x.At.File == f && x.At.Object != nil {
			in = append(in, x.At.Object)
		}
	}
	return in
}

// ignorings reads the comments of a file.
func ignorings(f *File, objects []*Object) (all []*ignoring, bad []Finding) {
	texts := longTexts(f, objects)
	for n := 1; n <= f.Lines(); n++ {
		line := f.bytes(n)
		m := ignoreText().FindSubmatchIndex(line)
		if m == nil || texts[n] {
			continue
		}
		at := Place{File: f, Line: n, Column: 1 + len([]rune(strings.TrimRight(string(line[:m[0]]), " \t"))), Object: objectAt(objects, n)}
		words := ignoreRules().FindSubmatch(line[m[2]:m[3]])
		if words == nil || len(words[2]) == 0 {
			bad = append(bad, Finding{At: at, Rule: ignoreWithoutReason, Severity: Warning,
				Hazard: "without a rule and a reason this comment ignores nothing", Mend: "write `# segue-lint:ignore RULE because REASON`"})
			continue
		}
		first, last := about(f, n, string(line[:m[0]]), objects)
		for _, rule := range strings.Split(string(words[1]), ",") {
			all = append(all, &ignoring{at: at, rule: strings.TrimSpace(rule), reason: string(words[2]), first: first, last: last})
		}
	}
	return all, bad
}

// about is what lines a comment is about: its own, if something stands before
// it; else the next, and if an object begins there, all of that.
func about(f *File, n int, before string, objects []*Object) (first, last int) {
	if before = strings.TrimSpace(before); before != "" && before != "---" {
		return n, n
	}
	for n++; n <= f.Lines(); n++ {
		if line := bytes.TrimSpace(f.bytes(n)); len(line) > 0 && line[0] != '#' && line[0] != ';' && string(line) != "---" {
			break
		}
	}
	first, last = n, n
	for _, o := range objects {
		if o.first == n {
			last = max(last, o.last)
		}
	}
	return first, last
}

func objectAt(objects []*Object, line int) *Object {
	for _, o := range objects {
		if line <= o.last {
			return o
		}
	}
	return nil
}

// longTexts are the lines of a file that are part of a text of several lines:
// a file in a ConfigMap may hold comments of its own.
func longTexts(f *File, objects []*Object) map[int]bool {
	inside := map[int]bool{}
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			indent := indentation(f.bytes(n.Line))
			for line := n.Line + 1; line <= f.Lines() && (len(bytes.TrimSpace(f.bytes(line))) == 0 || indentation(f.bytes(line)) > indent); line++ {
				inside[line] = true
			}
		}
		for _, c := range n.Content {
			visit(c)
		}
	}
	for _, o := range objects {
		if o.Node != nil {
			visit(o.Node)
		}
	}
	return inside
}

func indentation(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " ")) }
