package lint

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// A Set is the rules for one kind of file. Rules[W] is how to make one.
type Set interface {
	Kind() Kind
	Docs() ([]*Doc, error) // of every rule, by name
	Run(objects []*Object, facts Facts, only func(rule string) bool, report Report) []*Problem
}

// Rules are functions over a world W: the objects of one invocation, typed, and
// indexed by what belongs together. Each has its documentation, doc/NAME.md, in
// Texts.
type Rules[W any] struct {
	Of    Kind
	Texts fs.FS
	World func(objects []*Object, facts Facts) (W, []*Problem)
	Rules map[string]func(W, Report)
}

func (s Rules[W]) Kind() Kind { return s.Of }

// Docs reads the documentation of every rule.
func (s Rules[W]) Docs() ([]*Doc, error) {
	var docs []*Doc
	for _, name := range slices.Sorted(maps.Keys(s.Rules)) {
		text, err := fs.ReadFile(s.Texts, "doc/"+name+".md")
		if err != nil {
			return nil, fmt.Errorf("rule %s has no documentation: %w", name, err)
		}
		doc, err := ParseDoc(s.Of, name, string(text))
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// Run makes the world and shows it to every rule that is wanted. Objects that
// the world cannot take in are problems; the rules see the rest.
func (s Rules[W]) Run(objects []*Object, facts Facts, only func(rule string) bool, report Report) []*Problem {
	world, problems := s.World(objects, facts)
	for _, name := range slices.Sorted(maps.Keys(s.Rules)) {
		if only != nil && !only(name) {
			continue
		}
		s.Rules[name](world, func(f Finding) {
			f.Rule = name
			report(f)
		})
	}
	return problems
}
