package lint

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
)

// A Linter knows all rules. It may be used by several goroutines.
type Linter struct {
	sets []Set
	docs []*Doc
	of   map[ruleID]*Doc
}

// A ruleID names a rule. Two kinds of files may have rules of one name.
type ruleID struct {
	kind Kind
	rule string
}

// Comments is the kind of the rules about segue-lint's own comments.
const Comments Kind = "comments"

const (
	ignoreWithoutReason = "ignore-without-reason"
	ignoreOfNothing     = "ignore-of-nothing"
)

//go:embed doc
var ownDocs embed.FS

// New makes a linter of sets of rules.
func New(sets ...Set) (*Linter, error) {
	l := &Linter{sets: sets, of: map[ruleID]*Doc{}}
	for _, s := range sets {
		docs, err := s.Docs()
		if err != nil {
			return nil, err
		}
		l.docs = append(l.docs, docs...)
	}
	for _, rule := range []string{ignoreOfNothing, ignoreWithoutReason} {
		text, err := ownDocs.ReadFile("doc/" + rule + ".md")
		if err != nil {
			return nil, err
		}
		d, err := ParseDoc(Comments, rule, string(text))
		if err != nil {
			return nil, err
		}
		l.docs = append(l.docs, d)
	}
	for _, d := range l.docs {
		l.of[ruleID{d.Kind, d.Rule}] = d
	}
	return l, nil
}

// Docs are of all rules, by kind and name.
func (l *Linter) Docs() []*Doc { return l.docs }

// Explain are the pages of a rule: one, unless several kinds have one of that
// name, and none if it does not exist.
func (l *Linter) Explain(rule string) []*Doc {
	var docs []*Doc
	for _, d := range l.docs {
		if d.Rule == rule {
			docs = append(docs, d)
		}
	}
	return docs
}

// Options are how to lint.
type Options struct {
	Facts Facts
	Only  func(rule string) bool // nil is all
}

func (o Options) wants(rule string) bool { return o.Only == nil || o.Only(rule) }

// A Result is what was found.
type Result struct {
	Findings []Finding  // in the order of files and lines
	Ignored  []Ignored  // likewise
	Problems []*Problem // likewise
	Files    int
	Objects  int
	Skipped  int // documents of no kind that is known
}

// An Ignored finding, and why.
type Ignored struct {
	Finding
	Reason string
}

// Count is how many findings there are of a severity.
func (r *Result) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Fixable is how many of them --fix can mend.
func (r *Result) Fixable() int {
	n := 0
	for _, f := range r.Findings {
		if f.Fix != nil {
			n++
		}
	}
	return n
}

// Run looks at files together.
func (l *Linter) Run(files []*File, o Options) *Result {
	r := &Result{Files: len(files)}
	objects := map[Kind][]*Object{}
	var all []*Object
	for _, loaded := range loadAll(files) {
		r.Problems = append(r.Problems, loaded.Problems...)
		r.Objects += len(loaded.Objects)
		r.Skipped += loaded.Skipped
		all = append(all, loaded.Objects...)
	}
	for _, x := range all {
		objects[x.Kind] = append(objects[x.Kind], x)
	}
	if r.Objects == 0 && len(r.Problems) == 0 && len(files) > 0 {
		r.Problems = append(r.Problems, nothing(files))
	}
	var found []Finding
	for _, s := range l.sets {
		if len(objects[s.Kind()]) == 0 {
			continue
		}
		r.Problems = append(r.Problems, s.Run(objects[s.Kind()], o.Facts, o.Only, func(f Finding) {
			found = append(found, l.complete(s.Kind(), f))
		})...)
	}
	l.ignore(r, files, all, found, o)
	r.sort(files)
	return r
}

// nothing is told of files without a single object: a check that looks at
// nothing must not pass.
func nothing(files []*File) *Problem {
	what := "nothing here is a Kubernetes manifest, a compose file or a systemd unit"
	if len(files) > 1 {
		what = fmt.Sprintf("nothing here, or in the %d files with it, is a Kubernetes manifest, a compose file or a systemd unit", len(files)-1)
	}
	return &Problem{At: Place{File: files[0], Line: 1, Column: 1}, What: what}
}

// complete gives a finding the severity that its rule has.
func (l *Linter) complete(kind Kind, f Finding) Finding {
	if f.Severity == "" {
		f.Severity = l.of[ruleID{kind, f.Rule}].Severity
	}
	return f
}

func (r *Result) sort(files []*File) {
	order := make(map[*File]int, len(files))
	for i, f := range files {
		order[f] = i
	}
	place := func(a, b Place) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	}
	finding := func(a, b Finding) int {
		return cmp.Or(place(a.At, b.At), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Container, b.Container))
	}
	slices.SortStableFunc(r.Findings, finding)
	slices.SortStableFunc(r.Ignored, func(a, b Ignored) int { return finding(a.Finding, b.Finding) })
	slices.SortStableFunc(r.Problems, func(a, b *Problem) int { return place(a.At, b.At) })
}

// Subject is what a finding is about: "Deployment shop/web, container app".
func (f Finding) Subject() string {
	switch {
	case f.At.Object == nil:
		return ""
	case f.Container == "":
		return f.At.Object.Name
	}
	return fmt.Sprintf("%s, container %s", f.At.Object.Name, f.Container)
}
